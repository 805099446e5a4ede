"""One instrument at one moment: candles, trades, the last price and what follows from them."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from exchanges.local.simulator.books import side as book_side
from exchanges.local.simulator.climate import DAY_MINUTES
from exchanges.local.simulator.coins import Grid, volume_share
from exchanges.local.simulator.desk import Desk
from exchanges.local.simulator.engine import DEPTH
from exchanges.local.simulator.noise import Ints
from exchanges.local.simulator.tape import Tape
from market.types import MINUTE, Candle, Instrument, OrderBook, Side, Ticker, Trade


class Looked(NamedTuple):
    """A book, and the best bid and the second that it follows from."""

    about: tuple[int, int]
    book: OrderBook


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one exchange would tell about one of its instruments at `now`."""

    desk: Desk
    instrument: Instrument
    price: Grid
    lot: Grid
    now: int

    @property
    def tape(self) -> Tape:
        """The instrument's tape."""
        return self.desk.tape(self.instrument)

    @property
    def first(self) -> int:
        """Open time of the oldest minute."""
        return self.desk.history.first * MINUTE

    def candles(self, length: int, start: int, end: int) -> list[Candle]:
        """Candles of `length` ms with start <= open time < end."""
        first = max(-(-start // length) * length, self.first)
        last = min(end, self.now + 1)
        if first >= last:
            return []
        stop = (last - 1) // length * length + length  # end of the last candle asked for
        sums = self._minutes(first // MINUTE, min(stop // MINUTE, self.now // MINUTE + 1))
        return self._candles(sums, first, length)

    def trades(self, start: int, end: int) -> list[Trade]:
        """Trades with start < ts <= end."""
        start, end = max(start, self.first - 1), min(end, self.now)
        found: list[Trade] = []
        for minute in range((start + 1) // MINUTE, end // MINUTE + 1):
            found += self._trades(minute, start, end)
        return found

    def recent_trades(self, limit: int) -> list[Trade]:
        """The newest trades, not further back than two days."""
        found: list[Trade] = []
        minute = self.now // MINUTE
        oldest = minute - 2 * DAY_MINUTES
        while len(found) < limit and minute > oldest:
            found = self._trades(minute, 0, self.now) + found
            minute -= 1
        return found[-limit:]

    def last(self) -> tuple[int, int]:
        """Ticks of the last trade and of the bid at it."""
        for minute in (self.now // MINUTE, self.now // MINUTE - 1):
            made = self.tape.trades(minute)
            if count := made.until(self.now):
                price = int(made.price[count - 1])
                return price, price - self.tape.spread if made.bought[count - 1] else price
        close = self.tape.last_close(self.now // MINUTE - 1)
        return close, close

    def ticker(self) -> Ticker:
        """The last 1440 minutes, the running one included."""
        sums = self._last_day()
        last, bid = self.last()
        return Ticker(
            instrument=self.instrument,
            ts=self.now,
            last=self.price.value(last),
            bid=self.price.value(bid),
            ask=self.price.value(bid + self.tape.spread),
            high_24h=self.price.value(int(sums[1].max())),
            low_24h=self.price.value(int(sums[2].min())),
            change_24h=last / int(sums[0][0]) - 1,
            volume_24h=self.lot.value(int(sums[4].sum())),
            quote_volume_24h=int(sums[6].sum()) * self._worth,
        )

    def quote_volume(self) -> float:
        """Quote volume of the last 1440 minutes."""
        return int(self._last_day()[6].sum()) * self._worth

    def book(self, stream: int, depth: int, last: Looked | None = None) -> Looked:
        """Resting orders around the last trade; sizes change every second. `last`: what was seen last."""
        _, bid = self.last()
        about = (bid, self.now // 1000)
        if last is not None and last.about == about:
            return Looked(about, replace(last.book, ts=self.now))
        share = volume_share(self.desk.coin, self.instrument.exchange, self.instrument.perp)
        usd = DEPTH * self.desk.coin.volume * share * self.desk.thickness(self.now)
        lean = 0.6 * self.desk.lean(self.now)
        sides: list[tuple[tuple[float, float], ...]] = []
        for down in (True, False):
            at, value = book_side(
                stream,
                best=bid if down else bid + self.tape.spread,
                down=down,
                levels=depth,
                price=self.price.value(bid),
                tick=self.price.value(1),
                depth=usd * (1 + lean if down else 1 - lean),
                second=self.now // 1000,
            )
            lots = np.maximum(value / (at * self.price.value(1)) / self.lot.value(1), 1).astype(
                np.int64
            )
            levels = zip(at.tolist(), lots.tolist(), strict=True)
            sides.append(tuple((self.price.value(k), self.lot.value(n)) for k, n in levels))
        book = OrderBook(
            instrument=self.instrument,
            ts=self.now,
            bids=sides[0],
            asks=sides[1],
            sequence=self.now // 1000,
        )
        return Looked(about, book)

    @property
    def _worth(self) -> float:
        """Quote currency in one tick times one lot."""
        return self.price.times * self.lot.times / (self.price.over * self.lot.over)

    def _last_day(self) -> Ints:
        minute = self.now // MINUTE
        return self._minutes(minute - DAY_MINUTES + 1, minute + 1)

    def _minutes(self, first: int, last: int) -> Ints:
        """Sums of the minutes first <= m < last, the running one up to now."""
        running = self.now // MINUTE
        done = self.tape.bars(first, min(last, running))
        return done if last <= running else np.column_stack((done, self._running(running)))

    def _running(self, minute: int) -> list[int]:
        """Sums of the trades of the running minute so far."""
        made = self.tape.trades(minute)
        count = made.until(self.now)
        if not count:
            return [self.tape.last_close(minute - 1)] * 4 + [0] * 5
        price, lots = made.price[:count], made.lots[:count]
        bought = lots * made.bought[:count]
        prices = [int(price[0]), int(price.max()), int(price.min()), int(price[-1])]
        volumes = [
            int(lots.sum()),
            int(bought.sum()),
            int((price * lots).sum()),
            int((price * bought).sum()),
        ]
        return [*prices, *volumes, count]

    def _candles(self, sums: Ints, first: int, length: int) -> list[Candle]:
        size = length // MINUTE
        starts = np.arange(0, sums.shape[1], size)
        ends = np.minimum(starts + size, sums.shape[1]) - 1
        columns = (
            (first + starts * MINUTE).tolist(),
            (sums[0][starts] * self.price.times / self.price.over).tolist(),
            (np.maximum.reduceat(sums[1], starts) * self.price.times / self.price.over).tolist(),
            (np.minimum.reduceat(sums[2], starts) * self.price.times / self.price.over).tolist(),
            (sums[3][ends] * self.price.times / self.price.over).tolist(),
            (np.add.reduceat(sums[4], starts) * self.lot.times / self.lot.over).tolist(),
            (np.add.reduceat(sums[6], starts) * self._worth).tolist(),
            (np.add.reduceat(sums[5], starts) * self.lot.times / self.lot.over).tolist(),
            (np.add.reduceat(sums[7], starts) * self._worth).tolist(),
        )
        done = self.now - length
        return [
            Candle(
                ts=ts, open=o, high=h, low=low, close=c, volume=v, quote_volume=q,
                taker_buy_volume=b, taker_buy_quote=bq, closed=ts <= done,
            )
            for ts, o, h, low, c, v, q, b, bq in zip(*columns, strict=True)
        ]  # fmt: skip

    def _trades(self, minute: int, start: int, end: int) -> list[Trade]:
        """Trades of one minute with start < ts <= end."""
        made = self.tape.trades(minute)
        rows = slice(made.until(start), made.until(end))
        price, lot, instrument = self.price, self.lot, self.instrument
        hashed = instrument.exchange == "hyperliquid"
        columns = (made.ts, made.price, made.lots, made.bought, made.leader)
        found = zip(*(column[rows].tolist() for column in columns), strict=True)
        return [
            Trade(
                instrument=instrument, ts=ts, price=p * price.times / price.over, amount=n * lot.times / lot.over,
                side=Side.BUY if bought else Side.SELL, id=str(id_),
                order=f"0x{made.first_id + leader:016x}" if hashed else "",
            )
            for id_, (ts, p, n, bought, leader) in enumerate(found, start=made.first_id + rows.start)
        ]  # fmt: skip
