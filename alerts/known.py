"""What is known of each figure that a rule is about, and the way of its samples into the engine."""

from collections.abc import Iterable

from alerts.committing import Committer
from alerts.fast.engine import Engine
from alerts.types import Metric, Sample


class Known:
    """The newest sample of a figure, or why there is none; what fires on it is handed on to be committed."""

    def __init__(self, engine: Engine, committer: Committer) -> None:
        self._engine, self._committer = engine, committer
        self.latest: dict[Metric, Sample] = {}
        self.problems: dict[Metric, str] = {}
        self.looked: dict[Metric, int] = {}  # market ms up to which it was looked at
        self.since: dict[Metric, int] = {}  # from where on a rule wants to know it

    def give(self, metric: Metric, sample: Sample, *, late: bool = False) -> None:
        """A figure at a moment; `late`: of a time when nobody looked."""
        self.latest[metric] = sample
        self.problems.pop(metric, None)
        if fired := self._engine.take(metric, sample):
            self._committer.put(fired, late=late)

    def lose(self, metric: Metric, reason: str) -> None:
        """It is not known any more."""
        self.problems[metric] = reason
        if fired := self._engine.unknown(metric):
            self._committer.put(fired)

    def want(self, metric: Metric, since: int) -> None:
        """A rule is about it, from this moment on; of several the earliest counts."""
        if metric not in self.looked:
            self.since[metric] = min(since, self.since.get(metric, since))

    def forget(self, metrics: Iterable[Metric]) -> None:
        """No rule is about these any more."""
        for metric in metrics:
            for kept in (self.latest, self.problems, self.looked, self.since):
                kept.pop(metric, None)
