"""What the streams of one exchange do, and how fast: a count of messages over the last minute."""

from collections import deque
from dataclasses import dataclass

from exchanges.streams.bus import QueueStatus

SPAN = 60_000  # wall ms


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """What the streams of one exchange do. Counts are since the start."""

    watched: int = 0  # instruments whose trades arrive now
    asked: int = 0  # instruments that were asked for
    topics: int = 0  # feeds that arrive now, of all channels
    trades: int = 0  # new trades received live
    old: int = 0  # events that were too old on receipt to be news
    last_trade_ts: int | None = None  # market ms
    last_frame_ts: int | None = None  # market ms of the newest message
    age: int | None = None  # market ms since that
    rate: float = 0.0  # messages a second, over the last minute at most
    frames: int = 0  # messages
    bad: int = 0  # messages and rows that made no sense
    broken: int = 0  # batches that our own state could not take; their time is marked as a gap
    connections: int = 0  # open now
    reconnects: int = 0
    reason: str = ""  # why the last connection ended
    gaps_open: int = 0  # feeds that are blind now
    gaps_filled: int = 0  # of today
    gaps_unfilled: int = 0  # of today, of those that ended
    blind_ms: int = 0  # of today, in which at least one feed was blind
    resyncs: int = 0  # books that were fetched anew
    dropped: int = 0  # events that slow consumers of the bus lost, of all exchanges
    queues: tuple[QueueStatus, ...] = ()  # of the bus, which all exchanges share


class Meter:
    """Messages a second over the last minute, from a count that is looked at now and then."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, int]] = deque()

    def look(self, wall: int, count: int) -> None:
        """The count stands at this."""
        self._looks.append((wall, count))
        while len(self._looks) > 2 and self._looks[1][0] <= wall - SPAN:
            self._looks.popleft()

    @property
    def rate(self) -> float:
        """Messages a second; 0 until two looks were taken."""
        if len(self._looks) < 2:
            return 0.0
        (began, first), (ended, last) = self._looks[0], self._looks[-1]
        return (last - first) * 1000 / (ended - began) if ended > began else 0.0
