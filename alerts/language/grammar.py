"""The grammar: how clauses are joined, and what a clause is made of. What it means is the business of `compile`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken
from lark.lexer import Lexer

from alerts.language.errors import UnknownWord, quoted, refuse
from alerts.language.tokens import Lexeme
from market.language import _

GRAMMAR = """
start: [SUBJECTS COLON] chain

?chain: joined
    | chain THEN [WITHIN] joined    -> then
    | chain AFTER joined            -> after

?joined: term (joint term)*
!joint: AND | OR | UNLESS | COMMA

?term: NOT term                     -> negation
    | OPEN chain CLOSE tail*        -> group
    | clause

!tail: HOLD | WITHIN | WINDOW

clause: item+ | item+ said | item+ said item+ | bare | bare item+

said: be* core
bare: core                          -> said
    | is be* core                   -> said
be: IS | NOT
is: IS                              -> be

core: CMP amount                    -> compare
    | GO CMP amount                 -> reach
    | FLIP CMP amount               -> reach
    | (GO | FLIP) SIGN              -> turn
    | GO TO amount                  -> touch
    | (GO)? RISE CMP amount         -> change_compare
    | (GO)? RISE amount             -> change
    | RISE TO amount                -> change_to
    | MOVE CMP amount               -> move_compare
    | MOVE amount                   -> move
    | MOVE TO amount                -> touch
    | STAY amount                   -> stay
    | BETWEEN amount AND amount     -> between
    | OUTSIDE amount AND amount     -> outside
    | CMP SIGN                      -> turn
    | SIGN                          -> sign
    | FLAT                          -> flat
    | FLIP                          -> flip
    | HAPPENS                       -> happens

!amount: NUM | AMB | DUR | FIG
!item: NAME | SUBJECTS | FIG | SIDE | FRAME | WINDOW | WITHIN | DUR | AMB | NUM | PARAM | CLOCK | VS NAME
    | HOLD | EITHERWAY | FROM

%declare NAME SUBJECTS FIG SIDE FRAME WINDOW WITHIN DUR AMB NUM PARAM CLOCK VS HOLD EITHERWAY FROM
%declare CMP GO FLIP SIGN TO RISE MOVE STAY BETWEEN OUTSIDE AND OR UNLESS COMMA FLAT HAPPENS
%declare IS NOT OPEN CLOSE THEN AFTER COLON
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What is said of a figure: how, and the tokens in order."""

    how: str
    parts: tuple[Lexeme, ...]

    def part(self, *kinds: str) -> Lexeme | None:
        """The first part of one of these kinds."""
        return next((each for each in self.parts if each.kind in kinds), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One statement: what stands around its core, in order; `be` are is and not."""

    items: tuple[Lexeme, ...]
    be: tuple[Lexeme, ...] = ()
    core: Core | None = None
    before: int = 0  # how many of the items stand before the core


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Parts with the words between them."""

    parts: tuple["Node", ...]
    joints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation:
    """Not something."""

    part: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Brackets, and what stands behind them."""

    part: "Node"
    tail: tuple[Lexeme, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """First one thing, then another; `within` where it was said between them."""

    first: "Node"
    second: "Node"
    within: Lexeme | None = None
    backwards: bool = False  # "B after A": what was said first comes second


Node = Clause | Chain | Negation | Group | Sequel


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A whole rule; `head` are the subjects named before a colon."""

    body: Node
    head: Lexeme | None = None


class _Lexemes(Lexer):
    """Tokens are there already; lark only has to see their kinds."""

    def __init__(self, _conf: object) -> None:
        pass

    def lex(self, data: Sequence[Lexeme]) -> Iterator[Token]:  # type: ignore[override]
        for place, each in enumerate(data):
            yield Token(each.kind, each, start_pos=place)


class _Tree(Transformer[Token, Any]):
    """The parse tree as the classes above."""

    def start(self, parts: list[Any]) -> Sentence:
        head = parts[0].value if parts[0] is not None else None
        return Sentence(head=head, body=parts[-1])

    def then(self, parts: list[Any]) -> Sequel:
        first, _then, within, second = parts
        return Sequel(first=first, second=second, within=within.value if within else None)

    def after(self, parts: list[Any]) -> Sequel:
        return Sequel(first=parts[2], second=parts[0], backwards=True)

    def joined(self, parts: list[Any]) -> Chain:
        return Chain(parts=tuple(parts[::2]), joints=tuple(parts[1::2]))

    def joint(self, parts: list[Token]) -> str:
        return str(parts[0].type)

    def negation(self, parts: list[Any]) -> Negation:
        return Negation(part=parts[1])

    def group(self, parts: list[Any]) -> Group:
        return Group(part=parts[1], tail=tuple(parts[3:]))

    def tail(self, parts: list[Token]) -> Lexeme:
        return _lexeme(parts[0])

    def item(self, parts: list[Token]) -> Lexeme:
        last = _lexeme(parts[-1])
        return Lexeme(kind="VS", value=last.text, text=last.text) if len(parts) == 2 else last

    def amount(self, parts: list[Token]) -> Lexeme:
        return _lexeme(parts[0])

    def be(self, parts: list[Token]) -> Lexeme:
        return _lexeme(parts[0])

    def said(self, parts: list[Any]) -> tuple[tuple[Lexeme, ...], Core]:
        return tuple(parts[:-1]), parts[-1]

    def clause(self, parts: list[Any]) -> Clause:
        place = next((i for i, each in enumerate(parts) if isinstance(each, tuple)), None)
        if place is None:
            return Clause(items=tuple(parts), before=len(parts))
        be, core = parts[place]
        return Clause(
            items=tuple(parts[:place] + parts[place + 1 :]), be=be, core=core, before=place
        )

    def __default__(self, data: Any, children: list[Any], meta: Any) -> Core:
        parts = [_lexeme(each) if isinstance(each, Token) else each for each in children]
        return Core(how=str(data), parts=tuple(each for each in parts if each is not None))


class Grammar:
    """The parser; it is built once."""

    def __init__(self) -> None:
        self._lark = Lark(GRAMMAR, parser="lalr", lexer=_Lexemes, maybe_placeholders=True)
        self._tree = _Tree()

    def sentence(self, tokens: Sequence[Lexeme]) -> Sentence:
        """What the tokens say; an error names the word that does not fit."""
        if not tokens:
            raise refuse(_("What is to be watched?"))
        try:
            tree = self._lark.parse(tokens)
        except UnexpectedToken as e:
            raise _misfit(e, tokens) from e
        except UnexpectedInput as e:
            raise refuse(_("I can't read that as a rule.")) from e
        found: Sentence = self._tree.transform(tree)
        return found


def _lexeme(token: Token) -> Lexeme:
    """The scanned token inside one of lark's."""
    value: Any = token.value
    assert isinstance(value, Lexeme)  # noqa: S101 - nothing else is fed in
    return value


def _misfit(error: UnexpectedToken, tokens: Sequence[Lexeme]) -> Exception:
    value: Any = error.token.value
    if not isinstance(value, Lexeme):
        return refuse(
            _("The rule stops in the middle, after “{word}”.").format(word=quoted(tokens[-1].text))
        )
    if value.kind == "NAME":
        return UnknownWord(value.text)
    return refuse(_("I don't understand “{word}” in this place.").format(word=quoted(value.text)))
