"""Which trades count: each once, none from before the start, none that is no trade, and where the feed was blind."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from analytics.seen import Known, SeenIds
from analytics.sequence import LATE, Hole
from analytics.sequence import Sequence as Numbers
from analytics.spans import Span, fewer_spans, merged_spans, shared_spans
from analytics.ticks import Ticks
from market.types import MINUTE, Gap, Instrument, Side, Trade

AHEAD = MINUTE  # ms; a trade stamped later than it was received by more than this is refused
GAPS_KEPT = 500  # of many more those that lie closest become one
MINUTES_NOTED = 2_000  # changed minutes that wait to be asked for

_BUY = Side.BUY
_NEW = Known.NEW
_NEVER = 1 << 62
_INF = math.inf


class Intake:
    """Takes the trades of one instrument in batches and puts those that count into `ticks`.

    A trade that is simply the next one passes a short loop; everything else is judged one by one. With a
    `guard` of 5 a price more than 5 times off the last one is held back with its volume. The next new trade
    decides: if it is near the held price, both count, each at its own time; else the held one is refused
    for good, its volume with it, and the next is judged by the last good price.
    """

    def __init__(
        self, instrument: Instrument, started_ts: int | None = None, *, guard: float = 0.0
    ) -> None:
        self.instrument = instrument
        self.last_ts: int | None = None
        self.trades = 0  # counted
        self.duplicates = 0
        self.refused = (
            0  # no trade: no positive price and amount, a ts far ahead, a price nobody confirmed
        )
        self.held = 0  # prices far off that had to wait for the next trade
        self.before_start = 0
        self.ticks = Ticks()
        self._started = -1 if started_ts is None else started_ts
        self._begun = -1  # the start before it moved on, where it did
        self._first: int | None = None  # ts of the first trade while the start may still move
        self._settled = started_ts is not None
        self._floor = -1  # trades up to this ts are in rows, no longer single
        self._guard = guard
        self._price = 0.0  # the last one that was counted
        self._low, self._high = 0.0, _INF  # prices between these need no second look
        self._waiting: Trade | None = None
        self._edge = self._limit = 0  # so is a ts between these
        self._by_number = False
        self._numbers = Numbers()
        self._seen = SeenIds()
        self._stamped = -1  # the latest ts of any id that was looked up
        self._gaps: list[Span] = []
        self._missed: list[Span] = []  # where the start was moved back over
        self._lasting: list[Span] = []  # of the gaps, what can never be filled
        self._given_up: list[Span] = []  # of the gaps, what `new_losses` has to tell
        self._stored = -1  # the seconds up to here were asked for, to be stored
        self._changed: dict[int, None] = {}  # minutes that got a trade after that
        self._set_band()
        self._set_edge()

    @property
    def started_ts(self) -> int | None:
        """The flow is known after this ts; None before the first trade."""
        return self._started if self._started >= 0 else None

    @property
    def watched_since(self) -> int | None:
        """Every trade after this ts was seen, but for gaps; the sums of some may be gone (`started_ts`)."""
        return self._begun if self._begun >= 0 else self.started_ts

    def begin(self, ts: int) -> None:
        """Move the start back to `ts`, because the trades since then are being added now."""
        if self._started < 0:
            self._started, self._settled = ts, True
        elif ts < self._started:
            self._missed = [*self._missed[-15:], (ts, self._started)]
            self._started, self._settled = ts, True
        if self._begun >= 0:
            self._begun = min(self._begun, ts)
        self._set_edge()

    def add(self, trade: Trade) -> bool:
        """Count one trade; False when it was counted before, lies before the start, is none, or has to wait."""
        found = self.take([trade])
        return bool(found) and found[-1] is trade

    def add_all(self, trades: Iterable[Trade]) -> int:
        """Count trades; returns how many were new."""
        return len(self.take(list(trades)))

    def take(self, trades: list[Trade]) -> list[Trade]:
        """Count trades in the order in which they came; returns the new ones (the very list where all are)."""
        left, before = iter(trades), self.trades
        odd = self._take_numbered(left) if self._by_number else self._take_named(left)
        new = trades if odd is None else self._take_odd(odd, left, trades, self.trades - before)
        if self._numbers.given_up:
            self._drain()
        if new:
            self._grown(len(new))
        return new

    def uncounted(self, trades: Sequence[Trade]) -> Sequence[Trade]:
        """Those of a fetched past that are not remembered as counted; where ids are all there is, else all of it.

        To be asked before any of them is added: what is added makes older ones be forgotten.
        """
        if not trades or trades[0].seq is not None:
            return trades
        known = self._seen.remembers([each.id for each in trades])
        return [each for each, seen in zip(trades, known, strict=True) if not (seen and each.id)]

    def mark_gap(self, from_ts: int, to_ts: int) -> None:
        """The feed was blind from `from_ts` to `to_ts`."""
        if to_ts > from_ts:
            self._mark([(from_ts, to_ts)])

    def close_gap(self, from_ts: int, to_ts: int) -> None:
        """The trades between these two were fetched and added."""
        cut: list[Span] = []
        for start, end in self._gaps:
            cut += [
                (a, b) for a, b in ((start, min(end, from_ts)), (max(start, to_ts), end)) if a < b
            ]
        self._gaps = merged_spans([*cut, *self._lasting]) if self._lasting else cut
        self._numbers.close(from_ts, to_ts)

    def blind(self) -> list[Span]:
        """Every blind interval, in order: those marked, and those in which numbers are missing."""
        holes = [hole.span for hole in self._numbers.holes()]
        return merged_spans([*self._gaps, *holes]) if holes else self._gaps

    def gaps(self, since: int, until: int) -> list[Gap]:
        """Blind intervals that overlap (since, until]."""
        exchange, symbol = self.instrument.exchange, self.instrument.symbol
        return [
            Gap(from_ts=start, to_ts=end, exchange=exchange, symbol=symbol)
            for start, end in self.blind()
            if end > since and start < until
        ]

    def holes(self) -> list[Hole]:
        """Missing numbers, where the venue counts its trades."""
        return self._numbers.holes()

    def new_holes(self) -> list[Hole]:
        """The holes found since the last call that are still open; their time is blind already."""
        return self._numbers.new_holes()

    def new_losses(self) -> list[Span]:
        """Blind intervals, found since the last call, that nobody else can tell of.

        Trades of lost numbers would not be counted if they were fetched; and where there were too many gaps
        the sight between two of them counts as blind.
        """
        found, self._given_up = self._given_up, []
        return shared_spans(found, self._gaps) if found else found

    def late_minutes(self) -> list[int]:
        """Ends (ms) of minutes that got a trade after their seconds were asked for. Handed out once."""
        found, self._changed = sorted(self._changed), {}
        return found

    def _grown(self, count: int) -> None:
        """So many trades were counted."""

    def _old(self, ts: int, base: float, value: float) -> None:
        """One late trade from where there are no single ones any more."""

    def _take_odd(
        self, odd: Trade | None, left: Iterator[Trade], trades: list[Trade], at: int
    ) -> list[Trade]:
        """Judge the trade at place `at` and go on with those that are `left`; returns all the new ones."""
        new = trades[:at]
        while odd is not None:
            new += self._judge(odd)
            at += 1
            before, self._by_number = self.trades, odd.seq is not None
            odd = self._take_numbered(left) if self._by_number else self._take_named(left)
            plain = at + self.trades - before
            new += trades[at:plain]
            at = plain
        return new

    def _take_numbered(self, left: Iterator[Trade]) -> Trade | None:
        """Count trades while each is simply the next number; returns the first that is not."""
        ticks, odd = self.ticks, None
        put_ts, put_base, put_value = ticks.stamps.append, ticks.base.append, ticks.value.append
        before, number = len(ticks.stamps), self._numbers.next
        edge, limit, low, high = self._edge, self._limit, self._low, self._high
        price = 0.0
        for trade in left:
            ts, cost, amount = trade.ts, trade.price, trade.amount
            value = cost * amount
            if (
                trade.seq != number
                or not edge <= ts <= limit
                or not low < cost < high
                or not 0.0 < value < _INF
            ):
                odd = trade
                break
            number += 1
            edge, price = ts, cost
            put_ts(ts)
            if trade.side is _BUY:
                put_base(amount)
                put_value(value)
            else:
                put_base(-amount)
                put_value(-value)
        if (count := len(ticks.stamps) - before) > 0:
            self._numbers.next, self._numbers.top_ts = number, edge
            self._counted(before, count, edge, price)
        return odd

    def _take_named(self, left: Iterator[Trade]) -> Trade | None:
        """Count trades while each is later than all before or new in their ms; returns the first that is not."""
        ticks, seen, odd = self.ticks, self._seen, None
        put_ts, put_base, put_value = ticks.stamps.append, ticks.base.append, ticks.value.append
        before, now, top = len(ticks.stamps), seen.now, seen.top
        edge, limit, low, high = self._edge, self._limit, self._low, self._high
        price, ids = 0.0, []
        for trade in left:
            ts, cost, amount, id_ = trade.ts, trade.price, trade.amount, trade.id
            value = cost * amount
            if (
                not edge <= ts <= limit
                or not low < cost < high
                or not 0.0 < value < _INF
                or trade.seq is not None
                or (id_ and ts <= top and (ts < top or id_ in now))
            ):
                odd = trade
                break
            if id_:
                if ts > top:
                    now, top = {id_}, ts
                else:
                    now.add(id_)
                ids.append(id_)
            edge, price = ts, cost
            put_ts(ts)
            if trade.side is _BUY:
                put_base(amount)
                put_value(value)
            else:
                put_base(-amount)
                put_value(-value)
        if (count := len(ticks.stamps) - before) > 0:
            seen.now, seen.top = now, top
            seen.remember(ids)
            self._counted(before, count, edge, price)
        return odd

    def _counted(self, before: int, count: int, newest: int, price: float) -> None:
        """A run of `count` ordinary trades ended with this one."""
        self.trades += count
        self.last_ts = self._edge = newest
        self._price = price
        if self.ticks.ordered == before:
            self.ticks.ordered += count

    def _judge(self, trade: Trade) -> list[Trade]:
        """One trade that is not simply the next; returns what counts now."""
        value = trade.price * trade.amount
        if not (0.0 < value < _INF and trade.amount > 0.0) or self._ahead(trade):
            self.refused += 1
            return []
        if not self._settled:
            self._settle(trade.ts)
        if trade.ts <= (self._begun if self._begun >= 0 else self._started):
            self.before_start += 1
            return []
        if not self._fresh(trade):
            self.duplicates += 1
            return []
        counted = self._confirmed(trade) if self._guard else [trade]
        for each in counted:
            self._count(each)
        return counted

    def _ahead(self, trade: Trade) -> bool:
        """Whether it says to be from later than now. What follows it need not be looked at so closely."""
        ts, received = trade.ts, trade.recv_ts
        if received and ts > received + AHEAD and (self.last_ts is None or ts > self.last_ts):
            return True
        self._limit = max(self._limit, (received or ts) + AHEAD)
        return False

    def _fresh(self, trade: Trade) -> bool:
        """Whether it was never taken before; from now on it was."""
        newest = max(self._stamped, self.last_ts or -1)
        self._stamped = max(newest, trade.ts)
        if trade.seq is not None:
            return self._numbers.add(trade.seq, trade.ts, newest)
        if not trade.id or (known := self._seen.add(trade.id, trade.ts)) is _NEW:
            return True
        if known is Known.SEEN:
            return False
        ts = trade.ts  # forgotten, so it was seen, but for where something was missed
        missed = any(start < ts < end for start, end in self._gaps)
        if missed or any(start < ts <= end for start, end in self._missed):
            self._seen.keep(trade.id, ts)
            return True
        return False

    def _confirmed(self, trade: Trade) -> list[Trade]:
        """What counts now that this price is known."""
        waiting, self._waiting = self._waiting, None
        if not self._price or self._near(trade.price, self._price):
            self.refused += waiting is not None
            return [trade]
        if waiting is not None and self._near(trade.price, waiting.price):
            return [waiting, trade]
        self.refused += waiting is not None
        self.held += 1
        self._wait(trade)
        return []

    def _wait(self, trade: Trade | None) -> None:
        """Hold a trade back."""
        self._waiting = trade
        if trade is not None:
            self._low, self._high = _INF, 0.0  # the next one is looked at

    def _near(self, price: float, other: float) -> bool:
        return other / self._guard <= price <= other * self._guard

    def _count(self, trade: Trade) -> None:
        """One trade that was not counted before."""
        ts, amount = trade.ts, trade.amount if trade.side is _BUY else -trade.amount
        self.trades += 1
        if ts <= self._stored:
            self._note(ts)
        self.last_ts = ts if self.last_ts is None else max(ts, self.last_ts)
        if ts <= self._floor:
            self._old(ts, amount, trade.price * amount)
        else:
            self.ticks.put(ts, amount, trade.price * amount)
        self._price = trade.price
        self._set_band()
        self._set_edge()

    def _note(self, ts: int) -> None:
        self._changed[-(-ts // MINUTE) * MINUTE] = None
        if len(self._changed) > MINUTES_NOTED:
            del self._changed[next(iter(self._changed))]

    def _settle(self, ts: int) -> None:
        """Begin just before the first trade; trades of its first seconds may come in any order."""
        if self._first is None:
            self._first, self._started = ts, ts - 1
        elif ts > self._first + LATE:
            self._settled = True
        elif self._first - LATE < ts <= self._started:
            self._started = ts - 1

    def _set_band(self) -> None:
        """Any two prices of the band are within the guard of each other, so in it no price needs a look."""
        if self._guard:
            half = math.sqrt(self._guard)
            self._low, self._high = self._price / half, self._price * half

    def _set_edge(self) -> None:
        """The first ts of a trade that is simply the next one."""
        known = max(self._started, self._floor, self._stored) + 1
        self._edge = max(known, self.last_ts or 0) if self._settled else _NEVER

    def _drain(self) -> None:
        """Time that no number will ever close is marked for good."""
        spans, self._numbers.given_up = self._numbers.given_up, []
        self._lasting, sights = fewer_spans(merged_spans([*self._lasting, *spans]), GAPS_KEPT)
        self._given_up = merged_spans([*self._given_up, *spans, *sights])
        self._mark([*spans, *sights])

    def _mark(self, spans: Iterable[Span]) -> None:
        """These are blind; rather too much is than too little, and whoever keeps a ledger is told of that."""
        self._gaps, sights = fewer_spans(merged_spans([*self._gaps, *spans]), GAPS_KEPT)
        if sights:
            self._given_up = merged_spans([*self._given_up, *sights])

    def _dump(self) -> dict[str, Any]:
        """Plain values for `_restore`."""
        return {
            "started": self._started, "begun": self._begun, "first": self._first, "settled": self._settled,
            "last": self.last_ts, "price": self._price, "gaps": self._gaps,
            "missed": self._missed, "lasting": self._lasting,
            "numbers": self._numbers.dump(), "seen": self._seen.dump(),
            "counts": [self.trades, self.duplicates, self.refused, self.held, self.before_start],
            "stamped": self._stamped, "waiting": self._waiting and packed(self._waiting),
        }  # fmt: skip

    def _restore(self, values: dict[str, Any]) -> None:
        """Go on where `_dump` was made."""
        self._started, self._first = values["started"], values["first"]
        self._begun, self._settled = values["begun"], values["settled"]
        self.last_ts = values["last"]
        self._price, self._stamped = values["price"], values["stamped"]
        self._gaps = [(start, end) for start, end in values["gaps"]]
        self._missed = [(start, end) for start, end in values["missed"]]
        self._lasting = [(start, end) for start, end in values["lasting"]]
        self._numbers.restore(values["numbers"])
        self._seen.restore(*values["seen"])
        (
            self.trades, self.duplicates, self.refused, self.held, self.before_start,
        ) = values["counts"]  # fmt: skip
        self._set_band()
        self._wait(values["waiting"] and unpacked(self.instrument, values["waiting"]))
        self._set_edge()


def packed(trade: Trade) -> list[Any]:
    """A trade as plain values."""
    return [
        trade.ts, trade.price, trade.amount, trade.side.value, trade.id, trade.order, trade.recv_ts, trade.seq,
    ]  # fmt: skip


def unpacked(instrument: Instrument, row: Sequence[Any]) -> Trade:
    """The trade of `packed`."""
    ts, price, amount, side, id_, order, received, seq = row
    return Trade(
        instrument=instrument, ts=ts, price=price, amount=amount, side=Side(side), id=id_,
        order=order, recv_ts=received, seq=seq,
    )  # fmt: skip
