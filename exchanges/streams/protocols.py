"""Every socket there is, and which of them serves a topic."""

from collections.abc import Mapping

from exchanges.streams.binance import BinanceBooks, BinancePerps, BinanceSpot
from exchanges.streams.bybit import BybitPerps, BybitSpot
from exchanges.streams.coinbase import Coinbase
from exchanges.streams.decoder import Channel, Decoder, Topic
from exchanges.streams.hyperliquid import Hyperliquid
from exchanges.streams.okx import OkxPublic, OkxTrades

DECODERS: tuple[type[Decoder], ...] = (
    BinancePerps, BinanceBooks, BinanceSpot, BybitPerps, BybitSpot,
    OkxTrades, OkxPublic, Hyperliquid, Coinbase,
)  # fmt: skip
SOCKETS: Mapping[str, type[Decoder]] = {each.url_key + each.path: each for each in DECODERS}
PERPS_ONLY = frozenset({Channel.LIQUIDATIONS, Channel.CONTEXT})


def socket_of(topic: Topic) -> type[Decoder] | None:
    """The decoder of the socket that serves a topic; None where the venue does not have it."""
    channel, instrument = topic
    if channel in PERPS_ONLY and not instrument.perp:
        return None
    for each in DECODERS:
        right = each.perp if instrument.perp else each.spot
        mine = each.url_key.partition(".")[0] == instrument.exchange
        if mine and right and channel in each.channels:
            return each
    return None
