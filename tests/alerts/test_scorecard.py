"""Firings are measured once, at the right minute, against days before; and nothing is made up where data lack."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alert_market import BTC, START
from hypothesis import given, settings
from hypothesis import strategies as st
from minute_market import MinuteMarket, folded, market, walk

from alerts import scorecard as module
from alerts.scorecard import GIVE_UP, Score, Scorecard
from alerts.scorecard_types import Scored, Settled, Tally
from alerts.types import AlertRule, AlertState, Cross, Firing, Metric, Op, RuleStatus
from analytics.followed import FEWEST, HORIZONS
from analytics.lift import Verdict
from market.types import DAY, HOUR, MINUTE, Candle
from storage.alerts import Alerts
from storage.db import Database
from storage.scores import Scores

DAYS = 40
MINUTES = walk(5, DAYS * DAY // MINUTE)
NOW = START + 33 * DAY + 13 * HOUR
PRICE = Metric(subject=BTC.key, name="price")
UP = Cross(metric=PRICE, op=Op.ABOVE, level=100.0)


def price(ts: int) -> float:
    """The close of the minute that holds `ts`."""
    return MINUTES[(ts - START) // MINUTE].close


class Board:
    """A scorecard over a real file, at `NOW`; it can be started again like a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.market: MinuteMarket = market(MINUTES, NOW)
        self.database: Database | None = None

    async def start(self) -> "Board":
        await self.close()
        self.database = Database.open(f"sqlite:///{self.folder}/desk.db")
        await self.database.start()
        self.rules, self.scores = Alerts(self.database), Scores(self.database)
        anything: Any = self.market
        self.card = Scorecard(self.scores, self.rules, anything)
        return self

    async def close(self) -> None:
        if self.database is not None:
            await self.database.close()

    async def rule(self, **fields: Any) -> AlertRule:
        whole = AlertRule(
            id=0, chat_id=5, owner_id=7, kind="price", text="/alert BTC above 100", condition=UP,
            coin="BTC",
        )  # fmt: skip
        return await self.rules.add(replace(whole, **fields), AlertState(rule_id=0))

    async def fire(self, rule: AlertRule, *times: int, **fields: Any) -> None:
        """Firings with the price of their minute."""
        rows = [
            Firing(
                **{
                    "rule_id": rule.id, "transition": n, "ts": ts, "value": 100.0, "threshold": 100.0,
                    "text": "up", "price": price(ts), "chart": BTC.key, **fields,
                }
            )
            for n, ts in enumerate(times, 1)
        ]  # fmt: skip
        await self.rules.fire(rows, [], [])

    async def at(self, ts: int) -> int:
        """One round at `ts`."""
        self.market.clock.set(ts)
        return await self.card.settle(ts)

    async def rows(self, rule: AlertRule) -> list[Scored]:
        return await self.scores.scored(rule.id, 1000)


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    made = await Board(tmp_path).start()
    yield made
    await made.close()


async def test_a_firing_is_measured_from_its_price_to_the_minute_its_horizon_ends(
    board: Board,
) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW + 25_000, price=price(NOW) * 1.0001)
    assert await board.at(NOW + MINUTE) == 0
    assert await board.at(NOW + 15 * MINUTE) == 1  # 15 m and 25 s: the nearest whole minute
    assert await board.at(NOW + HOUR - 1) == 0
    assert await board.at(NOW + HOUR) == 1
    assert await board.at(NOW + 4 * HOUR + 1) == 1
    assert await board.at(NOW + 9 * HOUR) == 0
    found = await board.rows(rule)
    assert [row.horizon for row in found] == list(HORIZONS)
    for row in found:
        close = price(NOW + row.horizon - 1)
        assert row.move == pytest.approx(close / (price(NOW) * 1.0001) - 1, rel=1e-12)


async def test_matched_moments_are_of_the_month_before_and_what_followed_them_is_true(
    board: Board,
) -> None:
    rule = await board.rule()
    yesterday = NOW - DAY - 20 * MINUTE  # so moments up to 40 minutes after it are left out
    await board.fire(rule, yesterday, NOW)
    await board.at(NOW + 5 * HOUR)
    hour = next(row for row in await board.rows(rule) if row.horizon == HOUR and row.ts == NOW)
    closes = {c.ts + 15 * MINUTE: c.close for c in folded(MINUTES, 15 * MINUTE)}
    assert len(hour.controls) == 30
    for at, move in hour.controls:
        away = NOW - at
        assert 0 < away <= 30 * DAY + 30 * MINUTE
        assert min(away % DAY, DAY - away % DAY) <= 30 * MINUTE
        assert move == pytest.approx(closes[at + HOUR] / closes[at] - 1, rel=1e-12)
        assert not 0 <= at - yesterday < HOUR


async def test_a_firing_told_in_another_market_is_never_measured_in_this_one(
    board: Board,
) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW, price=price(NOW) * 1.02)
    assert await board.at(NOW + 5 * HOUR) == 0
    assert await board.scores.tallies([rule.id]) == {rule.id: Tally(failed=3)}


