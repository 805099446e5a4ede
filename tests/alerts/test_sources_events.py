"""Things that happen, as samples: each once, of the coin and of the instrument, with what is known of them."""

from dataclasses import replace
from typing import Any

import pytest
from alert_market import BTC, BYBIT_BTC, ETH, START, FakeMarket
from live_streams import FakeStreams, liquidation, trade

from alerts.fast.engine import Engine
from alerts.metrics import Metrics
from alerts.monitors.judge import Judge
from alerts.monitors.kinds.base import Finding, Monitor
from alerts.sources.events import Events
from alerts.types import AnyOf, Event, Metric, Op, Repeat, Sample
from analytics.regime import Regime
from market.clock import FixedClock
from market.errors import SourceError
from market.types import PositionSide, Reading

ANY = Metric(subject="*:BTC", name="liquidation")
LONG = Metric(subject="*:BTC", name="liquidation", param="long")
OURS = Metric(subject=BTC.key, name="liquidation")


def events(*metrics: Metric) -> Events:
    made = Events()
    made.follow(metrics)
    return made


def finding(kind: str, ts: int, size: float, **fields: Any) -> Finding:
    whole: dict[str, Any] = {
        "kind": kind, "key": BTC.key, "coin": "BTC", "ts": ts, "value": size, "size": size,
        "venues": ("binance",), **fields,
    }  # fmt: skip
    return Finding(**whole)


def test_a_liquidation_counts_for_its_coin_its_instrument_and_its_side() -> None:
    made = events(ANY, LONG, OURS)
    found = made.take_news(
        [
            liquidation(BTC, START, 2e6),
            liquidation(BYBIT_BTC, START, 3e6, PositionSide.SHORT),
            liquidation(ETH, START, 9e6),
            trade(BTC, START, 100.0, 1.0),
        ],
        START + 20,
    )
    assert [(m, s.value) for m, s in found] == [
        (ANY, pytest.approx(2e6)), (LONG, pytest.approx(2e6)), (OURS, pytest.approx(2e6)),
        (ANY, pytest.approx(3e6)),
    ]  # fmt: skip
    reading = found[0][1].reading
    assert reading is not None
    assert (reading.as_of, reading.venues, reading.unit) == (START, ("binance",), "USD")
    assert reading.note == "long"
    assert found[0][1].extra["price"].value == 100.0


def test_two_prints_of_one_moment_both_count() -> None:
    made = events(ANY)
    rows = [
        liquidation(BTC, START, 2e6),
        liquidation(BTC, START, 3e6),
        liquidation(BTC, START - 9, 1e6),
    ]
    stamps = [s.ts for _m, s in made.take_news(rows, START + 20)]
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 3


@pytest.mark.parametrize("usd", [float("nan"), 0.0, float("inf"), -5.0])
def test_a_print_without_a_size_is_counted_and_told_to_nobody(usd: float) -> None:
    made = events(ANY)
    assert made.take_news([liquidation(BTC, START, usd)], START) == []
    assert made.bad == 1


def test_what_nobody_wants_costs_nothing() -> None:
    made = events(Metric(subject=BTC.key, name="price"))
    assert not made.wanted
    assert made.take_news([liquidation(BTC, START, 2e6)], START) == []
    assert made.take_findings([finding("whale", START, 2e6)]) == []


def test_a_whale_is_told_once_with_its_side_price_and_prints() -> None:
    both = Metric(subject=BTC.key, name="whale")
    sells = Metric(subject=BTC.key, name="whale", param="sell")
    made = events(both, sells, Metric(subject=BTC.key, name="whale", param="buy"))
    whale = finding(
        "whale", START, 2e6, side="sell", event="1:sell",
        figures={"order": Reading(value=2e6, as_of=START, n=7, unit="USD")},
        extra={"price": 94_000.0, "step": 0.1, "prints": 7, "amount": 21.3},
    )  # fmt: skip
    found = made.take_findings([whale])
    assert [m for m, _s in found] == [both, sells]
    sample = found[0][1]
    assert sample.reading is not None
    assert (sample.value, sample.reading.n, sample.reading.note) == (2e6, 7, "sell")
    assert (sample.extra["price"].value, sample.extra["prints"].value) == (94_000.0, 7.0)
    assert made.take_findings([whale]) == []


