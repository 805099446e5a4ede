"""/alert_move BTC 5% 1h: the price moved by so much within a window, up or down; with a sign one way only."""

import re

from alerts.kinds.base import PRICE, Kind
from alerts.kinds.price import FIGURE
from alerts.kinds.sentence import mentions, symbol_length
from alerts.kinds.words import Words

CHANGE = re.compile(r"[+-]?\$?\d.*")
VERBS = {"+": "rises", "-": "falls"}


class Move(Kind):
    """A change of the price within a window; measured anew after each firing."""

    name = "move"
    title = "price move"
    group = PRICE
    usage = "/alert_move BTC 5% 1h"
    meaning = "5% = either way, +5% a rise, -5% a fall; 1h = within."
    examples = (
        "/alert_move BTC 3% 15m",
        "/alert_move BTC +5% 1h",
        "/alert_move BTC -10% 1d",
    )
    figures = (FIGURE,)
    picture = "5m"
    more = "/price {coin}"

    def sentence(self, words: Words) -> Words:
        """`BTC +5% 1h` is `BTC price rises 5% in 1h`."""
        count = symbol_length(words)
        coins, rest = words[:count], words[count:]
        if mentions(words, self.phrases) or not rest or not CHANGE.fullmatch(rest[0]):
            return super().sentence(words)
        size, *more = rest
        window = ("in", *more) if more and more[0][0].isdigit() else tuple(more)
        return (*coins, "price", VERBS.get(size[0], "moves"), size.lstrip("+-"), *window)
