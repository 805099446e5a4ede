"""Scores of firings on a real SQLite file and on PostgreSQL: opened once, settled once, forgotten in time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import storage_builders as build
from sqlalchemy import event, insert, select, text

from alerts.scorecard_types import Due, Scored, Settled, Tally
from market.types import HOUR, MINUTE
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.scores import Scores
from storage.tables import scores

NOW = build.NOW // MINUTE * MINUTE
HORIZONS = (15 * MINUTE, HOUR)
CHART = "binance:BTC/USDT:USDT"


def fired(rule_id: int, transition: int = 1, **fields: Any) -> Any:
    return build.firing(rule_id, transition, **{"ts": NOW, "price": 70_000.5, "chart": CHART, **fields})  # fmt: skip


def settled(rule_id: int, transition: int = 1, horizon: int = HOUR, **fields: Any) -> Settled:
    whole = Settled(rule_id=rule_id, transition=transition, horizon=horizon, tried_ts=NOW + HOUR)
    return replace(whole, **fields)


@pytest.fixture
def store(database: Database) -> Scores:
    return Scores(database)


@pytest.fixture
async def rule(database: Database) -> int:
    added = await Alerts(database).add(build.rule(), build.state())
    return added.id


async def test_a_firing_is_opened_once_for_each_horizon(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule), fired(rule, 2, ts=NOW + 29_999)], [], [])
    assert await store.open(HORIZONS, NOW - HOUR, NOW + MINUTE) == 2
    assert await store.open(HORIZONS, NOW - HOUR, NOW + MINUTE) == 0
    assert await store.due(NOW + 15 * MINUTE - 1, NOW, 100) == []
    found = await store.due(NOW + HOUR, NOW, 100)
    assert [(d.transition, d.horizon, d.due_ts - NOW) for d in found] == [
        (1, 15 * MINUTE, 15 * MINUTE), (2, 15 * MINUTE, 15 * MINUTE),
        (1, HOUR, HOUR), (2, HOUR, HOUR),
    ]  # fmt: skip
    assert found[0] == Due(
        rule_id=rule, transition=1, horizon=15 * MINUTE, due_ts=NOW + 15 * MINUTE, tried_ts=0, ts=NOW,
        price=70_000.5, chart=CHART,
    )  # fmt: skip
    assert await store.due(NOW + HOUR, NOW, 1) == found[:1]


async def test_what_was_not_told_in_time_or_has_no_price_is_not_scored(
    database: Database, store: Scores, rule: int
) -> None:
    others = [
        fired(rule, 1, told=False), fired(rule, 2, late=True), fired(rule, 3, price=None),
        fired(rule, 4, chart=""), fired(rule, 5, ts=NOW - HOUR - 1), fired(rule, 6, ts=NOW + 1),
    ]  # fmt: skip
    await Alerts(database).fire(others, [], [])
    assert await store.open(HORIZONS, NOW - HOUR, NOW) == 0
    assert await store.due(NOW + HOUR, NOW, 100) == []


async def test_more_firings_than_one_batch_are_all_opened(
    database: Database, store: Scores, rule: int
) -> None:
    many = [fired(rule, n, ts=NOW + n) for n in range(1, 1102)]
    await Alerts(database).fire(many, [], [])
    assert await store.open((HOUR,), NOW, NOW + HOUR) == 1101
    assert len(await store.due(NOW + 3 * HOUR, NOW, 5000)) == 1101


async def test_what_is_measured_stays_as_it_is(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule)], [], [])
    await store.open((HOUR,), NOW, NOW)
    controls = ((NOW - HOUR, 0.1 + 0.2), (NOW - MINUTE, -1e-9))
    first = settled(rule, move=0.0123456789, controls=controls)
    for each in (
        first,
        replace(first, move=0.5, controls=()),
        replace(first, move=None, error="x"),
    ):
        await store.settle([each])
    assert await store.scored(rule, 10) == [
        Scored(
            rule_id=rule, transition=1, horizon=HOUR, ts=NOW, threshold=70_000.1, move=0.0123456789,
            controls=controls,
        )
    ]  # fmt: skip
    assert await store.due(NOW + 9 * HOUR, NOW + 9 * HOUR, 10) == []
    await store.settle([])


async def test_what_failed_is_tried_again_after_a_while_until_it_is_given_up(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule)], [], [])
    await store.open((HOUR,), NOW, NOW)
    await store.settle([settled(rule, tried_ts=NOW + HOUR)])
    now = NOW + HOUR + MINUTE
    assert await store.due(now, now - 2 * MINUTE, 10) == []
    again = await store.due(now + MINUTE, now - MINUTE, 10)
    assert [each.tried_ts for each in again] == [NOW + HOUR]
    # tried in a market that ran further than the one of now: nobody waits for its time to come
    await store.settle([settled(rule, tried_ts=NOW + 90 * HOUR)])
    assert len(await store.due(now, now - 2 * MINUTE, 10)) == 1
    await store.settle([settled(rule, error="no candle")])
    assert await store.due(NOW + 99 * HOUR, NOW + 99 * HOUR, 10) == []
    assert await store.tallies([rule, 999]) == {rule: Tally(failed=1)}


async def test_rows_are_counted_by_what_became_of_them(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule), fired(rule, 2)], [], [])
    await store.open(HORIZONS, NOW, NOW)
    await store.settle(
        [settled(rule, move=0.0), settled(rule, 2, error="gone")]
    )  # a move of 0 is a move
    assert await store.tallies([rule]) == {rule: Tally(measured=1, waiting=2, failed=1)}
    assert await store.tallies([]) == {}


async def test_the_newest_scores_of_each_horizon_come_back_from_a_moment_on(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule, n, ts=NOW + n * HOUR) for n in range(1, 6)], [], [])
    await store.open(HORIZONS, NOW, NOW + 9 * HOUR)
    await store.settle(
        [settled(rule, n, horizon, move=n / 100) for n in range(1, 6) for horizon in HORIZONS]
    )
    found = await store.scored(rule, 2)
    assert [(s.transition, s.horizon) for s in found] == [
        (4, HORIZONS[0]), (4, HOUR), (5, HORIZONS[0]), (5, HOUR),
    ]  # fmt: skip
    assert {s.transition for s in await store.scored(rule, 9, NOW + 3 * HOUR)} == {3, 4, 5}
    assert await store.scored(rule + 1, 9) == []


async def test_firings_are_known_by_rule_and_instrument_told_or_not(
    database: Database, store: Scores, rule: int
) -> None:
    rows = [
        fired(rule, 1, ts=NOW + 5, told=False), fired(rule, 2, ts=NOW), fired(rule, 3, chart="x"),
        fired(rule, 4, ts=NOW - 1),
    ]  # fmt: skip
    await Alerts(database).fire(rows, [], [])
    assert await store.firings([rule], NOW) == {(rule, CHART): [NOW, NOW + 5], (rule, "x"): [NOW]}
    assert await store.firings([], NOW) == {}


async def test_scores_go_with_their_firings(database: Database, store: Scores, rule: int) -> None:
    await Alerts(database).fire([fired(rule), fired(rule, 2)], [], [])
    await store.open(HORIZONS, NOW, NOW)
    assert await store.prune() == 0
    async with database.main.write() as connection:
        await connection.execute(
            insert(scores),
            [
                {"rule_id": 77, "transition": n, "horizon": HOUR, "due_ts": NOW, "tried_ts": 0,
                 "move": None, "controls": "[]", "error": ""}
                for n in range(600)
            ],
        )  # fmt: skip
    assert (
        await store.due(NOW + 9 * HOUR, NOW, 1000) != []
    )  # those without a firing are passed over
    assert {d.rule_id for d in await store.due(NOW + 9 * HOUR, NOW, 1000)} == {rule}
    assert await store.prune() == 600
    async with database.main.read() as connection:
        left = list(await connection.scalars(select(scores.c.rule_id)))
    assert left == [rule] * 4


async def test_a_move_that_is_no_number_is_refused_and_nothing_is_kept(
    database: Database, store: Scores, rule: int
) -> None:
    await Alerts(database).fire([fired(rule), fired(rule, 2)], [], [])
    await store.open((HOUR,), NOW, NOW)
    for bad in (
        settled(rule, 2, move=float("nan")),
        settled(rule, 2, move=0.1, controls=((NOW, float("inf")),)),
    ):
        with pytest.raises(StorageError, match="score"):
            await store.settle([settled(rule, move=0.1), bad])
    assert await store.scored(rule, 9) == []


async def test_scores_are_there_after_a_restart(reopen: Callable[[], Database], rule: int) -> None:
    first = reopen()
    await Alerts(first).fire([fired(rule)], [], [])
    await Scores(first).open((HOUR,), NOW, NOW)
    await Scores(first).settle([settled(rule, move=0.25)])
    await first.close()
    again = Scores(reopen())
    assert await again.open((HOUR,), NOW, NOW) == 0
    assert [each.move for each in await again.scored(rule, 9)] == [0.25]


async def test_looking_for_what_is_due_does_not_read_what_is_settled(
    database: Database, store: Scores, place: build.Place
) -> None:
    """A year of settled scores must cost nothing each minute: the index holds open ones alone."""
    said: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    event.listen(database.main.engine.sync_engine, "before_cursor_execute", hear)
    await store.due(NOW, NOW, 5)
    event.remove(database.main.engine.sync_engine, "before_cursor_execute", hear)
    async with database.main.read() as connection:
        if place.sqlite:
            explained = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {said[0][0]}", said[0][1]
            )
            assert "ix_scores_due_ts" in " ".join(str(row) for row in explained)
        else:  # too few rows here for a plan by index: that it is partial is all there is to see
            index = await connection.scalar(
                text("SELECT indexdef FROM pg_indexes WHERE schemaname = :s AND indexname = :i"),
                {"s": place.schemas[0], "i": "ix_scores_due_ts"},
            )
            assert "move IS NULL" in str(index)
