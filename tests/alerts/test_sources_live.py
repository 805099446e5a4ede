"""Figures of the streams: sums over the venues that are known, reasons where one is not, nothing unsound."""

from collections.abc import Callable
from typing import Any

import pytest
from alert_market import BTC, BYBIT_BTC, ETH, START, FakeMarket, instrument
from live_streams import FakeStreams, book, context, liquidation, trade

from alerts.metrics import Metrics
from alerts.types import Metric, Sample
from market.clock import FixedClock
from market.errors import SourceError
from market.types import MINUTE, PositionSide, Side

NOW = START + 3_600_000
LONGS = Metric(subject="*:BTC", name="liquidations", window=5 * MINUTE, param="long")
BOTH = Metric(subject="*:BTC", name="liquidations", window=5 * MINUTE)
DELTA = Metric(subject=BTC.key, name="delta", window=5 * MINUTE)
MOVE = Metric(subject=BTC.key, name="price", window=15 * MINUTE)


class Room:
    """A market with streams of both BTC perps, an hour old."""

    def __init__(self, *more: Any) -> None:
        self.clock = FixedClock(NOW)
        self.market: Any = FakeMarket(self.clock)
        self.market.instruments += more
        self.streams = FakeStreams()
        self.market.streams = self.streams
        self.metrics = Metrics(self.market)
        for each in (BTC, BYBIT_BTC, *more):
            self.streams.begin(each, START)
        self.streams.alive(NOW, BTC, BYBIT_BTC, *more)

    def look(self, *metrics: Metric) -> dict[Metric, Sample | str]:
        wanted = frozenset(metrics)
        return dict(self.metrics.live(wanted, self.clock.now()))

    def sample(self, metric: Metric) -> Sample:
        found = self.look(metric)[metric]
        assert isinstance(found, Sample), found
        return found


def test_liquidations_are_added_up_over_venues_by_side() -> None:
    room = Room()
    room.streams.open[BTC.key].take_liquidations([liquidation(BTC, NOW - 1000, 3e6)])
    room.streams.open[BYBIT_BTC.key].take_liquidations(
        [
            liquidation(BYBIT_BTC, NOW - 2000, 2e6),
            liquidation(BYBIT_BTC, NOW - 2000, 1e6, PositionSide.SHORT),
        ]
    )
    found = room.look(LONGS, BOTH)
    longs, both = found[LONGS], found[BOTH]
    assert isinstance(longs, Sample)
    assert isinstance(both, Sample)
    assert (longs.value, both.value) == (pytest.approx(5e6), pytest.approx(6e6))
    assert longs.reading is not None
    assert longs.reading.venues == ("binance", "bybit")
    assert (longs.reading.unit, longs.reading.window) == ("USD", 5 * MINUTE)


def test_a_stale_venue_leaves_the_sum_is_named_and_makes_it_another_sum() -> None:
    room = Room()
    room.streams.open[BTC.key].take_liquidations([liquidation(BTC, NOW - 1000, 3e6)])
    room.streams.open[BYBIT_BTC.key].take_liquidations([liquidation(BYBIT_BTC, NOW - 1000, 2e6)])
    assert not room.sample(LONGS).rebased
    room.clock.advance(90_000)
    room.streams.alive(room.clock.now(), BTC)
    gone = room.sample(LONGS)
    assert (gone.value, gone.rebased) == (pytest.approx(3e6), True)
    assert gone.reading is not None
    assert gone.reading.venues == ("binance",)
    assert "without Bybit: the liquidation feed is silent" in gone.reading.note
    assert not room.sample(LONGS).rebased
    room.streams.alive(room.clock.now(), BYBIT_BTC)
    assert room.sample(LONGS).rebased, "and back again"


def test_a_card_that_looks_in_between_does_not_hide_that_a_venue_went() -> None:
    room = Room()
    room.sample(LONGS)
    room.clock.advance(90_000)
    room.streams.alive(room.clock.now(), BTC)
    room.metrics.snapshot(BTC, [DELTA], room.clock.now())
    assert room.sample(LONGS).rebased


def test_nobody_known_is_no_number_but_every_reason() -> None:
    room = Room()
    room.clock.advance(90_000)
    found = room.look(LONGS)[LONGS]
    assert found == (
        "Binance: the liquidation feed is silent, Bybit: the liquidation feed is silent"
    )


def test_delta_is_in_dollars_and_of_whole_windows_only() -> None:
    room = Room()
    state = room.streams.open[BTC.key]
    state.update(
        [trade(BTC, NOW - 60_000, 100.0, 7.0), trade(BTC, NOW - 50_000, 100.0, 2.0, Side.SELL)]
    )
    room.streams.alive(NOW, BTC)
    found = room.sample(DELTA)
    assert found.value == pytest.approx(500.0)
    state.flow.mark_gap(NOW - 30_000, NOW - 20_000)
    assert room.look(DELTA)[DELTA] == "the feed was blind in between"


def test_a_window_longer_than_the_watch_is_not_known_yet() -> None:
    room = Room()
    room.streams.begin(BTC, NOW - 100_000)
    room.streams.alive(NOW, BTC)
    assert room.look(DELTA)[DELTA] == "watched for 100 s of 300 s"


async def test_a_quote_that_is_no_dollar_needs_its_rate() -> None:
    euro = instrument("coinbase", "BTC", perp=False, quote="EUR")
    room = Room(euro)
    metric = Metric(subject=euro.key, name="turnover", window=5 * MINUTE)
    room.streams.open[euro.key].update([trade(euro, NOW - 1000, 100.0, 3.0)])
    assert room.look(metric)[metric] == "no rate of EUR in US dollars"
    room.market.usd_rate = _rate(1.25)
    (sample,) = await room.metrics.samples(metric, 0, NOW)
    assert sample.value == pytest.approx(375.0)
    assert room.sample(metric).value == pytest.approx(375.0)


