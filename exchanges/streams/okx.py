"""OKX: `trades-all` of the business socket: every fill, amounts in contracts, ids consecutive."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from exchanges.streams.decoder import Accepted, Decoder, Event, Refused, encode
from market.types import Instrument, Side

CHANNEL = "trades-all"
BATCH = 50  # arguments in one request: an hour takes few requests
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
NAMED = re.compile(r"instId:([A-Z0-9-]+)")


class Argument(msgspec.Struct, gc=False):
    """What a frame belongs to."""

    channel: str = ""
    instId: str = ""  # noqa: N815 - the venue's name


class Envelope(msgspec.Struct, gc=False):
    """A frame's tag: an argument with data, or an event."""

    arg: Argument = msgspec.field(default_factory=Argument)
    data: msgspec.Raw = msgspec.Raw()
    event: str = ""
    code: str = ""
    msg: str = ""


class Row(msgspec.Struct, gc=False):
    """One fill; `sz` in contracts, `side` is the taker's."""

    instId: str  # noqa: N815
    tradeId: str  # noqa: N815
    px: float
    sz: float
    side: str
    ts: int


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)


class OkxTrades(Decoder):
    """Spot and swaps."""

    url_key: ClassVar[str] = "okx"
    path: ClassVar[str] = "/business"
    pause: ClassVar[float] = 0.35  # the venue takes three requests a second

    def subscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """Fifty instruments a request; each is answered by itself."""
        self.know(instruments)
        return self._requests("subscribe", instruments)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """Fifty instruments a request."""
        self.forget(instruments)
        return self._requests("unsubscribe", instruments)

    def ping(self) -> str:
        """Plain text, as the venue wants it."""
        return "ping"

    def _requests(self, op: str, instruments: Sequence[Instrument]) -> list[str]:
        args: list[dict[str, Any]] = [{"channel": CHANNEL, "instId": i.id} for i in instruments]
        return [encode({"op": op, "args": args[i : i + BATCH]}) for i in range(0, len(args), BATCH)]

    def _read(self, frame: bytes | str) -> list[Event]:
        if frame in ("pong", b"pong"):
            return []
        envelope = _ENVELOPE.decode(frame)
        if envelope.event:
            return self._answer(envelope)
        if envelope.arg.channel != CHANNEL:
            self.bad += 1
            return []
        now = self._clock.now()
        found: list[Event] = []
        for row in self._rows(envelope.data, _ROWS, Row):
            side = SIDES.get(row.side)
            found += self._trade(row.instId, row.ts, row.px, row.sz, side, now, row.tradeId)
        return found

    def _answer(self, envelope: Envelope) -> list[Event]:
        named = envelope.arg.instId
        if envelope.event == "error" and not named:
            found = NAMED.search(envelope.msg)  # an error tells its argument only in its text
            named = found.group(1) if found else ""
        instrument = self._by_id.get(named)
        if instrument is None:
            return []
        if envelope.event == "subscribe":
            return [Accepted(instrument)]
        if envelope.event == "error":
            return [Refused(instrument, f"{envelope.code} {envelope.msg}")]
        return []
