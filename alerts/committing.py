"""What fired becomes firings, states and messages, many in one commit.

Whatever came while the commit before was on its way to the disk goes together into the next: a burst costs few
commits, and a single firing waits for nobody. What could not be committed is tried again, in order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from alerts.conditions import metrics_of
from alerts.delivery.doorbell import Doorbell
from alerts.describe import Words
from alerts.fast.engine import Fired
from alerts.gates import Gates, Silent, Tell, Verdict, after
from alerts.message import Message
from alerts.metrics import VOLUME, Metrics
from alerts.protocols import AlertStore
from alerts.types import AlertRule, AlertState, Firing, OutboxRow, Signal
from exchanges.hub import Market
from market.clock import Clock
from market.errors import AssistantError, SourceError
from market.language import _
from market.types import MINUTE, Reading

logger = logging.getLogger(__name__)

TOGETHER = 2000  # firings of one commit
WAITING = 200_000  # that wait at most: beyond it something is broken, and the count says so
RETRY = 1.0  # wall seconds
DETAIL_PATIENCE = 3.0  # wall seconds for what a message tells beside the finding
PRICE_AGE = 2 * MINUTE  # market ms: an older price is not the one at the firing
Copies = Callable[[OutboxRow, int], Sequence[OutboxRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A firing that is not committed yet."""

    fired: Fired
    late: bool


def _nowhere(row: OutboxRow, owner_id: int) -> Sequence[OutboxRow]:
    """No ways out but the chat."""
    return ()


