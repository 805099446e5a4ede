"""/volume and /volume_spikes: closed candles only, against the candles before, with the venue named."""

import pytest
from desk_market import NOW, Desk, args, bars, desk, fits, perp

from handlers.volume import volume, volume_spikes
from market.errors import UserError
from market.types import HOUR, MINUTE, Candle, Status

BTC = perp("binance")


def with_last(count: int, last: float, *, timeframe: str = "15m") -> list[Candle]:
    """Candles of 10 coins, the newest closed one of `last`, and a running one of a million."""
    rows = bars(timeframe, count)
    closed = [c for c in rows if c.closed]
    newest = closed[-1]
    value = Candle(
        ts=newest.ts, open=100, high=101, low=100, close=101, volume=last, quote_volume=last * 100
    )
    running = Candle(
        ts=rows[-1].ts, open=100, high=100, low=100, close=100, volume=1e6, closed=False
    )
    return [*closed[:-1], value, running]


def market(last: float = 34.0, count: int = 1400) -> Desk:
    d = desk(BTC)
    d.market.bars[BTC.key, "15m"] = with_last(count, last)
    return d


async def test_the_last_closed_candle_stands_against_the_96_before() -> None:
    reply = await volume(args("btc 15m"), market().app)
    assert reply.card is not None
    assert reply.card.headline == "BTC 15m volume 340 % of average"
    assert reply.figures["ratio"].value == pytest.approx(3.4)
    assert reply.figures["volume"].value == 34.0
    start = NOW // (15 * MINUTE) * 15 * MINUTE - 15 * MINUTE
    assert (reply.figures["volume"].since, reply.figures["volume"].as_of) == (
        start,
        start + 15 * MINUTE,
    )
    assert all(r.venues == ("binance",) for r in reply.figures.values())
    assert "candle 15:00 UTC" in reply.card.evidence
    assert reply.card.table[0].split() == ["closed", "34", "BTC", "($3.40k)"]
    assert fits(reply)


async def test_the_value_is_in_dollars_not_in_the_quote() -> None:
    d = market()
    d.market.usd = {"USDT": 0.5}
    assert (await volume(args("btc"), d.app)).figures["volume_usd"].value == pytest.approx(1700)


async def test_a_coin_chat_reads_coins_alone() -> None:
    reply = await volume(args("btc", unit="coin"), market().app)
    assert reply.card is not None
    assert reply.card.table[0].split() == ["closed", "34", "BTC"]


async def test_too_few_candles_are_said_not_guessed() -> None:
    reply = await volume(args("btc"), market(count=50).app)
    assert reply.figures["ratio"].status is Status.INSUFFICIENT
    assert reply.card is not None
    assert "needs 97 closed candles" in reply.card.headline


async def test_old_candles_are_called_stale() -> None:
    d = market()
    d.clock.advance(3 * HOUR)
    reply = await volume(args("btc"), d.app)
    assert reply.figures["ratio"].status is Status.STALE
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"


async def test_no_time_of_day_is_said() -> None:
    d = desk(BTC)
    d.market.bars[BTC.key, "4h"] = with_last(120, 34.0, timeframe="4h")
    reply = await volume(args("btc 4h"), d.app)
    assert reply.card is not None
    assert "z n/a: the time of day is compared on" in reply.card.reading


async def test_another_venue_stands_in_for_a_default_without_the_coin_and_is_named() -> None:
    i = perp("bybit", "ABC")
    d = desk(BTC, i)
    d.market.bars[i.key, "15m"] = with_last(200, 34.0)
    reply = await volume(args("abc"), d.app)
    assert reply.card is not None
    assert reply.card.evidence.startswith("Bybit ABCUSDT")


def scan() -> Desk:
    coins = {"AAA": 60.0, "BBB": 25.0, "CCC": 20.0, "DEAD": 90.0}
    d = desk(*(perp("binance", coin) for coin in coins))
    for coin, last in coins.items():
        i = perp("binance", coin)
        d.market.quote(i, 100.0, quote_volume_24h=1e6)
        scale = 1e-6 if coin == "DEAD" else 1000.0
        d.market.bars[i.key, "15m"] = [
            Candle(ts=c.ts, open=c.open, high=101, low=99, close=c.close, volume=c.volume * scale, closed=c.closed)
            for c in with_last(1400, last)
        ]  # fmt: skip
    return d


async def test_spikes_are_strictly_above_200_percent_and_never_of_a_dead_market() -> None:
    reply = await volume_spikes(args("15m"), scan().app)
    assert reply.data["rank"] == ["AAA", "BBB"]
    assert reply.figures["AAA.ratio"].value == pytest.approx(6.0)
    assert reply.figures["AAA.ratio"].venues == ("binance",)
    assert reply.card is not None
    assert reply.card.table[1].startswith("AAA**")
    assert fits(reply)


async def test_no_spike_is_an_answer_with_no_empty_rows_of_buttons() -> None:
    d = scan()
    d.market.quotes = {k: t for k, t in d.market.quotes.items() if "CCC" in k}
    reply = await volume_spikes(args(""), d.app)
    assert reply.data["rank"] == []
    assert fits(reply)


@pytest.mark.parametrize("words", ["btc 7x", "btc 15m 200", "btc 1M"])
async def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(UserError):
        await volume(args(words), market().app)
