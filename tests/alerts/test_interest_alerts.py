"""Open interest and CVD: sums over venues in which a venue that comes or goes is no event."""

import pytest
from alert_desk import CHAT, Desk
from alert_market import BTC, BYBIT_BTC, START, candle

from alerts.types import Rise

MINUTE = 60_000


def interest(desk: Desk, binance: float, bybit: float) -> None:
    now = desk.clock.now()
    desk.market.interest.setdefault(BTC.key, []).append((now, binance))
    desk.market.interest.setdefault(BYBIT_BTC.key, []).append((now, bybit))


def before(desk: Desk, binance: float = 600.0, bybit: float = 400.0, hours: int = 26) -> None:
    """A flat past."""
    for n in range(hours * 12, 0, -1):
        ts = START - n * 5 * MINUTE
        desk.market.interest.setdefault(BTC.key, []).append((ts, binance))
        desk.market.interest.setdefault(BYBIT_BTC.key, []).append((ts, bybit))
    interest(desk, binance, bybit)


async def passes(desk: Desk, binance: float, bybit: float, seconds: int = 15) -> int:
    desk.clock.advance(seconds * 1000)
    interest(desk, binance, bybit)
    return len(await desk.check())


async def test_a_level_is_crossed_by_the_sum_of_all_venues(desk: Desk) -> None:
    before(desk)
    view = await desk.alert("oi", "BTC-PERP 1100")
    assert view.progress.now == "1,000 BTC"
    assert await passes(desk, 650, 400) == 0
    assert await passes(desk, 700, 420) == 1
    (message,) = await desk.messages()
    assert message["headline"] == "BTC open interest 1,120 BTC, crossed above 1,100 BTC  #1"
    assert "Binance+Bybit perps" in message["evidence"]


async def test_a_venue_that_is_away_is_not_a_fall(desk: Desk) -> None:
    before(desk)
    await desk.alert("oi", "BTC below 900")
    await desk.alert("oi", "BTC -5% 1h")
    desk.market.down.add("bybit")
    for _look in range(90):
        desk.clock.advance(15_000)
        desk.market.interest[BTC.key].append((desk.clock.now(), 600))
        assert await desk.check() == []
    problem = (await desk.service.of_chat(CHAT))[-1].problem
    assert problem == "Open interest: waiting for Bybit (HTTP 503)"
    desk.market.down.clear()
    assert await passes(desk, 600, 400) == 0, "and its return is no rise"


async def test_a_rise_within_the_window_fires_and_is_measured_anew(desk: Desk) -> None:
    before(desk)
    await desk.alert("oi", "BTC-PERP +50 1h")
    looks = [await passes(desk, 600 + n * 5, 400, 60) for n in range(1, 25)]
    assert [n for n, fired in enumerate(looks, 1) if fired] == [10, 20]
    first = (await desk.messages())[0]
    assert first["headline"] == "BTC open interest +50 BTC within 1 h  #1"


async def test_a_percent_of_one_venue(desk: Desk) -> None:
    before(desk)
    view = await desk.alert("oi", "bybit:btc +5%")
    assert view.rule.condition == Rise(
        metric=view.rule.condition.metric, amount=0.05, relative=True
    )
    assert await passes(desk, 900, 400) == 0
    assert await passes(desk, 900, 421) == 1


async def test_dollars_count_coins_at_todays_price_so_a_price_move_is_no_rise(desk: Desk) -> None:
    before(desk)
    view = await desk.alert("oi", "BTC $110k")
    assert view.progress.now == "$100.0k"
    assert await passes(desk, 720, 400) == 1


async def test_a_single_sample_far_off_waits_for_the_next_to_agree(desk: Desk) -> None:
    before(desk)
    await desk.alert("oi", "BTC above 5000")
    await desk.alert("oi", "BTC +50%")
    assert await passes(desk, 600_000, 400) == 0
    assert await passes(desk, float("nan"), 400) == 0
    assert await passes(desk, 0.0, 400) == 0
    assert await passes(desk, 600, 400) == 0
    assert desk.service.bad_data >= 3


async def test_a_level_crossed_while_down_is_found_in_the_history(desk: Desk) -> None:
    before(desk)
    await desk.alert("oi", "BTC above 1100")
    assert await passes(desk, 600, 400) == 0
    desk.clock.advance(20 * MINUTE)
    interest(desk, 700, 450)
    desk.clock.advance(20 * MINUTE)
    interest(desk, 600, 400)
    desk.clock.advance(20 * MINUTE)
    await desk.start()
    (signal,) = await desk.at(1)
    assert signal.late
    assert signal.value == 1150
    assert await passes(desk, 600, 400) == 0


