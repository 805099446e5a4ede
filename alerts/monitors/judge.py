"""From findings to facts: each is compared with every threshold that somebody chose, and with the default one."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from alerts.monitors.edges import Edges
from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.latency import Latency
from alerts.monitors.postman import Postman
from alerts.monitors.subscriptions import Subscriptions
from alerts.monitors.types import Fact, FactIds, Severity
from alerts.monitors.view import View
from exchanges.streams.decoder import News
from market.clock import Clock

logger = logging.getLogger(__name__)

UNSTORED = 5_000  # facts that wait for the database
SLICE = 0.004  # seconds of work before others get their turn
HIGH, EXTREME = 2.0, 4.0  # times the threshold


class Judge:
    """Runs the monitors. One that raises is left out of that round, counted, and heard again in the next."""

    def __init__(
        self,
        monitors: Sequence[Monitor],
        subscriptions: Subscriptions,
        postman: Postman,
        latency: Latency,
        wall: Clock,
        listed: Callable[[], set[str]],
    ) -> None:
        self.monitors = tuple(monitors)
        self.edges = Edges()
        self.failures: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.noticed: Counter[str] = Counter()
        self.unstored: deque[Fact] = deque()
        self.lost = 0  # facts that the database could not take for too long
        self._subscriptions, self._postman = subscriptions, postman
        self._latency, self._wall, self._listed = latency, wall, listed
        self._ids = FactIds()
        # Told every finding of live events and levels, before thresholds are judged; must not wait.
        self.on_findings: list[Callable[[Sequence[Finding]], None]] = []

    async def look(self, view: View, tick_of: Callable[[str], int]) -> list[Fact]:
        """One round of levels; `tick_of`: when the first datum since the last round came (wall ms), by key."""
        facts: list[Fact] = []
        began = time.perf_counter()
        for key in view.states:  # the dear part of a round
            view.snapshot(key)
            if time.perf_counter() - began > SLICE:
                await asyncio.sleep(0)
                began = time.perf_counter()
        for monitor in self.monitors:
            for finding in self._guarded(monitor, lambda m=monitor: m.look(view)):  # type: ignore[misc]
                facts += self._judged(monitor, finding, view.now, tick_of(finding.key))
                if time.perf_counter() - began > SLICE:
                    await asyncio.sleep(0)
                    began = time.perf_counter()
        self.refused.update(view.refused)
        return facts

    def take(self, news: Sequence[News], view: View, tick: int) -> list[Fact]:
        """One batch of events that came at `tick` (wall ms)."""
        facts: list[Fact] = []
        for monitor in self.monitors:
            for finding in self._guarded(monitor, lambda m=monitor: m.take(news, view)):  # type: ignore[misc]
                facts += self._judged(monitor, finding, view.now, tick)
        self.refused.update(view.refused)
        return facts

    def _guarded(
        self, monitor: Monitor, findings: Callable[[], Iterable[Finding]]
    ) -> Iterator[Finding]:
        """The findings up to the first fault."""
        try:
            for finding in findings():
                for told in self.on_findings:
                    told((finding,))
                yield finding
        except Exception:  # a fault in one kind must not silence the others
            self.failures[monitor.kind] += 1
            if self.failures[monitor.kind] < 10 or self.failures[monitor.kind] % 1000 == 0:
                logger.exception(
                    "monitor failed kind=%s count=%d", monitor.kind, self.failures[monitor.kind]
                )

    def _judged(self, monitor: Monitor, finding: Finding, now: int, tick: int) -> list[Fact]:
        facts = []
        listed = finding.coin in self._listed()
        for level, chats in self._subscriptions.levels(monitor, finding.coin):
            if not self.edges.fires(monitor, finding, level, now):
                continue
            fact = self._fact(monitor, finding, level, tick)
            readers = self._subscriptions.audience(
                chats, monitor.kind, finding.coin, listed=listed, scan=monitor.whole_market
            )
            self._postman.offer(fact, readers, urgent=finding.urgent)
            facts.append(fact)
        return facts

    def _fact(self, monitor: Monitor, finding: Finding, level: float, tick: int) -> Fact:
        text, detail = monitor.tell(finding)
        seen = self._wall.now()
        times = finding.size / level if level > 0 else 0.0
        severity = Severity.NOTICE if times <= HIGH else Severity.HIGH
        if finding.urgent or times > EXTREME:
            severity = Severity.EXTREME
        fact = Fact(
            id=self._ids.next(seen), ts=finding.ts, kind=finding.kind, key=finding.key,
            coin=finding.coin, severity=severity, value=finding.value, threshold=level, text=text,
            detail=detail, venues=finding.venues, side=finding.side, evidence=finding.figures,
            tick_wall=tick, seen_wall=seen,
        )  # fmt: skip
        self.noticed[monitor.kind] += 1
        if tick:
            self._latency.fact.add(seen - tick)
        self.unstored.append(fact)
        if len(self.unstored) > UNSTORED:
            self.unstored.popleft()
            self.lost += 1
        return fact
