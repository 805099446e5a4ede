"""The engine: rules sleep in the books of their metrics, and one number wakes those it concerns."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, KeysView, Sequence
from heapq import merge
from math import isnan
from operator import itemgetter
from typing import cast

import numpy as np

from alerts.compound import Compound, LegState
from alerts.conditions import about, is_simple, leaves
from alerts.fast import sleep
from alerts.fast.book import NOTHING, Book
from alerts.fast.fired import Fired
from alerts.fast.loading import Loading
from alerts.fast.rules import Rules
from alerts.fast.terms import NAN, Shape, Terms, beyond, risen
from alerts.fast.whole import Clock, FastLeg, Whole
from alerts.parts import tree
from alerts.stored_types import Crossings
from alerts.types import (
    AlertState,
    Condition,
    Cross,
    Event,
    Leaf,
    Leg,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
)
from market.types import MINUTE

Row = tuple[
    int, Condition, Repeat, int, Sequence[AlertState], Sequence[str]
]  # rule id, condition, repeat, cooldown, states, subjects

FEW = 16  # crossings between two other rules are quicker one by one

__all__ = ["Engine", "Fired", "Row"]


class Engine:
    """All armed rules. What is asked of it costs as much as what comes of it, however many rules there are.

    A rule counts as looked at up to its state's `last_ts`, or to the newest sample of its metric where that is
    later. `fresh` says for how many ms a figure counts as known; rules of parts go by nothing older.
    """

    def __init__(self, fresh: Callable[[Metric], int] = lambda _metric: MINUTE) -> None:
        self._fresh = fresh
        self._rules = Rules()
        self._books: dict[Metric, Book] = {}
        self._wholes: dict[int, Whole] = {}  # by slot
        self._compound: dict[int, dict[str, int]] = {}  # their slots by rule id and subject
        self._marks: dict[Metric, tuple[int, float | None]] = {}  # of metrics without rules
        self._loading = Loading(self._rules)
        self._clock = Clock()  # wholes that something happens to by itself
        self._changed: set[Whole] = set()
        self._slots = 0  # given to wholes
        self._leg_slots = 0  # given to their legs

    @property
    def refused(self) -> Counter[str]:
        """Samples that nothing was judged by, by the reason."""
        return self._rules.refused

    # Rules

    def add(
        self, rule_id: int, condition: Condition, *, repeat: Repeat, cooldown: int,
        states: Sequence[AlertState] = (), subjects: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Watch a rule from now on, for each of its subjects; one that is watched already is replaced."""
        before = self._books_of(rule_id)
        for book in before:  # what is known of them stays
            book.size += 1
        self.remove(rule_id)
        known = {state.subject: state for state in states}
        for subject in dict.fromkeys(subjects or ("",)):
            part = about(condition, subject) if subject else condition
            state = known.get(subject, AlertState(rule_id=rule_id, subject=subject))
            if is_simple(part):
                self._add_leaf(cast(Leaf, part), repeat, cooldown, state)
            else:
                self._add_whole(part, repeat, cooldown, state)
        highest = max((state.transition for state in states), default=0)
        self._rules.count_from(rule_id, highest)
        for book in before:
            self._leave(book)

    def load(
        self, rows: Iterable[Row], many: Crossings | None = None, *, more: bool = False
    ) -> None:
        """Watch many rules; quick where they are crossings of one subject and come by rising id.

        `many` stand side by side; where there are any, `rows` come by rising id. Where `more` are to come, nothing
        wakes these before `settle`, or a load without it.
        """
        if many is None:
            self._load(rows)
        else:
            self._load_among(list(rows), many)
        if not more:
            for _book in self.settle():
                pass

    def _load_among(self, rows: Sequence[Row], many: Crossings) -> None:
        """Both by id; side by side where so few rows come between that it pays."""
        if len(many) < FEW * len(rows):
            self._load(merge(rows, many.rows(), key=itemgetter(0)))
            return
        start = 0
        for row, end in zip(rows, np.searchsorted(many.ids, [row[0] for row in rows]), strict=True):
            self._extend(many.part(start, end))
            self._load([row])
            start = end
        self._extend(many.part(start, len(many)))

    def _extend(self, many: Crossings) -> None:
        """Crossings by rising id, to be laid to sleep; one by one where any may be watched already."""
        rules, ids = self._rules, many.ids.tolist()
        others = self._compound.keys(), rules.rooms.keys()  # whose ids are in no order
        rising = ids and (not rules.ids or ids[0] > rules.ids[-1])
        if rising and all(each.isdisjoint(ids) for each in others):
            homes = self._loading.homes(many, self._home)
            self._loading.put_all(rules.extend(many, homes), many.looked)
        else:
            self._load(many.rows())

    def _load(self, rows: Iterable[Row]) -> None:
        rules, loading = self._rules, self._loading
        last = rules.ids[-1] if rules.ids else -1
        homes: dict[Metric, int] = {}
        for row in rows:
            rule_id, condition, repeat, cooldown, states, subjects = row
            known = rule_id <= last or rule_id in self._compound or rule_id in rules.rooms
            if known or type(condition) is not Cross or subjects:
                self.add(
                    rule_id, condition, repeat=repeat, cooldown=cooldown, states=states,
                    subjects=subjects,
                )  # fmt: skip
                last = rules.ids[-1] if rules.ids else -1
                homes.clear()  # a book may have gone with a rule that was replaced
                continue
            metric = condition.metric
            home = homes.get(metric)
            if home is None:
                home = homes[metric] = self._home(metric)
            state = states[0] if states else None
            slot = rules.push(rule_id, condition, repeat, cooldown, home, state)
            loading.put(slot, state.last_ts if state else 0)
            last = rule_id

    def settle(self) -> Iterator[None]:
        """Let sleep what was loaded; a book at a time, so that others may have their turn."""
        return self._loading.lay_down()

    def remove(self, rule_id: int) -> None:
        """Watch a rule no more."""
        for slot in self._rules.slots(rule_id):
            book = self._book_of(slot)
            sleep.lift(book, slot)
            self._rules.clear(slot)
            self._leave(book)
        for slot in self._compound.pop(rule_id, {}).values():
            whole = self._wholes.pop(slot)
            whole.stop()
            self._changed.discard(whole)
            for leg in whole.legs:
                del leg.book.legs[leg.slot]
                self._leave(leg.book)

    def metrics(self) -> KeysView[Metric]:
        """What any rule is about."""
        return self._books.keys()

    def rules_of(self, metric: Metric) -> list[int]:
        """The rules that are about a metric."""
        book = self._books.get(metric)
        if book is None:
            return []
        found = {leg.whole.rule_id for leg in book.legs.values()}
        return sorted(found | set(self._rules.at_home(book.number)))

    def __len__(self) -> int:
        return len(self._wholes) + self._rules.live()

    # Samples

    def tick(self, metric: Metric, ts: int, value: float) -> Sequence[Fired]:
        """One number of a stream; of the same ms as the one before it counts as well."""
        book = self._books.get(metric)
        return NOTHING if book is None else book.tick(ts, value)

    def entry(self, metric: Metric) -> Callable[[int, float], Sequence[Fired]] | None:
        """`tick` of one metric without looking for it; good until its last rule is removed."""
        book = self._books.get(metric)
        return None if book is None else book.tick

    def take(self, metric: Metric, sample: Sample) -> Sequence[Fired]:
        """One sample with its extremes, candle and evidence. Ones from before a rule looked are its past."""
        book = self._books.get(metric)
        return NOTHING if book is None else book.take(sample)

    def mark(self, metric: Metric, ts: int, value: float | None = None) -> None:
        """Say up to when all rules of a metric have been looked at; best before they are added."""
        book = self._books.get(metric)
        if book is None:
            self._marks[metric] = ts, value
        else:
            book.mark(ts, value)

    def unknown(self, metric: Metric) -> Sequence[Fired]:
        """A figure is not known any more until its next sample."""
        book = self._books.get(metric)
        if book is None:
            return NOTHING
        book.lose()
        wholes: dict[int, Whole] = {}
        for leg in book.legs.values():
            if not leg.whole.compound.is_done():
                leg.forget()
                leg.wait()
                wholes[leg.whole.slot] = leg.whole
        fired = [each for whole in wholes.values() for each in whole.judge(0)]
        book.guard()
        return fired

    def turn(self, now: int) -> Sequence[Fired]:
        """What happens by itself: something held long enough, a cooldown is over."""
        self._clock.now = max(self._clock.now, now)
        if self._clock.shelf.least > now:
            return NOTHING
        slots = self._clock.shelf.pop(now)[1]
        return [each for slot in slots for each in self._wholes[slot].judge(now)]

    # What is known

    def states(self, rule_id: int) -> list[AlertState]:
        """Where a rule stands, for each of its subjects."""
        found = [self._state(slot) for slot in self._rules.slots(rule_id)]
        found += [self._wholes[slot].state() for slot in self._compound.get(rule_id, {}).values()]
        return found

    def dirty(self) -> list[AlertState]:
        """The states that changed since this was asked last, but for how far they looked."""
        changed, self._rules.changed = self._rules.changed, set()
        found = [self._state(slot) for slot in changed]
        found += [whole.state() for whole in self._changed]
        self._changed.clear()
        return found

    def legs(self, rule_id: int, subject: str = "") -> tuple[Leg, ...]:
        """All leaves of a rule with what is known of them."""
        slot = self._compound.get(rule_id, {}).get(subject)
        if slot is not None:
            return self._wholes[slot].shown()
        for each in self._rules.slots(rule_id):
            if self._rules.owner(each)[1] == subject:
                return (self._leg(each),)
        return ()

    def _leg(self, slot: int) -> Leg:
        rules, book = self._rules, self._book_of(slot)
        terms = rules.palette[rules.terms[slot]]
        level, rearm = rules.levels[slot], rules.rearms[slot]
        leaf = terms.leaf(book.metric, level, rearm)
        value = book.known()
        met = False
        if value is not None and terms.is_change:
            value = book.change_of(slot, book.ts, value)
            met = value is not None and risen(level, value)
        elif value is not None and terms.shape is not Shape.EVENT:
            met = (value >= level) if terms.op is Op.EITHER else beyond(terms, level, value)
        return Leg(leaf=leaf, value=value, ts=book.ts, met=met, sample=book.sample())

    def _state(self, slot: int) -> AlertState:
        rules, book = self._rules, self._book_of(slot)
        rule_id, subject = rules.owner(slot)
        armed, side, fired_ts, count, transition, bar_ts = rules.kept(slot)
        looked = sleep.looked(book, slot)
        terms, own = rules.palette[rules.terms[slot]], rules.values.get(slot)
        ts = book.ts if looked is None else looked
        value = book.known() if looked is None and side else own
        if side and looked is None and value is not None:
            side = self._side(slot, terms, side)
        anchor = rules.rearms[slot] if terms.is_change else NAN
        return AlertState(
            rule_id=rule_id, subject=subject, armed=armed, side=side, last_ts=ts, last_value=value,
            fired_ts=fired_ts, fired_count=count, transition=transition, bar_ts=bar_ts,
            anchor=None if isnan(anchor) else anchor,
        )  # fmt: skip

    def _side(self, slot: int, terms: Terms, side: int) -> int:
        """Where the metric is of the level, as of its newest sample."""
        book, level = self._book_of(slot), self._rules.levels[slot]
        if terms.is_change or terms.shape is Shape.EITHER:
            return side  # as of its last look, and of a change no more than that it is known
        if terms.shape is Shape.EVENT:
            return 1 if beyond(terms, level, book.value) else -1
        return 1 if book.value >= level else -1

    # Books

    def _add_leaf(
        self, leaf: Leaf, repeat: Repeat, cooldown: int, state: AlertState
    ) -> None:  # fmt: skip
        rules, home = self._rules, self._home(leaf.metric)
        slot = rules.new(state.rule_id, state.subject, leaf, repeat, cooldown, home)
        rules.write(slot, state)
        book = self._book_of(slot)
        book.size += 1
        self._prepare(book, leaf)
        if state.last_ts > book.ts:
            sleep.join(book, slot, state.last_ts)
        else:
            sleep.rest(book, slot, book.ts)
        book.guard()

    def _add_whole(
        self, condition: Condition, repeat: Repeat, cooldown: int, state: AlertState
    ) -> None:
        legs = [self._leg_of(leaf) for leaf in leaves(condition)]
        compound = Compound(root=tree(condition), legs=legs, repeat=repeat, cooldown=cooldown)
        compound.recall(state)
        self._slots += 1
        slot, rule_id = self._slots, state.rule_id
        whole = Whole(
            rule_id, state.subject, slot, compound, legs, self._clock, self._changed,
            lambda: self._rules.number(rule_id),
        )  # fmt: skip
        whole.transition = state.transition
        for leg in () if state.memory else legs:
            value = None if leg.book.lost else leg.book.known()
            if value is not None and leg.learn(leg.book.ts, value):
                whole.begin(0)
        self._wholes[slot] = whole
        self._compound.setdefault(rule_id, {})[state.subject] = slot
        if not compound.is_done():
            whole.start()

    def _leg_of(self, leaf: Leaf) -> FastLeg:
        book = self._rules.books[self._home(leaf.metric)]
        assert book is not None  # noqa: S101 - it was just made
        self._leg_slots -= 1
        plain = LegState.of(leaf, self._fresh(leaf.metric))
        terms = self._rules.palette[self._rules.intern(leaf, Repeat.ALWAYS, 0)]
        leg = FastLeg(
            leaf=leaf,
            fresh=plain.fresh,
            truth=plain.truth,
            book=book,
            slot=self._leg_slots,
            terms=terms,
        )
        book.legs[leg.slot] = leg
        book.patience = plain.fresh or book.patience
        book.size += 1
        self._prepare(book, leaf)
        return leg

    def _prepare(self, book: Book, leaf: Leaf) -> None:
        if isinstance(leaf, Rise):
            book.shelf(sleep.CHANGES)  # its past is kept from now on
        book.events = book.events or isinstance(leaf, Event)

    def _home(self, metric: Metric) -> int:
        book = self._books.get(metric)
        if book is None:
            book = self._books[metric] = Book(metric, self._rules)
            book.number = self._rules.house(book)
            if (marked := self._marks.pop(metric, None)) is not None:
                book.mark(*marked)
        return book.number

    def _book_of(self, slot: int) -> Book:
        book = self._rules.books[self._rules.homes[slot]]
        assert book is not None  # noqa: S101 - a live slot has a home
        return book

    def _books_of(self, rule_id: int) -> list[Book]:
        """Where its leaves sleep."""
        found = [self._book_of(slot) for slot in self._rules.slots(rule_id)]
        for slot in self._compound.get(rule_id, {}).values():
            found += [leg.book for leg in self._wholes[slot].legs]
        return found

    def _leave(self, book: Book) -> None:
        """One leaf less; a metric nobody asks for is forgotten."""
        book.size -= 1
        if book.size == 0:
            del self._books[book.metric]
            self._rules.vacate(book.number)
            self._loading.forget_homes()
