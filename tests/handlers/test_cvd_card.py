"""/cvd: sums that equal the hand sums, edges that are the ones asked for, sources that are named."""

import random

import pytest
from desk_market import NOW, Desk, args, bars, desk, fits, perp, spot, trade

from analytics.cvd import FlowLog
from handlers.cvd import cvd, cvd_line, divergence_text
from handlers.flows import flows
from market.errors import UserError
from market.types import HOUR, MINUTE, Candle, Instrument, Kind, Side, Trade

BYBIT, OKX = perp("bybit"), perp("okx", quote="USDC")
BINANCE = perp("binance")


def log(i: Instrument, trades: list[Trade], started: int = 0) -> FlowLog:
    found = FlowLog(i, started_ts=started)
    found.add_all(trades)
    return found


def some(i: Instrument, seed: int, now: int = NOW) -> list[Trade]:
    chance = random.Random(seed)
    stamps = sorted(chance.randrange(now - 6 * HOUR, now + 1) for _ in range(800))
    return [
        trade(i, ts, chance.uniform(90, 110), chance.uniform(0.1, 5), chance.choice(list(Side)))
        for ts in stamps
    ]


def delta(trades: list[Trade], since: int, until: int) -> float:
    inside = [t for t in trades if since < t.ts <= until]
    return sum(t.value if t.side is Side.BUY else -t.value for t in inside)


def two(now: int = NOW) -> tuple[Desk, list[Trade], list[Trade]]:
    d = desk(BYBIT, OKX, now=now)
    first, second = some(BYBIT, 1, now), some(OKX, 2, now)
    d.market.streams.logs = {BYBIT.key: log(BYBIT, first), OKX.key: log(OKX, second)}
    d.market.bars[BYBIT.key, "5m"] = bars("5m", 60, now=now)
    return d, first, second


async def test_trades_of_two_venues_equal_the_sum_by_hand_to_the_millisecond() -> None:
    now = NOW + 12_345
    d, first, second = two(now)
    d.market.usd = {"USDT": 0.999, "USDC": 1.001}
    reply = await cvd(args("btc 4h"), d.app)
    since = now - 4 * HOUR
    wanted = 0.999 * delta(first, since, now) + 1.001 * delta(second, since, now)
    total = reply.figures["cvd"]
    assert total.value == pytest.approx(wanted, rel=1e-12)
    assert (total.since, total.window) == (since, 4 * HOUR)
    coins = [t for t in [*first, *second] if since < t.ts <= now]
    base = sum(t.amount if t.side is Side.BUY else -t.amount for t in coins)
    assert reply.figures["cvd_base"].value == pytest.approx(base, rel=1e-12)
    last = now - 15 * MINUTE
    recent = 0.999 * delta(first, last, now) + 1.001 * delta(second, last, now)
    assert reply.figures["cvd_15m"].value == pytest.approx(recent, rel=1e-9)
    assert reply.figures["cvd_15m"].since == last
    assert reply.card is not None
    assert "from trades · no gaps" in reply.card.evidence
    assert fits(reply)


async def test_with_candles_in_the_sum_every_venue_begins_on_the_same_minute() -> None:
    now = NOW + 30_000
    d = desk(BINANCE, BYBIT, now=now)
    prints = some(BYBIT, 3, now)
    d.market.streams.logs[BYBIT.key] = log(BYBIT, prints)
    d.market.bars[BINANCE.key, "1m"] = bars("1m", 300, now=now, bought=8.0)
    reply = await cvd(args("btc 1h"), d.app)
    edge = NOW - HOUR
    assert reply.figures["cvd.binance"].value == pytest.approx(61 * (2 * 800.0 - 1000.0))
    assert reply.figures["cvd.bybit"].value == pytest.approx(delta(prints, edge - 1, now))
    assert reply.figures["cvd.bybit"].since == reply.figures["cvd"].since == edge
    assert reply.card is not None
    assert "Bybit from trades" in reply.card.evidence
    assert "Binance from taker volume" in reply.card.evidence
    assert "Bybit since" not in reply.card.evidence
    assert "Bybit since" not in reply.figures["cvd"].note


async def test_the_line_of_the_picture_ends_at_the_headlines_figure() -> None:
    d, _first, _second = two(NOW + 40_000)
    found = await flows(d.app, [BYBIT, OKX], 4 * HOUR, d.clock.now())
    line = cvd_line(found, 5 * MINUTE)
    assert line[-1][1] == pytest.approx(found.readings("BTC")["cvd"].value)
    assert line[-1][0] == d.clock.now()


async def test_a_late_venue_stays_out_of_a_sum_and_is_named() -> None:
    d, first, _second = two()
    d.market.streams.logs[OKX.key] = log(OKX, some(OKX, 4), started=NOW - 2 * MINUTE)
    reply = await cvd(args("btc 4h"), d.app)
    assert reply.figures["cvd"].value == pytest.approx(delta(first, NOW - 4 * HOUR, NOW))
    assert reply.figures["cvd.okx"].value is None
    assert reply.card is not None
    assert "OKX: collecting since 15:23 UTC" in reply.card.evidence