def test_a_wall_that_grows_is_told_again_from_where_it_was() -> None:
    bids = Metric(subject=BTC.key, name="wall", param="bid")
    made = events(bids)

    def seen(second: int, size: float) -> list[Sample]:
        row = finding(
            "wall", START + second * 1000, size, side="buy", event="buy:94000:1",
            extra={"price": "94,000.0", "distance": -0.003},
        )  # fmt: skip
        return [s for _m, s in made.take_findings([row])]

    (first,) = seen(0, 4e6)
    assert (first.value, first.low) == (4e6, None)
    assert first.extra["price"].value == 94_000.0
    assert first.extra["distance"].unit == "fraction"
    assert seen(1, 4e6) == []
    assert seen(2, 3e6) == []
    (grown,) = seen(3, 12e6)
    assert (grown.value, grown.low) == (12e6, 4e6)


def test_a_cascade_is_another_one_only_after_a_pause() -> None:
    metric = Metric(subject="*:BTC", name="cascade")
    made = events(metric)

    def seen(second: int, size: float, *, ripe: bool = True) -> list[Sample]:
        row = finding("cascade", START + second * 1000, size, key="BTC", side="long", ripe=ripe)
        return [s for _m, s in made.take_findings([row])]

    assert seen(0, 6e5, ripe=False) == []
    assert [s.low for s in seen(1, 6e5)] == [None]
    assert [s.low for s in seen(5, 9e5)] == [6e5]
    assert seen(20, 5e5) == []
    assert [s.low for s in seen(120, 5e5)] == [None]


def test_a_crash_counts_falls_upwards_and_rises_downwards() -> None:
    metric = Metric(subject="*:BTC", name="crash")
    made = events(metric)
    fall = finding("crash", START, 4.2, key="BTC", value=-0.042, side="down", event="1:down:1")
    rise = finding("crash", START + 1, 3.3, key="BTC", value=0.033, side="up", event="2:up:1")
    assert [s.value for _m, s in made.take_findings([fall, rise])] == [0.042, -0.033]


def test_a_crash_that_goes_on_grows_on_its_own_side_and_made_good_is_no_other_one() -> None:
    metric = Metric(subject="*:BTC", name="crash")
    made = events(metric)

    def seen(
        second: int, move: float, event: str
    ) -> list[tuple[float, float | None, float | None]]:
        row = finding("crash", START + second * 1000, abs(move) * 100, key="BTC", value=move,
                      side="up" if move > 0 else "down", event=event)  # fmt: skip
        return [(s.value, s.low, s.high) for _m, s in made.take_findings([row])]

    assert seen(0, 0.03, "1:up:1") == [(-0.03, None, None)]
    assert seen(1, 0.05, "1:up:1") == [(-0.05, None, -0.03)]
    assert seen(90, 0.05, "1:up:2") == [], "half of it was made good: the same crash"
    assert seen(200, 0.04, "2:up:1") == [(-0.04, None, None)], "another one"


