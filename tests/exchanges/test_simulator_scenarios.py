"""Scenarios push a coin; the rest of the market answers by its own rules."""

import math
from itertools import accumulate, pairwise

import numpy as np
import pytest

from exchanges.local.simulator import Scenario, SimulatedMarket, parse_scenarios
from exchanges.local.simulator.positions import Ledger
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE, Candle, Instrument, PositionSide

START = 1_790_003_580_000
QUARTER = 15 * MINUTE


def market(scenarios: str, after: int, *, seed: int = 7, positions: bool = True) -> SimulatedMarket:
    """A market whose clock shows `after` ms after the start."""
    return SimulatedMarket(
        seed, START, FixedClock(START + after), parse_scenarios(scenarios), positions=positions
    )


def named(source: SimulatedMarket, key: str) -> Instrument:
    """The instrument with that key."""
    return next(i for i in source.instruments() if i.key == key)


def minutes(source: SimulatedMarket, key: str, count: int) -> list[Candle]:
    """The first live minutes."""
    return source.candles(named(source, key), "1m", START, START + count * MINUTE)


# --- the words


def test_scenarios_are_read_with_their_defaults() -> None:
    assert parse_scenarios("cascade, volume-spike:eth ,outage@90,calm:SOL@5") == (
        Scenario(name="cascade", symbol="BTC", seconds=60),
        Scenario(name="volume-spike", symbol="ETH", seconds=660),
        Scenario(name="outage", symbol="BTC", seconds=90),
        Scenario(name="calm", symbol="SOL", seconds=5),
    )
    assert parse_scenarios("") == ()


@pytest.mark.parametrize(
    "text", ["boom", "cascade:NOPE", "cascade@soon", "cascade@-5", "calm@nan", "cascade:USDT"]
)
def test_what_cannot_be_read_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$") as refusal:
        parse_scenarios(text)
    assert str(refusal.value).count(". ") == 0


def test_playing_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="no scenario"):
        market("", 0).play("boom", "BTC")


# --- volume


@pytest.mark.parametrize("base", ["BTC", "BONK"])
@pytest.mark.parametrize("second", [60, 190, 480, 810, 6 * 3600])
@pytest.mark.parametrize("seed", [1, 4])
def test_a_volume_spike_doubles_the_mean_of_a_day_on_every_venue(
    base: str, second: int, seed: int
) -> None:
    source = market(f"volume-spike:{base}@{second}", second * 1000 + 2 * QUARTER, seed=seed)
    at = START + second * 1000
    for instrument in source.instruments():
        if instrument.base != base:
            continue
        rows = source.candles(
            instrument, "15m", at // QUARTER * QUARTER - 96 * QUARTER, source.clock.now()
        )
        volumes = [c.volume for c in rows if c.closed]
        ratios = [volumes[i] / np.mean(volumes[i - 96 : i]) for i in range(96, len(volumes))]
        assert max(ratios) > 2.0, instrument.key


def test_buyers_lead_a_volume_spike() -> None:
    spike, plain = market("volume-spike:ETH", HOUR), market("", HOUR)
    rows, usual = (minutes(m, "binance:ETH/USDT:USDT", 7)[1:] for m in (spike, plain))
    assert sum(c.volume for c in rows) > 3 * sum(c.volume for c in usual)
    bought = sum(c.taker_buy_volume or 0 for c in rows)
    assert bought > 0.58 * sum(c.volume for c in rows)


def test_other_coins_do_not_notice() -> None:
    spike, plain = market("volume-spike:ETH,cascade:ETH@700", HOUR), market("", HOUR)
    assert minutes(spike, "binance:SOL/USDT", 40) == minutes(plain, "binance:SOL/USDT", 40)
    assert minutes(spike, "binance:ETH/USDT", 1) == minutes(plain, "binance:ETH/USDT", 1)
    assert minutes(spike, "binance:ETH/USDT", 3) != minutes(plain, "binance:ETH/USDT", 3)


def test_calm_is_quieter() -> None:
    def moved(source: SimulatedMarket) -> float:
        return float(
            np.std(np.diff(np.log([c.close for c in minutes(source, "binance:BTC/USDT", 11)])))
        )

    assert moved(market("calm", HOUR)) < 0.7 * moved(market("", HOUR))


# --- cascades


