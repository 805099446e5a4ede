"""What a clause is about: a market it names, the one that was named before, or each of a list."""

from collections.abc import Sequence
from typing import cast

from alerts.figures import Figure, Scope
from alerts.language.errors import NoCoin, UnknownWord, quoted, refuse
from alerts.language.forks import Forks
from alerts.language.names import EVERYTHING, Names
from alerts.language.slots import Slots
from alerts.language.tokens import Lexeme
from alerts.language.vocabulary import ANYCOIN, WATCH
from alerts.types import ANYTHING, EACH, WATCHED
from market.errors import UserError
from market.language import _

Said = tuple[str, ...] | str  # the names of a list, or one market as it was typed
MOST = 20  # names in one list


class Subjects:
    """The subjects of one sentence."""

    def __init__(
        self, names: Names, forks: Forks, clauses: Sequence[Slots], head: Lexeme | None
    ) -> None:
        self._names = names
        self._forks = forks
        self._order = {id(each): place for place, each in enumerate(clauses)}
        self._clauses = clauses
        lists = [_listed(each.subjects) for each in clauses if each.subjects]
        lists += [_listed(head)] if head else []
        if len(set(lists)) > 1:
            raise refuse(_("One list of coins per rule, please: make two alerts."))
        self._list = self.spread(lists[0]) if lists else ()
        self._head = head is not None
        self._scopes: list[Figure] = []  # of the clauses that are about each of the list

    def spread(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """`btc, eth on bybit`: the venue behind the last name may be said of all of them."""
        if len(names) < 2 or any(" " in each for each in names[:-1]) or " " not in names[-1]:
            return names
        _last, tail = names[-1].split(" ", 1)
        question = _("“{tail}”: all of them, or only the last one?").format(tail=tail)
        if self._forks.choose(question, 2) == 1:
            return names
        return (*(f"{each} {tail}" for each in names[:-1]), names[-1])

    def of(self, slots: Slots, figure: Figure) -> str:
        """The subject of a clause about a figure."""
        if figure.scope is Scope.MARKET:
            if slots.named:
                raise refuse(
                    _("{figure} is of the whole market; leave out the coin.").format(
                        figure=figure.shown
                    )
                )
            return EVERYTHING
        if slots.subjects is None and not slots.coins:
            said = self._carried(slots, figure)
            if isinstance(said, str) and slots.tails:
                said = f"{said.split()[0]} {slots.market}"
        else:
            said = self._said(slots)
        return self.key(said, figure)

    def key(self, said: Said, figure: Figure) -> str:
        """The subject of a name; of a list it is `EACH`, unless it has one name only."""
        if isinstance(said, str):
            return self._named(said, figure)
        if len(said) == 1 and said[0] not in (WATCHED, ANYTHING):
            return self._named(said[0], figure)
        self._scopes.append(figure)
        return EACH

    def listed(self) -> tuple[str, ...]:
        """The subjects of the rule: the list, as markets where one of its figures is of a market."""
        if not self._scopes:
            return ()
        figure = next(
            (each for each in self._scopes if each.scope is Scope.INSTRUMENT), self._scopes[0]
        )
        found = [
            each if each in (WATCHED, ANYTHING) else self._named(each, figure)
            for each in self._list
        ]
        if len(found) > MOST:
            raise refuse(_("A list has at most {n} names; use your watch list.").format(n=MOST))
        return tuple(dict.fromkeys(found))

    def _said(self, slots: Slots) -> Said:
        """What the clause names itself."""
        if slots.subjects is None:
            return slots.market
        if slots.tails or slots.coins:
            word = (slots.coins or slots.tails)[0]
            raise refuse(
                _(
                    "“{word}” stands apart from the list; name each market in it, like any of BTC bybit, ETH bybit."
                ).format(word=quoted(word))
            )
        return self._list if len(_listed(slots.subjects)) > 1 else _listed(slots.subjects)

    def _named(self, text: str, figure: Figure) -> str:
        try:
            return self._names.subject(text, figure.scope, figure)
        except UserError as e:
            near = [label for label, _command in e.suggestions]
            raise UnknownWord(text.split(maxsplit=1)[0], e.text, near) from e

    def _carried(self, slots: Slots, figure: Figure) -> Said:
        """What was named before; where that is more than one, it is asked for."""
        if self._head:
            return self._list
        place = self._order[id(slots)]
        before = _distinct(self._clauses[:place])
        found = before or _distinct(self._clauses)
        if not found:
            raise NoCoin(_("Which coin? Say it before “{word}”.").format(word=quoted(figure.shown)))
        if len(_distinct(self._clauses)) == 1:
            return found[0]
        question = _("“{figure}”: of which one?").format(figure=slots.word or figure.shown)
        return found[self._forks.choose(question, len(found))]


def _listed(token: Lexeme | None) -> tuple[str, ...]:
    """The names of a list token."""
    if token is None:
        return ()
    kind, names = cast(tuple[str, tuple[str, ...]], token.value)
    if kind == WATCH:
        return (WATCHED,)
    return (ANYTHING,) if kind == ANYCOIN else tuple(names)


def _distinct(clauses: Sequence[Slots]) -> list[Said]:
    """What the clauses name, each once, in order."""
    found: dict[object, Said] = {}
    for each in clauses:
        if each.named:
            said: Said = _listed(each.subjects) if each.subjects else each.market
            found.setdefault(said.lower() if isinstance(said, str) else said, said)
    return list(found.values())
