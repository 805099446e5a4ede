"""What a person types (`btc`, `$BTC`, `BTC-USDT`, `BTCUSDT`, `btc perp`, `okx:btc`) and what trades under it."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from market.types import EXCHANGES, Instrument

QUOTES = ("USDT", "USDC", "USD")  # in this order of preference
MAX_TEXT = 48  # characters; anything longer is not a symbol

_GLUED_QUOTES = ("FDUSD", "USDT", "USDC", "USD")
_PERP_WORDS = frozenset({"PERP", "PERPETUAL", "SWAP", "FUTURES", "P"})
_SPOT_WORDS = frozenset({"SPOT"})
_EXCHANGE_WORDS = {name.upper(): name for name in EXCHANGES} | {
    "HL": "hyperliquid",
    "CB": "coinbase",
}
_OTHER_NAMES = {
    "XBT": "BTC", "BITCOIN": "BTC", "ETHEREUM": "ETH", "ETHER": "ETH", "SOLANA": "SOL", "RIPPLE": "XRP",
    "DOGECOIN": "DOGE", "CARDANO": "ADA", "LITECOIN": "LTC", "HYPERLIQUID": "HYPE", "CHAINLINK": "LINK",
    "AVALANCHE": "AVAX", "POLKADOT": "DOT", "TONCOIN": "TON",
}  # fmt: skip
_LEADING = re.compile(r"(1000+|1M)(?=\D{2})(.+)")
_LEADING_K = re.compile(r"k(?=[A-Z]{2})(.+)")
_TRAILING = re.compile(r"([A-Z]{2,}?)(1000+)")
_NAME = re.compile(r"\w{1,24}")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was asked for. None: not said. `glued`: the quote was cut off a single word and may be part of the name."""

    base: str
    quote: str | None = None
    perp: bool | None = None
    exchange: str | None = None
    text: str = ""  # the cleaned words, in upper case
    glued: bool = False


def split_multiplier(name: str) -> tuple[str, float]:
    """The coin behind an exchange's base name and how many of it one unit is: `1000PEPE`, `kPEPE`, `SHIB1000`."""
    if match := _LEADING.fullmatch(name):
        return match[2], 1e6 if match[1] == "1M" else float(match[1])
    if match := _LEADING_K.fullmatch(name):
        return match[1], 1000.0
    if match := _TRAILING.fullmatch(name):
        return match[1], float(match[2])
    return name, 1.0


def parse_query(text: str) -> Query | None:
    """Read what was typed; None where it cannot be a symbol. Never raises, whatever it is given."""
    cleaned = _clean(text)
    if not cleaned:
        return None
    exchange, words = _take_exchange(cleaned)
    perp, parts = _take_kind(words)
    if not parts or len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        return None
    query = _from_parts(parts, perp, glued_before=len(words) == 1)
    return replace(query, exchange=exchange, text=cleaned.upper())


def _clean(text: str) -> str:
    """One line of plain characters without marks that cannot be seen; "" where it is too long or has none."""
    if len(text) > 4 * MAX_TEXT:
        return ""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        c
        for c in plain
        if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Co", "Cn") or c in "\t\n"
    )
    plain = " ".join(plain.replace("–", "-").replace("—", "-").split()).strip(" $#,;.!?")  # noqa: RUF001
    return plain if len(plain) <= MAX_TEXT else ""


def _take_exchange(text: str) -> tuple[str | None, list[str]]:
    """`binance:btc` and `btc binance` say where; the rest stays, split at spaces."""
    head, colon, tail = text.partition(":")
    if colon and head.strip().upper() in _EXCHANGE_WORDS:
        return _EXCHANGE_WORDS[head.strip().upper()], tail.split()
    words = text.split()
    if len(words) > 1 and words[-1].upper() in _EXCHANGE_WORDS:
        return _EXCHANGE_WORDS[words[-1].upper()], words[:-1]
    return None, words


def _take_kind(words: Sequence[str]) -> tuple[bool | None, list[str]]:
    """Perp or spot where a word says so; the parts of the pair that are left."""
    perp: bool | None = None
    parts: list[str] = []
    for word in words:
        pair, colon, _settle = word.lstrip("$").partition(":")
        if colon:  # the ccxt form of a perp: BTC/USDT:USDT
            perp = True
        for part in re.split(r"[-/_.]", pair):
            upper = part.upper()
            if parts and upper in _PERP_WORDS:
                perp = True
            elif parts and upper in _SPOT_WORDS:
                perp = False
            else:
                parts.append(part.lstrip("$"))
    return perp, parts


def _from_parts(parts: Sequence[str], perp: bool | None, *, glued_before: bool) -> Query:
    base, quote, glued = parts[0], None, False
    if len(parts) == 2:
        quote = parts[1].upper()
        perp = False if perp is None and glued_before else perp
    else:
        upper = base.upper()
        found = next((q for q in _GLUED_QUOTES if upper.endswith(q) and len(upper) > len(q)), None)
        if found:
            base, quote, glued = base[: -len(found)], found, True
            perp = True if perp is None else perp
    return Query(base=_coin(base), quote=quote, perp=perp, glued=glued)


def _coin(name: str) -> str:
    """The plain coin of a typed name."""
    upper = split_multiplier(name)[0].upper()
    upper = split_multiplier(upper)[0]
    return _OTHER_NAMES.get(upper, upper)