async def test_watched_names_the_perps_an_oi_alert_needs(desk: Desk) -> None:
    before(desk)
    await desk.alert("oi", "BTC 1100")
    assert [i.key for i in await desk.service.watched()] == [BTC.key, BYBIT_BTC.key]


def minutes(desk: Desk, *shares: float, start: int, volume: float = 10.0) -> None:
    """One-minute candles with this share bought by takers."""
    rows = desk.market.history.setdefault((BTC.key, "1m"), [])
    rows += [
        candle(start + n * MINUTE, volume, taker_buy_volume=volume * share, taker_buy_quote=volume * 100 * share)
        for n, share in enumerate(shares)
    ]  # fmt: skip


async def test_cvd_turns_negative_once_and_again_only_beyond_the_dead_band(desk: Desk) -> None:
    minutes(desk, *[0.55] * 60, start=START - 60 * MINUTE)
    view = await desk.alert("cvd", "BTC negative 1h")
    assert view.progress.now == "+$6.00k"
    path = [0.0] * 8 + [0.55] * 60 + [0.52] * 60 + [0.3] * 30
    minutes(desk, *path, start=START)
    fired = []
    for n in range(len(path)):
        desk.clock.advance(MINUTE)
        if await desk.check():
            fired.append(n)
    assert len(fired) == 2
    assert fired[0] == 5, "0.1 per minute for 60 minutes is used up by six minutes of selling"
    assert fired[1] > 120
    first = (await desk.messages())[0]
    assert first["headline"].startswith("BTC CVD turned negative: -$")
    assert "Binance perps" in first["evidence"]


async def test_cvd_that_turned_while_down_is_told_once_and_late(desk: Desk) -> None:
    minutes(desk, *[0.55] * 60, start=START - 60 * MINUTE)
    await desk.alert("cvd", "BTC negative 1h")
    desk.clock.advance(MINUTE)
    minutes(desk, *[0.55, *[0.1] * 40], start=START)
    await desk.check()
    desk.clock.advance(40 * MINUTE)
    await desk.start()
    (signal,) = await desk.at(1)
    assert signal.late
    await desk.start()
    assert await desk.at(60) == []


async def test_a_venue_that_joins_the_cvd_does_not_turn_it(desk: Desk) -> None:
    minutes(desk, *[0.55] * 60, start=START - 60 * MINUTE)
    await desk.alert("cvd", "BTC negative 1h")
    desk.clock.advance(MINUTE)
    minutes(desk, *[0.55] * 10, start=START)
    assert await desk.check() == []
    log = FakeFlow(-9000.0, 20_000.0)
    desk.market.streams = FakeStreams(log)
    for _look in range(3):
        desk.clock.advance(MINUTE)
        log.last_ts = desk.clock.now()
        assert await desk.check() == []
    (view,) = await desk.service.of_chat(CHAT)
    assert view.sample is not None
    assert view.sample.value < 0
    assert view.sample.reading is not None
    assert view.sample.reading.venues == ("binance", "bybit")


async def test_cvd_without_a_whole_window_is_not_known(desk: Desk) -> None:
    minutes(desk, *[0.55] * 20, start=START - 20 * MINUTE)
    view = await desk.alert("cvd", "BTC negative 1h")
    assert view.problem == "Order flow: not collected for the whole window yet"
    assert await desk.at(60) == []


class FakeFlow:
    """A log that has been collecting for long."""

    started_ts = 0

    def __init__(self, delta: float, traded: float) -> None:
        self.last_ts = START
        self._part = FakePart(delta, traded)

    def gaps(self, since: int, until: int) -> list[object]:
        return []

    def window(self, since: int, until: int) -> "FakePart":
        return self._part


class FakePart:
    def __init__(self, delta_value: float, value: float) -> None:
        self.delta_value, self.value = delta_value, value


class FakeStreams:
    """Only bybit is streamed."""

    def __init__(self, log: FakeFlow) -> None:
        self._log = log

    async def watch(self, instruments: object) -> None:
        return None

    def flow(self, instrument: object) -> FakeFlow | None:
        return self._log if instrument == BYBIT_BTC else None


@pytest.mark.parametrize(
    "words", ["BTC 50000 1h", "BTC 5%", "BTC 0", "BTC/USDT 500", "BTC -100%", "BTC"]
)
async def test_nonsense_is_refused_with_an_example(desk: Desk, words: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        await desk.alert("oi", words)
    assert caught.value.example.startswith("/alert_oi")  # type: ignore[attr-defined]
