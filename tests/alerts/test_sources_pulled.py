"""Figures that are asked for: prices, flow, open interest, lists of markets, times of day, the liquidation map."""

import math
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from alert_market import BTC, BYBIT_BTC, ETH, START, FakeMarket, candle, instrument
from live_streams import FakeStreams

from alerts.metrics import Delisted, Metrics
from alerts.sources import liqmap
from alerts.sources.clock import due
from alerts.sources.listing import ListingSource
from alerts.types import Metric
from exchanges.types import Capability
from market.clock import FixedClock
from market.errors import SourceError, SourceUnavailable
from market.types import DAY, HOUR, MINUTE, Instrument

PRICE = Metric(subject=BTC.key, name="price")


def room(now: int = START) -> tuple[Any, Metrics]:
    market: Any = FakeMarket(FixedClock(now))
    return market, Metrics(market)


# Prices


async def test_a_price_says_where_and_when_it_is_from() -> None:
    market, metrics = room()
    market.trade(100.0)
    (sample,) = await metrics.samples(PRICE, START, START)
    assert sample.reading is not None
    assert (sample.reading.venues, sample.reading.unit) == (("binance",), "USDT")
    assert sample.reading.as_of == sample.ts


async def test_a_change_is_measured_on_the_whole_window_however_often_it_is_looked_at() -> None:
    market, metrics = room()
    metric = Metric(subject=BTC.key, name="price", window=HOUR)
    for n in range(4 * 60):
        market.trade(100.0 + n, ts=START - (240 - n) * MINUTE)
    market.trade(500.0)
    for look in range(40):
        found = await metrics.samples(metric, START, market.clock.now())
        now = market.clock.now()
        assert found[0].ts <= now - HOUR, f"look {look}"
        assert [s.ts for s in found] == sorted({s.ts for s in found})
        market.clock.advance(45_000)
        market.trade(500.0 + look)
    assert found[-1].value >= 500.0


