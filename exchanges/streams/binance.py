"""Binance: `aggTrade` of the combined streams, spot and USD-M futures (whose category is "market")."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from exchanges.streams.decoder import Accepted, Decoder, Event, Refused, encode
from market.clock import Clock
from market.types import Instrument, Side

BATCH = 100  # streams in one request


class Envelope(msgspec.Struct, gc=False):
    """A frame's tag: the stream of an event, the event itself where there is no envelope, or an answer."""

    data: msgspec.Raw = msgspec.Raw()
    e: str = ""
    id: int | None = None
    error: msgspec.Raw = msgspec.Raw()


class AggTrade(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Fills of one taker order at one price. `m`: the buyer was the maker, so the taker sold."""

    a: int
    s: str
    p: float
    q: float
    T: int
    m: bool


_ENVELOPE = msgspec.json.Decoder(Envelope)
_TRADE = msgspec.json.Decoder(AggTrade, strict=False)


class BinanceTrades(Decoder):
    """USD-M futures. `a` counts up by one for each symbol."""

    url_key: ClassVar[str] = "binance.perp"
    path: ClassVar[str] = "/market/stream"
    pause: ClassVar[float] = 0.25  # the venue takes five messages a second, pings included

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._number = 0
        self._asked: dict[int, list[Instrument]] = {}

    def renew(self) -> None:
        """Forget requests that were never answered."""
        self._asked.clear()

    def subscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """A hundred streams a request."""
        self.know(instruments)
        parts = [instruments[i : i + BATCH] for i in range(0, len(instruments), BATCH)]
        requests = []
        for part in parts:
            requests.append(self._request("SUBSCRIBE", part))
            self._asked[self._number] = list(part)
        return requests

    def unsubscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """All in one request."""
        self.forget(instruments)
        return [self._request("UNSUBSCRIBE", instruments)]

    def ping(self) -> str:
        """A question; the venue's own pings are not seen by who reads the frames."""
        self._number += 1
        return encode({"method": "LIST_SUBSCRIPTIONS", "id": self._number})

    def _request(self, method: str, instruments: Sequence[Instrument]) -> str:
        self._number += 1
        names = [f"{each.id.lower()}@aggTrade" for each in instruments]
        return encode({"method": method, "params": names, "id": self._number})

    def _read(self, frame: bytes | str) -> list[Event]:
        envelope = _ENVELOPE.decode(frame)
        if envelope.id is not None:
            return self._answer(envelope.id, bytes(envelope.error))
        row = _TRADE.decode(frame if envelope.e else envelope.data)
        side = Side.SELL if row.m else Side.BUY
        return self._trade(row.s, row.T, row.p, row.q, side, self._clock.now(), str(row.a))

    def _answer(self, number: int, error: bytes) -> list[Event]:
        asked = self._asked.pop(number, [])
        if error and error != b"null":
            return [Refused(each, error.decode()[:200]) for each in asked]
        return [Accepted(each) for each in asked]


class BinanceSpotTrades(BinanceTrades):
    """The spot market, where streams have one category."""

    url_key: ClassVar[str] = "binance.spot"
    path: ClassVar[str] = "/stream"