def _rate(value: float) -> Callable[[str], Any]:
    from market.types import Reading

    async def usd_rate(_quote: str) -> Reading[float]:
        return Reading(value=value)

    return usd_rate


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("funding", 0.0001), ("funding_apr", 0.1095), ("premium", 0.001)],
)
def test_what_the_venue_tells_of_a_perp_keeps_its_unit(name: str, wanted: float) -> None:
    room = Room()
    room.streams.open[BTC.key].take_context(
        context(BTC, NOW, mark=100.1, index=100.0, rate=0.0001, interval_h=8.0)
    )
    found = room.sample(Metric(subject=BTC.key, name=name))
    assert found.value == pytest.approx(wanted)
    assert found.reading is not None
    assert found.reading.as_of == NOW
    if name == "funding":
        assert "per 8 h" in found.reading.note


def test_funding_that_is_old_is_not_told_as_if_it_were_new() -> None:
    room = Room()
    room.streams.open[BTC.key].take_context(context(BTC, NOW, rate=0.0001, interval_h=8.0))
    metric = Metric(subject=BTC.key, name="funding")
    assert room.sample(metric).value == 0.0001
    room.clock.advance(10 * MINUTE)
    assert isinstance(room.look(metric)[metric], str)


async def test_the_book_is_asked_for_and_its_bid_share_read() -> None:
    room = Room()
    metric = Metric(subject=BTC.key, name="imbalance")
    assert not room.metrics.is_live(metric, NOW)
    with pytest.raises(SourceError, match="not streamed here"):
        await room.metrics.samples(metric, 0, NOW)
    assert (BTC.key, True) in room.streams.watched
    state = room.streams.open[BTC.key]
    state.open_book().take(book(BTC, NOW, bid=3.0, ask=1.0))
    assert room.metrics.is_live(metric, NOW)
    assert room.sample(metric).value == pytest.approx(0.75)
    room.clock.advance(20_000)
    assert room.look(metric)[metric] == "the book is old"


def test_a_plain_price_is_left_to_its_trades_and_a_change_is_told_thinned() -> None:
    room = Room()
    plain = Metric(subject=BTC.key, name="price")
    room.streams.open[BTC.key].update([trade(BTC, NOW - 10, 100.0, 1.0)])
    room.streams.alive(NOW, BTC)
    assert plain not in room.look(plain, MOVE)
    told, price = 0, 100.0
    for n in range(1, 61):
        room.clock.advance(1000)
        price = 100.0 if n < 50 else 101.0
        now = room.clock.now()
        room.streams.open[BTC.key].update([trade(BTC, now, price, 1.0 + n)])
        told += MOVE in room.look(plain, MOVE)
    assert 30 <= told <= 60
    assert room.metrics.is_live(plain, room.clock.now())
    assert room.metrics.is_live(MOVE, room.clock.now())


def test_a_silent_price_feed_is_not_live_any_more() -> None:
    room = Room()
    room.streams.open[BTC.key].update([trade(BTC, NOW - 10, 100.0, 1.0)])
    plain = Metric(subject=BTC.key, name="price")
    assert room.metrics.is_live(plain, NOW)
    assert not room.metrics.is_live(plain, NOW + 60_000)


def test_one_look_reads_each_instrument_once(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    state = room.streams.open[BTC.key]
    calls: list[set[str]] = []
    real = state.figures

    def counted(now: int, names: Any) -> Any:
        calls.append(set(names))
        return real(now, names)

    monkeypatch.setattr(state, "figures", counted)
    turnover = Metric(subject=BTC.key, name="turnover", window=MINUTE)
    room.look(DELTA, turnover, LONGS)
    assert calls == [{"delta_5m", "volume_1m", "liq_long_5m"}]


def test_several_figures_of_one_instrument_at_one_moment() -> None:
    room = Room()
    room.streams.open[BTC.key].take_context(context(BTC, NOW, rate=0.0002, interval_h=8.0))
    funding = Metric(subject=BTC.key, name="funding")
    found = room.metrics.snapshot(BTC, [DELTA, funding], NOW)
    assert isinstance(found[funding], Sample)
    assert isinstance(found[DELTA], Sample)


def test_figures_are_those_of_the_whole_snapshot() -> None:
    room = Room()
    state = room.streams.open[BTC.key]
    state.update([trade(BTC, NOW - 60_000, 100.0, 7.0)])
    state.take_context(context(BTC, NOW, mark=100.1, index=100.0, rate=0.0001, interval_h=8.0))
    state.open_book().take(book(BTC, NOW, bid=3.0, ask=1.0))
    whole = state.snapshot(NOW)
    for name in whole:
        if not name.startswith(("whale_", "middle_", "retail_", "money_")):
            assert state.figures(NOW, {name}) == {name: whole[name]}, name


async def test_feed_silence_is_counted_even_of_a_feed_that_never_came() -> None:
    room = Room()
    metric = Metric(subject=BTC.key, name="blind")
    room.clock.advance(45_000)
    (sample,) = await room.metrics.samples(metric, 0, room.clock.now())
    assert sample.value == 45.0
    never = Metric(subject=ETH.key, name="blind")
    await room.metrics.samples(never, 0, room.clock.now())
    room.clock.advance(30_000)
    (sample,) = await room.metrics.samples(never, 0, room.clock.now())
    assert sample.value == 30.0


async def test_live_figures_have_no_past_and_say_so() -> None:
    room = Room()
    with pytest.raises(SourceError, match="its past is not kept"):
        await room.metrics.past_samples(DELTA, START, NOW)