@pytest.mark.parametrize(("base", "seed"), [("BTC", 1), ("BTC", 3), ("ETH", 2), ("WIF", 0)])
def test_a_cascade_liquidates_longs_and_open_interest_falls_by_at_least_that(
    base: str, seed: int
) -> None:
    source = market(f"cascade:{base}", 10 * MINUTE, seed=seed)
    begin, end = START + MINUTE, START + 5 * MINUTE
    fallen = 0.0
    for exchange in ("binance", "bybit", "okx"):
        closes = [c for c in source.liquidations(exchange, begin, end) if c.instrument.base == base]
        instrument = closes[0].instrument
        for minute in range(begin, end, MINUTE):
            in_minute = [c for c in closes if minute <= c.ts < minute + MINUTE]
            before, after = source.open_interest_history(
                instrument, MINUTE, minute, minute + 2 * MINUTE
            )
            closed = sum(c.amount for c in in_minute)
            assert (
                before.amount - after.amount >= closed - 2 * instrument.amount_step or not in_minute
            )
            fallen += closed * before.value / before.amount if before.value else 0.0
        longs = sum(c.value for c in closes if c.position is PositionSide.LONG)
        assert longs > 0.9 * sum(c.value for c in closes)
    assert fallen > 1e5


def test_without_positions_the_same_selling_sets_off_nothing() -> None:
    with_them, without = (
        market("cascade", 10 * MINUTE, seed=1, positions=p) for p in (True, False)
    )
    lows = [min(c.low for c in minutes(m, "bybit:BTC/USDT:USDT", 5)) for m in (with_them, without)]
    opening = minutes(without, "bybit:BTC/USDT:USDT", 1)[0].close
    assert without.liquidations("bybit", START, START + 10 * MINUTE) == []
    assert with_them.liquidations("bybit", START, START + 10 * MINUTE)
    assert opening - lows[0] > 2 * (opening - lows[1])


