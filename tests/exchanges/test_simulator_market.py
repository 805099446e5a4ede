"""The simulated market keeps its own books: trades, candles, ids and grids agree, whoever asks first."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from exchanges.local.simulator import SimulatedMarket, parse_scenarios
from exchanges.local.simulator.coins import COINS, Grid, instruments
from exchanges.local.simulator.desk import Desk, terms
from exchanges.local.simulator.tape import Recent, Tape
from market.clock import FixedClock, MarketClock
from market.types import DAY, EXCHANGES, HOUR, MINUTE, TIMEFRAMES, Candle, Instrument, Side, Trade

START = 1_790_003_580_000  # a minute that is not the first of its hour
KEYS = (
    "binance:BTC/USDT:USDT",
    "binance:BTC/USDT",
    "okx:PEPE/USDT:USDT",
    "hyperliquid:kPEPE/USDC:USDC",
    "coinbase:OP/USD",
    "binance:USDC/USDT",
    "bybit:1000BONK/USDT:USDT",
)


def market(after: int = 0, seed: int = 7, scenarios: str = "") -> SimulatedMarket:
    """A market whose clock shows `after` ms after the start."""
    return SimulatedMarket(seed, START, FixedClock(START + after), parse_scenarios(scenarios))


def named(source: SimulatedMarket, key: str) -> Instrument:
    """The instrument with that key."""
    return next(i for i in source.instruments() if i.key == key)


def lots(instrument: Instrument, trades: list[Trade]) -> list[int]:
    """Amounts in whole lots."""
    return [round(trade.amount / instrument.amount_step) for trade in trades]


def assert_sums(candle: Candle, trades: list[Trade], instrument: Instrument) -> None:
    """The candle is exactly what the trades say."""
    assert candle.open == trades[0].price
    assert candle.close == trades[-1].price
    assert candle.high == max(t.price for t in trades)
    assert candle.low == min(t.price for t in trades)
    step = instrument.amount_step
    assert round(candle.volume / step) == sum(lots(instrument, trades))
    buys = [t for t in trades if t.side is Side.BUY]
    assert candle.taker_buy_volume is not None
    assert round(candle.taker_buy_volume / step) == sum(lots(instrument, buys))
    assert candle.quote_volume == pytest.approx(math.fsum(t.value for t in trades), rel=1e-12)
    assert candle.taker_buy_quote == pytest.approx(math.fsum(t.value for t in buys), rel=1e-12)


def test_every_coin_trades_somewhere_and_there_are_more_than_forty_instruments() -> None:
    source = market()
    assert len(source.instruments()) >= 40
    assert {i.exchange for i in source.instruments()} == set(EXCHANGES)
    assert len({i.key for i in source.instruments()}) == len(source.instruments())
    assert len({(i.exchange, i.perp, i.id) for i in source.instruments()}) == len(
        source.instruments()
    )


def test_ids_and_units_are_the_venues_own() -> None:
    source = market()
    assert named(source, "okx:BTC/USDT:USDT").id == "BTC-USDT-SWAP"
    assert named(source, "okx:BTC/USDT:USDT").contract_size == 0.01
    assert named(source, "okx:PEPE/USDT:USDT").contract_size == 10_000_000
    assert named(source, "coinbase:BTC/USD").id == "BTC-USD"
    thousand = named(source, "binance:1000PEPE/USDT:USDT")
    assert (thousand.id, thousand.base, thousand.multiplier) == ("1000PEPEUSDT", "PEPE", 1000)
    assert thousand.contract_size == 1000
    assert named(source, "hyperliquid:kPEPE/USDC:USDC").id == "kPEPE"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("minute", [-3000, -1, 0, 7])
def test_the_trades_of_a_minute_sum_to_its_candle(key: str, minute: int) -> None:
    source = market(20 * MINUTE)
    instrument = named(source, key)
    for at in range(START + minute * MINUTE, START + (minute + 3) * MINUTE, MINUTE):
        trades = source.trades(instrument, at - 1, at + MINUTE - 1)
        (candle,) = source.candles(instrument, "1m", at, at + MINUTE)
        assert candle.ts == at
        if trades:
            assert_sums(candle, trades, instrument)
        else:
            (before,) = source.candles(instrument, "1m", at - MINUTE, at)
            assert candle.volume == candle.quote_volume == 0
            assert candle.open == candle.high == candle.low == candle.close == before.close


def test_a_minute_without_trades_repeats_the_last_close() -> None:
    source = market(600 * MINUTE)
    quiet: list[int] = []
    for key in ("coinbase:USDT/USD", "coinbase:WIF/USD", "coinbase:APT/USD", "coinbase:OP/USD"):
        candles = source.candles(named(source, key), "1m", START - 60 * DAY, START + 600 * MINUTE)
        for before, candle in pairwise(candles):
            if not candle.volume:
                quiet.append(candle.ts)
                assert candle.open == candle.high == candle.low == candle.close == before.close
    assert len(quiet) > 5


def test_a_day_and_the_live_part_may_begin_without_trades() -> None:
    source = market()
    instrument = named(source, "coinbase:OP/USD")
    coin = next(coin for coin in COINS if coin.base == "OP")
    desk = Desk(7, coin, START // MINUTE, past=Recent(100), paths=Recent(100))
    usual = terms(7, coin, instrument)
    tape = Tape(
        terms=replace(usual, lots=usual.lots / 20),
        exchange="",
        first=desk.history.first,
        start=desk.history.start,
        path=desk.path,
        offset=lambda minutes: desk.offset(instrument, minutes),
        past=Recent(100),
    )
    midnight = START // DAY * 1440
    days = range(midnight - 20 * 1440, midnight + 1, 1440)
    begun = [tape.bars(day - 1, day + 1) for day in days]
    quiet = [(int(rows[3, 0]), rows[:4, 1].tolist()) for rows in begun if not rows[4, 1]]
    assert len(quiet) > 5
    assert all(prices == [before] * 4 for before, prices in quiet)
    for last in range(START // MINUTE + 1, START // MINUTE + 120):  # asked minute by minute
        (before, _), (_, volume) = tape.bars(last - 2, last)[3], tape.bars(last - 2, last)[4]
        if not volume:
            assert tape.bars(last - 1, last)[:4, 0].tolist() == [before] * 4


@pytest.mark.parametrize("timeframe", ["3m", "15m", "1h", "4h", "1d"])
def test_longer_candles_are_the_exact_sum_of_minutes(timeframe: str) -> None:
    source = market(30 * MINUTE)
    instrument, length = named(source, "bybit:ETH/USDT:USDT"), TIMEFRAMES[timeframe]
    begin = (START - 3 * DAY) // DAY * DAY
    minutes = source.candles(instrument, "1m", begin, START + 30 * MINUTE + 1)
    found = source.candles(instrument, timeframe, begin, START + 30 * MINUTE + 1)
    assert [c.ts for c in found] == list(range(begin, START + 30 * MINUTE + 1, length))
    for candle in found:
        parts = [m for m in minutes if candle.ts <= m.ts < candle.ts + length]
        assert (candle.open, candle.close) == (parts[0].open, parts[-1].close)
        assert candle.high == max(m.high for m in parts)
        assert candle.low == min(m.low for m in parts)
        step = instrument.amount_step
        assert round(candle.volume / step) == sum(round(m.volume / step) for m in parts)
        assert candle.quote_volume == pytest.approx(
            math.fsum(m.quote_volume or 0 for m in parts), rel=1e-12
        )
    assert [c.closed for c in found[:-1]] == [True] * (len(found) - 1)
    assert not found[-1].closed


def test_there_are_sixty_days_of_unbroken_minutes() -> None:
    source = market()
    minutes = source.candles(named(source, "binance:SOL/USDT"), "1m", 0, START)
    assert minutes[0].ts <= START - 60 * DAY
    assert [m.ts for m in minutes] == list(range(minutes[0].ts, START, MINUTE))
    assert all(m.low <= min(m.open, m.close) and m.high >= max(m.open, m.close) for m in minutes)


@pytest.mark.parametrize("key", KEYS)
def test_prices_and_amounts_are_on_the_grid(key: str) -> None:
    source = market(10 * MINUTE)
    instrument = named(source, key)
    price, lot = Grid(instrument.price_step), Grid(instrument.amount_step)
    book = source.book(instrument, 50)
    assert book is not None
    rows = [
        (t.price, t.amount) for t in source.trades(instrument, START - HOUR, START + 10 * MINUTE)
    ]
    for at, amount in [*rows, *book.bids, *book.asks]:
        assert at == price.value(round(at / instrument.price_step))
        assert amount == lot.value(round(amount / instrument.amount_step))
        assert amount > 0


@pytest.mark.parametrize("key", KEYS[:5])
def test_trade_ids_go_on_without_a_gap(key: str) -> None:
    source = market(15 * MINUTE)
    instrument = named(source, key)
    midnight = START // DAY * DAY
    for begin, end in (
        (START - 5 * MINUTE, START + 15 * MINUTE),  # into the live part
        (midnight - 5 * MINUTE, midnight + 5 * MINUTE),  # over the end of a day
    ):
        trades = source.trades(instrument, begin, end)
        ids = [int(t.id) for t in trades]
        assert len(ids) > 5
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert [t.ts for t in trades] == sorted(t.ts for t in trades)
        assert begin < trades[0].ts
        assert trades[-1].ts <= end


def test_ids_of_far_days_follow_from_each_other() -> None:
    source = market()
    instrument = named(source, "coinbase:BTC/USD")
    day = START // DAY * DAY - 20 * DAY
    last = source.trades(instrument, day - MINUTE, day - 1)[-1]
    first = source.trades(instrument, day - 1, day + MINUTE)[0]
    assert int(first.id) == int(last.id) + 1


def test_the_order_of_questions_does_not_matter() -> None:
    plain, busy = market(45 * MINUTE), market(0)
    clock = busy.clock
    assert isinstance(clock, FixedClock)
    for instrument in reversed(busy.instruments("binance")):
        busy.ticker(instrument)
    for step in range(0, 45, 7):
        clock.set(START + step * MINUTE + 777)
        busy.book(named(busy, "okx:BTC/USDT:USDT"), 20)
        busy.candles(named(busy, "binance:BTC/USDT:USDT"), "5m", START - DAY, clock.now())
        busy.trades(named(busy, "bybit:1000BONK/USDT:USDT"), clock.now() - 5000, clock.now())
        busy.liquidations("bybit", clock.now() - HOUR, clock.now())
    clock.set(START + 45 * MINUTE)
    for key in KEYS:
        one, two = named(plain, key), named(busy, key)
        span = (START - 2 * DAY, START + 45 * MINUTE)
        assert plain.candles(one, "1m", *span) == busy.candles(two, "1m", *span)
        assert plain.trades(one, START + 30 * MINUTE, START + 31 * MINUTE) == busy.trades(
            two, START + 30 * MINUTE, START + 31 * MINUTE
        )
        assert plain.ticker(one) == busy.ticker(two)
        assert plain.book(one, 100) == busy.book(two, 100)
        assert plain.funding(one) == busy.funding(two)
        assert plain.open_interest_history(
            one, HOUR, START - DAY, START + HOUR
        ) == busy.open_interest_history(two, HOUR, START - DAY, START + HOUR)
    span = (START - DAY, START + 45 * MINUTE)
    assert plain.liquidations("bybit", *span) == busy.liquidations("bybit", *span)
    assert plain.market_caps() == busy.market_caps()


def test_another_seed_is_another_market() -> None:
    one, two = market(seed=1), market(seed=2)
    key = "binance:BTC/USDT"
    assert one.candles(named(one, key), "1h", START - DAY, START) != two.candles(
        named(two, key), "1h", START - DAY, START
    )


def test_nothing_of_the_future_is_given_out() -> None:
    source = market(5 * MINUTE + 12_345)
    clock, now = source.clock, source.clock.now()
    assert isinstance(clock, FixedClock)
    instrument = named(source, "binance:BTC/USDT:USDT")
    early = source.trades(instrument, now - 30_000, now + HOUR)
    assert max(t.ts for t in early) <= now
    running = source.candles(instrument, "1m", now // MINUTE * MINUTE, now + HOUR)
    assert [c.ts for c in running] == [now // MINUTE * MINUTE]
    assert_sums(running[0], source.trades(instrument, now // MINUTE * MINUTE - 1, now), instrument)
    assert (
        max(o.ts for o in source.open_interest_history(instrument, MINUTE, START, now + HOUR))
        <= now
    )
    clock.advance(90_000)
    later = source.trades(instrument, now - 30_000, clock.now())
    assert later[: len(early)] == early
    assert len(later) > len(early)
    assert all(t.ts > now for t in later[len(early) :])


def test_recent_trades_are_the_newest() -> None:
    source = market(3 * MINUTE + 500)
    instrument = named(source, "bybit:BTC/USDT:USDT")
    newest = source.recent_trades(instrument, 1500)
    assert len(newest) == 1500
    assert newest == source.trades(instrument, newest[0].ts - 1, source.clock.now())[-1500:]


def test_the_ticker_is_what_a_days_minutes_say() -> None:
    source = market(100 * MINUTE + 30_000)
    for key in KEYS:
        instrument = named(source, key)
        now = source.clock.now()
        begin = now // MINUTE * MINUTE - 1439 * MINUTE
        minutes = source.candles(instrument, "1m", begin, now + 1)
        ticker = source.ticker(instrument)
        assert ticker is not None
        assert len(minutes) == 1440
        assert ticker.last == minutes[-1].close
        assert ticker.high_24h == max(m.high for m in minutes)
        assert ticker.low_24h == min(m.low for m in minutes)
        assert ticker.change_24h == pytest.approx(ticker.last / minutes[0].open - 1)
        assert ticker.volume_24h == pytest.approx(math.fsum(m.volume for m in minutes))
        assert ticker.quote_volume_24h == pytest.approx(
            math.fsum(m.quote_volume or 0 for m in minutes)
        )
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid <= ticker.last <= ticker.ask


@pytest.mark.parametrize("key", KEYS)
def test_the_book_straddles_the_last_price(key: str) -> None:
    source = market(0)
    clock, instrument = source.clock, named(source, key)
    assert isinstance(clock, FixedClock)
    for _ in range(20):
        clock.advance(7_301)
        book, ticker = source.book(instrument, 200), source.ticker(instrument)
        assert book is not None
        assert ticker is not None
        bids, asks = [p for p, _ in book.bids], [p for p, _ in book.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]
        assert bids[0] <= ticker.last <= asks[0]
        assert (bids[0], asks[0]) == (ticker.bid, ticker.ask)


def test_funding_has_the_venues_interval_and_settles_on_it() -> None:
    source = market(10 * MINUTE)
    now = source.clock.now()
    for key, hours in (
        ("binance:BTC/USDT:USDT", 8),
        ("binance:HYPE/USDT:USDT", 4),
        ("okx:HYPE/USDT:USDT", 4),
        ("bybit:HYPE/USDT:USDT", 8),
        ("hyperliquid:BTC/USDC:USDC", 1),
    ):
        instrument = named(source, key)
        running = source.funding(instrument)
        assert running is not None
        assert running.interval_h == hours
        assert running.next_ts is not None
        assert running.next_ts % (hours * HOUR) == 0
        assert now < running.next_ts <= now + hours * HOUR
        settled = source.funding_history(instrument, START - 10 * DAY, now)
        first = -(-(START - 10 * DAY) // (hours * HOUR)) * hours * HOUR
        assert [s.ts for s in settled] == list(range(first, now, hours * HOUR))
        assert all(abs(s.rate) <= 0.02 for s in settled)


def test_mark_is_near_the_perpetual_and_index_near_the_spot_price() -> None:
    source = market(10 * MINUTE)
    for instrument in source.instruments():
        if not instrument.perp:
            assert source.funding(instrument) is None
            continue
        funding, ticker = source.funding(instrument), source.ticker(instrument)
        assert funding is not None
        assert ticker is not None
        assert funding.mark == pytest.approx(ticker.last, rel=0.003)
        assert funding.index == pytest.approx(ticker.last, rel=0.006)


def test_open_interest_is_in_coins_of_the_lot_and_valued_at_the_price() -> None:
    source = market(30 * MINUTE)
    for key in ("binance:BTC/USDT:USDT", "okx:PEPE/USDT:USDT", "hyperliquid:kPEPE/USDC:USDC"):
        instrument = named(source, key)
        samples = source.open_interest_history(
            instrument, 5 * MINUTE, START - HOUR, START + 25 * MINUTE
        )
        assert [s.ts for s in samples] == [
            ts for ts in range(START - HOUR, START + 25 * MINUTE, MINUTE) if ts % (5 * MINUTE) == 0
        ]
        steps = [abs(b.amount / a.amount - 1) for a, b in pairwise(samples)]
        assert max(steps) < 0.02
        now, ticker = source.open_interest(instrument), source.ticker(instrument)
        assert now is not None
        assert ticker is not None
        assert now.value == pytest.approx(now.amount * ticker.last, rel=0.003)
        assert now.value is not None
        assert now.value > 1e6
    assert source.open_interest(named(source, "binance:BTC/USDT")) is None


def test_venues_agree_on_a_coins_price() -> None:
    source = market(10 * MINUTE)
    usdt = source.ticker(named(source, "coinbase:USDT/USD"))
    assert usdt is not None
    for coin in COINS:
        if coin.pegged:
            continue
        prices = []
        for instrument in instruments(coin):
            ticker = source.ticker(instrument)
            assert ticker is not None
            prices.append(ticker.last * (usdt.last if instrument.quote == "USDT" else 1))
        assert max(prices) / min(prices) < 1.012, coin.base


def test_market_caps_are_supply_times_price() -> None:
    caps = market(MINUTE).market_caps()
    assert [c.rank for c in caps] == list(range(1, len(COINS) + 1))
    assert [c.market_cap_usd for c in caps] == sorted(
        (c.market_cap_usd for c in caps), reverse=True
    )
    assert caps[0].coin == "bitcoin"
    supply = {coin.id: coin.supply for coin in COINS}
    for cap in caps:
        assert cap.price_usd is not None
        assert cap.market_cap_usd == pytest.approx(supply[cap.coin] * cap.price_usd)


def test_tier_offsets_keep_the_maintenance_margin_continuous() -> None:
    source = market()
    for instrument in source.instruments():
        table = source.tiers(instrument)
        if not instrument.perp:
            assert table is None
            continue
        assert table is not None
        for (cap, rate, offset, leverage), (_, rate2, offset2, leverage2) in pairwise(table.tiers):
            assert cap * rate - offset == pytest.approx(cap * rate2 - offset2)
            assert rate2 >= rate
            assert leverage2 <= leverage
    bitcoin = source.tiers(named(source, "binance:BTC/USDT:USDT"))
    assert bitcoin is not None
    assert [tier[2] for tier in bitcoin.tiers][:5] == [0, 50, 950, 11_450, 131_450]


def test_what_a_venue_does_not_have_is_empty() -> None:
    source = market(HOUR)
    stranger = Instrument(
        exchange="binance", symbol="XXX/USDT", base="XXX", quote="USDT", perp=False
    )
    assert source.candles(stranger, "1m", 0, START) == []
    assert source.trades(stranger, 0, START) == []
    assert source.ticker(stranger) is None
    assert source.tiers(stranger) is None
    assert source.liquidations("hyperliquid", START - DAY, START + HOUR) == []
    assert source.candles(named(source, KEYS[0]), "7m", 0, START) == []
    assert source.candles(named(source, KEYS[0]), "1m", 0, START - 100 * DAY) == []
    assert "liquidations" not in source.tables("hyperliquid")


def test_hyperliquid_trades_of_one_order_share_a_hash() -> None:
    source = market(3 * MINUTE)
    trades = source.trades(named(source, "hyperliquid:BTC/USDC:USDC"), START, START + 3 * MINUTE)
    assert all(t.order for t in trades)
    same = [(a, b) for a, b in pairwise(trades) if a.order == b.order]
    assert same
    assert all((a.ts, a.side) == (b.ts, b.side) for a, b in same)


def test_the_speed_of_the_market_can_be_changed() -> None:
    wall = FixedClock(1000)
    clock = MarketClock(wall, start=START, anchor=1000)
    source = SimulatedMarket(7, START, clock)
    wall.advance(5_000)
    source.set_speed(60)
    assert clock.now() == START + 5_000
    wall.advance(1_000)
    assert clock.now() == START + 65_000
    for speed in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            source.set_speed(speed)
    assert clock.speed == 60
