"""Hyperliquid: `trades` and, for perps, `activeAssetCtx`, the only source of its open interest over time."""

import math
import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from exchanges.streams.decoder import Accepted, Decoder, Event, Refused, encode
from exchanges.wire import coin_price
from market.types import Instrument, OpenInterest, Side

SIDES = {"B": Side.BUY, "A": Side.SELL}  # a taker's bid, a taker's ask
COIN = re.compile(r'"coin"\s*:\s*"([^"]+)"')
TRADES = re.compile(r'"type"\s*:\s*"trades"')
NO_HASH = "0x" + "0" * 64  # trades that no single transaction made


class Envelope(msgspec.Struct, gc=False):
    """A frame's tag."""

    channel: str
    data: msgspec.Raw = msgspec.Raw()


class Row(msgspec.Struct, gc=False):
    """One trade. `hash` is the transaction: trades of one taker order share it."""

    coin: str
    side: str
    px: float
    sz: float
    time: int
    tid: int
    hash: str = ""


class Context(msgspec.Struct, gc=False, rename="camel"):
    """The state of a perp; open interest in units of its name, without a time."""

    open_interest: float | None = None
    mark_px: float | None = None


class CoinContext(msgspec.Struct, gc=False):
    """A context with its coin."""

    coin: str
    ctx: Context


class Subscription(msgspec.Struct, gc=False):
    """What was subscribed to."""

    type: str = ""
    coin: str = ""


class Answer(msgspec.Struct, gc=False):
    """A confirmed request."""

    method: str
    subscription: Subscription


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)
_CONTEXT = msgspec.json.Decoder(CoinContext, strict=False)
_ANSWER = msgspec.json.Decoder(Answer)


class HyperliquidTrades(Decoder):
    """Perps and spot pairs. The first frame after a subscription repeats some older trades."""

    url_key: ClassVar[str] = "hyperliquid"

    def subscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """A request for each channel of each instrument."""
        self.know(instruments)
        return self._requests("subscribe", instruments)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """A request for each channel of each instrument."""
        self.forget(instruments)
        return self._requests("unsubscribe", instruments)

    def ping(self) -> str:
        """The venue closes connections that are quiet for a minute."""
        return '{"method":"ping"}'

    def _requests(self, method: str, instruments: Sequence[Instrument]) -> list[str]:
        return [
            encode({"method": method, "subscription": {"type": kind, "coin": each.id}})
            for each in instruments
            for kind in (("trades", "activeAssetCtx") if each.perp else ("trades",))
        ]

    def _read(self, frame: bytes | str) -> list[Event]:
        envelope = _ENVELOPE.decode(frame)
        match envelope.channel:
            case "trades":
                return self._trades(envelope.data)
            case "activeAssetCtx":
                return self._interest(_CONTEXT.decode(envelope.data))
            case "subscriptionResponse":
                return self._answer(_ANSWER.decode(envelope.data))
            case "error":
                return self._refusal(msgspec.json.decode(envelope.data, type=str))
            case "pong":
                return []
        self.bad += 1
        return []

    def _trades(self, data: msgspec.Raw) -> list[Event]:
        now = self._clock.now()
        found: list[Event] = []
        for row in self._rows(data, _ROWS, Row):
            order = "" if row.hash == NO_HASH else row.hash
            side = SIDES.get(row.side)
            found += self._trade(row.coin, row.time, row.px, row.sz, side, now, str(row.tid), order)
        return found

    def _interest(self, row: CoinContext) -> list[Event]:
        """Open interest, stamped on receipt; nothing where the venue does not tell it."""
        instrument, amount = self._by_id.get(row.coin), row.ctx.open_interest
        if instrument is None or amount is None:
            return []
        mark = row.ctx.mark_px
        if not 0.0 <= amount < math.inf:
            self.bad += 1
            return []
        amount *= instrument.contract_size
        price = coin_price(instrument, mark) if mark and 0.0 < mark < math.inf else None
        return [
            OpenInterest(
                instrument=instrument,
                ts=self._clock.now(),
                amount=amount,
                value=None if price is None else amount * price,
            )
        ]

    def _answer(self, answer: Answer) -> list[Event]:
        instrument = self._by_id.get(answer.subscription.coin)
        wanted = (answer.method, answer.subscription.type) == ("subscribe", "trades")
        return [Accepted(instrument)] if wanted and instrument else []

    def _refusal(self, text: str) -> list[Event]:
        """The venue repeats the request within its text."""
        found = COIN.search(text) if TRADES.search(text) else None
        instrument = self._by_id.get(found.group(1)) if found else None
        if instrument is None:
            return []
        if "Already subscribed" in text:
            return [Accepted(instrument)]
        return [Refused(instrument, text[:200])]
