"""Rules taken up side by side stand and fire as rules that were taken up one by one."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from engine_runs import COIN, FRESH, LEVELS, fresh, rule

from alerts.fast.engine import FEW, Engine, Row
from alerts.fast.loading import by_number
from alerts.states import none_ahead, none_of_them_ahead
from alerts.stored_types import OPS, REPEATS, Crossings, Earliest
from alerts.types import (
    EACH,
    AlertRule,
    AlertState,
    Cross,
    Event,
    For,
    Metric,
    Op,
    Repeat,
    Sample,
    State,
)

NOW = 1_000_000
BAR = Metric(subject=COIN, name="volume_ratio", timeframe="15m")


def stored(seed: int, count: int) -> list[Row]:
    """Rules of every kind by rising id, most of them crossings, with every kind of state."""
    chance, rows, rule_id = random.Random(seed), [], 0
    for _ in range(count):
        rule_id += chance.choice((1, 1, 4))
        made = rule(chance, rule_id, 0.3)
        if chance.random() < 0.7:
            made = replace(made, condition=crossing(chance))
        states = [_state(chance, rule_id, "")]
        subjects: tuple[str, ...] = ()
        if chance.random() < 0.05:
            made = replace(
                made,
                condition=Cross(metric=Metric(subject=EACH, name="price"), op=Op.ABOVE, level=1),
            )
            subjects = (COIN, "binance:ETH/USDT:USDT")
            states += [_state(chance, rule_id, each) for each in subjects]
        rows.append((rule_id, made.condition, made.repeat, made.cooldown, states, subjects))
    return rows


def crossing(chance: random.Random) -> Cross:
    level, op = chance.choice(LEVELS), chance.choice(tuple(Op))
    back = level + chance.choice((0.0, 0.5)) * (1 if op is Op.BELOW else -1)
    return Cross(
        metric=chance.choice([each for each in FRESH if not each.window]), op=op, level=level,
        rearm=chance.choice((None, back)), touch=chance.random() < 0.5,
    )  # fmt: skip


def _state(chance: random.Random, rule_id: int, subject: str) -> AlertState:
    count = chance.choice((0, 0, 2))
    return AlertState(
        rule_id=rule_id, subject=subject, armed=chance.random() < 0.5,
        side=chance.choice((-1, 0, 1)), last_ts=chance.choice((0, NOW, NOW + 2_000, NOW + 90_000)),
        fired_ts=(NOW - 10_000) * (count > 0), fired_count=count,
        transition=count + chance.choice((0, 1)), bar_ts=chance.choice((0, 0, 900)),
    )  # fmt: skip


def is_crossing(row: Row) -> bool:
    return isinstance(row[1], Cross) and not row[5]


def side_by_side(rows: Sequence[Row], metrics: list[Metric]) -> Crossings:
    """The crossings among rows; `metrics` grows as it does while a store is read."""
    mine = [row for row in rows if is_crossing(row)]
    conditions = [row[1] for row in mine if isinstance(row[1], Cross)]
    metrics += dict.fromkeys(c.metric for c in conditions if c.metric not in metrics)
    states = [row[4][0] for row in mine]

    def ints(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    return Crossings(
        metrics=metrics, ids=ints([row[0] for row in mine]),
        about=ints([metrics.index(c.metric) for c in conditions]),
        ops=ints([OPS.index(c.op) for c in conditions]),
        levels=np.array([c.level for c in conditions], float),
        rearms=np.array([c.rearm for c in conditions], float),
        touch=np.array([c.touch for c in conditions], bool),
        repeats=ints([REPEATS.index(row[2]) for row in mine]),
        cooldowns=ints([row[3] for row in mine]), created=ints([7 for _ in mine]),
        armed=np.array([s.armed for s in states], bool), sides=ints([s.side for s in states]),
        looked=ints([s.last_ts for s in states]), fired=ints([s.fired_ts for s in states]),
        counts=ints([s.fired_count for s in states]),
        transitions=ints([s.transition for s in states]), bars=ints([s.bar_ts for s in states]),
    )  # fmt: skip


def taken_up(rows: Sequence[Row], *, apart: bool, before: Sequence[Row] = ()) -> Engine:
    """An engine whose metrics were looked at; `apart`: crossings side by side, a few rows at a time."""
    engine = Engine(fresh)
    for metric in FRESH:
        engine.mark(metric, NOW, 100.0)
    engine.load(before)
    metrics: list[Metric] = []
    for at in range(0, len(rows), 30):
        some = rows[at : at + 30]
        if apart:
            others = [row for row in some if not is_crossing(row)]
            engine.load(others, side_by_side(some, metrics), more=True)
        else:
            engine.load(some, more=True)
    for _book in engine.settle():
        pass
    return engine


def walked(engine: Engine, rows: Sequence[Row], seed: int) -> list[object]:
    """What fires, and how all stand, over a walk of every metric."""
    chance, found, now = random.Random(seed), [], NOW
    for _ in range(300):
        now += chance.choice((1, 500, 3_000, 20_000))
        metric, value = chance.choice(tuple(FRESH)), chance.choice((*LEVELS, 90.0, 110.0, 99.7))
        bar = now // 900 * 900 if metric == BAR else 0
        fired = engine.take(metric, Sample(ts=now, value=value, bar_ts=bar))
        found.append(sorted((f.rule_id, f.subject, f.value, str(f.state)) for f in fired))
        found.append(sorted((f.rule_id, str(f.state)) for f in engine.turn(now)))
    return [*found, *standing(engine, rows)]


def standing(engine: Engine, rows: Sequence[Row]) -> list[object]:
    return [
        len(engine),
        set(engine.metrics()),
        [(engine.states(row[0]), engine.legs(row[0])) for row in rows],
        {metric: engine.rules_of(metric) for metric in engine.metrics()},
    ]


def changed(engine: Engine) -> list[AlertState]:
    return sorted(engine.dirty(), key=lambda state: (state.rule_id, state.subject))


@pytest.mark.parametrize("few", [0, FEW])
@pytest.mark.parametrize("seed", range(6))
def test_side_by_side_is_as_one_by_one(
    seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.fast.engine.FEW", few)
    rows = stored(seed, 200)
    assert 60 < sum(map(is_crossing, rows)) < 180
    one, many = taken_up(rows, apart=False), taken_up(rows, apart=True)
    assert standing(many, rows) == standing(one, rows)
    assert many._rules.ids == one._rules.ids, "a slot for each, in the same order"
    assert changed(many) == changed(one)
    found = walked(many, rows, seed)
    assert found == walked(one, rows, seed)
    assert sum(bool(each) for each in found[:-4]) > 50, "of what never fires nothing is learnt"
    assert changed(many) == changed(one)


@pytest.mark.parametrize("seed", range(4))
def test_rules_that_are_watched_already_are_replaced(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was quick to make a rule before all were taken up."""
    monkeypatch.setattr("alerts.fast.engine.FEW", 0)
    rows = stored(seed, 120)
    early = [(*rows[n][:1], stored(seed + 50, 1)[0][1], *rows[n][2:]) for n in (3, 40, 100)]
    early += [(10**6, For(part=State(metric=BAR, op=Op.ABOVE, level=1), duration=9),
               Repeat.EVERY, 0, (), ())]  # fmt: skip
    one = taken_up(rows, apart=False, before=early)
    many = taken_up(rows, apart=True, before=early)
    assert standing(many, rows) == standing(one, rows)
    assert walked(many, rows, seed) == walked(one, rows, seed)


