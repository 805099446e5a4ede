"""One metric: its newest value, and all that sleeps until it moves."""

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from alerts.engine import is_untold
from alerts.fast import burst, sleep
from alerts.fast.changes import Changes
from alerts.fast.fired import Fired
from alerts.fast.rules import Rules
from alerts.fast.shelf import Shelf
from alerts.fast.sleep import BARS, CHANGES, DOWN, JOIN, TIMERS, UP
from alerts.fast.terms import Shape, change, risen, step
from alerts.types import Metric, Sample

if TYPE_CHECKING:
    from alerts.fast.whole import FastLeg, Whole

PRICE = "price"
FAR = 5.0  # a price this many times off the last waits for the next one
SURE = 2.2  # between price / SURE and price * SURE no two prices are that far apart
MANY = 64  # from here on numpy is faster
NOTHING: Sequence[Fired] = ()


class Moment:
    """One sample while it is looked at. `joined`: up to when rules had looked that join with it."""

    __slots__ = (
        "again",
        "bar",
        "before",
        "high",
        "joined",
        "low",
        "made",
        "rebased",
        "since",
        "ts",
        "value",
    )

    def __init__(
        self, ts: int, value: float, *, low: float | None = None, high: float | None = None,
        bar: int = 0, since: int | None = None, rebased: bool = False, made: Sample | None = None,
    ) -> None:  # fmt: skip
        self.ts, self.value, self.bar, self.since, self.rebased = ts, value, bar, since, rebased
        self.low = value if low is None else min(low, value)
        self.high = value if high is None else max(high, value)
        self.made = made
        self.before = 0  # ts of the sample before
        self.again = False  # of the moment of the sample before, and only events count
        self.joined: dict[int, int] = {}

    def sample(self) -> Sample:
        """As it is handed on."""
        if self.made is None:
            self.made = Sample(ts=self.ts, value=self.value)
        return self.made

    def range_for(self, looked: int) -> tuple[float, float, float]:
        """(value, low, high) for who looked last at `looked`: without extremes that may be older."""
        if self.since is not None and self.since < looked:
            return self.value, self.value, self.value
        return self.value, self.low, self.high


