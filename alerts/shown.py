"""Values of figures as they are shown: the unit decides, never the kind of alert."""

import re
from decimal import Decimal

from alerts.figures import Figure, Unit
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES

SIGMA = " \N{GREEK SMALL LETTER SIGMA}"
DOLLAR_LIKE = ("USD", "USDT", "USDC")
NAMES = {  # values that are said in words
    "divergence": {1.0: "bullish", -1.0: "bearish"},
    "regime": {
        1.0: "narrow range", 2.0: "narrow trend", 3.0: "normal range", 4.0: "normal trend",
        5.0: "wide range", 6.0: "wide trend",
    },
}  # fmt: skip
VERBS = (
    "has",
    "does",
    "is",
    "sent",
    "refused",
    "asks",
)  # reasons that go on after the name of a venue
SUDDEN = {  # what is called otherwise below 0, where it is the other way round: (name, what happened)
    "crash": {False: ("flash crash", "fell"), True: ("sudden rise", "rose")},
}
SHORTEST = 12  # columns of a figure in a list, where it has a word that short
PLURAL = frozenset({"liquidations"})  # figures that are several things
INSTEAD = {"cvd_share": ("cvd", "CVD")}  # known by another figure, of `Sample.extra`, and its name


def value_text(  # noqa: C901, PLR0911 - one line for each unit
    figure: Figure, value: float, *, step: float = 0.0, quote: str = "", coin: str = ""
) -> str:
    """`value` in the unit of `figure`; signed where the figure can be below 0."""
    named = NAMES.get(figure.name, {}).get(value)
    if named is not None:
        return _(named)
    signed = figure.signed
    match figure.unit:
        case Unit.PRICE:
            text = f"{_plus(value, signed)}{fmt.price(value, 0.0 if signed else step)}"
            return text if not quote or quote in DOLLAR_LIKE else f"{text} {quote}"
        case Unit.MONEY:
            return fmt.money(value, signed=signed)
        case Unit.AMOUNT:
            return fmt.amount(value, coin, signed=signed)
        case Unit.FRACTION:
            return fmt.percent(value, signed=signed)
        case Unit.RATIO:
            return fmt.percent(value, signed=False)
        case Unit.RATE:
            return fmt.percent(value, 4)
        case Unit.SIGMA:
            return f"{_plus(value, signed)}{fmt.significant(value, 3)}{SIGMA}"
        case Unit.COUNT:
            return f"{_plus(value, signed)}{value:,.0f}"
        case Unit.SCORE:
            return f"{_plus(value, signed)}{fmt.significant(value, 4)}"


def is_any(figure: Figure, level: float) -> bool:
    """Whether a level leaves nothing out: whatever happens counts."""
    if figure.unit is Unit.COUNT and figure.low is not None:
        return level <= figure.low
    return level == 0 and not figure.signed


def side_text(figure: Figure, below: bool) -> str:
    """What a figure is called on one side of 0."""
    named = NAMES.get(figure.name, {}).get(-1.0 if below else 1.0)
    return _(named) if named else _("negative") if below else _("positive")


def change_text(  # noqa: PLR0911 - one line for each unit
    figure: Figure, change: float, *, relative: bool, step: float, coin: str
) -> str:
    """A change with its sign: +51,200 BTC, -5.20 %, +$1.1B."""
    if relative:
        return fmt.percent(change)
    match figure.unit:
        case Unit.MONEY:
            return fmt.money(change, signed=True)
        case Unit.AMOUNT:
            return fmt.amount(change, coin, signed=True)
        case Unit.PRICE:
            return f"{_plus(change)}{fmt.price(change, step)}"
        case Unit.FRACTION:
            return _("{points} points").format(points=fmt.percent(change))
        case Unit.RATE:
            return _("{points} points").format(points=fmt.percent(change, 4))
    return f"{_plus(change)}{fmt.significant(change, 4)}"


def exact_percent(figure: Figure, level: float, text: str) -> str:
    """`text` of a level, unless it has been rounded: what somebody typed is shown as it was typed."""
    if figure.unit not in (Unit.FRACTION, Unit.RATIO, Unit.RATE):
        return text
    shown = Decimal(re.sub(r"[^0-9.-]", "", text) or "NaN").scaleb(-2)
    exact = Decimal(repr(level))
    if shown == exact or not exact.is_finite() or not shown.is_finite():
        return text
    return f"{'+' if text.startswith('+') else ''}{format(exact.scaleb(2).normalize(), 'f')} %"


def why_not(problem: str) -> str:
    """`no answer (OKX)`, `OKX has no price of X`, `no venue answers`: a reason short enough for a list."""
    source, _colon, reason = problem.partition(": ")
    if not reason:
        return problem
    name = EXCHANGE_NAMES.get(source, source)
    if name not in EXCHANGE_NAMES.values():
        return reason
    return f"{name} {reason}" if reason.split()[0] in VERBS else f"{reason} ({name})"


def brief_level(figure: Figure, level: float) -> str:
    """A level in a list, as it would have been typed: 95k, $2b, 5%, 0.03%, 30."""
    if figure.unit is Unit.MONEY:
        return f"{'-' if level < 0 else ''}${brief(abs(level))}"
    if figure.unit in (Unit.FRACTION, Unit.RATIO, Unit.RATE):
        return f"{brief(level * 100)}%" if level else "0"
    return brief(level)


def brief(value: float) -> str:
    """95k, 94.5k, 2b: nothing lost that a person would have typed."""
    if value < 0:
        return f"-{brief(-value)}"
    for size, name in ((1e9, "b"), (1e6, "m"), (1e3, "k")):
        if value >= size and float(f"{value:.4g}") == value:
            return f"{fmt.significant(value / size, 4)}{name}"
    return fmt.significant(value, 6)


def window_name(ms: int) -> str:
    """1h, 15m: a window in a list."""
    return fmt.duration(ms).replace(" ", "")


def _plus(value: float, signed: bool = True) -> str:
    return "+" if signed and value > 0 else ""


def short_name(figure: Figure) -> str:
    """Its shortest word that begins as its name does; dollars say themselves."""
    first = figure.words[0]
    alike = [word for word in figure.words if word[0] == first[0]]
    name = min(alike, key=len)
    if len(name) > SHORTEST:
        name = min(figure.words, key=len)
    return name.removesuffix(" usd")
