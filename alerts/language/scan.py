"""From typed text to the tokens of the grammar: phrases, numbers, lengths of time, figures, names.

What a word is can depend on what follows: `over 4h` is a window, `over 50k` a level; `for 3m` is how long,
`for btc` is nothing. A coin that is called like a word of the language is written with a dollar sign: `$NOT`.
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from alerts.figures import Figure, How
from alerts.language.amounts import WORDS, Amount, amount
from alerts.language.errors import refuse
from alerts.language.lists import joined
from alerts.language.tokens import (
    AMB,
    CLOCK,
    CLOSE,
    COLON,
    COMMA,
    DUR,
    FRAME,
    HOLD,
    NAME,
    NUM,
    OPEN,
    PARAM,
    TO,
    VS,
    WINDOW,
    WITHIN,
    Length,
    Lexeme,
)
from alerts.language.vocabulary import (
    AND,
    ANYCOIN,
    ANYOF,
    CMP,
    CROSS,
    FIG,
    FLAT,
    GO,
    HAPPENS,
    MOVE,
    NOISE,
    OR,
    PLAIN,
    PREPOSITION,
    RISE,
    SIGN,
    STAY,
    VARIANT,
    Compare,
    Vocabulary,
)
from alerts.lengths import UNITS, spoken_length
from alerts.types import Op
from market.language import _

LONGEST = 500  # characters
DEEPEST = 8  # brackets in brackets

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")  # noqa: RUF001
_SIGNS = str.maketrans("≥≤’×∧∨«»", '><\'x&|""')  # noqa: RUF001
_WORD = re.compile(
    r"[+-]?\$?[+-]?\d{1,3}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?[^\s(),<>=&|;]*"
    r"|[()]|[<>]=?|=[<>]|==?|&&?|\|\|?|[,;]|[^\s(),<>=&|;]+"
)
_IN_BRACKETS = re.compile(r"(?<=\w)\(\s*([\w.]+(?:\s*,\s*[\w.]+)*|\d\d?:\d\d)\s*\)")
_LEAD = re.compile(
    r"^(?:/?(?:alert_when|alert|when|whenever|if|once|as soon as|tell|let|know|notify|ping|warn|send|message|give"
    r"|please|pls|me|us|set|create|add|an?|alarm|for|want|i|to|be|told)\b[\s:,]*)+",
    re.I,
)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_NUMBER_WORDS = {
    word: number
    for number, word in enumerate((
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve", "thirteen", "fourteen", "fifteen",
    ))
} | {"twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50, "sixty": 60, "ninety": 90,
     "hundred": 100}  # fmt: skip
_TIMES = {"within": WITHIN, "on": FRAME}
_JOINING = ("to", "with", "vs", "versus", "against")
_MARKS = {"(": OPEN, ")": CLOSE, ",": COMMA, ";": COMMA, ":": COLON}
_MULTIPLES = {"twice": 2, "double": 2, "triple": 3, "thrice": 3}
_CANDLES = {"hourly": "1h", "daily": "1d", "weekly": "1w"}


def folded(text: str) -> str:
    """One line of plain characters, not too long."""
    if len(text) > LONGEST:
        raise refuse(_("That is too long: a rule has at most {n} characters.").format(n=LONGEST))
    if any(unicodedata.category(letter) == "No" for letter in text):
        raise refuse(_("Write numbers with ordinary digits, please."))
    plain = unicodedata.normalize("NFKC", text.translate(_SIGNS).translate(_DASHES))
    plain = plain.translate(_DASHES)
    plain = "".join(" " if c in "\t\r\n" else c for c in plain)
    return "".join(
        c for c in plain if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Co", "Cn")
    )


def without_lead(text: str) -> str:
    """What was typed from the first word on that says something: without “alert me when”."""
    return _LEAD.sub("", text, count=1)


class Scanner:
    """One text to tokens."""

    def __init__(self, vocabulary: Vocabulary, text: str) -> None:
        self._vocabulary = vocabulary
        plain = re.sub(r"(?i)\b(is|are|does|do|has|was|wo)n't\b", r"\1 not", folded(text))
        plain = re.sub(r"(?i)'s\b", "", _LEAD.sub("", plain.strip()))
        self._shouted = plain.upper() == plain  # then a capital M says nothing
        self._params: list[str] = []
        plain = _IN_BRACKETS.sub(self._param, plain)
        self._raw = _spread(_WORD.findall(plain))
        self._words = [word.lower() for word in self._raw]
        self._tokens: list[Lexeme] = []

    def tokens(self) -> list[Lexeme]:
        """All of them; names in lists are together, commas before other joints are gone."""
        at = 0
        while at < len(self._words):
            at += max(1, self._next(at))
        return joined(self._tokens)

    def _param(self, match: re.Match[str]) -> str:
        self._params.append("".join(match[1].split()))
        return f" «{len(self._params) - 1}» "

    def _put(self, kind: str, value: object, at: int, count: int) -> int:
        self._tokens.append(
            Lexeme(kind=kind, value=value, text=" ".join(self._raw[at : at + count]))
        )
        return count

    def _next(self, at: int) -> int:
        """Put the token that begins at a word; how many words it takes."""
        word, raw = self._words[at], self._raw[at]
        if word in _MARKS:
            return self._put(_MARKS[word], "", at, 1)
        if word[0] == "«" and word[1:-1].isdigit():
            return self._put(PARAM, self._params[int(word[1:-1])], at, 1)
        if _is_forced(word):
            return self._put(NAME, raw, at, 1)
        if found := self._vocabulary.match(self._words, at):
            return self._phrase(at, *found)
        return self._figures(at) or self._glued(at) or self._put(NAME, raw, at, 1)

    def _phrase(self, at: int, count: int, kind: str, value: object) -> int:
        word = self._words[at]
        if kind == PREPOSITION:
            return self._preposition(at, count)
        if kind == NOISE:
            return count
        if kind == VARIANT:  # ema 200: a figure with its parameter
            figure, param = cast(tuple[Figure, str], value)
            self._put(FIG, (figure, figure.words[0]), at, count)
            self._tokens.append(Lexeme(kind=PARAM, value=param))
            return count
        if kind == FIG and word == "last" and (length := self._length(at + count)):
            return self._put(WINDOW, length[0], at, count + length[1])
        if kind == MOVE and self._is_event_before():
            kind = HAPPENS
        if kind == ANYCOIN and word == "any" and count == 1:
            after = self._vocabulary.match(self._words, at + 1)
            if after is not None and after[1] == FIG:
                return count
            if after is None and at + 1 < len(self._words):
                kind = ANYOF
        return self._put(kind, value, at, count)

    def _is_event_before(self) -> bool:
        last = self._tokens[-1] if self._tokens else None
        return last is not None and last.kind == FIG and How.CHANGE not in _figure(last).hows \
            and How.EVENT in _figure(last).hows  # fmt: skip

    def _preposition(self, at: int, count: int) -> int:
        """`in 15m`, `for 3m`, `on 4h`, `over 50k`, `within 0.3%`, `at 08:00`: by what follows."""
        phrase = " ".join(self._words[at : at + count])
        first = self._words[at]
        length = self._length(at + count)
        if phrase == "over" and (length is None or (length[0].number and not self._is_window(at))):
            return self._put(CMP, Compare(op=Op.ABOVE, how=PLAIN), at, count)
        if length is not None and first not in (*_JOINING, "at", "a", "an"):
            lasting = "last" in phrase or "past" in phrase
            kind = HOLD if first == "for" else WINDOW if lasting else _TIMES.get(first, WINDOW)
            return self._put(kind, length[0], at, count + length[1])
        return self._placed(at, count, phrase)

    def _placed(self, at: int, count: int, phrase: str) -> int:
        """A preposition without a time behind it."""
        first = self._words[at]
        if first in ("within", "inside"):
            return self._put(STAY, "", at, count)
        if phrase == "at" and self._amount(at + 1):
            return self._put(CMP, Compare(op=Op.EITHER, how=CROSS), at, count)
        last = self._tokens[-1].kind if self._tokens else ""
        if phrase == "to" and last in (RISE, MOVE, GO):
            return self._put(TO, "", at, count)
        if first in _JOINING and last in (FIG, PARAM, FRAME):
            return self._put(VS, "", at, count)
        return self._put(AND, "", at, count) if phrase == "with" else count

    def _is_window(self, at: int) -> bool:
        """Whether `over 5m` is a window: an amount was there before, or another comparison follows."""
        for token in reversed(self._tokens):
            if token.kind in (AND, OR, "THEN", "UNLESS", "AFTER", COMMA, OPEN):
                break
            if token.kind in (NUM, AMB):
                return True
        for later in range(at + 2, len(self._words)):
            found = self._vocabulary.match(self._words, later)
            if found and found[1] in (AND, OR, "THEN", "UNLESS", "AFTER"):
                return False
            if found and found[1] in (CMP, RISE, MOVE, SIGN, "GO", "FLIP", FLAT):
                return True
        return False

    def _figures(self, at: int) -> int:
        """A length, a clock or a number at a place; 0 where there is none."""
        if length := self._length(at):
            kind = DUR if length[0].number is None else AMB
            return self._put(kind, length[0], at, length[1])
        if match := _CLOCK.fullmatch(self._words[at]):
            return self._put(CLOCK, f"{int(match[1]):02d}:{match[2]}", at, 1)
        if found := self._amount(at):
            return self._put(NUM, found[0], at, found[1])
        return 0

    def _length(self, at: int) -> tuple[Length, int] | None:
        """`15m`, `15 minutes`, `an hour`, `half an hour`, `hourly` at a place, and its words."""
        words = self._words[at : at + 3]
        if not words:
            return None
        if words[0] in _CANDLES:
            return Length(ms=spoken_length(_CANDLES[words[0]]) or 0), 1
        if words[0] == "half" and len(words) == 3 and words[2] in UNITS:
            return Length(ms=UNITS[words[2]] // 2), 3
        if words[0] == "the" and len(words) > 1:
            words = words[1:]
        first = str(_NUMBER_WORDS.get(words[0], words[0]))
        spoken = len(words) > 1 and words[1] in UNITS and (
            first.replace(".", "", 1).isdigit() or first in ("a", "an")
        )  # fmt: skip
        count = (2 if spoken else 1) + (self._words[at] == "the")
        text = f"{first} {words[1]}" if spoken else first
        ms = spoken_length(text)
        if ms is None or (not spoken and first in UNITS and not self._is_after_last(at)):
            return None
        if not spoken or words[1] != "m":
            number = amount(first) if re.fullmatch(r"\d+(\.\d+)?m", first) else None
        else:
            number = amount(f"{first}m")
        month = number is not None and not self._shouted and self._raw[at + count - 1].endswith("M")
        return Length(ms=ms, number=number, month=month), count

    def _is_after_last(self, at: int) -> bool:
        """A bare `hour` is a length only in `the last hour`, `an hour`, `per hour`."""
        before = self._words[at - 1] if at else ""
        return before in ("last", "past", "a", "an", "the", "per")

    def _amount(self, at: int) -> tuple[Amount, int] | None:
        """`50k`, `5 %`, `$2 billion`, `+ 5%`, `five percent`, `twice` at a place, and its words."""
        if at >= len(self._words):
            return None
        word, count = self._words[at], 1
        if word in _MULTIPLES:
            value = Decimal(_MULTIPLES[word])
            return Amount(value=value, unit="x", text=self._raw[at]), 1
        if word in ("+", "-", "$") and at + 1 < len(self._words):
            word, count = word + self._words[at + 1], 2
        after = self._words[at + count] if at + count < len(self._words) else ""
        if word in _NUMBER_WORDS:
            if after not in WORDS and word != "zero":
                return None
            word = str(_NUMBER_WORDS[word])
        found = amount(word)
        if found is None:
            return None
        while after in WORDS and (longer := amount(word + after)):
            word, found, count = word + after, longer, count + 1
            after = self._words[at + count] if at + count < len(self._words) else ""
        if after == "basis" and self._words[at + count + 1 : at + count + 2] in (
            ["points"],
            ["point"],
        ):
            found, count = amount(f"{word}bps") or found, count + 2
        return found, count

    def _glued(self, at: int) -> int:
        """`ema200`, `rsi14` are a figure and its parameter."""
        match = re.fullmatch(r"([a-z%]+?)(\d+)", self._words[at])
        found = self._vocabulary.match([match[1]], 0) if match else None
        if match is None or found is None or found[1] != FIG:
            return 0
        self._put(FIG, found[2], at, 1)
        return self._put(PARAM, match[2], at, 1)


def _figure(token: Lexeme) -> Figure:
    value = token.value
    assert isinstance(value, tuple)  # noqa: S101 - only FIG tokens come here
    figure = value[0]
    assert isinstance(figure, Figure)  # noqa: S101
    return figure


def _spread(words: Sequence[str]) -> list[str]:
    """Marks at the end of words go, colons become words, hyphens in words of the language become spaces."""
    found: list[str] = []
    for word in words:
        bare = word.rstrip(".!?\"'")
        if bare.endswith(":") and len(bare) > 1:
            found += [bare[:-1], ":"]
        elif bare:
            found.append(bare)
    return found


def _is_forced(word: str) -> bool:
    """`$NOT`, `BTC/USDT`, `binance:BTC/USDT:USDT`, `NOT-PERP` are names, whatever else they look like."""
    if _CLOCK.fullmatch(word) or amount(word) is not None:
        return False
    dollar = word[0] in "$#" and word[1:2].isalpha()
    perp = re.fullmatch(r"[^-]+(?:-[^-]+)?-(?:perp|spot|swap|usdt|usdc|usd)", word) is not None
    return dollar or perp or "/" in word or ":" in word
