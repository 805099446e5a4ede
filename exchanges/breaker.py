"""Circuit breaker of one venue: after a run of failures it is left alone, then asked again by a single call."""

from exchanges.types import VenueState
from market.clock import Clock

FAILURES = 5  # in a row
PROBE_MS = 30_000  # of wall time


class Breaker:
    """Counts a venue's failures. Ask `allowed` before each call and report how the call ended."""

    def __init__(self, wall: Clock, *, failures: int = FAILURES, probe_ms: int = PROBE_MS) -> None:
        self._wall = wall
        self._limit = failures
        self._probe_ms = probe_ms
        self._run = 0  # failures since the last success
        self._closed_until = 0
        self._probing = False
        self.state = VenueState.OK
        self.since = wall.now()
        self.last_ok: int | None = None
        self.reason = ""
        self.calls = 0
        self.errors = 0

    def allowed(self) -> bool:
        """Whether a call may go out now; while the venue is down, one call at a time after each pause."""
        if self.state is not VenueState.DOWN:
            return True
        if self._probing or self._wall.now() < self._closed_until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The venue gave an answer, if only a refusal of this one request."""
        self.calls += 1
        self._probing = False
        self._run = 0
        self.last_ok = self._wall.now()
        self._become(VenueState.OK, "")

    def failed(self, reason: str, *, final: bool = False) -> None:
        """No answer, or none that can be used; `final`: it will not change by asking again (a block by country)."""
        self.calls += 1
        self.errors += 1
        self._run += 1
        down = final or self._run >= self._limit or self.state is VenueState.DOWN
        self._probing = False
        if down:
            self._closed_until = self._wall.now() + self._probe_ms
        self._become(VenueState.DOWN if down else VenueState.DEGRADED, reason)

    def abandoned(self) -> None:
        """The call was given up by the caller; it says nothing about the venue."""
        self._probing = False

    def _become(self, state: VenueState, reason: str) -> None:
        if state is not self.state:
            self.since = self._wall.now()
        self.state, self.reason = state, reason
