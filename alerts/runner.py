"""Feeds the engine and keeps it true to the store: live trades at once, figures each second, the rest by asking.

A rule sleeps in the engine until one of its figures moves over its level. What fires is committed with its
messages in groups. Every market minute the states that changed are saved together with how far each metric was
looked at, so that after a restart only what came since is looked at again, from candles, and marked late.
"""

import asyncio
import gc
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from alerts.asking import Asking
from alerts.committing import Committer
from alerts.conditions import about, metrics_of
from alerts.fast.engine import Engine
from alerts.feeding import TradeFeed
from alerts.known import Known
from alerts.lasting import lasting
from alerts.metrics import Metrics
from alerts.monitors.kinds.base import Finding
from alerts.monitors.watchlist import WatchList
from alerts.protocols import AlertStore
from alerts.sources.events import Events
from alerts.states import none_ahead, none_of_them_ahead
from alerts.stored_types import Crossings, Earliest
from alerts.types import ANYTHING, EACH, WATCHED, AlertRule, AlertState, Look, Metric, Sample
from exchanges.hub import Market
from exchanges.streams.decoder import News
from exchanges.streams.supervisor import Streams
from market.clock import Clock
from market.errors import SourceError
from market.types import MINUTE, Instrument

logger = logging.getLogger(__name__)

TURN = 1000  # market ms between looks at live figures
FASTEST = 0.2  # wall seconds between such looks, however fast the market runs
SLICE = 20  # instruments looked at between two turns of the loop
RETRY = 5.0  # wall seconds after which a loop that failed goes on
OLD = "old"  # of the engine: seen before, which is nobody's fault
LOOKED_AT = 8  # subjects of a rule that are looked at for a card