async def test_a_candle_that_is_late_is_waited_for_and_not_replaced_by_the_one_before(
    board: Board,
) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    due = NOW + 15 * MINUTE

    def without_newest(rows: list[Candle]) -> list[Candle]:
        return [row for row in rows if row.ts < due - MINUTE]

    whole = board.market.candles

    async def late(*args: Any, **more: Any) -> list[Candle]:
        return without_newest(await whole(*args, **more))

    board.market.candles = late  # type: ignore[method-assign]
    assert await board.at(due) == 0
    board.market.candles = whole  # type: ignore[method-assign]
    assert await board.at(due + MINUTE) == 0  # not tried again so soon
    assert await board.at(due + 2 * MINUTE) == 1
    (row,) = await board.rows(rule)
    assert row.move == pytest.approx(price(due - 1) / price(NOW) - 1, rel=1e-12)


async def test_a_minute_without_trades_has_the_price_of_the_one_before(board: Board) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    due = NOW + 15 * MINUTE
    gone = {due - MINUTE, due - 2 * MINUTE}
    board.market.minutes[BTC.key] = [row for row in MINUTES if row.ts not in gone]
    assert await board.at(due + MINUTE) == 0  # it may still come
    assert await board.at(due + 4 * MINUTE) == 1
    (row,) = await board.rows(rule)
    assert row.move == pytest.approx(price(due - 3 * MINUTE) / price(NOW) - 1, rel=1e-12)


async def test_a_venue_that_is_away_is_asked_again_until_it_is_too_late(board: Board) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    due = NOW + 15 * MINUTE
    board.market.down.add("binance")
    assert await board.at(due) == 0
    assert await board.at(due + GIVE_UP - MINUTE) == 0
    assert (await board.scores.tallies([rule.id]))[rule.id].failed == 0
    assert await board.at(due + GIVE_UP + 2 * MINUTE) == 0
    assert (await board.scores.tallies([rule.id]))[rule.id].failed == 1
    board.market.down.clear()
    await board.at(due + GIVE_UP + 9 * MINUTE)
    assert [row.horizon for row in await board.rows(rule)] == [HOUR, 4 * HOUR]


async def test_what_became_due_while_nobody_ran_is_measured_from_what_is_known_of_then(
    board: Board,
) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    await board.at(NOW + MINUTE)
    await board.start()
    assert await board.at(NOW + 2 * DAY) == 3
    hour = next(row for row in await board.rows(rule) if row.horizon == HOUR)
    assert hour.move == pytest.approx(price(NOW + HOUR - 1) / price(NOW) - 1, rel=1e-12)


async def test_an_instrument_that_is_gone_is_said_to_be(board: Board) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    board.market.instruments = ()
    await board.at(NOW + 15 * MINUTE)
    await board.at(NOW + 15 * MINUTE + GIVE_UP + HOUR)
    assert (await board.scores.tallies([rule.id]))[rule.id].failed >= 1


async def test_the_month_is_asked_for_once_for_many_firings(board: Board) -> None:
    rule = await board.rule()
    await board.fire(rule, *(NOW + n * 7 * MINUTE for n in range(10)))
    for n in range(32):
        await board.at(NOW + n * 10 * MINUTE)
    assert sum(what == "candles 15m" for what, _key in board.market.calls) == 1
    assert len(await board.rows(rule)) == 30


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 90)), max_size=6),
    st.integers(0, 10**9),
)
async def test_killed_between_any_two_steps_every_firing_is_measured_once_and_the_same(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, bool, int]], salt: int
) -> None:
    """A process ends at some call of the store, before or after it is durable, and another one goes on."""
    board = await Board(tmp_path_factory.mktemp(f"b{salt}")).start()
    rule = await board.rule()
    times = [NOW + n * 11 * MINUTE for n in range(4)]
    await board.fire(rule, *times)
    moment, seen = NOW + MINUTE, []
    for left, after, minutes in kills:
        board.card._store = _Killing(board.scores, left, after)  # type: ignore[assignment]
        with contextlib.suppress(_Killed):
            await board.at(moment)
        await board.start()
        seen += await board.rows(rule)
        moment += minutes * MINUTE
    await board.at(moment := max(moment, NOW + 6 * HOUR))
    await board.at(moment + 3 * MINUTE)
    found = await board.rows(rule)
    assert sorted((row.ts, row.horizon) for row in found) == sorted(
        (ts, horizon) for ts in times for horizon in HORIZONS
    )
    assert all(row in found for row in seen)  # what was measured stayed as it was
    for row in found:
        assert row.move == pytest.approx(price(row.ts + row.horizon - 1) / price(row.ts) - 1)
        assert len(row.controls) == 30
    await board.close()


class _Killed(BaseException):
    """The process ends here."""