async def test_alone_a_late_venue_is_shown_with_its_real_window() -> None:
    d = desk(BYBIT)
    d.market.streams.logs[BYBIT.key] = log(BYBIT, some(BYBIT, 5), started=NOW - 20 * MINUTE)
    reply = await cvd(args("btc 4h"), d.app)
    assert reply.card is not None
    assert reply.card.headline.endswith("in 20 m")
    assert reply.figures["cvd"].window == 20 * MINUTE


async def test_a_short_window_claims_no_quarter_hour() -> None:
    d = desk(BINANCE)
    d.market.bars[BINANCE.key, "1m"] = bars("1m", 60, bought=8.0)
    reply = await cvd(args("btc 5m"), d.app)
    assert reply.card is not None
    assert "15 m" not in reply.card.reading
    assert reply.figures["cvd_15m"].value is None


async def test_candles_that_ended_long_ago_are_no_flow_of_now() -> None:
    d = desk(BINANCE)
    d.market.bars[BINANCE.key, "1m"] = bars("1m", 60, now=NOW - 20 * MINUTE, bought=8.0)
    reply = await cvd(args("btc 1h"), d.app)
    assert reply.figures["cvd"].value is None
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "candles end at 15:05 UTC" in reply.card.headline


async def test_signs_of_candles_are_the_last_resort_and_called_approx() -> None:
    d = desk(BINANCE)
    d.market.bars[BINANCE.key, "1m"] = [
        Candle(ts=c.ts, open=100, high=102, low=99, close=101 if n % 3 else 99.5, volume=1.0)
        for n, c in enumerate(bars("1m", 120))
    ]
    reply = await cvd(args("btc 1h"), d.app)
    assert reply.figures["cvd"].kind is Kind.APPROX
    assert reply.figures["cvd_base"].value == pytest.approx(40 - 20)
    assert reply.card is not None
    assert "(approx)" in reply.card.headline
    assert "buy share" not in reply.card.reading


async def test_one_venue_down_leaves_the_others() -> None:
    d, first, _second = two()
    d.market.streams.logs.pop(OKX.key)
    d.market.down = {"okx"}
    reply = await cvd(args("btc 1h"), d.app)
    assert reply.figures["cvd"].value == pytest.approx(delta(first, NOW - HOUR, NOW))
    assert reply.card is not None
    assert "OKX: HTTP 503" in reply.card.evidence


async def test_a_blind_interval_is_told() -> None:
    d, _first, _second = two()
    d.market.streams.logs[BYBIT.key].mark_gap(NOW - 10 * MINUTE, NOW - 8 * MINUTE)
    reply = await cvd(args("btc 1h"), d.app)
    assert reply.card is not None
    assert "blind 15:15 UTC to 15:17 UTC" in reply.card.evidence
    assert reply.card.glyph == "⚠️"


async def test_a_chat_that_counts_in_coins_reads_coins() -> None:
    d, _first, _second = two()
    reply = await cvd(args("btc 4h", unit="coin"), d.app)
    assert reply.card is not None
    assert "BTC in 4 h" in reply.card.headline
    assert "$" not in reply.card.headline


async def test_the_zone_of_the_chat_is_used() -> None:
    d, _first, _second = two()
    reply = await cvd(args("btc 4h", zone="Europe/Berlin"), d.app)
    assert reply.card is not None
    assert "since 13:25 CEST" in reply.card.evidence


async def test_a_spot_pair_is_called_spot() -> None:
    pair = spot("bybit")
    d = desk(pair)
    d.market.streams.logs[pair.key] = log(pair, some(pair, 6))
    reply = await cvd(args("btc/usdt 1h"), d.app)
    assert reply.card is not None
    assert reply.card.headline.startswith("BTC spot ")


@pytest.mark.parametrize(
    "words", ["btc 4x", "btc 99d", "btc 1m", "btc -4h", "btc 4h more", "btc 9999999999999h"]
)
async def test_a_silly_window_is_refused(words: str) -> None:
    with pytest.raises(UserError):
        await cvd(args(words), two()[0].app)


def test_a_divergence_is_dated_when_it_became_known() -> None:
    step = 5 * MINUTE
    start = NOW - 40 * step
    highs = [100.0] * 40
    for place, top in ((10, 105.0), (20, 107.0)):
        for side in range(4):
            highs[place - side] = highs[place + side] = top - side
    candles = [
        Candle(ts=start + n * step, open=99, high=high, low=98, close=99, volume=1)
        for n, high in enumerate(highs)
    ]
    line = [(c.ts + step, 50.0 - n) for n, c in enumerate(candles)]
    text = divergence_text(args("btc"), candles, line, step, NOW)
    assert "CVD lower high at 13:45 UTC (bearish, confirmed 14:05 UTC)" in text
