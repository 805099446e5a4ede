"""The words of the language and the names of the figures, found by their longest match."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alerts.figures import Figure
from alerts.types import Op

AND, OR, UNLESS, THEN, AFTER, NOT, IS = "AND", "OR", "UNLESS", "THEN", "AFTER", "NOT", "IS"
CMP, GO, RISE, MOVE, STAY, SIGN = "CMP", "GO", "RISE", "MOVE", "STAY", "SIGN"
BETWEEN, OUTSIDE, FLAT, FLIP, HAPPENS, EITHERWAY = (
    "BETWEEN", "OUTSIDE", "FLAT", "FLIP", "HAPPENS", "EITHERWAY",
)  # fmt: skip
FIG, SIDE, FROM, ANYOF, ANYCOIN, WATCH, NOISE = (
    "FIG", "SIDE", "FROM", "ANYOF", "ANYCOIN", "WATCH", "NOISE",
)  # fmt: skip
VARIANT = "VARIANT"  # a figure and its parameter in one: ema200
PREPOSITION = "PREPOSITION"  # what it is depends on what follows

PLAIN, STATE, CROSS, MORE = "plain", "state", "cross", "more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """A direction and how it was said: `plain` above, `state` >, `cross` crosses above, `more` than."""

    op: Op
    how: str


_ABOVE = ("above", "over", "greater than", "higher than", "bigger than", "larger than", "exceeds",
          "exceed", "exceeding", "exceeded")  # fmt: skip
_BELOW = ("below", "under", "beneath", "lower than", "smaller than")
_MORE = ("more than", "at least", "no less than", "not less than")
_LESS = ("less than", "fewer than", "at most", "no more than")
_CROSSING = (
    "crosses", "cross", "crossing", "crossed", "breaks", "break", "breaking", "broke", "breaks out",
    "crosses up", "crosses down", "breaks down", "breaks up", "closes up",
)  # fmt: skip
_EITHER = ("crosses", "cross", "crossing", "crossed", "breaks", "break", "breaking", "broke", "hits", "hit",
           "hitting", "reaches", "reach", "reaching", "touches", "touch", "touching", "gets to", "goes to",
           "crosses through", "trades at", "breaks through")  # fmt: skip
_GOES = ("goes", "go", "going", "went", "gets", "get", "getting", "comes", "come", "turns", "turn", "turned",
         "turning", "becomes", "become", "pushes", "slides", "heads")  # fmt: skip
_RISES = ("rises", "rise", "rising", "rose", "risen", "up", "increases", "increase", "increasing", "increased",
          "gains", "gain", "gaining", "gained", "pumps", "pump", "pumping", "pumped", "jumps", "jump", "jumping",
          "jumped", "grows", "grow", "growing", "grew", "climbs", "climb", "climbing", "climbed", "surges",
          "surge", "surging", "adds", "rallies", "rallying", "goes up", "go up", "going up", "moves up",
          "shoots up")  # fmt: skip
_FALLS = ("falls", "fall", "falling", "fell", "fallen", "down", "drops", "drop", "dropping", "dropped",
          "decreases", "decrease", "decreasing", "declines", "decline", "declining", "loses", "losing", "dumps",
          "dump", "dumping", "dumped", "sinks", "sink", "tanks", "tanking", "goes down", "go down", "going down",
          "moves down", "crashes", "crashing", "shrinks", "shrinking", "slips", "plunges", "dips")  # fmt: skip
_MOVES = (
    "moves",
    "move",
    "moving",
    "moved",
    "changes",
    "change",
    "changing",
    "changed",
    "swings",
    "swing",
)
_IS = ("is", "are", "be", "was", "been", "being", "stays", "stay", "staying", "remains", "remain", "holds",
       "hold", "holding", "keeps", "trading", "sits", "trades", "remaining")  # fmt: skip
_HAPPENS = ("happens", "happen", "appears", "appear", "occurs", "prints", "shows up", "detected", "forms",
            "is seen", "seen", "triggers", "starts", "shows")  # fmt: skip
_SIDES = {
    "buy": "buy", "buys": "buy", "buying": "buy", "buyer": "buy", "buyers": "buy", "sell": "sell",
    "sells": "sell", "selling": "sell", "seller": "sell", "sellers": "sell", "long": "long",
    "longs": "long", "short": "short", "shorts": "short", "bid": "bid", "bids": "bid", "ask": "ask",
    "asks": "ask", "bullish": "bullish", "bearish": "bearish", "new": "new", "gone": "gone",
}  # fmt: skip
_NOISES = (
    "the", "of", "by", "its", "it", "just", "again", "back", "still", "currently", "now", "has", "have", "had",
    "does", "do", "did", "level", "levels", "average", "avg", "mean", "usual", "normal", "typical", "spike",
    "spikes", "than", "there", "will", "some", "chart", "candle", "candles", "bar", "bars",
    "timeframe", "tf", "worth", "or more", "or higher", "or greater", "or so", "order", "orders", "figure", "value",
    "about",
)  # fmt: skip
_PHRASES: dict[str, dict[str, object]] = {
    AND: dict.fromkeys(("and", "&", "&&", "while", "whilst", "but", "plus", "as well as", "and also",
                        "when", "and when", "but also", "and while", "and if", "provided"), ""),
    OR: dict.fromkeys(("or", "|", "||", "or if", "or when", "or else"), ""),
    UNLESS: dict.fromkeys(("unless", "but not", "and not", "except when", "except if", "but not when",
                           "but not if", "and not when"), ""),
    THEN: dict.fromkeys(("then", "and then", "followed by", "and after that", "and later", "afterwards"), ""),
    AFTER: dict.fromkeys(("after",), ""),
    NOT: dict.fromkeys(("not", "no longer"), ""),
    IS: dict.fromkeys(_IS, ""),
    SIGN: {"negative": Op.BELOW, "neg": Op.BELOW, "positive": Op.ABOVE, "pos": Op.ABOVE,
           "below zero": Op.BELOW, "above zero": Op.ABOVE, "under zero": Op.BELOW},
    BETWEEN: dict.fromkeys(("between", "inside the range", "in the range"), ""),
    OUTSIDE: dict.fromkeys(("outside", "outside of", "out of the range"), ""),
    FLAT: dict.fromkeys(("flat", "sideways", "unchanged", "steady", "stable"), ""),
    FLIP: dict.fromkeys(("flips", "flip", "flipping", "flipped", "flips sign", "changes sign",
                         "turns sign", "flip sign"), ""),
    HAPPENS: dict.fromkeys(_HAPPENS, ""),
    EITHERWAY: dict.fromkeys(("either way", "in either direction", "either direction", "up or down",
                              "in any direction", "both ways"), ""),
    SIDE: dict(_SIDES),
    FROM: {"from below": Op.ABOVE, "from above": Op.BELOW, "to the upside": Op.ABOVE,
           "to the downside": Op.BELOW, "upwards": Op.ABOVE, "downwards": Op.BELOW},
    ANYOF: dict.fromkeys(("any of", "one of", "either of", "any one of", "any of these", "either"), ""),
    ANYCOIN: dict.fromkeys(("any coin", "any symbol", "any perp", "any market", "any pair", "any token",
                            "any instrument", "anything", "all coins", "every coin", "any coins", "any",
                            "all perps", "every perp"), ""),
    WATCH: dict.fromkeys(("watchlist", "watch list", "my watchlist", "my watch list", "my list", "watched coins",
                          "anything on my watchlist", "any coin on my watchlist", "coins on my watchlist",
                          "any on my watchlist", "any of my watchlist", "anything on the watchlist",
                          "any coin on the watchlist", "on my watchlist", "on the watchlist", "the watchlist",
                          "anything on my watch list", "any coin on my watch list", "any watchlist coin"), ""),
    PREPOSITION: dict.fromkeys((
        "in", "over", "during", "within", "in the last", "in the past", "over the last", "over the past",
        "during the last", "within the last", "within the past", "the last", "the past", "past", "last", "inside",
        "for", "for at least", "for more than", "for over", "for the last", "on", "on the", "at", "to", "with",
        "vs", "versus", "against", "a", "an", "in a", "in an", "in under", "in less than", "within a",
        "within an", "over a", "on a", "for a", "for an", "this"), ""),
    NOISE: dict.fromkeys(_NOISES, ""),
}  # fmt: skip


class Vocabulary:
    """Phrases of up to five words to what they are; the names of figures go before everything of their length."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._entries: dict[tuple[str, ...], tuple[str, object]] = {}
        for kind, phrases in _PHRASES.items():
            self._put(kind, phrases.items())
        for op, words, how in (
            (Op.ABOVE, _ABOVE, PLAIN), (Op.BELOW, _BELOW, PLAIN), (Op.ABOVE, _MORE, MORE),
            (Op.BELOW, _LESS, MORE),
        ):  # fmt: skip
            self._put(CMP, ((word, Compare(op=op, how=how)) for word in words if word != "over"))
            crossed = Compare(op=op, how=CROSS)
            self._put(CMP, ((f"{verb} {word}", crossed) for verb in _CROSSING for word in words))
        self._put(CMP, ((word, Compare(op=Op.EITHER, how=CROSS)) for word in _EITHER))
        self._put(CMP, (("reclaims", Compare(op=Op.ABOVE, how=CROSS)),))
        for sign, op in ((">", Op.ABOVE), (">=", Op.ABOVE), ("=>", Op.ABOVE), ("<", Op.BELOW), ("<=", Op.BELOW),
                         ("=<", Op.BELOW)):  # fmt: skip
            self._put(CMP, ((sign, Compare(op=op, how=STATE)),))
        self._put(RISE, ((word, 1) for word in _RISES))
        self._put(RISE, ((word, -1) for word in _FALLS))
        self._put(MOVE, ((word, "") for word in _MOVES))
        self._put(GO, ((word, "") for word in _GOES))
        known = {word for figure in figures for word in figure.words}
        for figure in figures:
            for word in figure.words:
                self._put(FIG, ((word, (figure, word)),))
                if f"{word}s" not in known and not word.endswith("s"):
                    self._put(FIG, ((f"{word}s", (figure, word)),))
            for param in figure.params:
                if match := re.fullmatch(r"([a-z]+)(\d+)", param):
                    kind, number = match.groups()
                    for phrase in (
                        param,
                        f"{kind} {number}",
                        f"{number} {kind}",
                        f"{number}{kind}",
                    ):
                        self._put(VARIANT, ((phrase, (figure, param)),))
        self.longest = max(len(each) for each in self._entries)
        self.words = frozenset(word for each in self._entries for word in each if len(word) > 2)

    def match(self, words: Sequence[str], at: int) -> tuple[int, str, object] | None:
        """(how many words, kind, value) of the longest phrase that begins at a place."""
        for count in range(min(self.longest, len(words) - at), 0, -1):
            found = self._entries.get(tuple(words[at : at + count]))
            if found is not None:
                return count, *found
        return None

    def _put(self, kind: str, phrases: Iterable[tuple[str, object]]) -> None:
        for phrase, value in phrases:
            self._entries[tuple(phrase.split())] = (kind, value)
