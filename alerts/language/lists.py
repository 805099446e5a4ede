"""Lists of names as one token: any of BTC, ETH; BTC or ETH; the watch list."""

from collections.abc import Sequence

from alerts.language.errors import refuse
from alerts.language.tokens import (
    CLOSE,
    COLON,
    COMMA,
    FRAME,
    HOLD,
    MODIFIERS,
    NAME,
    NUM,
    OPEN,
    SUBJECTS,
    VENUES,
    WINDOW,
    WITHIN,
    Lexeme,
)
from alerts.language.vocabulary import (
    AFTER,
    AND,
    ANYCOIN,
    ANYOF,
    CMP,
    EITHERWAY,
    FIG,
    FLAT,
    FLIP,
    GO,
    IS,
    MOVE,
    NOT,
    OR,
    RISE,
    SIDE,
    SIGN,
    STAY,
    THEN,
    UNLESS,
    WATCH,
)
from market.language import _

_JOINTS = (AND, OR, THEN, UNLESS, AFTER)
_STARTS = (*_JOINTS, COMMA, OPEN, NOT)
_PAUSES = (*_JOINTS, "", CLOSE, EITHERWAY, WITHIN, WINDOW, HOLD, FRAME, COMMA)
_OPENINGS = (FIG, CMP, RISE, MOVE, STAY, SIGN, IS, GO, FLIP, FLAT, SIDE, NUM, COLON)
_TAILS = MODIFIERS | VENUES


def joined(tokens: Sequence[Lexeme]) -> list[Lexeme]:
    """The tokens with each list of names as one, and without the commas that only pause."""
    listed = _Lists(tokens).all()
    found: list[Lexeme] = []
    for place, token in enumerate(listed):
        after = listed[place + 1].kind if place + 1 < len(listed) else ""
        if token.kind != COMMA or after not in _PAUSES:
            found.append(token)
    return found


class _Lists:
    def __init__(self, tokens: Sequence[Lexeme]) -> None:
        self._tokens = tokens
        self._found: list[Lexeme] = []

    def all(self) -> list[Lexeme]:
        at = 0
        while at < len(self._tokens):
            at += self._next(at)
        return self._found

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def _next(self, at: int) -> int:
        """Put what begins at a place; how many tokens it takes."""
        token = self._tokens[at]
        if token.kind in (ANYOF, ANYCOIN) and self._kind(at + 1) == WATCH:
            return 1
        if token.kind == ANYOF:
            names, count, _joint = self._names(at + 1)
            if not names:
                raise refuse(_("Any of which? Say any of BTC, ETH."))
            return self._put("any", names, token.text, 1 + count)
        if token.kind in (WATCH, ANYCOIN):
            return self._put(token.kind, (), token.text, 1)
        if token.kind == NAME and (count := self._named(at)):
            return count
        self._found.append(token)
        return 1

    def _named(self, at: int) -> int:
        """A list that begins with a name; 0 where it is one name only."""
        names, count, joint = self._names(at)
        after = self._kind(at + count)
        starts = not self._found or self._found[-1].kind in _STARTS
        if len(names) == 1:
            alone = after == COLON and not self._found
            return self._put("any", names, names[0], count) if alone else 0
        closed = starts and after in _OPENINGS
        if joint == AND and not closed:
            return 0
        if joint == OR and not starts and after not in ("", *_OPENINGS):
            return 0
        return self._put("both" if joint == AND else "any", names, ", ".join(names), count)

    def _put(self, how: str, names: tuple[str, ...], text: str, count: int) -> int:
        self._found.append(Lexeme(kind=SUBJECTS, value=(how, names), text=text))
        return count

    def _names(self, at: int) -> tuple[tuple[str, ...], int, str]:
        """The names of a list, how many tokens they are, and how they are joined (COMMA, AND, OR)."""
        names: list[str] = []
        start, end, joint = at, at, ""
        while self._kind(at) == NAME:
            name = [self._tokens[at].text]
            at += 1
            while self._kind(at) == NAME and self._tokens[at].text.lower() in _TAILS:
                name.append(self._tokens[at].text)
                at += 1
            names.append(" ".join(name))
            end = at
            joints: list[str] = []
            while self._kind(at) in (COMMA, AND, OR) and len(joints) < 2:
                joints.append(self._kind(at))
                at += 1
            if not joints or self._kind(at) != NAME:
                break
            joint = AND if AND in joints else OR if OR in joints else joint or COMMA
        return tuple(names), end - start, joint if len(names) > 1 else ""
