"""/ta and /chart: closed candles, all means warmed up, changes over what is drawn."""

import math

import pytest
from desk_market import NOW, Desk, args, desk, fits, perp, spot

from analytics import indicators
from handlers.ta import chart, ta
from market.errors import SourceError, UserError
from market.types import HOUR, TIMEFRAMES, Candle, Instrument, Status

BTC = perp("binance")


def wave(timeframe: str, count: int, scale: float = 1.0, now: int = NOW) -> list[Candle]:
    """A market that swings, with its running candle last."""
    step = TIMEFRAMES[timeframe]
    last = now // step * step
    rows = []
    before = 100.0 * scale
    for n in range(count):
        ts = last - (count - 1 - n) * step
        close = (100 + 10 * math.sin(n / 7) + n / 100) * scale
        rows.append(
            Candle(
                ts=ts, open=before, high=max(before, close) * 1.001, low=min(before, close) * 0.999,
                close=close, volume=10.0 + n % 5, closed=ts + step <= now,
            )
        )  # fmt: skip
        before = close
    return rows


def market(i: Instrument = BTC, scale: float = 1.0, timeframe: str = "1h") -> Desk:
    d = desk(i)
    d.market.bars[i.key, timeframe] = wave(timeframe, 1100, scale)
    return d


async def test_every_indicator_is_known_and_rests_on_closed_candles() -> None:
    d = market()
    reply = await ta(args("btc"), d.app)
    closed = [c for c in d.market.bars[BTC.key, "1h"] if c.closed]
    assert reply.figures["ema200"].value is not None
    assert reply.figures["rsi"].value == pytest.approx(indicators.rsi(closed)[-1])
    assert reply.figures["rsi"].as_of == NOW // HOUR * HOUR
    assert reply.figures["price"].value == d.market.bars[BTC.key, "1h"][-1].close
    assert reply.figures["price"].as_of == NOW
    assert all(r.venues == ("binance",) for r in reply.figures.values())
    assert fits(reply)


async def test_labels_keep_their_numbers_on_tiny_prices() -> None:
    i = perp("binance", "PEPE", step=1e-10)
    reply = await ta(args("pepe"), market(i, 4e-8).app)
    assert reply.card is not None
    names = [line[:7].strip() for line in reply.card.table]
    assert {"EMA 20", "EMA 200", "cloud A", "cloud B"} <= set(names)
    assert fits(reply)


async def test_old_candles_give_no_indicator() -> None:
    d = market()
    d.clock.advance(9 * HOUR)
    reply = await ta(args("btc"), d.app)
    assert reply.figures["rsi"].status is Status.STALE
    assert reply.figures["price"].value is None


async def test_few_candles_are_said() -> None:
    d = desk(BTC)
    d.market.bars[BTC.key, "1h"] = wave("1h", 10)
    reply = await ta(args("btc"), d.app)
    assert reply.figures["rsi"].status is Status.INSUFFICIENT
    assert fits(reply)


async def test_a_spot_only_coin_is_called_spot() -> None:
    i = spot("coinbase", "ABC", "USD")
    reply = await ta(args("abc"), market(i).app)
    assert reply.card is not None
    assert reply.card.headline.startswith("ABC spot 1h")
    assert reply.card.evidence.startswith("Coinbase")


async def test_the_change_of_a_chart_names_the_window_it_has() -> None:
    d = market(timeframe="15m")
    reply = await chart(args("btc 15m"), d.app)
    name, data = d.drawn[-1]
    first = data.candles[0]
    change = reply.figures["change"]
    assert name == "candles"
    assert len(data.candles) == 96
    assert change.value == pytest.approx(data.candles[-1].close / first.open - 1)
    assert (change.since, change.as_of) == (first.ts, NOW)
    assert reply.card is not None
    assert reply.card.headline.endswith("in 23 h 55 m")
    assert fits(reply)


async def test_drawn_indicators_end_at_the_last_closed_candle() -> None:
    d = market(timeframe="15m")
    await chart(args("btc 15m ema rsi"), d.app)
    data = d.drawn[-1][1]
    closed = [c for c in d.market.bars[BTC.key, "15m"] if c.closed][-599:]
    assert data.overlays["EMA 50"][-1] == (
        closed[-1].ts,
        pytest.approx(indicators.ema(closed, 50)[-1]),
    )
    assert data.lower.name == "RSI 14"


async def test_an_old_chart_says_so() -> None:
    d = market(timeframe="15m")
    d.clock.advance(2 * HOUR)
    reply = await chart(args("btc 15m"), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "1 h 55 m old" in reply.card.headline


async def test_a_picture_that_fails_never_loses_the_text() -> None:
    d = market(timeframe="15m")

    async def nothing(name: str, data: object) -> None:
        return None

    d.app.draw = nothing
    reply = await chart(args("btc"), d.app)
    assert reply.picture is None
    assert reply.card is not None
    assert "could not be drawn" in reply.card.reading


async def test_no_candles_is_a_refusal_of_the_source() -> None:
    with pytest.raises(SourceError):
        await chart(args("btc"), desk(BTC).app)


@pytest.mark.parametrize("words", ["btc 15m foo", "btc 17m", "btc rsi macd", "btc <b>"])
async def test_what_cannot_be_drawn_is_refused(words: str) -> None:
    with pytest.raises(UserError):
        await chart(args(words), market(timeframe="15m").app)
