"""What a kind of alert is: a name, its figures, and typed words to a condition.

A kind is one file with one class, and one name in `alerts/kinds/__init__.py`; its command, its help, its page of
the wizard and its words in the rule language follow from the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from alerts.conditions import is_simple, leaves
from alerts.figures import Figure, Scope
from alerts.kinds.sentence import (
    is_no_name,
    is_rule,
    mentions,
    moved,
    phrases,
    slower,
    symbol_length,
    with_figure,
)
from alerts.kinds.words import Compiled, Words
from alerts.language.errors import EXAMPLE, NoCoin, Unclear
from alerts.language.names import MarketNames
from alerts.language.rules import Language, Parsed
from alerts.types import Condition, Repeat, Rise, State
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import HOUR, MINUTE, TIMEFRAMES

STATE_COOLDOWN = HOUR  # of what is told while it is so
COOLDOWN = 5 * MINUTE  # at least, of a rule of several parts

PRICE, FLOW, DERIVATIVES = "Price", "Flow", "Derivatives"  # headings of the wizard
BOOK, INDICATORS, MARKET, DESK = "Book", "Indicators", "Market", "Desk"
TIMED = tuple(TIMEFRAMES)  # candles an indicator can be of
GROUPS = (PRICE, FLOW, DERIVATIVES, BOOK, INDICATORS, MARKET, DESK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A button of the wizard: what it says, and the command it stands for."""

    label: str
    command: str


class Kind:
    """One kind. `language` knows every figure of the desk, for rules that name more than one."""

    name: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[str]
    usage: ClassVar[str]
    meaning: ClassVar[str]  # of the words in `usage`
    examples: ClassVar[Sequence[str]]
    figures: ClassVar[tuple[Figure, ...]]
    aliases: ClassVar[tuple[str, ...]] = ()  # further commands
    picture: ClassVar[str] = "15m"  # timeframe of the chart of a firing; "" draws none
    more: ClassVar[str] = ""  # a command with what else to know: "/oi {coin}"

    stride: ClassVar[float] = 0.0  # a step of its level, as typed; 0 goes by a tenth of the level

    def __init__(self, language: Language) -> None:
        self.language = language
        self.phrases = phrases(language.figures.values())

    @property
    def command(self) -> str:
        """What is typed, without the slash."""
        return "alert" if self.name == "price" else f"alert_{self.name}"

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """The rule for `words`; UserError with an example where they are not understood."""
        if not words and not self._stands_alone():
            raise UserError(_("Which coin?"), self.usage)
        names = MarketNames(market, exchange)
        sentence = self.sentence(self._spelled(words, names))
        parsed = self._parsed(sentence, names)
        options = parsed.options
        text = self.language.rule_text(
            parsed.condition, subjects=parsed.subjects, options=options, names=names
        )
        repeat, cooldown = habit(parsed.condition, self.language.figures)
        return Compiled(
            condition=parsed.condition, coin=parsed.coin, text=f"/{self.command} {text}",
            cooldown=cooldown if options.cooldown is None else options.cooldown,
            repeat=options.repeat or repeat, options=options, subjects=parsed.subjects,
            said=parsed.said,
        )  # fmt: skip

    def _parsed(self, sentence: Words, names: MarketNames) -> Parsed:
        """The rule of a sentence; an error that has no better example has one of this kind."""
        try:
            return self.language.parse(" ".join(sentence), names)
        except (Unclear, NoCoin):
            raise
        except UserError as error:
            if error.example != EXAMPLE or not self.figures:
                raise
            raise UserError(error.text, self.usage, error.suggestions) from error

    def sentence(self, words: Words) -> Words:
        """What was typed as a sentence of the rule language: with the name of the figure, where it has none."""
        if not self.figures:
            return words
        figure = self.figures[0]
        rest = words if figure.scope is Scope.MARKET else words[symbol_length(words) :]
        if mentions(rest, self.phrases) or mentions(words[:1], figure.words):
            return words
        return with_figure(words, figure)

    def _spelled(self, words: Words, names: MarketNames) -> Words:
        """With the whole name of a coin that is called like a figure: there is a coin BB."""
        if not self.figures or not words or words[0].lower() not in self.phrases:
            return words
        figure = self.figures[0]
        if figure.scope is Scope.MARKET or words[0].lower() in figure.words:
            return words
        return (names.words(names.subject(words[0], figure.scope, figure)), *words[1:])

    def lacks_coin(self, words: Words) -> bool:
        """Whether a level, a direction or a figure stands where the coin was to be named."""
        if not words or self._stands_alone():
            return False
        return is_no_name(words[0]) or words[0].lower() in self.phrases

    def is_rule(self, words: Words) -> bool:
        """Whether more was typed than the short form of this kind knows."""
        return len(words) > 1 and is_rule(words, self.phrases)

    def shifted(self, words: Words, *, tighter: bool) -> Words:
        """The words of a canonical text with another threshold; `tighter` fires less often."""
        found = moved(words, tighter=tighter, stride=self.stride)
        if found is None:
            figures = self.language.figures.values()
            frames = {each for figure in figures for each in figure.timeframes}
            found = slower(words, frames, tighter=tighter)
        if found is None:
            raise UserError(_("This alert has no level that could be moved."), self.usage)
        return found

    def presets(self, coin: str, price: float | None) -> Sequence[Preset]:
        """What the wizard offers for a coin; `price` is its last one, None where it is not known."""
        made = []
        for each in self.examples:
            head, *rest = each.split()
            if rest and rest[0].isupper() and self.figures and not self._stands_alone():
                rest[0] = coin
            label = " ".join(rest) or _(self.title)
            made.append(Preset(label=label, command=" ".join((head, *rest))))
        return list(dict.fromkeys(made))

    def _stands_alone(self) -> bool:
        """Whether it is about the whole market, so that no coin has to be named."""
        return any(figure.scope is Scope.MARKET for figure in self.figures)


def habit(condition: Condition, figures: Mapping[str, Figure]) -> tuple[Repeat, int]:
    """How often a rule fires where nobody said so: after each firing it rests, longest as its figures say.

    A change is measured anew after each firing and needs no rest; a state would be told again and again.
    """
    rests = []
    for leaf in leaves(condition):
        figure = figures[leaf.metric.name]
        if isinstance(leaf, State):
            rests.append(max(figure.cooldown, STATE_COOLDOWN))
        elif not isinstance(leaf, Rise):
            rests.append(figure.cooldown)
    if not is_simple(condition) and rests:
        rests.append(COOLDOWN)
    return Repeat.EVERY, max(rests, default=0)
