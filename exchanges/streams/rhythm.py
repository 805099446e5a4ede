"""How often a topic speaks, when its silence is a fault, and up to when a connection was surely whole."""

from collections.abc import Iterable

SILENCE = 15_000  # wall ms without any message after which a connection counts as dead, and a busy topic as stale
RHYTHM = 30  # data that stays away for so many of its usual intervals is not coming, pongs or not
RHYTHM_FRAMES = 20  # turns with data after which the usual interval is known
UNHEARD = 60_000  # wall ms within which a topic that never rests must have spoken
BEAT = 100  # wall ms: data closer together than this is one beat
MOST_PATIENCE = 64
SURE = 1000  # wall ms before the last data up to which a connection that ends was whole
OVERDUE = 1000  # wall ms after which a message whose number was skipped does not come any more


class Rhythm:
    """When one topic was last heard of. `restless`: it speaks by itself, whatever the market does.

    A market that calms down is no fault: the limit follows the newest intervals and the longest silence that
    ended by itself, and doubles with each time that asking anew brought nothing.
    """

    __slots__ = ("_beat", "beats", "heard", "longest", "market", "patience", "restless", "usual")

    def __init__(self, wall: int, market: int, *, restless: bool = False) -> None:
        self.heard, self.market = wall, market
        self.restless = restless
        self.beats = 0
        self.usual = self.longest = 0.0  # wall ms
        self.patience = 1
        self._beat = wall

    def restart(self, wall: int, market: int) -> None:
        """The topic begins anew; its usual interval stays known."""
        self.heard, self.market, self._beat = wall, market, wall

    def hear(self, wall: int, market: int) -> None:
        """Data came."""
        self.heard, self.market = wall, market
        if (gap := wall - self._beat) < BEAT:
            return
        self._beat = wall
        self.beats += 1
        self.usual += (gap - self.usual) / min(self.beats, RHYTHM_FRAMES)
        self.longest = max(self.longest * 0.999, float(gap))
        self.patience = 1

    def overdue(self, wall: int) -> bool:
        """Whether it is silent for longer than it ever was lately: something may be held back."""
        return self.beats >= RHYTHM_FRAMES and wall - self.heard > self.longest

    def asked_anew(self) -> None:
        """Silence was not believed; it will be believed longer the next time."""
        self.patience = min(MOST_PATIENCE, 2 * self.patience)

    def stale(self, wall: int) -> bool:
        """Whether data is overdue."""
        if self.beats >= RHYTHM_FRAMES:
            limit = max(SILENCE, RHYTHM * self.usual, 2 * self.longest)
        elif self.restless:
            limit = UNHEARD
        else:
            return False
        return wall - self.heard > limit * self.patience


class Sight:
    """Up to when one connection certainly brought everything. Times of data are market ms.

    Only data tells: pongs are answered by a venue that holds its data back. Where trades come late, what lies
    between their time and their receipt is on its way and not yet seen.
    """

    __slots__ = ("_counted", "_hole", "_lag", "_mark", "_opened", "_sure")

    def __init__(self, wall: int = 0, market: int = 0, missed: int = 0) -> None:
        self._opened = market
        self._lag = 0
        self._mark = self._sure = (wall, market)  # at the last look, and at least a second before
        self._counted = missed  # messages that are missing and accounted for
        self._hole: tuple[int, int] | None = None  # (wall, market): more are missing; whole until

    @property
    def sure(self) -> int:
        """All that happened up to here had come at least a second before the last data."""
        return max(self._sure[1], self._opened)

    def came(self, wall: int, market: int, newest: int | None) -> None:
        """Data came; `newest`: the time of its newest trade, where there was one."""
        if newest is not None:
            self._lag = max(0, market - newest)
        if wall - self._mark[0] >= SURE:
            self._sure, self._mark = self._mark, (wall, market - self._lag)

    def count(self, missed: int, wall: int) -> None:
        """So many messages are missing by the venue's own numbers; they may be late."""
        if missed <= self._counted:
            self._counted, self._hole = missed, None
        elif self._hole is None:
            self._hole = (wall, self.sure)

    def missing(self, missed: int, wall: int) -> int | None:
        """Since when messages are missing for good; told once. None where none are."""
        hole = self._hole
        if hole is None or wall - hole[0] < OVERDUE:
            return None
        self._counted, self._hole = missed, None
        return hole[1]

    def of(self, rhythm: Rhythm) -> int:
        """When a topic that went silent alone was last whole."""
        return max(rhythm.market - self._lag, self._opened)

    def whole_until(self, rhythms: Iterable[Rhythm], wall: int) -> int:
        """Up to when nothing of any of these topics can be missing, should the connection end now."""
        found = [self.sure, *(self.of(each) for each in rhythms if each.overdue(wall))]
        return min(found if self._hole is None else [*found, self._hole[1]])