class Directory:
    """Everything that trades, looked up by what people type."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.all: tuple[Instrument, ...] = tuple(instruments)
        self._by_key = {each.key: each for each in self.all}
        self._by_base: dict[str, list[Instrument]] = defaultdict(list)
        for each in self.all:
            self._by_base[each.base.upper()].append(each)
        self._listed = Counter({base: len(found) for base, found in self._by_base.items()})
        self._quotes = tuple(sorted({each.quote for each in self.all}, key=len, reverse=True))

    def by_key(self, key: str) -> Instrument | None:
        """The instrument of a stable key like `binance:BTC/USDT:USDT`."""
        return self._by_key.get(key)

    def bases(self) -> tuple[str, ...]:
        """Every coin, the most listed first."""
        return tuple(base for base, _count in self._listed.most_common())

    def find(self, query: Query) -> list[Instrument]:
        """What the query means, on every exchange it does not exclude; empty where it means nothing."""
        reading = self.reading(query)
        return [] if reading is None else self._fitting(reading)

    def reading(self, query: Query) -> Query | None:
        """The query as it is to be understood: `BTCUSD` is the spot pair where no such perp trades."""
        for each in self._readings(query):
            found = self._fitting(each)
            if found and each.perp is None and query.perp is not None:
                return replace(
                    each, perp=found[0].perp if len({i.perp for i in found}) == 1 else None
                )
            if found:
                return each
        return None

    def listed(self, base: str) -> tuple[Instrument, ...]:
        """Every instrument of one coin."""
        return tuple(self._by_base.get(base.upper(), ()))

    def knows(self, base: str) -> bool:
        """Whether a coin of this name trades anywhere."""
        return base.upper() in self._by_base

    def ambiguous(self, query: Query) -> list[str]:
        """The coins or pairs a single word may stand for, as texts that mean only one; empty where it is clear."""
        if not query.glued or query.quote is None:
            return []
        whole = _word(query)
        pair_trades = any(each.quote == query.quote for each in self._by_base.get(query.base, ()))
        return [whole, f"{query.base}/{query.quote}"] if self.knows(whole) and pair_trades else []

    def suggest(self, text: str, n: int = 3) -> list[str]:
        """The nearest coins to a mistyped one: beginnings, swapped letters and one-letter slips."""
        query = parse_query(text)
        if query is None or not self._by_base:
            return []
        word = query.base[:24]
        near = {base for base in _one_slip(word) if base in self._by_base}
        ranked = sorted(near, key=lambda base: (-self._listed[base], base))
        if len(word) >= 2:
            starts = [base for base in self._by_base if base.startswith(word) and base not in near]
            ranked += sorted(starts, key=lambda base: (-self._listed[base], base))
        if len(ranked) < n and len(word) >= 5:
            ranked += [base for base in self._two_slips(word) if base not in ranked]
        return [base for base in ranked if base != word][:n]

    def _readings(self, query: Query) -> Iterable[Query]:
        """The query as it stands, then with less read into it."""
        if query.glued and self.knows(_word(query)):
            perp = None if query.perp is True and "PERP" not in query.text else query.perp
            yield replace(query, base=_word(query), quote=None, perp=perp)
        yield query
        if query.glued:
            yield replace(query, perp=None)
        if query.quote is None and not self.knows(query.base):
            yield from self._without_prefix(query)
            for quote in self._quotes:  # ETHBTC, BTCEUR: only where the rest is a coin
                if query.base.endswith(quote) and self.knows(query.base[: -len(quote)]):
                    yield replace(query, base=query.base[: -len(quote)], quote=quote)

    def _without_prefix(self, query: Query) -> Iterable[Query]:
        """`kpepe` in small letters: the k is a multiplier only where no coin has the whole name."""
        if query.base.startswith("K") and self.knows(query.base[1:]):
            yield replace(query, base=query.base[1:])

    def _fitting(self, query: Query) -> list[Instrument]:
        return [each for each in self._by_base.get(query.base, ()) if _fits(each, query)]

    def _two_slips(self, word: str) -> list[str]:
        near = [
            base for base in self._by_base
            if abs(len(base) - len(word)) <= 2 and _distance(base, word, 2) <= 2
        ]  # fmt: skip
        return sorted(near, key=lambda base: (-self._listed[base], base))


def _word(query: Query) -> str:
    return f"{query.base}{query.quote or ''}"


def _fits(instrument: Instrument, query: Query) -> bool:
    return (
        (query.quote is None or instrument.quote == query.quote)
        and (query.perp is None or instrument.perp == query.perp)
        and (query.exchange is None or instrument.exchange == query.exchange)
    )


def _one_slip(word: str) -> set[str]:
    """Every word one letter too few, too many, wrong or swapped away."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    fewer = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    wrong = {a + c + b[1:] for a, b in cuts if b for c in _ALPHABET}
    more = {a + c + b for a, b in cuts for c in _ALPHABET}
    return fewer | swapped | wrong | more


def _distance(a: str, b: str, limit: int) -> int:
    """Edit distance; more than `limit` comes back as `limit` + 1."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        last, row = row, [i]
        for j, other in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other)))
        if min(row) > limit:
            return limit + 1
    return row[-1]
