"""Rules of parts: their leaves sleep in books like any rule, and the tree is judged when one of them says anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.compound import Compound, LegState
from alerts.fast import keys, sleep
from alerts.fast.fired import Fired, FiredWhole
from alerts.fast.shelf import Shelf
from alerts.fast.sleep import CHANGES, DOWN, TIMERS, UP
from alerts.fast.terms import Shape, Terms, back, beyond, change, numbers, risen, step
from alerts.types import AlertState, Leg, Sample

if TYPE_CHECKING:
    from alerts.fast.book import Book, Moment


SOON = 0.5  # before any ts


class Clock:
    """What happens by itself: who is due when, and how far time has come. It never goes back."""

    __slots__ = ("now", "shelf")

    def __init__(self) -> None:
        self.shelf, self.now = Shelf(), 0


@dataclass(slots=True, kw_only=True)
class FastLeg(LegState):
    """A leaf that sleeps in a book. Its own `ts` and `value` are those of its last look."""

    book: "Book"
    slot: int  # negative: others are rules of one leaf
    terms: Terms
    whole: "Whole" = field(init=False)
    hit: float | None = None  # what met it last: the value, or the extreme that touched the level
    asleep: list[tuple[int, float]] = field(default_factory=list)  # (shelf, key)

    def newest(self) -> int:
        return max(self.ts, self.book.ts)

    def latest(self) -> float | None:
        newer = self.book.known() if self.book.ts >= self.ts else None
        return self.value if newer is None else newer

    def candle(self) -> int:
        return max(self.bar, self.book.bar)

    def lapses(self, ts: int) -> bool:
        """Whether nothing was known of it for too long before a sample of `ts`; then it is forgotten."""
        before = self.newest()
        if not self.fresh or not before or ts - before <= self.fresh:
            return False
        self.truth = None
        self.wait()
        return True

    def look(self, moment: "Moment") -> bool:
        """Take a sample; False where it tells this leg nothing."""
        ts, is_event = moment.ts, self.terms.shape is Shape.EVENT
        old = ts < self.ts or (moment.again and not is_event)
        if ts == self.ts and not (is_event or moment.rebased or moment.before == ts):
            old = True
        if old:
            self.wait()
            if self.learn(ts, moment.value):
                self.whole.begin(ts)
                self.whole.start()
            return False
        self.lie_down(moment)
        return True

    def learn(self, ts: int, value: float) -> bool:
        """How the figure stood before this leg was there; it cannot fire by that."""
        if not self.may_learn():
            return False
        level = numbers(self.leaf)[0]
        if self.terms.shape is Shape.STATE:
            self.truth = beyond(self.terms, level, value)
        elif self.terms.shape is Shape.RISE:
            self.truth = self._risen(ts, value)
        else:
            if self.side == 0 or self.taught:
                self.armed, self.side = True, 0
                self._cross((value, value, value), learn=True)
            self.truth = False
        self.taught = ts
        return True

    def lie_down(self, moment: "Moment") -> None:
        """What the sample says of the leaf, and what to wait for then."""
        self.take_up()
        level, rearm = numbers(self.leaf)
        value, shape = moment.value, self.terms.shape
        if shape is Shape.STATE:
            if beyond(self.terms, level, value):
                self.truth = True
            elif self.truth is None or back(self.terms, level, rearm, value):
                self.truth = False
        elif shape is Shape.RISE:
            self.truth = self._risen(moment.ts, value)
        else:
            now = moment.range_for(max(self.ts, moment.before))
            self._cross(now, learn=moment.rebased or self.side == 0)
        self.ts, self.value, self.taught = moment.ts, value, 0
        self.asleep = self._until(level, rearm)
        for shelf, key in self.asleep:
            self.book.shelf(shelf).put(key, self.slot)

    def _cross(self, now: tuple[float, float, float], *, learn: bool) -> None:
        """A crossing or an event: true for the moment only."""
        level, rearm = numbers(self.leaf)
        was = self.armed, self.side
        armed, side, self.hit = step(self.terms, level, rearm, now, was, learn=learn, may=True)
        self.pulse, self.truth = self.hit is not None, False
        if self.terms.shape is not Shape.EVENT:
            self.armed = armed
            self.side = (
                side if self.terms.shape is Shape.EITHER else 1
            )  # that it is known is enough

    def _risen(self, ts: int, value: float) -> bool | None:
        changes = self.book.changes
        base = None if changes is None else changes.base(ts)
        if base is None:
            return None
        found = change(value, base, relative=self.terms.relative)
        return None if found is None else risen(numbers(self.leaf)[0], found)

    def _until(self, level: float, rearm: float) -> list[tuple[int, float]]:
        """(shelf, key) of all that would make it say something else."""
        terms, sign = self.terms, self.terms.sign
        match terms.shape:
            case Shape.STATE:
                if self.truth:
                    key = keys.left(sign, level, rearm, touch=False)
                    return [(DOWN if sign > 0 else UP, key)]
                return [(UP if sign > 0 else DOWN, keys.met(sign, level, touch=False))]
            case Shape.RISE:
                shelf = CHANGES + (0 if terms.relative else 2)
                if self.truth:
                    return [(shelf + (1 if level > 0 else 0), keys.fallen_short(level))]
                return [(shelf + (0 if level > 0 else 1), keys.risen(level))]
            case Shape.EVENT:
                return list(sleep.happening(terms, level))
        return list(sleep.crossing(terms, level, rearm, armed=self.armed, side=self.side))

    def take_up(self) -> None:
        """Off all shelves."""
        for shelf, key in self.asleep:
            self.book.shelf(shelf).drop(key, self.slot)
        self.asleep = []
        self.book.fresh.discard(self.slot)

    def wait(self) -> None:
        """The next sample, whatever it is, is looked at."""
        self.book.fresh.add(self.slot)

    def shown(self, *, met: bool, hit: float | None = None) -> Leg:
        """As people are told: the value, or how far it has come."""
        ts, value = self.newest(), self.latest()
        sample = self.book.sample() if ts == self.book.ts else None
        if value is not None and self.terms.is_change:
            value = self.book.far(value, relative=self.terms.relative)
        return Leg(
            leaf=self.leaf, value=value if hit is None else hit, ts=ts, met=met, sample=sample
        )


class Whole:
    """One rule of parts about one subject. `clock` wakes it when no sample does."""

    def __init__(
        self, rule_id: int, subject: str, slot: int, compound: Compound, legs: list[FastLeg],
        clock: Clock, changed: "set[Whole]", number: Callable[[], int],
    ) -> None:  # fmt: skip
        self.rule_id, self.subject, self.slot = rule_id, subject, slot
        self.compound, self.legs = compound, legs
        self.transition = 0
        self.changed = changed
        self._clock, self._number = clock, number
        self._due = 0.0
        for leg in legs:
            leg.whole = self

    def begin(self, ts: int) -> None:
        """Go by what its leaves have learnt."""
        self.compound.begin(self._moment(ts))
        self.changed.add(self)

    def _moment(self, ts: int) -> int:
        return self.compound.moment(max(ts, self._clock.now))

    def start(self) -> None:
        """Look at whatever comes next, sample or turn."""
        self.attend()
        self._schedule(SOON)

    def stop(self) -> None:
        """Sleep nowhere any more."""
        self._schedule(0)
        for leg in self.legs:
            leg.take_up()
            leg.book.guard()

    def judge(self, ts: int, book: "Book | None" = None) -> list[Fired]:
        """What comes of it at this moment; `book` is whose sample made it be judged."""
        compound = self.compound
        now = self._moment(ts)
        met = {leg.slot: bool(leg.truth or leg.pulse) for leg in self.legs}
        fires = compound.judge(now)
        self.changed.add(self)
        if fires:
            self.transition = self._number()
        if compound.is_done():
            self.stop()
        else:
            if compound.is_held_back(now):
                self.attend()
            self._schedule(compound.due(now))
        fired = [self._fired(now, book, met)] if fires else []
        for leg in self.legs:
            leg.hit = None
        return fired

    def _fired(self, now: int, book: "Book | None", met: dict[int, bool]) -> Fired:
        """The leaf that tipped it is of the book that moved, and holds, as far as there is one."""
        order = sorted(self.legs, key=lambda leg: (leg.book is not book, not met[leg.slot]))
        tip, *rest = (leg.shown(met=met[leg.slot], hit=leg.hit) for leg in order)
        sample = tip.sample or Sample(ts=now, value=0.0 if tip.value is None else tip.value)
        return FiredWhole(self.state(), sample, (tip, *rest))

    def shown(self) -> tuple[Leg, ...]:
        """All leaves as they are, from left to right."""
        return tuple(leg.shown(met=bool(leg.truth)) for leg in self.legs)

    def state(self) -> AlertState:
        """What has to be remembered of it."""
        found = self.compound
        return AlertState(
            rule_id=self.rule_id, subject=self.subject, armed=found.armed, side=found.side,
            last_ts=found.looked(), fired_ts=found.fired_ts, fired_count=found.fired_count,
            transition=self.transition, bar_ts=found.bar_ts, memory=found.memory(),
        )  # fmt: skip

    def attend(self) -> None:
        """Look at every next sample of any leaf."""
        for leg in self.legs:
            leg.wait()
            leg.book.guard()

    def _schedule(self, due: float) -> None:
        """Be judged at `due` (0: never) by a turn, or by the first sample from then on."""
        if due == self._due:
            return
        books = {id(leg.book): leg for leg in self.legs}.values()
        if self._due:
            self._clock.shelf.drop(self._due, self.slot)
            for leg in books:
                leg.book.shelf(TIMERS).drop(self._due, leg.slot)
        self._due = due
        if due:
            self._clock.shelf.put(due, self.slot)
            for leg in books:
                leg.book.shelf(TIMERS).put(due, leg.slot)
                leg.book.guard()