@pytest.mark.parametrize(
    ("name", "sizes", "level", "fired"),
    [
        ("wall", (4e6, 12e6, 20e6), 3e6, [4e6]),
        ("wall", (4e6, 12e6, 20e6), 10e6, [12e6]),
        ("cascade", (6e5, 2e6, 3e6), 1e6, [2e6]),
        ("anomaly", (6.0, 9.0, 12.0), 5.0, [6.0]),
        ("crash", (3.0, 5.0, 8.0), 0.02, [0.03]),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_an_event_that_grows_is_told_once_and_the_next_one_again(
    name: str, sizes: tuple[float, ...], level: float, fired: list[float], whole: bool
) -> None:
    metric = Metric(subject="*:BTC", name=name)
    made, engine = events(metric), Engine()
    leaf = Event(metric=metric, op=Op.ABOVE, level=level)
    other = Event(metric=replace(metric, name="whale"), op=Op.ABOVE, level=1.0)
    condition = AnyOf(parts=(leaf, other)) if whole else leaf
    engine.add(1, condition, repeat=Repeat.ALWAYS, cooldown=0)

    def told(second: int, size: float, event: str) -> list[float]:
        row = finding(
            name, START + second * 1000, size, value=-size / 100 if name == "crash" else size,
            event=event, side="buy",
            extra={"scores": {"trades_1m": size}, "distance": -0.001},
        )  # fmt: skip
        return [each.value for m, s in made.take_findings([row]) for each in engine.take(m, s)]

    first = [told(n, size, "1:1") for n, size in enumerate(sizes)]
    assert [value for found in first for value in found] == pytest.approx(fired)
    later = 10_000  # s: whatever it was, it is over
    assert len(told(later, max(sizes), "9:1")) == 1


def test_a_regime_is_a_rank_from_narrow_to_wide_and_names_both() -> None:
    metric = Metric(subject="*:BTC", name="regime")
    change = finding(
        "regime", START, 1.0, event="1", side=str(Regime.TREND_HIGH),
        extra={"before": Regime.RANGE_LOW, "after": Regime.TREND_HIGH, "direction": "up"},
    )  # fmt: skip
    ((_m, sample),) = events(metric).take_findings([change])
    assert sample.value == 6.0
    assert sample.reading is not None
    assert sample.reading.note == "wide trend, before that narrow range"


def test_an_anomaly_below_five_deviations_is_none() -> None:
    metric = Metric(subject="*:BTC", name="anomaly")
    made = events(metric)
    scores = {"trades_1m": 7.0}
    quiet = finding("anomaly", START, 4.9, extra={"scores": scores})
    loud = finding("anomaly", START + 1000, 7.0, extra={"scores": scores})
    ((_m, sample),) = made.take_findings([quiet, loud])
    assert sample.value == 7.0
    assert sample.reading is not None
    assert sample.reading.note == "trades z +7.0"


def test_a_coin_in_one_quote_currency_hears_of_its_own_instruments() -> None:
    mine = Metric(subject="*:BTC/USDT", name="liquidation")
    other = Metric(subject="*:BTC/USDC", name="liquidation")
    found = events(mine, other).take_news([liquidation(BTC, START, 2e6)], START)
    assert [m for m, _s in found] == [mine]


async def test_what_events_are_about_is_streamed_with_its_book_for_walls() -> None:
    market: Any = FakeMarket(FixedClock(START))
    market.streams = FakeStreams()
    metrics = Metrics(market)
    assert await metrics.samples(ANY, 0, START) == []
    assert await metrics.samples(Metric(subject=BTC.key, name="wall"), 0, START) == []
    assert market.streams.watched == [(BTC.key, False), (BYBIT_BTC.key, False), (BTC.key, True)]
    with pytest.raises(SourceError, match="past is not kept"):
        await metrics.past_samples(ANY, 0, START)


def test_the_monitors_tell_every_finding_before_they_judge_it() -> None:
    class Two(Monitor):
        kind = "whale"
        unit = "$"
        defaults = {"*": 1e12}  # noqa: RUF012

        def take(self, news: Any, view: Any) -> Any:
            yield finding("whale", START, 1.0, event="a")
            yield finding("whale", START, 2.0, event="b")

    class Nobody:
        def levels(self, monitor: Any, coin: str) -> list[Any]:
            return []

    class View:
        now = START
        refused: dict[str, int] = {}  # noqa: RUF012

    judge = Judge([Two()], Nobody(), None, None, FixedClock(START), set)  # type: ignore[arg-type]
    told: list[float] = []
    judge.on_findings.append(lambda found: told.extend(each.size for each in found))
    judge.take([], View(), 0)  # type: ignore[arg-type]
    assert told == [1.0, 2.0]


def test_a_happening_says_when_it_began_and_another_one_begins_anew() -> None:
    metric = Metric(subject="*:BTC", name="cascade")
    made = events(metric)

    def seen(second: int, size: float) -> list[tuple[float | None, int | None]]:
        row = finding("cascade", START + second * 1000, size, key="BTC", side="long")
        return [(s.low, s.began) for _m, s in made.take_findings([row])]

    assert seen(0, 6e5) == [(None, START)]
    assert seen(30, 6e5) == [], "it goes on"
    assert seen(60, 9e5) == [(6e5, START)]
    assert seen(200, 5e5) == [(None, START + 200_000)]
