"""What a subscription of a venue is about, told from the key under which the venue's module keeps its feed."""

from functools import lru_cache
from typing import NamedTuple

import msgspec

CHANNELS = ("trades", "liquidations", "context", "books", "candles", "other")
_WORDS = {
    "aggTrade": "trades", "trade": "trades", "publicTrade": "trades", "trades": "trades",
    "trades-all": "trades", "market_trades": "trades",
    "forceOrder": "liquidations", "allLiquidation": "liquidations", "liquidation-orders": "liquidations",
    "markPrice": "context", "open-interest": "context", "mark-price": "context",
    "funding-rate": "context", "index-tickers": "context", "activeAssetCtx": "context",
    "bookTicker": "books", "bbo": "books", "bbo-tbt": "books", "l2Book": "books", "level2": "books",
}  # fmt: skip
_STARTS = (("depth", "books"), ("orderbook", "books"), ("books", "books"), ("kline", "candles"),
           ("candle", "candles"))  # fmt: skip


class Subject(NamedTuple):
    """A channel in our own words, the venue's id of the instrument ("": more than one), and the socket's segment."""

    channel: str
    id: str
    perp: bool | None  # None: one socket serves both, ids tell them apart


@lru_cache(maxsize=8192)
def subject_of(path: str, key: str) -> Subject:
    """What the feed `key` of a socket at `path` is about."""
    exchange = path.split("/")[1]
    match exchange:
        case "binance":
            name, _, channel = key.partition("@")
            if name.startswith("!"):
                return Subject(_channel(name[1:]), "", "/futures/" in path)
            return Subject(_channel(channel.partition("@")[0]), name.upper(), "/futures/" in path)
        case "bybit":
            kind, _, rest = key.partition(".")
            word = "markPrice" if kind == "tickers" else kind  # there it carries mark and interest
            return Subject(_channel(word), rest.rpartition(".")[2], path.endswith("/linear"))
        case "okx":
            fields = dict(part.partition("=")[::2] for part in key.split("|"))
            return Subject(_channel(fields.get("channel", "")), fields.get("instId", ""), None)
        case "hyperliquid":
            asked = msgspec.json.decode(key)
            return Subject(_channel(str(asked.get("type"))), str(asked.get("coin", "")), None)
    word, _, name = key.partition(":")
    return Subject(_channel(word), name, None)


def _channel(word: str) -> str:
    found = _WORDS.get(word)
    return found or next((name for start, name in _STARTS if word.startswith(start)), "other")
