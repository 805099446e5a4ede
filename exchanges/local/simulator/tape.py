"""One instrument's tape: minute bars and trades, computed for the minutes somebody asks about."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from exchanges.local.simulator.climate import DAY_MINUTES
from exchanges.local.simulator.nodes import Bars, Nodes, Terms, bars, nodes
from exchanges.local.simulator.noise import Floats, Ints
from exchanges.local.simulator.paths import Stretch
from exchanges.local.simulator.trades import Prints, prints

FIRST_LIVE_ID = (
    4_000_000_000  # id of the first trade after the start; earlier ones count down from it
)
FIELDS = ("open", "high", "low", "close", "volume", "buys", "quote", "buy_quote", "prints")
_LIVE_ROOM = 1440
K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The results that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """What `make` gave for this key."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = make()
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


class Tape:
    """Bars and trades by minute number, from `first` (the oldest) on; `start` is the first live minute."""

    def __init__(
        self,
        *,
        terms: Terms,
        exchange: str,
        first: int,
        start: int,
        path: Callable[[int, int], Stretch],
        offset: Callable[[Ints], Floats],
        past: "Recent[tuple[int, int], Bars]",
    ) -> None:
        self._terms, self._exchange = terms, exchange
        self.first, self.start = first, start
        self._path, self._offset = path, offset
        self._past = past  # shared by all tapes, so that memory has one bound
        self._live = np.zeros((len(FIELDS), _LIVE_ROOM), np.int64)
        self._lived = 0
        self._ids: dict[int, int] = {}
        self._live_ids: list[int] = [FIRST_LIVE_ID]
        self._points: Recent[int, Nodes] = Recent(2)
        self._prints: Recent[int, Prints] = Recent(4)

    def bars(self, first: int, last: int) -> Ints:
        """A row for each of `FIELDS`, a column for each minute first <= m < last; minutes have to be over."""
        first = max(first, self.first)
        pieces: list[Ints] = []
        for day in range(first // DAY_MINUTES, (min(last, self.start) - 1) // DAY_MINUTES + 1):
            block = self._day(day)
            begin = day * DAY_MINUTES
            rows = slice(max(first - begin, 0), max(min(last, self.start) - begin, 0))
            pieces.append(np.array([getattr(block, name)[rows] for name in FIELDS]))
        if last > self.start:
            self._live_to(last)
            pieces.append(self._live[:, max(first - self.start, 0) : last - self.start])
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((len(FIELDS), 0), np.int64)

    def trades(self, minute: int) -> Prints:
        """All trades of a minute; the caller leaves out those that have not happened yet."""
        return self._prints.get(minute, lambda: self._trades(minute))

    def last_close(self, minute: int) -> int:
        """Close of a minute that is over, in ticks."""
        return int(self.bars(minute, minute + 1)[3, 0])

    @property
    def spread(self) -> int:
        """Ticks between bid and ask."""
        return self._terms.spread

    def point_price(self, minute: int, point: int, *, bought: bool) -> int:
        """Price in ticks that takers got at one point of a minute."""
        made, row = self._points_of(minute)
        return int(made.bid[row, point]) + (made.spread if bought else 0)

    def forget(self, minute: int) -> None:
        """Drop what is known of that minute and later ones."""
        self._prints.clear()
        self._points.clear()
        self._lived = max(0, min(self._lived, minute - self.start))
        del self._live_ids[self._lived + 1 :]

    def _trades(self, minute: int) -> Prints:
        made, row = self._points_of(minute)
        if minute >= self.start:
            self._live_to(minute)
            first_id = self._live_ids[minute - self.start]
        else:
            day = minute // DAY_MINUTES
            first_id = self._first_id(day) + int(self._day(day).prints[:row].sum())
        return prints(self._terms.stream, made, row, minute, first_id)

    def _points_of(self, minute: int) -> tuple[Nodes, int]:
        """Points that contain a minute, and its row in them."""
        if minute >= self.start:
            return nodes(self._terms, *self._where(minute, minute + 1), self._exchange), 0
        day = minute // DAY_MINUTES
        return self._points.get(day, lambda: self._day_points(day)), minute - day * DAY_MINUTES

    def _where(self, first: int, last: int) -> tuple[Stretch, Floats]:
        path = self._path(first, last)
        return path, self._offset(path.minutes)[:, None]

    def _day_points(self, day: int) -> Nodes:
        first = day * DAY_MINUTES
        return nodes(
            self._terms, *self._where(first, min(first + DAY_MINUTES, self.start)), self._exchange
        )

    def _day(self, day: int) -> Bars:
        """The bars of one day of the past."""
        return self._past.get((self._terms.stream, day), lambda: self._make_day(day))

    def _make_day(self, day: int) -> Bars:
        made = self._day_points(day)
        if made.buys[0].any() or made.sells[0].any() or day * DAY_MINUTES <= self.first:
            return bars(made, None)
        return bars(made, int(self._day(day - 1).close[-1]))

    def _first_id(self, day: int) -> int:
        """Id of the first trade of a day of the past."""
        if day not in self._ids:
            later = FIRST_LIVE_ID
            if (day + 1) * DAY_MINUTES < self.start:
                later = self._first_id(day + 1)
            self._ids[day] = later - int(self._day(day).prints.sum())
        return self._ids[day]

    def _live_to(self, last: int) -> None:
        """Have the bars of the live minutes before `last`."""
        count = last - self.start
        if count <= self._lived:
            return
        before = self.last_close(self.start + self._lived - 1)
        made = nodes(self._terms, *self._where(self.start + self._lived, last), self._exchange)
        fresh = bars(made, before)
        if count > self._live.shape[1]:
            room = np.zeros((len(FIELDS), max(count, 2 * self._live.shape[1])), np.int64)
            room[:, : self._lived] = self._live[:, : self._lived]
            self._live = room
        self._live[:, self._lived : count] = [getattr(fresh, name) for name in FIELDS]
        ends = self._live_ids[-1] + np.cumsum(fresh.prints)
        self._live_ids.extend(ends.tolist())
        self._lived = count
