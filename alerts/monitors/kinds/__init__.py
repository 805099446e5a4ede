"""Every kind of monitor, and one of each for a desk."""

from alerts.monitors.kinds.anomaly import Unusual
from alerts.monitors.kinds.base import Learner, Monitor
from alerts.monitors.kinds.cascade import Cascade
from alerts.monitors.kinds.correlation import Link
from alerts.monitors.kinds.crash import Crash
from alerts.monitors.kinds.delta import Delta
from alerts.monitors.kinds.funding import Extreme, Momentum
from alerts.monitors.kinds.imbalance import Imbalance
from alerts.monitors.kinds.interest import Interest
from alerts.monitors.kinds.mover import Market, Mover, Surge
from alerts.monitors.kinds.regime import Change
from alerts.monitors.kinds.spike import Spike
from alerts.monitors.kinds.wall import Pulled, Wall
from alerts.monitors.kinds.whale import Whale

OWN: tuple[type[Monitor], ...] = (
    Spike, Delta, Whale, Imbalance, Wall, Pulled, Cascade, Crash, Extreme, Momentum, Interest, Link,
    Unusual, Change,
)  # fmt: skip
KINDS: tuple[type[Monitor], ...] = (*OWN, Mover, Surge)
KIND_BY_NAME = {each.kind: each for each in KINDS}


class Kinds:
    """One monitor of each kind, with its memory. `scan` looks at the whole market for two of them."""

    def __init__(self) -> None:
        self.scan = Market()
        self.all: tuple[Monitor, ...] = (
            *(kind() for kind in OWN), Mover(self.scan), Surge(self.scan),
        )  # fmt: skip
        self.by_name = {each.kind: each for each in self.all}

    @property
    def learners(self) -> list[Learner]:
        """Those that need candles."""
        return [each for each in self.all if isinstance(each, Learner)]
