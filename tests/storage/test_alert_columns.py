"""Active rules as they are read at the start: crossings side by side, the others whole, and none another than it is."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, update
from storage_builders import NOW, PRICE, rule, state

from alerts.stored_types import Crossings, Row
from alerts.types import (
    EACH,
    AlertRule,
    AlertState,
    Cross,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    RuleStatus,
)
from alerts.types import State as Beyond
from storage.alerts import Alerts
from storage.conditions import dump_condition
from storage.db import Database
from storage.errors import StorageError
from storage.tables import alert_states, alerts

ODD = Metric(subject='*:"é,"level":\\', name="rsi", window=2**40, timeframe="1h", param="14")
CROSSINGS = [
    Cross(metric=PRICE, op=Op.ABOVE, level=70_000.1),
    Cross(metric=PRICE, op=Op.ABOVE, level=0.1 + 0.2, rearm=-1e-300, touch=True),
    Cross(metric=ODD, op=Op.BELOW, level=-5.0, rearm=0.0),
    Cross(metric=PRICE, op=Op.EITHER, level=1e300, rearm=1.5),
]
OTHERS = [
    Rise(metric=PRICE, amount=0.05, relative=True),
    Beyond(metric=ODD, op=Op.BELOW, level=3.0),
    Not(part=Beyond(metric=PRICE, op=Op.ABOVE, level=3.0)),
]
REMEMBERED = state(
    armed=False, side=1, last_value=5.5, last_ts=NOW, fired_ts=NOW - 2**33, fired_count=2**31 - 1,
    transition=2**40, bar_ts=NOW - 1,
)  # fmt: skip


@pytest.fixture
def store(database: Database) -> Alerts:
    return Alerts(database)


async def read(store: Alerts) -> tuple[list[Row], list[AlertRule], dict[int, list[AlertState]]]:
    """Crossings one by one, whole rules, and the states of these."""
    rows: list[Row] = []
    rules: list[AlertRule] = []
    states: dict[int, list[AlertState]] = {}
    async for stored in store.stream():
        assert set(stored.states) <= {each.id for each in stored.rules}
        rows += stored.crossings.rows() if stored.crossings is not None else ()
        rules += stored.rules
        states |= stored.states
    return rows, rules, states


def as_row(made: AlertRule, remembered: AlertState) -> Row:
    """As it is read side by side: a crossing has no use for its last value."""
    assert isinstance(made.condition, Cross)
    kept = replace(remembered, rule_id=made.id, last_value=None, anchor=None)
    return made.id, made.condition, made.repeat, made.cooldown, (kept,), ()


async def test_crossings_come_back_side_by_side_as_they_were(store: Alerts) -> None:
    states = [REMEMBERED, state(), state(side=-1, last_ts=1), state(fired_count=3, transition=3)]
    made = [
        await store.add(rule(condition=each, repeat=repeat, cooldown=cooldown), remembered)
        for each, repeat, cooldown, remembered in zip(
            CROSSINGS, Repeat, (0, 2**41, 1, 300_000), states, strict=True
        )
    ]
    expected = [as_row(*each) for each in zip(made, states, strict=True)]
    assert await read(store) == (expected, [], {})
    (stored,) = [each async for each in store.stream()]
    assert stored.crossings is not None
    assert list(stored.crossings.since) == [NOW, NOW, 1, NOW], "looked at, or made"
    assert list(stored.crossings.metrics).count(PRICE) == 1


async def test_every_active_rule_comes_once_by_id_in_short_stretches(
    store: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.alerts.STREAMED", 7)
    monkeypatch.setattr("storage.alerts.WHOLE", 2)
    conditions = [(*CROSSINGS, *OTHERS, *OTHERS)[n * 7 % 10] for n in range(40)]
    made = [await store.add(rule(condition=each), state()) for each in conditions]
    off = [made[n].id for n in (0, 5, 11, 12, 13, 39)]
    await store.set_status(off, RuleStatus.PAUSED)
    met: list[int] = []
    metrics = set()
    async for stored in store.stream():
        assert len(stored.rules) <= 2
        ids = [] if stored.crossings is None else stored.crossings.ids.tolist()
        together = sorted([*ids, *(each.id for each in stored.rules)])
        assert len(stored) == len(together) > 0
        assert all(isinstance(each.condition, Cross) is False for each in stored.rules)
        met += together
        if stored.crossings is not None:
            metrics.add(id(stored.crossings.metrics))
    assert met == [each.id for each in made if each.id not in off]
    assert len(metrics) == 1
    rows, rules, states = await read(store)
    active = [each for each in made if each.id not in off]
    assert rules == [each for each in active if not isinstance(each.condition, Cross)]
    assert rows == [as_row(each, state()) for each in active if isinstance(each.condition, Cross)]
    assert states == {each.id: [state(each.id)] for each in rules}


async def test_a_rule_over_several_comes_whole_with_all_its_states(store: Alerts) -> None:
    moving = Cross(metric=replace(PRICE, subject=EACH), op=Op.ABOVE, level=1.0)
    over = await store.add(rule(condition=moving, subjects=("a", "b")), REMEMBERED)
    await store.save_states([state(over.id, subject="b", side=1)])
    plain = await store.add(rule(), state())
    await store.save_states([state(plain.id, subject="left from before", side=1)])
    rows, rules, states = await read(store)
    assert rows == [as_row(plain, state())], "of one subject there is one state"
    assert rules == [over]
    assert states == {
        over.id: [replace(REMEMBERED, rule_id=over.id), state(over.id, subject="b", side=1)]
    }


async def test_a_stretch_without_an_active_rule_is_not_the_end(
    store: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.alerts.STREAMED", 2)
    made = [await store.add(rule(), state()) for _ in range(9)]
    await store.set_status([each.id for each in made[:7]], RuleStatus.DELETED)
    rows, rules, _states = await read(store)
    assert ([row[0] for row in rows], rules) == ([made[7].id, made[8].id], [])


async def test_of_no_rules_nothing_comes(store: Alerts) -> None:
    assert [each async for each in store.stream()] == []


@pytest.mark.parametrize(
    "text",
    [
        '{"is":"cross","op":"above","level":1,"metric":{"subject":"a","name":"price"}}',
        '{"is":"cross","metric":{"subject":"a","name":"price"},"op":"above","touch":true,"level":1.0}',
        '{"is":"cross","metric":{"subject":"a","name":"price"},"op":"above","level":1.0}',
        ' {"is":"cross","metric":{"subject":"a","name":"price"},"op":"above","level":1.0}',
    ],
)
async def test_a_condition_that_was_not_dumped_by_us_is_read_as_it_stands(
    store: Alerts, text: str
) -> None:
    made = [await store.add(rule(), state()) for _ in range(3)]
    await _change(store, made[1].id, condition=text)
    _rows, rules, states = await read(store)
    assert [each for each in rules if each.id == made[1].id] == [await store.rule(made[1].id)]
    assert made[1].id in states
    rows, rules, _states = await read(store)
    assert sorted([row[0] for row in rows] + [each.id for each in rules]) == [m.id for m in made]


@pytest.mark.parametrize(
    "broken",
    [
        {"condition": dump_condition(CROSSINGS[0]).replace("above", "beside")},
        {"condition": dump_condition(CROSSINGS[0]).replace("70000.1", '"high"')},
        {"condition": dump_condition(CROSSINGS[0])[:-1]},
        {"condition": dump_condition(CROSSINGS[0]) + ',{"level":1,"rearm":null,"touch":true}'},
        {"repeat": "sometimes"},
        {"severity": "shrill"},
        {"subjects": "{"},
    ],
)
async def test_what_cannot_be_read_is_no_rule(store: Alerts, broken: dict[str, str]) -> None:
    made = [await store.add(rule(), state()) for _ in range(3)]
    await _change(store, made[1].id, **broken)
    with pytest.raises(StorageError):
        await read(store)


async def test_more_firings_than_the_engine_counts_are_not_made_fewer(store: Alerts) -> None:
    made = [await store.add(rule(), state(fired_count=count)) for count in (0, 2**31, 0)]
    rows, rules, states = await read(store)
    assert (rows, rules) == ([], made)
    assert [states[each.id][0].fired_count for each in made] == [0, 2**31, 0]


async def test_a_side_that_is_none_is_not_read_side_by_side(store: Alerts) -> None:
    made = await store.add(rule(), state(side=2))
    rows, rules, _states = await read(store)
    assert (rows, rules) == ([], [made])


async def test_a_rule_without_a_state_begins_anew(store: Alerts) -> None:
    bare, other = [await store.add(rule(), state()) for _ in range(2)]
    async with store._part.write() as connection:
        await connection.execute(delete(alert_states).where(alert_states.c.rule_id == bare.id))
    rows, rules, states = await read(store)
    assert (rows, rules) == ([], [bare, other])
    assert set(states) == {other.id}


async def test_crossings_are_cut_by_place(store: Alerts) -> None:
    for each in CROSSINGS:
        await store.add(rule(condition=each), state())
    (stored,) = [each async for each in store.stream()]
    whole: Crossings | None = stored.crossings
    assert whole is not None
    assert [*whole.part(0, 1).rows(), *whole.part(1, 4).rows()] == list(whole.rows())
    assert len(whole.part(2, 2)) == 0


async def _change(store: Alerts, rule_id: int, **values: str) -> None:
    async with store._part.write() as connection:
        await connection.execute(update(alerts).where(alerts.c.id == rule_id).values(values))