async def test_a_week_is_remembered_in_a_thousand_samples_or_two() -> None:
    market, metrics = room()
    metric = Metric(subject=BTC.key, name="price", window=7 * DAY)
    for n in range(8 * 96):
        market.trade(100.0, ts=START - (8 * 96 - n) * 15 * MINUTE)
    market.trade(100.0)
    found = await metrics.samples(metric, START, START)
    assert found[0].ts <= START - 7 * DAY
    for _hour in range(30):
        market.clock.advance(HOUR // 4)
        market.trade(101.0)
        found = await metrics.samples(metric, START, market.clock.now())
    assert len(found) < 2500
    assert found[0].ts <= market.clock.now() - 7 * DAY


async def test_a_rehearsal_of_a_price_keeps_the_extremes_of_each_candle() -> None:
    market, metrics = room(START + HOUR)
    for n in range(60):
        market.trade(100.0, ts=START + n * MINUTE)
        market.trade(150.0 if n == 30 else 101.0, ts=START + n * MINUTE + 1000)
    found = await metrics.past_samples(PRICE, START, START + HOUR)
    assert max(s.high or 0 for s in found) == 150.0
    assert len(found) == 60
    with pytest.raises(SourceError, match="no candles so far back"):
        await metrics.past_samples(PRICE, START - DAY, START - HOUR)


async def test_a_market_that_is_gone_is_told_apart_from_one_that_is_not_loaded() -> None:
    market, metrics = room()
    gone = Metric(subject="binance:GONE/USDT:USDT", name="price")
    with pytest.raises(Delisted):
        await metrics.samples(gone, 0, START)
    with pytest.raises(Delisted):
        metrics.instruments(Metric(subject="*:NOSUCH", name="liquidations", window=MINUTE))
    market.not_loaded = ["binance"]
    with pytest.raises(SourceUnavailable, match="markets not loaded"):
        await metrics.samples(gone, 0, START)


# Flow


def minutes(market: Any, count: int, seed: int = 3, of: Instrument = BTC, end: int = START) -> None:
    rng, rows = random.Random(seed), market.history.setdefault((of.key, "1m"), [])
    for n in range(count, 0, -1):
        volume = rng.uniform(1, 9)
        rows.append(
            candle(
                end - n * MINUTE, volume, taker_buy_volume=volume * rng.random(),
                taker_buy_quote=volume * 100 * rng.random(),
            )
        )  # fmt: skip


@pytest.mark.parametrize("name", ["cvd_share", "cvd_slope"])
async def test_a_rehearsal_of_the_flow_gives_what_was_seen_live(name: str) -> None:
    market, metrics = room()
    minutes(market, 600)
    metric = Metric(subject="*:BTC", name=name, window=HOUR)
    live = await metrics.samples(metric, START - HOUR, START)
    past = await metrics.past_samples(metric, START - HOUR - 1, START)
    assert [s.ts for s in past] == [s.ts for s in live]
    assert [s.value for s in past] == pytest.approx([s.value for s in live], rel=1e-9)


async def test_the_slope_is_dollars_per_hour_from_end_to_end() -> None:
    market, metrics = room()
    rows = market.history.setdefault((BTC.key, "1m"), [])
    rows += [
        candle(START - n * MINUTE, 10.0, taker_buy_volume=6.0, taker_buy_quote=600.0)
        for n in range(400, 0, -1)
    ]
    metric = Metric(subject="*:BTC", name="cvd_slope", window=4 * HOUR)
    (sample,) = (await metrics.samples(metric, START, START))[-1:]
    assert sample.value == pytest.approx(60 * 200.0)
    assert sample.reading is not None
    assert (sample.reading.value, sample.reading.window) == (sample.value, 4 * HOUR)


async def test_another_venue_in_the_flow_makes_rules_learn_their_side_anew() -> None:
    market, metrics = room()
    both = frozenset({Capability.TAKER_VOLUME, Capability.OPEN_INTEREST})
    minutes(market, 400)
    metric = Metric(subject="*:BTC", name="cvd_share", window=HOUR)
    await metrics.samples(metric, START - MINUTE, START)
    minutes(market, 400, of=BYBIT_BTC, end=START + MINUTE)
    minutes(market, 1, seed=9, end=START + MINUTE)
    from alert_market import Venue

    kind = type(market)
    market.__class__ = type(
        "Wider",
        (kind,),
        {"venues": property(lambda _s: dict.fromkeys(("binance", "bybit"), Venue(both)))},
    )
    market.clock.advance(MINUTE)
    now = market.clock.now()
    card = await metrics.samples(metric, now, now)
    assert not any(s.rebased for s in card), "who has not looked before has nothing to forget"
    found = await metrics.samples(metric, START, now)
    assert [(s.ts, s.rebased) for s in found] == [(START, True), (now, False)]


# Open interest


def interest(market: Any, of: Instrument, amount: float, hours: int = 30) -> None:
    rows = market.interest.setdefault(of.key, [])
    for n in range(hours * 12, -1, -1):
        rows.append((market.clock.now() - n * 5 * MINUTE, amount + n % 3))


async def test_open_interest_names_its_unit_and_venues() -> None:
    market, metrics = room()
    interest(market, BTC, 600)
    interest(market, BYBIT_BTC, 400)
    for name, unit in (("open_interest", "BTC"), ("open_interest_usd", "USD")):
        found = await metrics.samples(Metric(subject="*:BTC", name=name), START, START)
        assert found[-1].reading is not None
        assert found[-1].reading.unit == unit
        assert found[-1].reading.venues == ("binance", "bybit")


async def test_a_rehearsal_of_open_interest_adds_the_venues_that_have_a_past() -> None:
    market, metrics = room()
    interest(market, BTC, 600)
    interest(market, BYBIT_BTC, 400)
    metric = Metric(subject="*:BTC", name="open_interest")
    found = await metrics.past_samples(metric, START - 6 * HOUR, START)
    assert len(found) == 72
    assert all(1000 <= s.value <= 1004 for s in found)
    market.down.add("bybit")
    alone = await metrics.past_samples(metric, START - 6 * HOUR, START)
    assert alone[-1].reading is not None
    assert alone[-1].reading.venues == ("binance",)
    market.down.add("binance")
    with pytest.raises(SourceError, match="HTTP 503"):
        await metrics.past_samples(metric, START - 6 * HOUR, START)


async def test_a_new_venue_in_open_interest_is_no_rise() -> None:
    market, metrics = room()
    market.instruments = (BTC, ETH)
    interest(market, BTC, 600)
    interest(market, BYBIT_BTC, 400)
    metric = Metric(subject="*:BTC", name="open_interest")
    await metrics.samples(metric, START, START)
    market.instruments = (BTC, BYBIT_BTC, ETH)
    market.clock.advance(MINUTE)
    now = market.clock.now()
    market.interest[BTC.key].append((now, 601.0))
    market.interest[BYBIT_BTC.key].append((now, 401.0))
    found = await metrics.samples(metric, START, now)
    assert found[0].rebased


# Lists of markets


class ListedVenue:
    def __init__(self, *names: str) -> None:
        self.listed = [instrument("binance", name) for name in names]
        self.down = False

    async def load_instruments(self) -> list[Instrument]:
        if self.down:
            raise SourceUnavailable("binance", "HTTP 503")
        return list(self.listed)


class Lists:
    def __init__(self, **venues: ListedVenue) -> None:
        self.venues = venues


NEW, GONE = (
    Metric(subject="*", name="listing", param="new"),
    Metric(subject="*", name="listing", param="gone"),
)
TEN = 10 * MINUTE


async def test_the_first_list_is_learnt_and_only_what_comes_later_is_told() -> None:
    venue = ListedVenue(*(f"C{n}" for n in range(20)))
    source = ListingSource(Lists(binance=venue))  # type: ignore[arg-type]
    assert await source.samples(NEW, 0, START) == []
    venue.listed.append(instrument("binance", "FRESH"))
    (sample,) = await source.samples(NEW, START, START + TEN)
    assert sample.value == 1.0
    assert sample.reading is not None
    assert sample.reading.note == "FRESH/USDT perp on Binance"
    assert await source.samples(NEW, START + TEN, START + 2 * TEN) == []
    del venue.listed[0]
    (gone,) = await source.samples(GONE, START + TEN, START + 3 * TEN)
    assert gone.reading is not None
    assert gone.reading.note.startswith("C0/USDT perp")
    both = Metric(subject="*", name="listing")
    assert len(await source.samples(both, START, START + 3 * TEN)) == 2


async def test_a_venue_that_comes_late_or_sends_half_a_list_lists_nothing_new() -> None:
    first, second = ListedVenue("A", "B", "C", "D", "E", "F"), ListedVenue("X")
    second.down = True
    source = ListingSource(Lists(binance=first, bybit=second))  # type: ignore[arg-type]
    await source.samples(NEW, 0, START)
    second.down = False
    assert await source.samples(NEW, START, START + TEN) == []
    whole = first.listed
    first.listed = whole[:3]
    assert await source.samples(GONE, START, START + 2 * TEN) == []
    assert source.bad == 1
    first.listed = whole
    assert await source.samples(NEW, START, START + 3 * TEN) == []
    first.down = second.down = True
    with pytest.raises(SourceError, match="no venue answers"):
        await source.samples(NEW, START, START + 4 * TEN)


# Times of day


def test_a_report_is_due_once_a_day_in_its_own_zone() -> None:
    begin = round(datetime(2026, 3, 27, tzinfo=UTC).timestamp() * 1000)
    found = due("08:00 Europe/Berlin", begin, begin + 4 * DAY)
    hours = [datetime.fromtimestamp(s.ts / 1000, UTC).hour for s in found]
    assert hours == [7, 7, 6, 6], "the clocks go forward on the 29th"
    assert [s.ts for s in due("08:00", begin, begin + 2 * DAY)] == [
        begin + 8 * HOUR, begin + DAY + 8 * HOUR
    ]  # fmt: skip
    assert due("00:00", begin, begin + DAY - 1) == [], "it was due at the start, not after it"


async def test_a_missed_report_is_made_up_for_once() -> None:
    _market, metrics = room()
    metric = Metric(subject="*", name="report", param="08:00")
    assert metrics.instruments(metric) == []
    assert await metrics.samples(metric, START, START + 7 * HOUR) == []
    (sample,) = await metrics.samples(metric, START, START + 9 * HOUR)
    assert sample.ts == START + 8 * HOUR
    assert len(await metrics.samples(metric, START - 3 * DAY, START + 9 * HOUR)) == 1


# The liquidation map


async def test_the_distance_to_a_cluster_is_an_estimate_that_follows_the_price() -> None:
    market, metrics = room(START + 8 * DAY)
    now = market.clock.now()
    rng, amount, rows, candles = random.Random(5), 1000.0, [], []
    for n in range(8 * 24 + 4, 0, -1):
        ts = now - n * HOUR
        price = 100.0 + 3 * math.sin(n / 9)
        candles.append(
            candle(ts, 500.0, price, high=price * 1.004, low=price * 0.996, close=price * 1.001)
        )
        amount += 40 if rng.random() < 0.6 else -15
        rows.append((ts, amount))
    market.history[BTC.key, "1h"] = candles
    market.instruments = (BTC,)
    market.interest[BTC.key] = rows
    market.tiers = _no_tiers
    market.trade(100.0)
    found = {}
    for side in ("long", "short", ""):
        metric = Metric(subject="*:BTC", name="liq_cluster", param=side)
        (found[side],) = await metrics.samples(metric, 0, now)
    assert found[""].value == min(found["long"].value, found["short"].value)
    assert 0 < found["long"].value < 1
    reading = found["long"].reading
    assert reading is not None
    assert (reading.kind, reading.venues) == ("estimated", ("binance",))
    near = found["long"].extra["price"].value or 0.0
    assert near < 100.0
    market.clock.advance(MINUTE)
    market.trade(99.9)
    metric = Metric(subject="*:BTC", name="liq_cluster", param="long")
    (closer,) = await metrics.samples(metric, 0, market.clock.now())
    assert closer.value == pytest.approx(1 - near / 99.9, rel=1e-6)
    market.clock.advance(5 * MINUTE)
    with pytest.raises(SourceError, match="every price is old"):
        await metrics.samples(metric, 0, market.clock.now())


async def _no_tiers(_of: Instrument) -> None:
    return None


def test_the_map_is_asked_for_each_minute() -> None:
    _market, metrics = room()
    assert metrics.every(Metric(subject="*:BTC", name="liq_cluster")) == MINUTE
    assert liqmap.REBUILT > MINUTE


async def test_without_streams_a_live_figure_says_that_they_are_off() -> None:
    market, metrics = room()
    metric = Metric(subject=BTC.key, name="funding")
    with pytest.raises(SourceError, match="the live streams are off here"):
        await metrics.samples(metric, 0, START)
    market.streams = FakeStreams()
    with pytest.raises(SourceError, match="not streamed yet"):
        await metrics.samples(metric, 0, START)
    assert market.streams.watched == [(BTC.key, False)]
