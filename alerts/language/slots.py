"""What stands in a clause, sorted: names, the figure, times, numbers. Each may be there once."""

import re
from dataclasses import dataclass, field
from typing import cast

from alerts.figures import Figure, How
from alerts.language.amounts import Amount
from alerts.language.errors import quoted, refuse
from alerts.language.forks import Forks
from alerts.language.grammar import Clause, Core
from alerts.language.tokens import (
    AMB,
    DUR,
    HOLD,
    MODIFIERS,
    NUM,
    SUBJECTS,
    VENUES,
    VS,
    WINDOW,
    WITHIN,
    Length,
    Lexeme,
)
from market.language import _

CHANGES = frozenset({"change", "move", "stay", "flat"})


@dataclass(slots=True, kw_only=True)
class Slots:
    """One clause. What is taken is gone: the rest has to fit somewhere, or is refused."""

    core: Core | None
    coins: list[str] = field(default_factory=list)
    tails: list[str] = field(default_factory=list)  # perp, bybit
    subjects: Lexeme | None = None
    figure: Figure | None = None
    word: str = ""  # of the figure
    sides: list[Lexeme] = field(default_factory=list)
    times: list[Lexeme] = field(default_factory=list)
    numbers: list[Lexeme] = field(default_factory=list)  # outside of the core
    params: list[str] = field(default_factory=list)
    versus: str = ""
    hold: Lexeme | None = None
    either: bool = False
    turned: Lexeme | None = None  # from below
    negated: bool = False
    lasting: bool = False  # "is" was said

    @property
    def named(self) -> bool:
        """Whether it says what it is about."""
        return bool(self.coins or self.subjects)

    @property
    def market(self) -> str:
        """The name as it is typed for a market: the venue last."""
        venues = [each for each in self.tails if each.lower() in VENUES]
        if len(venues) > 1:
            raise refuse(_("One venue at a time, please."))
        kinds = {"spot" if each == "spot" else "perp" for each in
                 (tail.lower() for tail in self.tails) if each in MODIFIERS}  # fmt: skip
        if len(kinds) > 1:
            raise refuse(_("Perp or spot?"))
        return " ".join([*self.coins[:1], *kinds, *venues])

    def amount(self) -> Lexeme | None:
        """The first number of the core."""
        return self.core.part(NUM, AMB, DUR, "FIG") if self.core else None

    def is_change(self) -> bool:
        """Whether it is about a change over a window, as far as its words tell."""
        if self.core is None:
            return any(_amount(each).sign for each in self.numbers) or self.either
        if self.core.how in ("change_compare", "move_compare"):
            compare, typed = self.core.part("CMP"), self.amount()
            how = getattr(compare.value if compare else None, "how", "")
            return how == "more" or (
                typed is not None and typed.kind == NUM and _amount(typed).unit == "%"
            )
        return self.core.how in CHANGES

    def take_hold(self) -> Lexeme | None:
        """For how long."""
        found, self.hold = self.hold, None
        return found

    def take_within(self, forks: Forks) -> Lexeme | None:
        """The time that belongs to a `then` before this clause, and not to the clause itself."""
        withins = [each for each in self.times if each.kind == WITHIN]
        if not withins:
            takes_none = (self.figure is None and not self.is_change()) or (
                self.figure is not None and not self.figure.timeframes
                and (How.CHANGE in self.figure.hows or not self.figure.windows) and not self.is_change()
            )  # fmt: skip
            windows = [each for each in self.times if each.kind == WINDOW] if takes_none else []
            return self._take(windows[-1]) if windows else None
        if self.is_change() and len(self.times) == 1:
            question = _(
                "“{time}”: is that the time for what follows, or the window of its change?"
            )
            if forks.choose(question.format(time=withins[-1].text), 2) == 1:
                return None
        return self._take(withins[-1])

    def _take(self, token: Lexeme) -> Lexeme:
        self.times.remove(token)
        return token

    def take_time(self) -> int | None:
        """The one window or candle that was said, in ms."""
        if len(self.times) > 1:
            raise refuse(
                _("Two times: “{first}” and “{second}”. Which is the window?").format(
                    first=quoted(self.times[0].text), second=quoted(self.times[1].text)
                )
            )
        return length_of(self.times.pop()) if self.times else None