class Runner:
    """What is armed, and what is known of its figures. `ready`: the past of the streams has been fetched."""

    def __init__(
        self,
        *,
        store: AlertStore,
        market: Market,
        streams: Streams,
        metrics: Metrics,
        committer: Committer,
        clock: Clock,
        wall: Clock,
        lock: asyncio.Lock,
    ) -> None:
        self._store, self._market, self._streams = store, market, streams
        self._metrics, self._clock, self._wall = metrics, clock, wall
        self.watch_list: WatchList | None = None
        self.committer = committer
        self.engine = Engine(fresh=metrics.fresh)
        self.lock = lock
        self.ready: asyncio.Event | None = None
        self.on_gone: Callable[[Sequence[int], str], Awaitable[object]] | None = None
        self.checked = 0  # market ms of the last look at everything
        self._trades = TradeFeed(self.engine, committer.put)
        self._events = Events()
        self._known = Known(self.engine, committer)
        self._asking = Asking(metrics, self._known, self._take_up_anew)
        self._wanted: frozenset[Metric] = frozenset()  # what the rules are about
        self._roving: dict[int, AlertRule] = {}  # rules about whatever is watched now
        self._more = asyncio.Event()
        self._unsaved: dict[tuple[int, str], AlertState] = {}
        self._saved = 0  # market minute of the last save

    # What is armed

    async def load(self) -> int:
        """Take up every active rule with its state; how many. Meanwhile none is changed."""
        async with self.lock:
            with _uncollected():
                return await self._load()

    async def _load(self) -> int:
        now = self._asking.started = self._clock.now()
        for metric, (ts, value) in (await self._store.marks()).items():
            if ts > now:  # of a market that began anew at an earlier time
                continue
            self._known.looked[metric] = ts
            if not metric.window:  # the past that a change is measured from is told anew
                self.engine.mark(metric, ts, value)
        count, earliest = 0, Earliest()
        async for stored in self._store.stream():
            count += len(stored)
            states = stored.states
            sound = {r.id: none_ahead(r, states.get(r.id, []), now) for r in stored.rules}
            many = stored.crossings
            if many is not None:
                many = none_of_them_ahead(many, now)
                earliest.add(many)
            self._add(stored.rules, sound, many, more=True)
            await asyncio.sleep(0)
        for metric, since in earliest.found():
            self._known.want(metric, since)
        for _part in self.engine.settle():
            await asyncio.sleep(0)
        self._follow()
        return count

    async def arm(self, rules: Sequence[AlertRule]) -> None:
        """Watch these from now on, from the states that are stored."""
        states = await self._store.all_states([rule.id for rule in rules])
        self._add(rules, states)
        self._follow()

    async def drop(self, rule_ids: Iterable[int]) -> None:
        """Do not watch these any more; what of them waits to be told is not told."""
        gone = list(rule_ids)
        states = [state for each in gone for state in self.engine.states(each)]
        await self._store.save_states(states)  # whoever brings a rule back goes on from here
        for each in gone:
            self.engine.remove(each)
            self._roving.pop(each, None)
        self.committer.forget(gone)
        self._follow()

    def _add(
        self,
        rules: Sequence[AlertRule],
        states: Mapping[int, Sequence[AlertState]],
        many: Crossings | None = None,
        *,
        more: bool = False,
    ) -> None:
        """Into the engine, among `many`; a rule about whatever is watched waits until something is."""
        for rule in rules:
            if WATCHED in rule.subjects or ANYTHING in rule.subjects:
                self._roving[rule.id] = rule
            last = min((s.last_ts for s in states.get(rule.id, ())), default=0) or rule.created_ts
            for metric in metrics_of(rule.condition):
                if metric.subject != EACH:
                    self._known.want(metric, last)
        found = [(rule, self._subjects(rule)) for rule in rules]
        rows = (
            (rule.id, rule.condition, rule.repeat, rule.cooldown, states.get(rule.id, ()), subjects)
            for rule, subjects in found
            if subjects or not rule.subjects
        )
        self.engine.load(rows, many, more=more)

    def _subjects(self, rule: AlertRule) -> tuple[str, ...]:
        """What a rule over several is about now."""
        found: dict[str, None] = {}
        for each in rule.subjects:
            if each == WATCHED:
                listed = self.watch_list.instruments if self.watch_list is not None else ()
                found |= dict.fromkeys(each.key for each in listed)
            elif each == ANYTHING:
                found |= dict.fromkeys(s.instrument.key for s in self._streams.states())
            else:
                found[each] = None
        return tuple(found)

    def _follow(self) -> None:
        """The feeds carry what the rules need, and no more."""
        wanted = frozenset(self.engine.metrics())
        gone = self._wanted - wanted
        self._asking.follow(wanted - self._wanted, gone)
        self._known.forget(gone)
        self._wanted = wanted
        self._trades.follow(wanted)
        self._events.follow(wanted)
        self._more.set()

    def watched(self, names: Sequence[str] = ()) -> list[Instrument]:
        """What the rules are about, of all figures or of these, for whoever streams and samples."""
        found: dict[str, Instrument] = {}
        for metric in (each for each in self._wanted if not names or each.name in names):
            try:
                found |= {each.key: each for each in self._metrics.instruments(metric)}
            except SourceError as error:
                logger.info("not watched subject=%s reason=%s", metric.subject, error.reason)
        return [found[key] for key in sorted(found)]

    # What is known

    def states(self, rule_id: int) -> Sequence[AlertState]:
        """Where a rule that is armed stands at this moment."""
        return self.engine.states(rule_id)

    def problem(self, metric: Metric) -> str:
        """Why a figure is not known now, or was not at the last look; "" where it is."""
        return self._asking.problem(metric)

    async def look(self, rule: AlertRule) -> Look:
        """Every leaf of a rule with its figure now, armed or not."""
        conditions = [about(rule.condition, s) for s in self._subjects(rule)[:LOOKED_AT]]
        return await self._asking.look(conditions or [rule.condition], self._clock.now())

    @property
    def refused(self) -> int:
        """Figures that nothing was judged by, because they cannot be: no numbers, not above 0, far off."""
        return sum(n for why, n in self.engine.refused.items() if why != OLD)

    # What goes on

    def take(self, news: Sequence[News]) -> None:
        """Events of the streams, in the turn that brought them; must not wait."""
        self._trades.take(news)
        if self._trades.open and self._events.wanted:
            for metric, sample in self._events.take_news(news, self._clock.now()):
                self._known.give(metric, sample)

    def findings(self, found: Sequence[Finding]) -> None:
        """What the monitors measured."""
        if self._trades.open and self._events.wanted:
            for metric, sample in self._events.take_findings(found):
                self._known.give(metric, sample)

    async def run(self) -> None:
        """Catch up, then go on until cancelled."""
        if self.ready is not None:
            await self.ready.wait()
        loops = (
            ("commits", self.committer.run), ("asked", self._each_pull), ("live", self._each_turn),
            ("minutes", self._each_minute),
        )  # fmt: skip
        tasks = [
            asyncio.create_task(lasting(logger, "alerts", name, loop, RETRY))
            for name, loop in loops
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """What is known is written down."""
        await self.committer.flush()
        await self.save()

    async def check(self) -> None:
        """Ask for everything now, whether it is due or not, and commit what fires."""
        self._asking.all_due()
        await self.pull()
        self._trades.open = True
        await self.turn()
        await self.committer.flush()

    async def _each_pull(self) -> None:
        await self.pull()
        self._trades.open = True  # the past is known: live trades count from here on
        while True:
            self._more.clear()
            await self.pull()
            await self._rest(TURN)

    async def _rest(self, ms: int) -> None:
        """Wait so long on the market's clock, or until there is more to do."""
        try:
            async with asyncio.timeout(self._wall_of(ms)):
                await self._more.wait()
        except TimeoutError:
            return

    def _wall_of(self, ms: int) -> float:
        speed = max(float(getattr(self._clock, "speed", 1.0)), 1e-6)
        return max(FASTEST, ms / 1000 / speed)

    async def pull(self) -> None:
        """Ask for the figures that are due and that no stream carries now."""
        now = self._clock.now()
        gone = await self._asking.round(self._wanted, now)
        if gone:
            await self._tell_gone(gone)
        self.checked = now

    async def _take_up_anew(self, metric: Metric) -> None:
        """Its rules forget what the engine learnt of their figures, and keep their states."""
        ids = self.engine.rules_of(metric)
        rules = await self._store.chosen(ids)
        states = {each: self.engine.states(each) for each in ids}
        for each in ids:
            self.engine.remove(each)
        self._add(list(rules.values()), states)

    async def _each_turn(self) -> None:
        while True:
            await asyncio.sleep(self._wall_of(TURN))
            if self._trades.open:
                await self.turn()

    async def turn(self) -> None:
        """The live figures of every instrument with a rule, and the timers."""
        now = self._clock.now()
        known = self._known
        for n, (metric, sample) in enumerate(self._metrics.live(self._wanted, now), 1):
            if isinstance(sample, Sample):
                known.give(metric, sample)
                known.looked[metric] = now
            elif known.latest.pop(metric, None) is not None or metric not in known.problems:
                known.lose(metric, sample)
            if n % SLICE == 0:
                await asyncio.sleep(0)
        if fired := self.engine.turn(now):
            self.committer.put(fired)

    async def _each_minute(self) -> None:
        while True:
            await asyncio.sleep(self._wall_of(MINUTE // 4))
            if self._clock.now() // MINUTE != self._saved and self._trades.open:
                await self.save()
                await self._rove()

    async def _rove(self) -> None:
        """Rules about whatever is watched follow the watch list."""
        for rule in list(self._roving.values()):
            states = self.engine.states(rule.id)
            if set(self._subjects(rule)) != {s.subject for s in states}:
                stored = {} if states else await self._store.all_states([rule.id])
                self._add([rule], {rule.id: states or stored.get(rule.id, [])})
        self._follow()

    async def save(self) -> None:
        """States that changed, and how far their metrics were looked at, as of one moment.

        A state is never saved before what fired on the way to it.
        """
        while True:
            await self.committer.flush()
            async with self.lock:
                if not self.committer.waiting:
                    await self._save()
                    return

    async def _save(self) -> None:
        now = self._clock.now()
        whole = now // MINUTE * MINUTE - 1  # candles of the running minute tell what came after
        self._unsaved |= {(s.rule_id, s.subject): s for s in self.engine.dirty()}
        marks = {
            m: (whole if self._metrics.is_live(m, now) else min(whole, ts), None)
            for m, ts in self._known.looked.items()
        }
        saved = self._unsaved
        await self._store.save_marks(marks, list(saved.values()))
        self._unsaved = {key: s for key, s in self._unsaved.items() if saved.get(key) is not s}
        self._saved = now // MINUTE

    async def _tell_gone(self, gone: Mapping[Metric, str]) -> None:
        """Rules whose market is gone are paused by whoever keeps them."""
        if self.on_gone is None:
            return
        by_reason: dict[str, list[int]] = defaultdict(list)
        for metric, reason in gone.items():
            by_reason[reason] += self.engine.rules_of(metric)
        for reason, ids in by_reason.items():
            await self.on_gone(ids, reason)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: rows by the hundred thousand leave no cycles, and looking for them takes long."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
