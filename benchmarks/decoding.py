"""Trades and candles of one instrument, from a venue's text to our types, against ccxt's."""

import json
from typing import Any

from benchmarks import payloads
from benchmarks.row import Row, faster, seconds
from benchmarks.venue import ours, theirs
from exchanges.payloads.binance import AggTrade, Kline, parse_kline, parse_trade
from exchanges.streams.binance import BinancePerps
from exchanges.streams.decoder import Channel, Topic
from exchanges.wire import Unparsed, decode
from market.clock import FixedClock
from market.types import Instrument

COUNT = 1000


def rows() -> list[Row]:
    """REST answers of 1,000 rows, and as many frames of a stream."""
    venue, peer = ours({}, payloads.exchange_info(10)), theirs()
    one = venue.instruments[0]
    market = peer.market("C0000/USDT:USDT")
    trades, candles = payloads.trades(COUNT), payloads.candles(COUNT)

    def our_trades() -> object:
        return [parse_trade(row, one, 0) for row in decode(Unparsed(trades, {}), list[AggTrade])]

    def our_candles() -> object:
        return [parse_kline(row, one) for row in decode(Unparsed(candles, {}), list[Kline])]

    return [
        faster(
            "1,000 trades decoded", seconds(our_trades),
            seconds(lambda: peer.parse_trades(json.loads(trades), market)), "ccxt parse_trades",
            goal=8, per=COUNT, what="trades",
        ),
        faster(
            "1,000 candles decoded", seconds(our_candles),
            seconds(lambda: peer.parse_ohlcvs(json.loads(candles), market, "1m")),
            "ccxt parse_ohlcvs (no taker split)", goal=1, per=COUNT, what="candles",
        ),
        _frames(one, peer, market),
    ]  # fmt: skip


def _frames(one: Instrument, peer: Any, market: Any) -> Row:
    """A thousand frames with a trade each, as they come from the socket."""
    texts = [
        json.dumps({
            "stream": f"{one.id.lower()}@aggTrade",
            "data": {"e": "aggTrade", "E": row["T"], "s": one.id, **row},
        })
        for row in json.loads(payloads.trades(COUNT))
    ]  # fmt: skip
    decoder = BinancePerps(FixedClock(0))
    decoder.follow([Topic(Channel.TRADES, one)])

    def ours() -> int:
        return sum(len(decoder.decode(text)) for text in texts)

    def theirs_() -> object:
        return [peer.parse_trade(json.loads(text)["data"], market) for text in texts]

    assert ours() == COUNT
    return faster(
        "1,000 trade frames decoded", seconds(ours), seconds(theirs_), "json + ccxt parse_trade",
        goal=8, per=COUNT, what="frames",
    )  # fmt: skip