def test_a_rule_of_parts_that_became_a_crossing_is_watched_once() -> None:
    part = State(metric=BAR, op=Op.ABOVE, level=1)
    early: Row = (9, For(part=part, duration=9), Repeat.EVERY, 0, (), ())
    row: Row = (9, crossing(random.Random(1)), Repeat.EVERY, 0, (AlertState(rule_id=9),), ())
    engine = Engine(fresh)
    engine.load([early])
    engine.load([], side_by_side([row], []))
    assert len(engine) == 1
    assert [leg.leaf for leg in engine.legs(9)] == [row[1]]


def test_a_metric_is_followed_until_its_last_rule_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.fast.engine.FEW", 0)
    rows = stored(5, 90)
    one, many = taken_up(rows, apart=False), taken_up(rows, apart=True)
    for row in rows:
        for engine in (one, many):
            engine.remove(row[0])
        assert set(many.metrics()) == set(one.metrics())
    assert not many.metrics()


def test_books_that_went_are_not_used_for_the_next() -> None:
    """The number of a book is given again when its last rule is gone."""
    metrics: list[Metric] = []
    about = [Cross(metric=each, op=Op.ABOVE, level=101.0) for each in FRESH]
    rows: list[Row] = [
        (n, each, Repeat.ALWAYS, 0, (AlertState(rule_id=n),), ()) for n, each in enumerate(about, 1)
    ]
    engine = Engine(fresh)
    engine.load([], side_by_side(rows, metrics), more=True)
    engine.remove(1)
    event = Event(metric=Metric(subject="new", name="whale"))
    engine.add(50, event, repeat=Repeat.ALWAYS, cooldown=0)
    engine.load([], side_by_side([(60, *rows[0][1:4], (AlertState(rule_id=60),), ())], metrics))
    assert engine.rules_of(about[0].metric) == [60]
    assert engine.rules_of(event.metric) == [50]


def test_states_of_a_time_to_come_are_brought_to_now() -> None:
    rows = [row for row in stored(3, 150) if is_crossing(row)]
    many = none_of_them_ahead(side_by_side(rows, []), NOW)
    for row, found in zip(rows, many.rows(), strict=True):
        made = AlertRule(
            id=row[0], chat_id=1, owner_id=1, kind="", text="", condition=row[1], coin="BTC"
        )
        assert list(found[4]) == none_ahead(made, row[4], NOW)
    ahead = [row[4][0].last_ts > NOW for row in rows]
    assert any(ahead)
    assert not all(ahead)


def test_the_earliest_look_of_each_metric_counts() -> None:
    metrics: list[Metric] = []
    earliest = Earliest()
    expected: dict[Metric, int] = {}
    for seed in range(3):
        rows = [row for row in stored(seed, 12) if is_crossing(row)]
        earliest.add(side_by_side(rows, metrics))
        for row in rows:
            since = row[4][0].last_ts or 7
            assert isinstance(row[1], Cross)
            expected[row[1].metric] = min(since, expected.get(row[1].metric, since))
    assert dict(earliest.found()) == expected
    assert list(Earliest().found()) == []


@pytest.mark.parametrize("largest", [0, 9, 65_535, 65_536, 2**31 - 1])
def test_numbers_are_ordered_as_numpy_orders_them(largest: int) -> None:
    numbers = np.random.default_rng(largest).integers(0, largest, 4_000, endpoint=True)
    numbers = np.append(numbers, numbers[:50]).astype(np.int32)
    assert by_number(numbers).tolist() == np.argsort(numbers, kind="stable").tolist()
