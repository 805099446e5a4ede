"""Coinbase Advanced Trade: `market_trades`. A trade's `side` is the MAKER's: a maker's sale is a taker's buy."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from exchanges.payloads.coinbase import moment
from exchanges.streams.decoder import Accepted, Decoder, Event, Refused, encode
from market.clock import Clock
from market.types import Instrument, Side

TAKERS = {"BUY": Side.SELL, "SELL": Side.BUY}  # by the maker's side


class Envelope(msgspec.Struct, gc=False):
    """A frame's tag: a channel with events, or an error."""

    channel: str = ""
    events: msgspec.Raw = msgspec.Raw()
    type: str = ""
    message: str = ""


class Batch(msgspec.Struct, gc=False):
    """Trades of the last 250 ms, newest first; the first message holds some from before."""

    trades: msgspec.Raw


class Row(msgspec.Struct, gc=False):
    """One trade."""

    trade_id: str
    product_id: str
    price: float
    size: float
    side: str
    time: str


class Subscribed(msgspec.Struct, gc=False):
    """All subscriptions of the connection: products by channel."""

    subscriptions: dict[str, list[str]]


_ENVELOPE = msgspec.json.Decoder(Envelope)
_BATCHES = msgspec.json.Decoder(list[Batch])
_ROWS = msgspec.json.Decoder(list[Row], strict=False)
_SUBSCRIBED = msgspec.json.Decoder(list[Subscribed])


class CoinbaseTrades(Decoder):
    """Spot. One product a request, as a wrong one fails all of its request."""

    url_key: ClassVar[str] = "coinbase"
    pause: ClassVar[float] = 0.15  # the venue takes eight messages a second

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._asked: dict[str, Instrument] = {}

    def renew(self) -> None:
        """Forget requests that were never answered."""
        self._asked.clear()

    def opening(self) -> list[str]:
        """A beat each second, which keeps a quiet connection open and shows that it lives."""
        return [encode({"type": "subscribe", "channel": "heartbeats"})]

    def subscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """One request an instrument."""
        self.know(instruments)
        self._asked |= {each.id: each for each in instruments}
        return [self._request("subscribe", each) for each in instruments]

    def unsubscribe(self, instruments: Sequence[Instrument]) -> list[str]:
        """One request an instrument."""
        self.forget(instruments)
        return [self._request("unsubscribe", each) for each in instruments]

    def _request(self, kind: str, instrument: Instrument) -> str:
        return encode({"type": kind, "channel": "market_trades", "product_ids": [instrument.id]})

    def _read(self, frame: bytes | str) -> list[Event]:
        envelope = _ENVELOPE.decode(frame)
        match envelope.channel:
            case "market_trades":
                return self._trades(envelope.events)
            case "subscriptions":
                return self._answer(_SUBSCRIBED.decode(envelope.events))
            case "heartbeats":
                return []
        if envelope.type == "error":
            return self._refusal(envelope.message)
        self.bad += 1
        return []

    def _trades(self, events: msgspec.Raw) -> list[Event]:
        now = self._clock.now()
        found: list[Event] = []
        for batch in _BATCHES.decode(events):
            for row in reversed(self._rows(batch.trades, _ROWS, Row)):
                try:
                    ts = moment(row.time)
                except ValueError:
                    self.bad += 1
                    continue
                side = TAKERS.get(row.side)
                id_ = row.product_id
                found += self._trade(id_, ts, row.price, row.size, side, now, row.trade_id)
        return found

    def _answer(self, answers: list[Subscribed]) -> list[Event]:
        """Every answer lists all products; those not yet reported are the news."""
        found: list[Event] = []
        for answer in answers:
            for id_ in answer.subscriptions.get("market_trades", ()):
                instrument = self._asked.pop(id_, None)
                found += [Accepted(instrument)] if instrument else []
        return found

    def _refusal(self, text: str) -> list[Event]:
        """An error tells its product only in its text, where it tells it at all."""
        named = [self._asked.pop(id_) for id_ in text.split() if id_ in self._asked]
        return [Refused(each, text[:200]) for each in named]
