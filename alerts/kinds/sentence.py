"""From the words of a command to a sentence of the rule language, and the number in it that a tap can move."""

import re
from collections.abc import Collection, Iterable, Sequence

from alerts.figures import Figure, Scope
from alerts.kinds.words import SYMBOL_WORDS, Words, number_text
from market.types import TIMEFRAMES

JOINTS = frozenset(
    {"and", "or", "then", "after", "not", "unless", "for", "while", "but", "&", "when"}
)
EVERYONE = (
    "watch list",
    "my watch list",
    "any coin",
    "any of",
    "any symbol",
    "any perp",
    "all coins",
)
GROUPS = frozenset({"watchlist", "any", "anything", "my watchlist"})
UPWARDS = frozenset({"above", "over", ">", ">=", "crosses", "rises", "falls", "moves"})
DOWNWARDS = frozenset({"below", "under", "<", "<="})
UNNAMED = (
    UPWARDS
    | DOWNWARDS
    | {"is", "negative", "positive", "bullish", "bearish", "long", "short", "bid", "ask"}
)
FACTOR = 1.1  # of a level, tighter or looser
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<money>\$?)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<tail>[kmbt]?(?:%|x|s|bp)?)",
    re.IGNORECASE,
)


def phrases(figures: Iterable[Figure]) -> frozenset[str]:
    """Every word a figure goes by, and its variants: `ema200`."""
    found: set[str] = set()
    for figure in figures:
        found.update(figure.words)
        found.update(each for each in figure.params if re.fullmatch(r"[a-z]+\d+", each))
    return frozenset(found)


def mentions(words: Sequence[str], known: Collection[str]) -> bool:
    """Whether the name of a figure is among the words."""
    lower = [each.lower().strip("(,").partition("(")[0] for each in words]  # rsi(14)
    return any(
        " ".join(lower[start:end]) in known
        for start in range(len(lower))
        for end in range(start + 1, min(start + 3, len(lower)) + 1)
    )


def is_rule(words: Sequence[str], known: Collection[str]) -> bool:
    """Whether more was typed than one market and one level: another figure, several parts or several markets."""
    lower = [each.lower() for each in words]
    several = "," in lower[0] or lower[0] in GROUPS or " ".join(lower[:2]) in EVERYONE
    return several or bool(JOINTS & set(lower[1:])) or mentions(lower[1:], known)


def is_no_name(word: str) -> bool:
    """Whether it is a level or a direction, and so stands where a market was to be named."""
    return word.lower() in UNNAMED or _NUMBER.fullmatch(word) is not None


def symbol_length(words: Sequence[str]) -> int:
    """How many of the first words name the markets: `BTC perp`, `BTC, ETH, SOL`, `watch list`."""
    lower = [each.lower() for each in words]
    for phrase in EVERYONE:
        if " ".join(lower).startswith(f"{phrase} ") or " ".join(lower) == phrase:
            return len(phrase.split())
    count = 1
    while count < len(lower) and (
        lower[count] in SYMBOL_WORDS or lower[count - 1].endswith(",") or lower[count] == ","
    ):
        count += 1
    return count


def with_figure(words: Sequence[str], figure: Figure) -> tuple[str, ...]:
    """The sentence with the name of the figure where it belongs: after the markets, or first where there are none."""
    if figure.scope is Scope.MARKET:
        return (figure.words[0], *words)
    count = symbol_length(words)
    return (*words[:count], *figure.words[0].split(), *words[count:])


def moved(words: Words, *, tighter: bool, stride: float = 0.0) -> Words | None:
    """The first level a step harder or easier to reach: a tenth of it, or `stride`; None where there is none."""
    place, upwards = _level(words)
    if place is None:
        return None
    match = _NUMBER.fullmatch(words[place])
    if match is None:
        return None
    value = float(match["digits"].replace(",", "")) * (-1 if match["sign"] == "-" else 1)
    farther = tighter if upwards else not tighter
    if stride:
        after = value + (stride if farther else -stride)
    elif value == 0:
        return None
    else:
        larger = farther if value > 0 else not farther
        after = value * (FACTOR if larger else 1 / FACTOR)
    sign = "-" if after < 0 else "+" if match["sign"] == "+" else ""
    text = number_text(float(f"{abs(after):.4g}"))
    return (*words[:place], f"{sign}{match['money']}{text}{match['tail']}", *words[place + 1 :])


def _level(words: Words) -> tuple[int | None, bool]:
    """Where the first level stands, and whether it is waited for upwards. A change counts by its size."""
    for n, word in enumerate(words[:-1]):
        lower = word.lower()
        if lower in UPWARDS | DOWNWARDS and _NUMBER.fullmatch(words[n + 1]):
            return n + 1, lower not in DOWNWARDS
    return None, True


def slower(words: Words, timeframes: Collection[str], *, tighter: bool) -> Words | None:
    """The next longer candle, which says less often that something happened; None where there is no candle."""
    ladder = [each for each in TIMEFRAMES if each in timeframes]
    for n in range(len(words) - 1, 0, -1):
        if words[n] in ladder:
            place = ladder.index(words[n]) + (1 if tighter else -1)
            if not 0 <= place < len(ladder):
                return words
            return (*words[:n], ladder[place], *words[n + 1 :])
    return None