def test_forced_orders_are_among_the_trades() -> None:
    source = market("cascade", 10 * MINUTE, seed=1)
    instrument = named(source, "bybit:BTC/USDT:USDT")
    closes = [
        c
        for c in source.liquidations("bybit", START + MINUTE, START + 4 * MINUTE)
        if c.instrument == instrument
    ]
    assert closes
    sold: dict[int, float] = {}
    prices: dict[int, set[float]] = {}
    for trade in source.trades(instrument, START + MINUTE, START + 4 * MINUTE):
        if trade.side == "sell":
            sold[trade.ts // 1000] = sold.get(trade.ts // 1000, 0.0) + trade.amount
            prices.setdefault(trade.ts // 1000, set()).add(trade.price)
    forced: dict[int, float] = {}
    for close in closes:
        if close.position is PositionSide.LONG:
            forced[close.ts // 1000] = forced.get(close.ts // 1000, 0.0) + close.amount
            assert close.price in prices[close.ts // 1000]
    for second, amount in forced.items():
        assert sold[second] >= amount - 1e-9


def test_sampled_venues_show_one_close_a_second_and_bybit_all() -> None:
    source = market("cascade", 10 * MINUTE, seed=1)
    for exchange, sampled in (("binance", True), ("okx", True), ("bybit", False)):
        closes = source.liquidations(exchange, START, START + 10 * MINUTE)
        assert [c.ts for c in closes] == sorted(c.ts for c in closes)
        assert {c.sample for c in closes} == {sampled}
        seen = [(c.instrument, c.ts // 1000) for c in closes]
        assert (len(seen) == len(set(seen))) is sampled


def test_liquidations_of_a_span_are_those_of_its_parts() -> None:
    source = market("cascade", 10 * MINUTE, seed=1)
    cuts = [START, START + 70_123, START + 95_500, START + 10 * MINUTE]
    parts = [source.liquidations("bybit", a, b) for a, b in pairwise(cuts)]
    assert [c for part in parts for c in part] == source.liquidations("bybit", cuts[0], cuts[-1])


def test_a_ledger_gives_up_exactly_what_the_price_has_passed() -> None:
    ledger = Ledger(2, math.log(100), 125)
    ledger.open(math.log(100), np.array([10.0, 30.0]))
    ledger.find_edges()
    total = ledger.long.sum()
    assert math.exp(ledger.next_long) == pytest.approx(99.5, rel=2e-3)
    assert math.exp(ledger.next_short) == pytest.approx(100.5, rel=2e-3)
    nothing = ledger.sweep(math.log(100))
    assert nothing[0].sum() == nothing[1].sum() == 0
    longs, shorts = ledger.sweep(math.log(97.9))  # passes 100x, 75x and 50x
    assert longs == pytest.approx(np.array([10.0, 30.0]) * (0.012 + 0.012 + 0.035))
    assert shorts.sum() == 0
    assert ledger.long.sum() == pytest.approx(total - longs.sum())
    again = ledger.sweep(math.log(97.9))
    assert again[0].sum() == 0


# --- flow against price, funding


@pytest.mark.parametrize("base", ["ETH", "SOL", "BTC"])
def test_price_and_cvd_part_in_a_divergence(base: str) -> None:
    source = market(f"divergence:{base}", HOUR)
    rows = minutes(source, f"binance:{base}/USDT:USDT", 45)
    cvd = list(accumulate(2 * (c.taker_buy_volume or 0) - c.volume for c in rows))
    first, second = range(5, 13), range(20, 31)  # minutes around the two turns
    mirrored = rows[8].close < rows[1].close
    sign = -1 if mirrored else 1
    extreme = [sign * (c.low if mirrored else c.high) for c in rows]
    one, two = (max(span, key=lambda i: extreme[i]) for span in (first, second))
    assert extreme[two] > extreme[one]
    assert sign * cvd[two] < sign * cvd[one]


def test_both_kinds_of_divergence_happen() -> None:
    def rises(second: int) -> bool:
        source = market(f"divergence:BTC@{second}", 2 * HOUR)
        rows = source.candles(named(source, "binance:BTC/USDT"), "1m", START, START + HOUR)
        first = second // 60
        return rows[first + 8].close > rows[first].close

    assert {rises(second) for second in range(60, 660, 60)} == {True, False}


def test_funding_runs_up_before_longs_are_squeezed() -> None:
    source = market("funding-squeeze", 30_000)
    clock = source.clock
    assert isinstance(clock, FixedClock)
    perp = named(source, "binance:BTC/USDT:USDT")

    def seen(minute: int) -> tuple[float, float]:
        clock.set(START + minute * MINUTE + 30_000)
        funding = source.funding(perp)
        assert funding is not None
        assert funding.mark is not None
        assert funding.index is not None
        return funding.rate, funding.mark / funding.index - 1

    (before, near), (_, far), (after, gone) = seen(0), seen(8), seen(13)
    assert far > near + 0.002
    assert gone < 0.001
    assert after > before + 0.0003
    closes = [
        c
        for c in source.liquidations("bybit", START + 9 * MINUTE, START + 13 * MINUTE)
        if c.instrument.base == "BTC"
    ]
    assert sum(c.value for c in closes if c.position is PositionSide.LONG) > 1e5


# --- outage, playing


def test_an_outage_takes_one_venue_away_for_ninety_seconds() -> None:
    source = market("outage@120", 0)
    clock, perp = source.clock, named(source, "binance:BTC/USDT:USDT")
    assert isinstance(clock, FixedClock)
    for second, down in ((119, False), (120, True), (209, True), (210, False)):
        clock.set(START + second * 1000)
        assert source.down("binance") is down
        assert not source.down("bybit")
        assert (source.ticker(perp) is None) is down
        assert (source.trades(perp, clock.now() - 30_000, clock.now()) == []) is down
        assert source.ticker(named(source, "bybit:BTC/USDT:USDT")) is not None
    trades = source.trades(perp, START + 110_000, START + 210_000)
    assert any(
        START + 125_000 < t.ts < START + 205_000 for t in trades
    )  # it traded on, and says so afterwards


def test_an_outage_may_name_the_exchange() -> None:
    source = market("outage:okx@60", 61_000)
    assert source.down("okx")
    assert not source.down("binance")


def test_a_played_scenario_changes_nothing_that_was_seen() -> None:
    source, plain = market("", 3 * MINUTE + 25_400), market("", 3 * MINUTE + 25_400)
    clock = source.clock
    assert isinstance(clock, FixedClock)
    perp = named(source, "binance:ETH/USDT:USDT")
    seen = source.trades(perp, START, START + HOUR)
    source.play("volume-spike", "ETH")
    source.play("cascade", "ETH")
    assert source.trades(perp, START, START + HOUR) == seen
    clock.advance(40_000)
    after = source.trades(perp, START, clock.now())
    assert after[: len(seen)] == seen
    assert isinstance(plain.clock, FixedClock)
    plain.clock.advance(40_000)
    assert len(after) > 1.5 * len(plain.trades(perp, START, clock.now()))
    assert [int(t.id) for t in after] == list(
        range(int(after[0].id), int(after[0].id) + len(after))
    )


def test_playing_is_the_same_as_having_planned() -> None:
    played = market("", 3 * MINUTE + 25_400)
    clock, key = played.clock, "okx:ETH/USDT:USDT"
    assert isinstance(clock, FixedClock)
    played.ticker(named(played, key))
    played.play("cascade", "ETH")
    clock.set(START + 20 * MINUTE)
    planned = market("cascade:ETH@206", 20 * MINUTE)
    assert minutes(played, key, 20) == minutes(planned, key, 20)
    span = (START - DAY, START + 20 * MINUTE)
    assert played.liquidations("okx", *span) == planned.liquidations("okx", *span)