class Book:
    """The hot path is `tick`: between `lo` and `hi`, before `wake`, nobody has to be looked at."""

    __slots__ = (
        "_held", "_high", "_low", "_shelves", "bar", "changes", "events", "fresh", "last", "legs", "lost",
        "marked", "metric", "number", "open", "patience", "price", "rules", "size", "ts", "value", "wake",
    )  # fmt: skip

    def __init__(self, metric: Metric, rules: Rules) -> None:
        self.metric, self.rules = metric, rules
        self.price = metric.name == PRICE
        self.number = 0  # in `rules.books`
        self.ts, self.value, self.bar = 0, nan, 0
        self.open = 1  # ts of the first sample that would be new
        self.size = 0  # leaves that sleep here
        self.last: Sample | None = None  # as it was taken
        self.fresh: set[int] = set()  # who has to look at the next sample, whatever it is
        self.lost = False  # not known any more
        self.marked = 0  # ts up to which it was looked at, but not by this engine
        self.events = False  # of things that happen several may share a moment
        self.changes: Changes | None = None
        self.legs: dict[int, FastLeg] = {}  # of rules of parts, by slot
        self.patience = inf  # ms without a sample after which they count as not known
        self._shelves: list[Shelf | None] = [None] * 4
        self._held: tuple[int, float] | None = None  # a price far off
        self._low, self._high, self.wake = inf, -inf, inf

    # Samples

    def tick(self, ts: int, value: float) -> Sequence[Fired]:
        """One number."""
        if self._low < value < self._high and self.open <= ts < self.wake:
            self.ts = self.open = ts
            self.value = value
            return NOTHING
        return self._tick(ts, value)

    def _tick(self, ts: int, value: float) -> Sequence[Fired]:
        if not self._is_sound(ts, value):
            return NOTHING
        held, self._held = self._held, None
        moments = [Moment(ts, value)]
        if self.price and self.value > 0:
            if _is_far(value, self.value):
                if held is None or _is_far(value, held[1]):
                    self._refuse("too far", held is not None)
                    self._held = ts, value
                    self.guard()
                    return NOTHING
                moments.insert(0, Moment(*held))
            else:
                self._refuse("too far", held is not None)
        fired: list[Fired] = []
        for moment in moments:
            if moment.ts >= self.open:
                self.open = moment.ts
                fired += self._look(moment)
        return fired

    def take(self, sample: Sample) -> Sequence[Fired]:
        """One sample with its extremes, candle and evidence."""
        ts = sample.ts
        if ts <= self.ts == self.marked and not self.events:
            self._adopt(sample)
            return NOTHING
        repeated = ts == self.ts and (sample.rebased or self.events)
        if not self._is_sound(ts, sample.value, repeated=repeated):
            return NOTHING
        if ts == self.ts and not repeated:  # ticks of that moment have told of it
            self._refuse("old")
            return NOTHING
        moment = Moment(
            ts, sample.value, low=self._extreme(sample.low), high=self._extreme(sample.high),
            bar=sample.bar_ts, since=sample.since, rebased=sample.rebased, made=sample,
        )  # fmt: skip
        moment.again = ts == self.ts and not sample.rebased
        self.open = ts + 1
        self.last = sample
        return self._look(moment)

    def _adopt(self, sample: Sample) -> None:
        """The newest sample as it is told again after a restart: nothing is judged by it, but it is known."""
        if not isfinite(sample.value) or (self.price and sample.value <= 0):
            return
        self.last, self.bar = sample, max(self.bar, sample.bar_ts)
        if isnan(self.value):
            self.value = sample.value
            self.guard()

    def _is_sound(self, ts: int, value: float, *, repeated: bool = False) -> bool:
        if not isfinite(value):
            return self._refuse("not finite")
        if self.price and value <= 0:
            return self._refuse("not above 0")
        if ts < self.open and not repeated:
            return self._refuse("old")
        return True

    def _refuse(self, why: str, really: bool = True) -> bool:
        if really:
            self.rules.refused[why] += 1
        return False

    def _extreme(self, value: float | None) -> float | None:
        """An extreme that can be."""
        sound = value is not None and isfinite(value) and not (self.price and value <= 0)
        return value if sound else None

    # Looking

    def _look(self, moment: Moment) -> list[Fired]:
        ts = moment.ts
        touched: dict[int, Whole] = {}
        fired: list[Fired] = []
        if ts - self.ts > self.patience:
            fired += self._lapse(ts)
        moment.before, self.lost = self.ts, False
        self.ts, self.value, self.bar = ts, moment.value, moment.bar
        woken = self._wake(moment)
        if len(woken) >= MANY:
            many, woken = burst.crossings(self, woken, moment)
            fired += many
        for slot in woken:
            if slot < 0:
                leg = self.legs[slot]
                if leg.look(moment):
                    touched[leg.whole.slot] = leg.whole
            elif (found := self._step(slot, moment)) is not None:
                fired.append(found)
        for whole in touched.values():
            fired += whole.judge(ts, self)
        self.guard()
        return fired

    def _lapse(self, ts: int) -> list[Fired]:
        """What was not known for too long breaks what has to hold without a break."""
        wholes = {leg.whole.slot: leg.whole for leg in self.legs.values() if leg.lapses(ts)}
        return [each for whole in wholes.values() for each in whole.judge(ts, self)]

    def _wake(self, moment: Moment) -> list[int]:
        """Who has to look at this sample."""
        if self.changes is not None:
            self.changes.put(moment.ts, moment.value)
        self._end_waits(moment)
        _value, low, high = moment.range_for(moment.before)
        if moment.rebased:
            if self.changes is not None:
                # Everyone sees whether the change is known; the next who waits for it too.
                self.changes.noted(self.changes.now(moment.ts, moment.value))
            return self._everyone()
        woken = list(self.fresh)
        self.fresh = set()
        up, down = self._shelves[UP], self._shelves[DOWN]
        if up is not None and up.least <= high:
            woken += up.pop(high)[1]
        if down is not None and down.least <= -low:
            woken += down.pop(-low)[1]
        if self.changes is not None:
            woken += self._changed(self.changes, moment)
        return list(dict.fromkeys(woken)) if len(woken) > 1 else woken

    def _changed(self, changes: Changes, moment: Moment) -> list[int]:
        """Who waits for a change like this one, or for any to be known, or not known."""
        now = changes.now(moment.ts, moment.value)
        woken = changes.woken(now)
        if changes.noted(now):
            woken += [slot for slot, leg in self.legs.items() if leg.terms.is_change]
        return woken

    def _end_waits(self, moment: Moment) -> None:
        """Cooldowns that are over, rules that join, candles that are new: they lie down anew, and may wake at once."""
        timers, bars, rules = self._shelves[TIMERS], self._shelves[BARS], self.rules
        limit = moment.ts + 1 if moment.rebased else moment.ts
        due: list[int] = []
        if timers is not None and timers.least <= limit:
            for key, slot in zip(*timers.pop(limit), strict=True):
                if slot < 0:
                    self.fresh.add(slot)
                    if key > moment.ts:
                        timers.put(key, slot)
                    continue
                if rules.places[slot] & JOIN:
                    terms = rules.palette[rules.terms[slot]]
                    moment.joined[slot] = sleep.seen(terms, key)
                due.append(slot)
        if bars is not None and bars.least <= moment.bar:
            due += bars.pop(moment.bar)[1]
        if len(due) >= MANY:
            joined = [slot for slot in due if rules.places[slot] == JOIN]
            sleep.settle(self, np.array(joined, np.int32), moment.ts)
            due = [slot for slot in due if slot not in moment.joined]
        for slot in due:
            rules.places[slot] &= ~JOIN
            sleep.lift(self, slot)
            sleep.rest(self, slot, moment.ts)

    def _everyone(self) -> list[int]:
        """Every rule that has begun to look."""
        places = self.rules.places
        found = [slot for shelf in self._all() for slot in shelf]
        found += self.fresh
        return [slot for slot in dict.fromkeys(found) if slot < 0 or not places[slot] & JOIN]

    def _all(self) -> list[Shelf]:
        changes = [] if self.changes is None else self.changes.shelves
        return [shelf for shelf in (*self._shelves, *changes) if shelf is not None]

    # One rule

    def _step(self, slot: int, moment: Moment) -> Fired | None:
        rules, ts = self.rules, moment.ts
        terms = rules.palette[rules.terms[slot]]
        sleep.lift(self, slot)
        fired_ts, was = rules.fired[slot], rules.was(slot)
        is_event = terms.shape is Shape.EVENT
        if fired_ts == ts if is_event else moment.again:
            sleep.rest(self, slot, ts)
            return None
        bar = moment.bar
        may = terms.may_fire(ts, fired_ts, rules.counts[slot], bar, rules.bars.get(slot, 0))
        learn = moment.rebased or was[1] == 0
        if terms.is_change:
            armed, side, hit = self._rise(slot, moment, learn=learn, may=may)
        else:
            now = moment.range_for(moment.joined.get(slot, moment.before))
            began = moment.made.began if is_event and moment.made is not None else None
            if is_untold(began, fired_ts):
                now = (moment.value,) * 3
            level, rearm = rules.levels[slot], rules.rearms[slot]
            armed, side, hit = step(terms, level, rearm, now, was, learn=learn, may=may)
        rules.values.pop(slot, None)
        rules.set(slot, armed=armed, side=side)
        found = None if hit is None else self._fire(slot, hit, moment)
        sleep.rest(self, slot, ts)
        return found

    def _fire(self, slot: int, hit: float, moment: Moment) -> Fired:
        rules = self.rules
        rules.fire(slot, moment.ts, moment.bar)
        terms = rules.palette[rules.terms[slot]]
        rule_id, subject = rules.owner(slot)
        leaf = (terms, self.metric, rules.levels[slot], rules.rearms[slot])
        return Fired(rule_id, subject, hit, moment.sample(), leaf, rules.kept(slot))

    def _rise(
        self, slot: int, moment: Moment, *, learn: bool, may: bool
    ) -> tuple[bool, int, float | None]:
        """The change of one rule; met before anybody looked, it is measured from here on."""
        rules, amount = self.rules, self.rules.levels[slot]
        found = self.change_of(slot, moment.ts, moment.value)
        met = found is not None and risen(amount, found)
        if met and (learn or may):
            rules.rearms[slot] = moment.value
            if learn:
                rules.fired[slot] = moment.ts
                rules.changed.add(slot)
        return True, 1 if met else -1, found if met and may and not learn else None

    def change_of(self, slot: int, ts: int, value: float) -> float | None:
        """How far the metric has come for one rule: over its window, or since it fired."""
        rules = self.rules
        fired_ts, base = rules.fired[slot], rules.rearms[slot]
        if not fired_ts or fired_ts <= ts - self.metric.window:
            found = self.changes.base(ts) if self.changes else None
        elif not isnan(base):
            found = base
        else:  # stored without it
            since = self.changes.since(fired_ts) if self.changes else None
            found = value if since is None else since
        relative = rules.palette[rules.terms[slot]].relative
        return None if found is None else change(value, found, relative=relative)

    def far(self, value: float, *, relative: bool) -> float | None:
        """How far the metric has come within its window."""
        base = self.changes.base(self.ts) if self.changes else None
        return None if base is None else change(value, base, relative=relative)

    def sample(self) -> Sample | None:
        """The newest one, with its evidence where it was taken with any."""
        if isnan(self.value):
            return None
        if self.last is not None and (self.last.ts, self.last.value) == (self.ts, self.value):
            return self.last
        return Sample(ts=self.ts, value=self.value)

    def known(self) -> float | None:
        """The newest value."""
        return None if isnan(self.value) else self.value

    def mark(self, ts: int, value: float | None) -> None:
        """All rules here were looked at up to `ts`."""
        if ts > self.ts:
            self.ts, self.open, self.marked = ts, ts + 1, ts
            self.value = nan if value is None else value
            self.guard()

    def lose(self) -> None:
        """It is not known any more, until its next sample."""
        self.lost = True
        self.guard()

    # Sleep

    def shelf(self, number: int) -> Shelf:
        """The shelf of that number; made when it is first needed."""
        if number >= CHANGES:
            if self.changes is None:
                self.changes = Changes(self.metric.window)
            return self.changes.shelves[number - CHANGES]
        found = self._shelves[number]
        if found is None:
            found = self._shelves[number] = Shelf()
        return found

    def guard(self) -> None:
        """Between which values, and until when, there is nothing to do."""
        up, down, timers = self._shelves[UP], self._shelves[DOWN], self._shelves[TIMERS]
        self._high = inf if up is None else up.least
        self._low = -inf if down is None else -down.least
        self.wake = inf if timers is None else timers.least
        if self.price:
            self._low = max(self._low, self.value / SURE)
            self._high = min(self._high, self.value * SURE) if self.value > 0 else -inf
        if self.fresh or self.lost or self.changes is not None or self._held is not None:
            self._low = inf
        self.wake = min(self.wake, self.ts + self.patience + 1)


def _is_far(price: float, other: float) -> bool:
    return max(price, other) > FAR * min(price, other)
