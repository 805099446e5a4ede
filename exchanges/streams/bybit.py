"""Bybit: `publicTrade` of the spot and linear sockets. `S` is the taker's side, ids are not consecutive."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from exchanges.streams.decoder import Accepted, Decoder, Event, Refused, encode
from market.clock import Clock
from market.types import Instrument, Side

TOPIC = "publicTrade."
SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}


class Envelope(msgspec.Struct, gc=False):
    """A frame's tag: a topic, or the answer to a request."""

    topic: str = ""
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str = ""


class Row(msgspec.Struct, gc=False):
    """One trade."""

    T: int
    s: str
    S: str
    v: float
    p: float
    i: str = ""


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)


class BybitTrades(Decoder):
    """Linear contracts. One topic a request, as a wrong one fails all of its request."""

    url_key: ClassVar[str] = "bybit.perp"

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._number = 0
        self._asked: dict[str, Instrument] = {}

    def renew(self) -> None:
        """Forget requests that were never answered."""
        self._asked.clear()

    def subscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """One request an instrument."""
        self.know(instruments)
        return [self._request("subscribe", each) for each in instruments]

    def unsubscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """One request an instrument."""
        self.forget(instruments)
        return [self._request("unsubscribe", each) for each in instruments]

    def ping(self) -> str:
        """The venue closes connections without pings."""
        return '{"op":"ping"}'

    def _request(self, op: str, instrument: Instrument) -> str:
        self._number += 1
        if op == "subscribe":
            self._asked[str(self._number)] = instrument
        return encode({"op": op, "args": [TOPIC + instrument.id], "req_id": str(self._number)})

    def _read(self, frame: bytes | str) -> list[Event]:
        envelope = _ENVELOPE.decode(frame)
        if envelope.topic.startswith(TOPIC):
            now = self._clock.now()
            found: list[Event] = []
            for row in self._rows(envelope.data, _ROWS, Row):
                side = SIDES.get(row.S)
                found += self._trade(row.s, row.T, row.p, row.v, side, now, row.i)
            return found
        if not envelope.op:
            self.bad += 1
            return []
        asked = self._asked.pop(envelope.req_id, None) if envelope.op == "subscribe" else None
        if asked is None:
            return []
        return [Accepted(asked) if envelope.success else Refused(asked, envelope.ret_msg)]


class BybitSpotTrades(BybitTrades):
    """The spot market."""

    url_key: ClassVar[str] = "bybit.spot"