class Committer:
    """Commits firings. Holds `lock` while it does, so that a rule that was changed meanwhile does not fire.

    `copies` gives the rows that carry a message to its owner's other channels.
    """

    def __init__(
        self,
        store: AlertStore,
        market: Market,
        metrics: Metrics,
        gates: Gates,
        clock: Clock,
        wall: Clock,
        *,
        lock: asyncio.Lock,
    ) -> None:
        self._store, self._market, self._metrics = store, market, metrics
        self._gates, self._clock, self._wall = gates, clock, wall
        self._lock = lock
        self.copies: Copies = _nowhere
        self.wake = Doorbell()  # the outbox's: something is to be delivered
        self.on_paused: Callable[[Sequence[int]], None] = lambda _ids: None
        self.committed = self.lost = 0
        self.signals: deque[Signal] = deque(maxlen=1000)  # the newest that were committed
        self._quick: deque[Waiting] = deque()
        self._slow: deque[Waiting] = deque()  # those whose message needs something fetched
        self._more = asyncio.Event()
        self._more_slow = asyncio.Event()
        self._late: set[tuple[int, str]] = set()  # told as late already

    @property
    def waiting(self) -> int:
        """Firings that are not committed yet."""
        return len(self._quick) + len(self._slow)

    def put(self, fired: Sequence[Fired], *, late: bool = False) -> None:
        """These fired; `late`: on figures of a time when nobody looked."""
        for each in fired:
            if self.waiting >= WAITING:
                self.lost += 1
                logger.error("firing lost rule=%d waiting=%d", each.rule_id, self.waiting)
                continue
            slow = any(leg.leaf.metric.name == VOLUME for leg in each.legs[:1])
            (self._slow if slow else self._quick).append(Waiting(fired=each, late=late))
        (self._more if self._quick else self._more_slow).set()
        if self._slow:
            self._more_slow.set()

    def forget(self, rule_ids: Iterable[int]) -> None:
        """What of these is not committed yet never will be."""
        gone = set(rule_ids)
        for queue in (self._quick, self._slow):
            if any(each.fired.rule_id in gone for each in queue):
                kept = [each for each in queue if each.fired.rule_id not in gone]
                queue.clear()
                queue.extend(kept)

    async def run(self) -> None:
        """Commit until cancelled."""
        await asyncio.gather(
            self._work(self._quick, self._more), self._work(self._slow, self._more_slow)
        )

    async def _work(self, queue: deque[Waiting], more: asyncio.Event) -> None:
        while True:
            await more.wait()
            more.clear()
            while queue:
                try:
                    await self._next(queue)
                except AssistantError as error:
                    logger.warning("firings held up waiting=%d reason=%s", len(queue), error)
                    await asyncio.sleep(RETRY)

    async def flush(self) -> None:
        """Commit all that waits; call it without the lock."""
        for queue in (self._quick, self._slow):
            while queue:
                await self._next(queue)

    async def _next(self, queue: deque[Waiting]) -> None:
        details = await self._details(queue) if queue is self._slow else {}
        async with self._lock:
            batch = [queue[n] for n in range(min(TOGETHER, len(queue)))]
            if batch:
                await self._commit(batch, details)
            for _each in batch:
                queue.popleft()

    async def _commit(
        self,
        batch: Sequence[Waiting],
        details: Mapping[tuple[int, int], Mapping[str, Reading[float]]],
    ) -> None:
        ids = list({each.fired.rule_id for each in batch})
        rules, _told = await asyncio.gather(self._store.chosen(ids), self._gates.expect(ids))
        known = [each for each in batch if each.fired.rule_id in rules]
        signals = [_signal(each, rules[each.fired.rule_id]) for each in known]
        verdicts = await self._gates.judge(signals, rules)
        now, wall = self._clock.now(), self._wall.now()
        message = Message(Words(self._market.directory))
        firings: list[Firing] = []
        states: dict[tuple[int, str], AlertState] = {}
        rows: list[OutboxRow] = []
        paused: dict[int, str] = {}
        for each, signal, verdict in zip(known, signals, verdicts, strict=True):
            rule, state = signal.rule, each.fired.state
            chart = self._chart(signal)
            firing = Firing(
                rule_id=rule.id, transition=state.transition, ts=signal.sample.ts, value=signal.value,
                threshold=signal.threshold, text=message.headline(signal), subject=signal.subject,
                late=signal.late, price=self._price(signal, chart, now), chart=chart,
            )  # fmt: skip
            payload = message.payload(
                signal, now, details.get((rule.id, signal.sample.ts), {}), chart,
                transition=state.transition,
            )  # fmt: skip
            outcome = after(self._once_late(signal, verdict), firing, rule, payload, wall)
            if outcome is None:
                continue
            firings.append(outcome.firing)
            states[rule.id, state.subject] = state
            if outcome.row is not None:
                rows += [outcome.row, *self.copies(outcome.row, rule.owner_id)]
                self.signals.append(signal)
            if outcome.paused:
                paused[rule.id] = outcome.paused
        try:
            await self._store.fire(firings, list(states.values()), rows, paused=paused, now=wall)
        except AssistantError:
            self._gates.forget(rules)
            raise
        self.committed += len(firings)
        if paused:
            self.on_paused(list(paused))
        if rows:
            self.wake.ring(rows)

    def _once_late(self, signal: Signal, verdict: Verdict) -> Verdict:
        """Of several times it became true while nobody looked only the first is told."""
        key = (signal.rule.id, signal.subject)
        if not signal.late:
            self._late.discard(key)
        if not signal.late or not isinstance(verdict, Tell):
            return verdict
        if key in self._late:
            return Silent(_("it was true before, while I was not looking"))
        self._late.add(key)
        return verdict

    def _chart(self, signal: Signal) -> str:
        """The instrument to draw: the one that tipped it, or the first of several."""
        metrics = [leg.leaf.metric for leg in signal.legs[:1]] or metrics_of(signal.rule.condition)
        try:
            return self._metrics.instruments(metrics[0])[0].key
        except (SourceError, IndexError):
            return ""

    def _price(self, signal: Signal, chart: str, now: int) -> float | None:
        """What `chart` traded at when it fired; None where that is not known."""
        first = signal.legs[0].leaf.metric if signal.legs else None
        if first is not None and first.name == "price" and first.subject == chart:
            return signal.sample.value
        instrument = self._market.directory.by_key(chart) if chart else None
        streams = self._market.streams
        last = streams.last_trade(instrument) if streams is not None and instrument else None
        if last is None or abs(signal.sample.ts - last.ts) > PRICE_AGE:
            return None
        return float(last.price)

    async def _details(
        self, queue: Sequence[Waiting]
    ) -> dict[tuple[int, int], Mapping[str, Reading[float]]]:
        """What messages tell beside their finding, as far as it is there in time."""
        details: dict[tuple[int, int], Mapping[str, Reading[float]]] = {}

        async def one(fired: Fired) -> None:
            metric = fired.legs[0].leaf.metric
            found = await self._metrics.detail(metric, fired.sample)
            details[fired.rule_id, fired.sample.ts] = found

        try:
            async with asyncio.timeout(DETAIL_PATIENCE):
                await asyncio.gather(*(one(each.fired) for each in queue))
        except TimeoutError:
            logger.info("details not there in time")
        return details


def _signal(waiting: Waiting, rule: AlertRule) -> Signal:
    fired = waiting.fired
    return Signal(
        rule=rule, sample=fired.sample, value=fired.value, threshold=fired.threshold,
        late=waiting.late, subject=fired.subject, legs=fired.legs,
    )  # fmt: skip
