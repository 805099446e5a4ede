"""All live figures of one instrument, kept up by what its feeds tell."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from analytics.cvd import FlowLog
from analytics.derivatives import Derivatives
from analytics.intake import packed, unpacked
from analytics.liqflow import LiquidationFlow
from analytics.livebook import NAMES as BOOK_NAMES
from analytics.livebook import LiveBook
from analytics.orders import OrderFlow
from analytics.rolling import RollingWindows
from analytics.spike import SpikeWatch
from analytics.state_figures import Scope, flow_figures, money_figures
from analytics.ticks import Room
from market.language import _
from market.types import (
    MINUTE,
    BookChange,
    Context,
    Instrument,
    Liquidation,
    Reading,
    Status,
    Trade,
)  # fmt: skip

SILENT = (
    30_000  # ms without any sign of the trades after which what rests on them is no longer known
)
CONTEXT_SILENT = 90_000  # the same for mark, funding and open interest
PRICE_AGE = 15 * MINUTE  # a last price older than this is no price
GUARD = 5.0  # a price this many times off the last one has to be confirmed by the next trade
WAITING = 16  # trades that windows and orders may lag behind, unless they are looked at
VERSION = 1  # of a dump

# How the names begin of what `flow_figures` and `Derivatives` tell.
FLOW = ("volume_1", "volume_5", "delta_", "trades_", "buy_share", "acceleration", "cvd")
CONTEXTUAL = ("mark", "index", "basis", "oi", "funding")

TRADES, LIQUIDATIONS, CONTEXT, BOOKS = "trades", "liquidations", "context", "books"

# Single trades, rows of a second, rows of a minute of all instruments together: 24 bytes each.
ROOM = Room(450_000, 350_000, 250_000)


class SymbolState:
    """Flow log, windows, orders, liquidations, derivatives, spikes and book of one instrument.

    `alive` tells that a feed lives though nothing came; without it the newest event has to do. The flow log
    has every trade at once. Windows and orders take them in batches, and always before they are looked at.
    """

    def __init__(self, instrument: Instrument, started_ts: int | None = None) -> None:
        self.instrument = instrument
        self.flow = FlowLog(instrument, started_ts, guard=GUARD, room=ROOM)
        self.liquidations = LiquidationFlow(instrument)
        self.derivatives = Derivatives(instrument)
        self.spikes: dict[str, SpikeWatch] = {}
        self.book: LiveBook | None = None
        self.last: Trade | None = None
        self._windows = RollingWindows()
        self._orders = OrderFlow(instrument)
        self._waiting: list[Trade] = []
        self._alive: dict[str, int] = {}

    @property
    def windows(self) -> RollingWindows:
        """Value, delta and count of 1, 5 and 15 minutes."""
        if self._waiting:
            self._catch_up()
        return self._windows

    @property
    def orders(self) -> OrderFlow:
        """Merged orders and their size classes."""
        if self._waiting:
            self._catch_up()
        return self._orders

    def update(self, trades: Sequence[Trade]) -> list[Trade]:
        """Take trades in the order in which they came; returns those that were new."""
        new = self.flow.take(trades if type(trades) is list else list(trades))
        if not new:
            return new
        newest, last = new[-1], self.last
        if newest.ts < (self.flow.last_ts or 0):
            newest = max(reversed(new), key=_ts)
        if last is None or newest.ts >= last.ts:
            self.last = newest
        if self.book is not None:
            self.book.traded(new)
        self._waiting += new
        if len(self._waiting) >= WAITING:
            self._catch_up()
        return new

    def take_liquidations(self, rows: Sequence[Liquidation]) -> list[Liquidation]:
        """Take the liquidations of one frame; returns the new ones."""
        return self.liquidations.take(rows)

    def take_context(self, context: Context) -> None:
        """Take mark, index, funding or open interest."""
        self.derivatives.take(context)

    def take_book(self, change: BookChange) -> None:
        """Take a change of the book; nothing where nobody asked for a book."""
        if self.book is not None:
            self.book.take(change)

    def open_book(self) -> LiveBook:
        """The live book, from now on kept."""
        if self.book is None:
            self.book = LiveBook(self.instrument)
        return self.book

    def alive(self, ts: int, channel: str = TRADES) -> None:
        """A feed was heard of at `ts`, with or without an event."""
        self._alive[str(channel)] = max(ts, self._alive.get(channel, 0))
        if channel == LIQUIDATIONS:
            self.liquidations.alive(ts)
        elif channel == BOOKS and self.book is not None:
            self.book.alive(ts)

    def heard(self, channel: str = TRADES) -> int | None:
        """When a feed was last heard of."""
        own = {
            TRADES: self.flow.last_ts,
            LIQUIDATIONS: self.liquidations.heard(),
            CONTEXT: self.derivatives.heard,
            BOOKS: None if self.book is None else self.book.ts,
        }[channel]
        stamps = [ts for ts in (self._alive.get(channel), own) if ts is not None]
        return max(stamps) if stamps else None

    def snapshot(self, now: int) -> dict[str, Reading[Any]]:
        """Every figure at `now` with its age; what is not known, or too old, has its reason instead.

        Trades: `price`; `volume_5m`, `delta_5m`, `trades_5m`, `buy_share_5m` (also 1m, 15m; quote currency);
        `acceleration` (trades/min), `delta_acceleration`; `cvd` since 00:00 UTC (quote currency);
        `whale_net_5m`, `whale_value_5m`, `middle_value_5m`, `retail_value_5m`, `whale_ratio_5m`, `money_5m`
        (also 15m, 60m). And what `Derivatives`, `LiquidationFlow`, `SpikeWatch` and `LiveBook` tell.
        """
        found: dict[str, Reading[Any]] = {"price": self._price(now)}
        found |= self._of_trades(now)
        found |= self._of_context(now)
        found |= self.liquidations.readings(now)
        for watch in self.spikes.values():
            found |= watch.readings(now)
        if self.book is not None:
            found |= self.book.readings(now)
        return found

    def figures(self, now: int, names: Collection[str]) -> dict[str, Reading[Any]]:
        """Of `snapshot` what is named, and no part of it that nothing named needs; sizes of orders are left out."""
        found: dict[str, Reading[Any]] = {}
        if "price" in names:
            found["price"] = self._price(now)
        if any(each.startswith(FLOW) for each in names):
            found |= flow_figures(self._scope(now), self.windows)
        if any(each.startswith("liq_") for each in names):
            found |= self.liquidations.readings(now)
        if any(each.startswith(CONTEXTUAL) for each in names):
            found |= self._of_context(now)
        if self.book is not None and any(each in BOOK_NAMES for each in names):
            found |= self.book.readings(now)
        return {name: found[name] for name in names if name in found}

    def dump(self, now: int) -> bytes:
        """Everything but the book and the flow before the last whole minute (`FlowLog.seconds`)."""
        last = self.last
        body = {
            "version": VERSION, "key": self.instrument.key,
            "flow": self.flow.dump(now), "windows": self.windows.dump(), "orders": self.orders.dump(),
            "liquidations": self.liquidations.dump(), "derivatives": self.derivatives.dump(),
            "spikes": {name: watch.dump() for name, watch in self.spikes.items()},
            "last": last and packed(last),
            "alive": self._alive,
        }  # fmt: skip
        return msgspec.msgpack.encode(body)

    def restore(self, body: bytes) -> None:
        """Go on where `dump` was made, of the same instrument. ValueError or LookupError where it makes no sense."""
        values: Mapping[str, Any] = msgspec.msgpack.decode(body)
        if values["version"] != VERSION or values["key"] != self.instrument.key:
            raise ValueError(f"a state of {values['key']}, version {values['version']}")
        self.flow.restore(values["flow"])
        self._waiting = []
        self._windows.restore(values["windows"])
        self._orders.restore(values["orders"])
        self.liquidations.restore(values["liquidations"])
        self.derivatives.restore(values["derivatives"])
        for name, spike in values["spikes"].items():
            self.spikes[name] = SpikeWatch(name, venues=(self.instrument.exchange,))
            self.spikes[name].restore(spike)
        self._alive = dict(values["alive"])
        last = values["last"]
        self.last = last and unpacked(self.instrument, last)

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._windows.take(waiting)
        self._orders.take(waiting)

    def _price(self, now: int) -> Reading[float]:
        venues, heard = (self.instrument.exchange,), self.heard()
        if self.last is None or heard is None:
            return Reading.missing(_("no trades yet"), Status.INSUFFICIENT, venues=venues)
        if now - heard > SILENT or now - self.last.ts > PRICE_AGE:
            why = _("the feed is silent") if now - heard > SILENT else _("the last trade is old")
            return Reading.missing(why, Status.STALE, as_of=self.last.ts, venues=venues)
        return Reading(
            value=self.last.price, as_of=self.last.ts, venues=venues, unit=self.instrument.quote
        )

    def _of_trades(self, now: int) -> dict[str, Reading[Any]]:
        scope = self._scope(now)
        return flow_figures(scope, self.windows) | money_figures(scope, self.orders)

    def _scope(self, now: int) -> Scope:
        heard = self.heard()
        return Scope(
            instrument=self.instrument, now=now, heard=heard, since=self.flow.watched_since,
            silent=heard is not None and now - heard > SILENT, blind=self.flow.blind(),
        )  # fmt: skip

    def _of_context(self, now: int) -> dict[str, Reading[float]]:
        found, heard = self.derivatives.readings(now), self.heard(CONTEXT)
        if heard is None or now - heard <= CONTEXT_SILENT:
            return found
        return {
            name: Reading.missing(
                _("the feed is silent"), Status.STALE, as_of=each.as_of or heard,
                venues=(self.instrument.exchange,), unit=each.unit,
            )
            if each.known else each
            for name, each in found.items()
        }  # fmt: skip


def _ts(trade: Trade) -> int:
    return trade.ts
