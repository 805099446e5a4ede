"""Volume alerts: every closed candle is looked at once, the running one never, revisions change nothing."""

from dataclasses import replace

import pytest
from alert_desk import CHAT, Desk
from alert_market import BTC, START, candle, quiet_history

from market.types import Candle

BAR = 15 * 60_000


def closes(desk: Desk, *volumes: float, start: int = START) -> None:
    """Candles after the quiet ones, from `start` on."""
    rows = desk.market.history.setdefault((BTC.key, "15m"), [])
    rows += [candle(start + n * BAR, volume) for n, volume in enumerate(volumes)]


@pytest.fixture
async def quiet(desk: Desk) -> Desk:
    desk.market.history[BTC.key, "15m"] = quiet_history(BTC, "15m", START, 250)
    return desk


async def test_a_closed_candle_above_the_percent_fires_and_tells_its_volume(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200 15m")
    closes(quiet, 34.0)
    assert await quiet.at(600) == [], "the candle is still running"
    (signal,) = await quiet.at(301)
    assert signal.value == pytest.approx(3.4)
    assert signal.sample.bar_ts == START
    (message,) = await quiet.messages()
    assert message["headline"] == "BTC perp volume 340 % of average  #1"
    assert message["reading"].startswith("34 BTC ($3.40k) in 15 m · price 0.00 % · buyers 50 %")
    assert message["chart"]["data"]["bar_ts"] == START
    assert "candle 00:00 UTC · 1 s after close" in message["evidence"]


async def test_exactly_the_percent_is_not_above_it(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, 20.0)
    assert await quiet.at(901) == []


async def test_the_same_candle_fires_once_even_when_it_is_revised(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, 34.0)
    assert len(await quiet.at(901)) == 1
    rows = quiet.market.history[BTC.key, "15m"]
    rows[-1] = candle(START, 60.0)
    rows.append(candle(START, 60.0))
    assert await quiet.at(15) == []
    await quiet.start()
    assert await quiet.at(15) == []
    assert len(await quiet.rows()) == 1


async def test_it_fires_again_only_after_the_volume_went_back(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, 34.0, 40.0, 18.0, 40.0, 10.0, 40.0)
    fired = [len(await quiet.at(900)) for _bar in range(7)]
    assert fired == [1, 0, 0, 0, 0, 1, 0]


async def test_candles_closed_between_two_checks_are_all_looked_at(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, 34.0, 10.0, 40.0, 10.0)
    signals = await quiet.at(4 * 900 + 1)
    assert [s.sample.bar_ts for s in signals] == [START, START + 2 * BAR]
    assert [row.transition for row in await quiet.rows()] == [1, 2]


async def test_a_spike_while_down_is_told_once_and_late(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    await quiet.at(15)
    closes(quiet, 34.0, 10.0, 40.0, 10.0)
    quiet.clock.advance(5 * BAR)
    await quiet.start()
    (signal,) = await quiet.at(1)
    assert signal.late
    assert len(await quiet.messages()) == 1
    assert [each.told for each in await quiet.firings()] == [False, True], (
        "the second is kept, not told"
    )
    assert await quiet.at(15) == []


async def test_an_empty_or_broken_candle_never_fires(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, float("nan"), float("inf"), -50.0)
    for _bar in range(3):
        assert await quiet.at(901) == []
    assert quiet.service.bad_data >= 3
    closes(quiet, 34.0, start=START + 3 * BAR)
    assert len(await quiet.at(901)) == 1, "broken candles do not blind it"


async def test_without_enough_history_it_says_why_and_waits(desk: Desk) -> None:
    desk.market.history[BTC.key, "15m"] = quiet_history(BTC, "15m", START, 50)
    view = await desk.alert("volume", "BTC 200")
    assert view.problem == "Binance: needs 97 closed candles, has 50"
    assert await desk.at(901) == []


async def test_the_card_knows_how_often_it_would_have_fired(quiet: Desk) -> None:
    rows: list[Candle] = quiet.market.history[BTC.key, "15m"]
    for place in (-20, -40, -100):
        rows[place] = candle(rows[place].ts, 50.0)
    view = await quiet.alert("volume", "BTC 200")
    assert view.rehearsal is not None
    assert view.rehearsal.count == 3
    assert view.rehearsal.gap == 40 * BAR


async def test_how_unusual_it_is_at_this_time_of_day_is_told_where_history_reaches(
    desk: Desk,
) -> None:
    rows = quiet_history(BTC, "15m", START, 1500)
    rows = [candle(c.ts, c.volume * (1 + 0.1 * (n % 7))) for n, c in enumerate(rows)]
    desk.market.history[BTC.key, "15m"] = rows
    await desk.alert("volume", "BTC 200")
    closes(desk, 80.0)
    await desk.at(901)
    (message,) = await desk.messages()
    assert " for this time of day" in message["reading"]
    assert " z " in message["reading"]


async def test_a_list_shows_the_newest_closed_candle(quiet: Desk) -> None:
    await quiet.alert("volume", "BTC 200")
    closes(quiet, 17.0)
    await quiet.at(901)
    (view,) = await quiet.service.of_chat(CHAT)
    assert view.progress.note == "at 170%"
    assert replace(view.rule).text == f"/alert_volume {BTC.key} 200 15m"
