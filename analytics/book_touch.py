"""The best levels of a live book over time: how long one side was heavier, and order flow imbalance.

Source: Cont, Kukanov & Stoikov, The Price Impact of Order Book Events (2014), best-level form.
"""

from collections import deque

from analytics.book import LEVELS, Pressure, pressure
from analytics.book_side import BookSide, Level
from market.language import _
from market.types import MINUTE, Kind, Reading, Status

HELD = 3_000  # ms that one side has to be heavier without a break ...
SPAN = 10_000  # ms of which ...
SHARE = 0.6  # ... it has to be heavier for this part, if there was a break
TURNS = 128  # turns that are remembered; of a book that turns oftener the oldest count as neutral
SECOND = 1000


class Touch:
    """Fed with both sides after each change; a break in the knowledge begins it anew."""

    def __init__(self) -> None:
        self.share: float | None = None  # bids over both within the best ten, 0 to 1
        self.since: int | None = None  # when the unbroken knowledge began
        self._turns: deque[tuple[int, Pressure]] = deque(maxlen=TURNS)
        self._flow: deque[tuple[int, float, int]] = deque()  # second, coins, changes of the best
        self._best: tuple[Level, Level] | None = None

    def begin(self, ts: int) -> None:
        """Nothing is known of what was before `ts`."""
        self.share, self.since, self._best = None, ts, None
        self._turns.clear()
        self._flow.clear()

    def changed(self, ts: int, bids: BookSide, asks: BookSide) -> None:
        """The best levels may have changed."""
        bid, ask = bids.top(LEVELS), asks.top(LEVELS)
        both = bid + ask
        self.share = bid / both if both > 0.0 else None
        state = Pressure.NEUTRAL if self.share is None else pressure(self.share)
        if not self._turns or self._turns[-1][1] is not state:
            self._turns.append((ts, state))
        self._count(ts, bids.best(), asks.best())

    def _count(self, ts: int, bid: Level | None, ask: Level | None) -> None:
        before, now = self._best, (bid, ask)
        if bid is None or ask is None:
            self._best = None
            return
        self._best = (bid, ask)
        if before is None or before == now:
            return
        value = imbalance(before, (bid, ask))
        second = ts // SECOND
        if self._flow and self._flow[-1][0] >= second:
            last, sum_, n = self._flow[-1]
            self._flow[-1] = (last, sum_ + value, n + 1)
            return
        self._flow.append((second, value, 1))
        while self._flow[0][0] <= second - MINUTE // SECOND:
            self._flow.popleft()

    def flow(self, now: int) -> Reading[float]:
        """Order flow imbalance of the last minute in coins: what the bids gained more than the asks."""
        if self.since is None or now - self.since < MINUTE:
            seen = 0 if self.since is None else max(0, now - self.since) // SECOND
            text = _("book watched for {seen} s of 60 s").format(seen=seen)
            return Reading.missing(text, Status.INSUFFICIENT)
        edge = now // SECOND - MINUTE // SECOND
        rows = [row for row in self._flow if row[0] > edge]
        return Reading(
            value=sum(row[1] for row in rows), since=(edge + 1) * SECOND - 1, window=MINUTE,
            n=sum(row[2] for row in rows), kind=Kind.OBSERVED,
        )  # fmt: skip

    def held(self, now: int) -> tuple[Pressure, int]:
        """(which side is heavier and has been for long enough, ms of the last ten seconds it was).

        Long enough: for 3 s without a break, or for 60 % of the last 10 s.
        """
        spent = {Pressure.BUY: 0, Pressure.SELL: 0, Pressure.NEUTRAL: 0}
        end = now
        for ts, state in reversed(self._turns):
            spent[state] += max(0, end - max(ts, now - SPAN))
            end = min(end, ts)
            if ts <= now - SPAN:
                break
        if self._turns:
            ts, state = self._turns[-1]
            if state is not Pressure.NEUTRAL and now - ts >= HELD:
                return state, now - ts
        for state in (Pressure.BUY, Pressure.SELL):
            if spent[state] >= SHARE * SPAN:
                return state, spent[state]
        return Pressure.NEUTRAL, spent[Pressure.NEUTRAL]


def imbalance(before: tuple[Level, Level], after: tuple[Level, Level]) -> float:
    """What one change of the best levels (bid, ask) adds: coins that joined the bid less those of the ask."""
    (bid0, bids0), (ask0, asks0) = before
    (bid1, bids1), (ask1, asks1) = after
    value = 0.0
    if bid1 >= bid0:
        value += bids1
    if bid1 <= bid0:
        value -= bids0
    if ask1 <= ask0:
        value -= asks1
    if ask1 >= ask0:
        value += asks0
    return value
