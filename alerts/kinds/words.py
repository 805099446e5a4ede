"""What a kind makes of typed words, and the reading of symbols, numbers and directions they share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from alerts.options import Options, option_text, split_options
from alerts.types import Condition, Op, Repeat, Severity
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.symbols import Query
from market.types import EXCHANGES, HOUR, MINUTE
from market.words import Typed, typed

Words = tuple[str, ...]

SYMBOL_WORDS = ("perp", "perps", "perpetual", "spot", "swap", "futures", "future", *EXCHANGES)
CROSSINGS = {
    "above": Op.ABOVE, "over": Op.ABOVE, "below": Op.BELOW, "under": Op.BELOW,
    "crosses": Op.EITHER, "cross": Op.EITHER, "hits": Op.EITHER, "reaches": Op.EITHER, "at": Op.EITHER,
}  # fmt: skip
STATES = {">": Op.ABOVE, ">=": Op.ABOVE, "<": Op.BELOW, "<=": Op.BELOW}
OPERATION_WORDS = {Op.ABOVE: "above", Op.BELOW: "below", Op.EITHER: "crosses"}
OPERATION_SIGNS = {Op.ABOVE: ">", Op.BELOW: "<"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A rule without its owner. `cooldown` and `repeat` hold what was said, else what the figure is used to."""

    condition: Condition
    coin: str
    text: str  # the command that makes it again, options and all
    cooldown: int = 0
    repeat: Repeat = Repeat.EVERY
    options: Options = field(default_factory=Options)
    subjects: tuple[str, ...] = ()
    said: tuple[str, ...] = field(default=(), compare=False)  # what was filled in, for the echo

    @property
    def severity(self) -> Severity:
        """How loud it is."""
        return self.options.severity or Severity.WARNING

    @property
    def note(self) -> str:
        """What its owner wrote to it."""
        return self.options.note

    @property
    def expires(self) -> str:
        """Until when, as typed; `Options.expires_ts` makes a moment of it."""
        return self.options.expires

    @property
    def daily_cap(self) -> int:
        """Firings told in one day; 0 where nothing was said."""
        return self.options.daily_cap or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Words in parts: a symbol, the words after it, and the options at the end."""

    symbol: str
    rest: Words
    options: Options = field(default_factory=Options)

    @property
    def once(self) -> bool:
        """Whether one firing is enough."""
        return self.options.repeat is Repeat.ONCE

    @property
    def repeat(self) -> Repeat:
        """How often it may fire."""
        return self.options.repeat or Repeat.EVERY

    def cooldown(self, usual: int) -> int:
        """What was said, else what is usual."""
        return usual if self.options.cooldown is None else self.options.cooldown

    def text(self, command: str) -> str:
        """The command with its options."""
        return f"{command} {option_text(self.options)}".rstrip()


def asked(words: Sequence[str], usage: str) -> Asked:
    """`BTC perp above 95k once` in parts; operators glued to a number are cut off."""
    left, options = split_options(words)
    if not left:
        raise UserError(_("Which coin?"), usage)
    symbol, rest = left[0], list(left[1:])
    while rest and rest[0].lower() in SYMBOL_WORDS:
        symbol = f"{symbol} {rest.pop(0)}"
    parts = [part for word in rest for part in _cut(word)]
    return Asked(symbol=symbol, rest=tuple(parts), options=options)


def _cut(word: str) -> list[str]:
    for sign in (">=", "<=", ">", "<"):
        if word.startswith(sign) and word != sign:
            return [sign, word.removeprefix(sign)]
    return [word]


def operation(words: Words) -> tuple[Op | None, bool, Words]:
    """The direction the words begin with, whether it is a state, and what follows."""
    first = words[0].lower() if words else ""
    if first in STATES:
        return STATES[first], True, words[1:]
    if first in CROSSINGS:
        return CROSSINGS[first], False, words[1:]
    return None, False, words


def positive(word: str, usage: str) -> Typed:
    """A number above 0 with its unit."""
    found = typed(word, example=usage)
    if found.value <= 0:
        raise UserError(_("“{word}” has to be above 0.").format(word=word[:24]), usage)
    return found


def no_more(words: Words, count: int, usage: str) -> None:
    """Refuse words nobody asked for: a typo must not be ignored silently."""
    if len(words) > count:
        raise UserError(
            _("I don't know what to do with “{word}”.").format(word=words[count][:24]), usage
        )


def perps_of(
    symbol: str, market: Market, exchange: str, command: str, *, spot: str
) -> tuple[str, str]:
    """(subject, coin) of a figure over perps: of one venue where it is named, else of all."""
    query: Query = market.resolve(symbol, command=command)
    if query.perp is False:
        raise UserError(spot, command.replace("{}", f"{query.base}-PERP"))
    if query.exchange is not None:
        found = market.one(symbol, default_exchange=exchange, need_perp=True, command=command)
        return found.key, found.base
    base = market.instruments_for(query, perp=True, command=command)[0].base
    return f"*:{base}/{query.quote}" if query.quote else f"*:{base}", base


def subject_words(subject: str) -> str:
    """How a subject is typed."""
    name = subject.removeprefix("*:")
    return f"{name.replace('/', '-')}-PERP" if subject.startswith("*:") else name


def number_text(value: float) -> str:
    """A number as it can be typed again: no exponent, nothing lost."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def window_text(ms: int) -> str:
    """15m, 4h, 1h30m as it is typed."""
    hours, minutes = ms // HOUR, ms % HOUR // MINUTE
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(minutes)
