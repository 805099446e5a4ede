"""How often a topic speaks, and when its silence is a fault."""

SILENCE = 15_000  # wall ms without any message after which a connection counts as dead, and a busy topic as stale
RHYTHM = 30  # data that stays away for so many of its usual intervals is not coming, pongs or not
RHYTHM_FRAMES = 20  # turns with data after which the usual interval is known
UNHEARD = 60_000  # wall ms within which a topic that never rests must have spoken
BEAT = 100  # wall ms: data closer together than this is one beat
MOST_PATIENCE = 64


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