def slots_of(clause: Clause) -> Slots:
    """The words of a clause in their places."""
    slots = Slots(core=clause.core)
    for each in clause.be:
        if each.kind == "NOT":
            slots.negated = not slots.negated
        else:
            slots.lasting = True
    for place, item in enumerate(clause.items):
        _sort(slots, item)
        if item.kind == NUM and clause.core is not None and place >= clause.before:
            raise refuse(_("I don't know what “{word}” is for.").format(word=quoted(item.text)))
    _sort_numbers(slots)
    return slots


def _sort(slots: Slots, item: Lexeme) -> None:
    match item.kind:
        case "NAME":
            word = item.text.lower()
            where = slots.tails if word in MODIFIERS or word in VENUES else slots.coins
            if item.text.lower() not in [each.lower() for each in where]:
                where.append(item.text)
        case "FIG":
            figure, word = cast(tuple[Figure, str], item.value)
            if slots.figure not in (None, figure):  # ma ema200 is one figure
                raise _twice(item)
            slots.figure, slots.word = figure, word
        case "SIDE":
            slots.sides.append(item)
        case "FRAME" | "WINDOW" | "WITHIN":
            slots.times.append(item)
        case "NUM" | "AMB" | "DUR":
            slots.numbers.append(item)
        case "PARAM" | "CLOCK":
            slots.params.append(str(item.value))
        case "EITHERWAY":
            slots.either = True
        case _:
            _sort_once(slots, item)


def _sort_once(slots: Slots, item: Lexeme) -> None:
    name = {SUBJECTS: "subjects", VS: "versus", HOLD: "hold", "FROM": "turned"}[item.kind]
    if getattr(slots, name):
        raise _twice(item)
    setattr(slots, name, item.value if name == "versus" else item)


def _sort_numbers(slots: Slots) -> None:
    """5m outside of the core is a time where there is another number, or the figure is of candles."""
    sure = [each for each in slots.numbers if each.kind == NUM]
    spare = slots.core is not None or bool(sure) or bool(slots.figure and slots.figure.timeframes)
    for each in [each for each in slots.numbers if each.kind != NUM]:
        if each.kind == DUR or spare:
            slots.numbers.remove(each)
            slots.times.append(each)
    if (
        slots.figure
        and _counts(slots.figure)
        and sure
        and (slots.core is not None or len(sure) > 1)
    ):
        first = _amount(sure[0])
        if not first.unit and not first.sign and first.value == int(first.value):
            slots.numbers.remove(sure[0])
            slots.params.append(str(int(first.value)))


def _counts(figure: Figure) -> bool:
    return re.fullmatch(r"\d+", figure.param) is not None and not figure.params


def _amount(token: Lexeme) -> Amount:
    value = token.value
    if isinstance(value, Length):
        value = value.number
    assert isinstance(value, Amount)  # noqa: S101 - only numbers come here
    return value


def typed_amount(token: Lexeme) -> Amount | None:
    """The number a token can be read as; None for 4h, which is none."""
    value = token.value
    if isinstance(value, Length):
        return value.number
    return value if isinstance(value, Amount) else None


def length_of(token: Lexeme) -> int:
    """The ms of a token that says a time."""
    value = token.value
    assert isinstance(value, Length)  # noqa: S101 - only such tokens come here
    if (
        value.month
        and value.number is not None
        and value.number.value in (10**6, 3 * 10**6, 6 * 10**6)
    ):
        raise refuse(_("There are no months here; write 30d, or 1m for a minute."))
    return value.ms


def _twice(item: Lexeme) -> Exception:
    return refuse(_("“{word}” is one too many of its sort.").format(word=quoted(item.text)))