class _Killing:
    """A store whose process ends at the call after `left` others."""

    def __init__(self, scores: Scores, left: int, after: bool) -> None:
        self._scores, self._left, self._after = scores, left, after

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            if self._left == 0 and not self._after:
                raise _Killed
            found = await getattr(self._scores, name)(*args)
            if self._left == 0:
                raise _Killed
            self._left -= 1
            return found

        return call


# What may be said


def measured(rule: AlertRule, count: int, move: float, **fields: Any) -> list[Settled]:
    controls = tuple((START - day * DAY, 0.001 * (-1) ** day) for day in range(1, 31))
    return [
        Settled(
            rule_id=rule.id, transition=n, horizon=horizon, tried_ts=NOW, move=move, controls=controls,
            **fields,
        )
        for n in range(1, count + 1) for horizon in HORIZONS
    ]  # fmt: skip


async def given_scores(board: Board, rule: AlertRule, count: int, move: float) -> Score:
    await board.fire(rule, *(NOW + n * 6 * HOUR - count * 6 * HOUR for n in range(count)))
    await board.scores.open(HORIZONS, NOW - 30 * DAY, NOW)
    await board.scores.settle(measured(rule, count, move))
    return await board.card.of_rule(rule)


async def test_a_rule_that_is_followed_by_moves_is_told_so_with_its_bound(board: Board) -> None:
    score = await given_scores(board, await board.rule(), 40, 0.02)
    assert score.verdict is Verdict.MORE
    assert not score.useless
    assert len(score.lifts) == len(HORIZONS)
    for each in score.lifts:
        assert (each.n, each.windows, each.controls) == (40, 40, 30)
        assert each.size.value == 1.0
        assert each.toward is not None
        assert 0.5 < each.size.low < 1.0


async def test_a_rule_with_few_firings_is_told_nothing(board: Board) -> None:
    score = await given_scores(board, await board.rule(), 19, 0.02)
    assert score.verdict is Verdict.FEW
    assert score.tally == Tally(measured=57)


async def test_a_rule_that_looks_down_is_measured_downwards(board: Board) -> None:
    down = await board.rule(condition=replace(UP, op=Op.BELOW))
    score = await given_scores(board, down, 40, 0.02)
    assert score.verdict is Verdict.MORE  # moves more than usual, though not its way
    shares = [each.toward for each in score.lifts]
    assert all(share is not None and share.verdict is Verdict.LESS for share in shares)


async def test_firings_from_before_a_rule_was_edited_do_not_count_for_it(board: Board) -> None:
    rule = await board.rule()
    await given_scores(board, rule, 40, 0.02)
    edited = replace(rule, condition=replace(UP, level=120.0))
    assert (await board.card.of_rule(edited)).lifts == ()
    newer = replace(rule, created_ts=NOW - 6 * HOUR)
    assert [each.n for each in (await board.card.of_rule(newer)).lifts] == [1, 1, 1]


async def test_rules_that_fired_together_are_not_counted_twice(board: Board) -> None:
    one, two = await board.rule(), await board.rule(text="/alert BTC above 101")
    for rule in (one, two):
        await given_scores(board, rule, 25, 0.02)
    score = await board.card.of_rules([one, two])
    assert score.tally.measured == 150
    assert [(each.n, each.windows) for each in score.lifts] == [(50, 25)] * 3


async def test_the_rules_of_a_chat_come_with_the_best_known_first(board: Board) -> None:
    one, two = await board.rule(), await board.rule(text="/alert BTC above 101")
    gone = await board.rule(text="/alert BTC above 102")
    await board.rules.set_status([gone.id], RuleStatus.DELETED)
    await given_scores(board, two, 3, 0.02)
    found = await board.card.of_chat(5)
    assert [(rule.id, tally.measured) for rule, tally in found] == [(two.id, 9), (one.id, 0)]
    assert await board.card.of_chat(6) == []


async def test_too_short_a_past_gives_a_move_and_nothing_to_compare_it_with(board: Board) -> None:
    rule = await board.rule()
    early = START + 3 * DAY
    await board.fire(rule, early)
    assert await board.at(early + 5 * HOUR) == 3
    assert all(len(row.controls) <= 3 * FEWEST for row in await board.rows(rule))
    four = next(row for row in await board.rows(rule) if row.horizon == 4 * HOUR)
    assert len(four.controls) < FEWEST
    score = await board.card.of_rule(rule)
    assert score.verdict is Verdict.FEW
    assert 4 * HOUR not in {each.horizon for each in score.lifts}


async def test_a_round_that_takes_too_long_leaves_the_rest_for_the_next(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await board.rule()
    await board.fire(rule, NOW)
    whole = board.market.candles

    async def never(*args: Any, **more: Any) -> list[Candle]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(module, "ROUND", 0.01)
    board.market.candles = never  # type: ignore[method-assign]
    assert await board.at(NOW + HOUR) == 0
    board.market.candles = whole  # type: ignore[method-assign]
    monkeypatch.setattr(module, "ROUND", 40.0)
    assert await board.at(NOW + HOUR) == 2
