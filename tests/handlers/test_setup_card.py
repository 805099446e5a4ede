"""/setup: lines add up to the score, what is not known is named, and the caption fits under its picture."""

from typing import Any

import pytest
from desk_market import NOW, Desk, args, perp
from hypothesis import given, settings
from hypothesis import strategies as st
from live_desk import LiveStreams, live_desk, traded

from analytics.liquidation.clusters import Cluster
from analytics.setup import POINTS, Line, Setup, assess
from bot.telegram.render import render
from bot.telegram.split import CAPTION_LIMIT
from charts.types import SetupChart
from handlers.base import Card, Picture, Reply
from handlers.book_looks import Looks
from handlers.dollars import Dollars
from handlers.live import Live
from handlers.setup import CAPTION, evidence_of, fitted, setup, setup_chart
from handlers.setup_inputs import Inputs, interest_line
from market.errors import UserError
from market.types import (
    DAY,
    HOUR,
    MINUTE,
    TIMEFRAMES,
    BookChange,
    Candle,
    Context,
    FundingRate,
    Instrument,
    Kind,
    Liquidation,
    PositionSide,
    Reading,
    Side,
    Ticker,
)

BINANCE, BYBIT = perp("binance"), perp("bybit")
ETH = perp("binance", "ETH", step=0.01)
PRICE = 100_000.0


def wave(tf: str, count: int, *, shift: int = 0) -> list[Candle]:
    """A price that goes up and down by a percent, never twice alike."""
    step = TIMEFRAMES[tf]
    first = NOW // step * step - (count - 1) * step
    out = []
    for n in range(count):
        close = PRICE * (1 + 0.01 * (((n + shift) * 7919 % 101) / 101 - 0.5))
        out.append(
            Candle(ts=first + n * step, open=close, high=close * 1.001, low=close * 0.999, close=close,
                   volume=100.0, quote_volume=100.0 * close, taker_buy_volume=50.0,
                   taker_buy_quote=50.0 * close, closed=first + (n + 1) * step <= NOW)
        )  # fmt: skip
    return out


def rest(d: Desk, *instruments: Instrument) -> None:
    """What the venues answer by REST."""
    for n, i in enumerate(instruments):
        for tf, count in (("1m", 250), ("5m", 300), ("15m", 110), ("1h", 310)):
            d.market.bars[i.key, tf] = wave(tf, count, shift=n)
        d.market.quote(i, PRICE)
        d.market.rates[i.key] = FundingRate(instrument=i, ts=NOW - 5_000, rate=0.0001, interval_h=8)
        d.market.past[i.key] = [
            (ts, 80_000.0 + (ts - NOW) / HOUR * 300)
            for ts in range(NOW // 300_000 * 300_000 - 8 * DAY, NOW, 300_000)
        ]


def streamed(streams: LiveStreams, *instruments: Instrument) -> None:
    """All feeds live: sellers press, longs are closed by force, asks weigh more, interest grows."""
    for i in instruments:
        state = traded(i, buy=0.1, sell=2.0)
        state.liquidations.alive(NOW - 2 * HOUR)
        state.take_liquidations(
            [Liquidation(instrument=i, ts=NOW - n * 9_000, price=PRICE, amount=4.0, position=PositionSide.LONG,
                         recv_ts=NOW - n * 9_000) for n in range(9, 0, -1)]
        )  # fmt: skip
        state.alive(NOW, "liquidations")
        bids = tuple((PRICE - 1.5 - 2 * n, 1.0) for n in range(300))
        asks = tuple((PRICE + 1.5 + 2 * n, 4.0) for n in range(300))
        book = state.open_book()
        book.take(
            BookChange(
                instrument=i, ts=NOW - 5_000, bids=bids, asks=asks, whole=True, first=1, last=1
            )
        )
        book.take(
            BookChange(instrument=i, ts=NOW - 100, bids=(), asks=(), first=2, last=2, before=1)
        )
        for ts in range(NOW - 70 * MINUTE, NOW, MINUTE):
            state.take_context(
                Context(instrument=i, ts=ts, mark=PRICE, index=PRICE, rate=0.0009 + (ts - NOW) / HOUR * 0.0003,
                        interval_h=8, next_ts=NOW + HOUR, interest=83_000.0 + (ts - NOW) / MINUTE * 80)
            )  # fmt: skip
        streams.by_key[i.key] = state


def points(reply: Reply) -> float:
    """What the lines of a card add up to, as a reader would add them."""
    assert reply.card is not None
    heads = [line.split(maxsplit=1)[0] for line in reply.card.reading.splitlines()]
    return round(sum(float(head) for head in heads if head.replace(".", "").isdigit()), 1)


async def test_all_signals_known_but_one_and_lines_that_add_up() -> None:
    d, streams = live_desk(BINANCE, BYBIT, ETH)
    rest(d, BINANCE, BYBIT, ETH)
    streamed(streams, BINANCE, BYBIT)
    reply = await setup(args("btc"), d.app)
    found = reply.figures
    assert found["coverage"].value == pytest.approx(0.95)
    assert found["points.crash"].value is None
    known = [found[f"points.{name}"].value or 0.0 for name in POINTS]
    assert found["score"].value == pytest.approx(sum(known))
    assert points(reply) == found["score"].value
    assert reply.card is not None
    assert (
        reply.card.headline == f"BTC setup {found['score'].value:.1f}/10 from 95 % of the signals"
    )
    assert "Not known: Flash move (not watched)" in reply.card.reading
    delta = sum(s.snapshot(NOW)["delta_5m"].value for s in streams.states())
    assert found["delta_5m"].value == pytest.approx(delta)
    assert found["bid_share"].value == pytest.approx(0.2, abs=0.01)
    assert found["liq_long_5m"].value == pytest.approx(2 * 9 * 4.0 * PRICE)
    assert found["funding_8h"].value == pytest.approx(0.000895)
    assert found["oi_change_30m"].value == pytest.approx(2_400 / (83_000 - 80 - 2_400), rel=0.05)
    assert [key for key, book in streams.watched if book] == [BINANCE.key, BYBIT.key]
    assert reply.picture is not None


async def test_before_the_feeds_live_the_venues_answers_do_and_say_so() -> None:
    d, _streams = live_desk(BINANCE, BYBIT, ETH)
    rest(d, BINANCE, BYBIT, ETH)
    reply = await setup(args("btc"), d.app)
    found = reply.figures
    assert found["delta_5m"].value == 0.0  # taker volume: half bought
    assert found["funding_8h"].value == pytest.approx(0.0001)
    assert found["points.book"].value is None
    assert found["points.liquidations"].value is None
    assert reply.card is not None
    assert "Book (" in reply.card.reading
    assert "Liquidated (not streamed yet)" in reply.card.reading
    assert found["coverage"].value == pytest.approx((10 - 1 - 0.5 - 0.5 - 0.3) / 10)
    assert points(reply) == found["score"].value


async def test_too_little_known_gives_no_score_but_its_lines() -> None:
    d, _streams = live_desk(BINANCE)
    d.market.quote(BINANCE, PRICE)
    reply = await setup(args("btc"), d.app)
    assert reply.figures["score"].value is None
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert reply.card.headline.startswith("BTC setup n/a (only ")
    with pytest.raises(UserError):
        await setup(args("btc 5m"), d.app)


async def test_an_old_price_is_marked_and_its_age_told() -> None:
    d, _streams = live_desk(BINANCE, ETH)
    rest(d, BINANCE, ETH)
    d.market.quote(BINANCE, PRICE, age=5 * MINUTE)
    reply = await setup(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "price 5 m" in reply.card.evidence


async def test_the_crash_monitor_is_asked_where_it_watches() -> None:
    d, streams = live_desk(BINANCE, ETH)
    rest(d, BINANCE, ETH)
    streamed(streams, BINANCE)
    watch = Monitors(looked_ts=NOW - 1_000)
    d.app.monitors = watch  # type: ignore[assignment]
    d.app.started = NOW - HOUR
    assert (await setup(args("btc"), d.app)).figures["points.crash"].value == 0.0
    d.app.started = NOW - MINUTE
    reason = (await setup(args("btc"), d.app)).figures["points.crash"].reason
    assert reason == "watched for 60 s of 300 s"
    watch.found = [Fact("spike", "pace"), Fact("crash", "down")]
    assert (await setup(args("btc"), d.app)).figures["points.crash"].value == 0.5
    watch.found, watch.told.looked_ts = [], NOW - 2 * MINUTE
    assert (await setup(args("btc"), d.app)).figures["points.crash"].value is None


class Fact:
    def __init__(self, kind: str, side: str) -> None:
        self.kind, self.side, self.ts, self.venues = kind, side, NOW - 10_000, ("binance", "bybit")


class Monitors:
    """What `MonitorService` shows."""

    def __init__(self, looked_ts: int) -> None:
        self.found: list[Fact] = []
        self.told = type("Told", (), {"running": True, "looked_ts": looked_ts})()
        self.watch_list = type("List", (), {"coins": {"BTC"}})()

    def status(self) -> Any:
        return self.told

    async def facts(self, *, coin: str, since: int, limit: int) -> list[Fact]:
        assert (coin, since) == ("BTC", NOW - 5 * MINUTE)
        return self.found


def made(
    known: set[str], reason: str = "", base: str = "BTC", price: float = 94_312.5
) -> tuple[Inputs, Setup]:
    """Inputs at their widest; of what is not in `known` only the reason."""
    venues = ("binance", "bybit", "okx")

    def figure(name: str, value: float, note: str = "") -> Reading[float]:
        if name not in known:
            return Reading.missing(reason, venues=venues)
        return Reading(value=value, as_of=NOW, venues=venues, note=note)

    i = perp("binance", base)
    cluster = Cluster(position=PositionSide.SHORT, near=price * 1.00123, peak=price, far=price, usd=4.7e7,
                      share=0.345, distance=0.00123)  # fmt: skip
    found = Inputs(
        base=base, head=Ticker(instrument=i, ts=NOW, last=price), against="BTC",
        seen=Live(feeds=[], now=NOW), books=Looks(found=[], errors={}, rates=Dollars(), now=NOW),
    )  # fmt: skip
    found.readings = {
        "delta_5m": figure("delta", -912_345_678.9, "blind 12:00 UTC to 12:10 UTC and 14 more"),
        "volume_5m": figure("delta", 1_912_345_678.9),
        "bid_share": figure("book", 0.067, "floor: levels end at 0.09 %"),
        "funding_8h": figure("funding", -0.012345), "funding_momentum": figure("funding", -0.0009),
        "oi_change_30m": figure("interest", -0.1234), "oi_delta_usd_30m": figure("interest", -912_345_678.0),
        "liq_long_5m": figure("liquidations", 123_456_789.0, "floor: Binance shows a sample"),
        "liq_short_5m": figure("liquidations", 123_456_789.0),
    }  # fmt: skip
    found.volume = figure("volume", 123.45, "on pace")
    if "cluster" in known:
        found.cluster = Reading(
            value=cluster, as_of=NOW - 3 * HOUR, venues=venues, kind=Kind.ESTIMATED
        )
        found.sides = [cluster]
    if "crash" in known:
        found.crash = Reading(value="down", as_of=NOW, venues=venues)
    found.level = Reading(
        value=price * 0.98, venues=("hyperliquid",), kind=Kind.ESTIMATED, note="largest wall"
    )
    told = assess(
        found.readings, base=base, cluster=found.cluster, volume=found.volume, crash=found.crash,
        level=found.level, quadrant=Reading(value="NEW_SHORTS"),
    )  # fmt: skip
    return found, told


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.sampled_from(sorted(POINTS))), st.sampled_from(["", "x" * 300, "watched for 40 s of 300 s"]),
    st.sampled_from([("BTC", 94_312.5), ("FARTCOINFARTCOIN", 0.0000123456)]),
    st.sampled_from(["", "Binance is not answering (" + "y" * 60 + " since 14:02 UTC)"]),
)  # fmt: skip
def test_every_caption_fits_under_its_picture(
    known: set[str], reason: str, coin: tuple[str, float], trouble: str
) -> None:
    found, told = made(known, reason, *coin)
    headline, evidence = f"{coin[0]} setup {told.headline}", evidence_of(found, told)
    reading = fitted(found, told, trouble, CAPTION - len(headline) - len(evidence))
    card = Card(glyph="⚠️", headline=headline, reading=reading, evidence=evidence, updated=NOW)
    reply = Reply(card=card, picture=Picture(name="x.png", png=b"x"))
    messages = render(reply, "REPLAY 2026-06-15 from candles")
    assert [each.kind for each in messages] == ["photo"], len(messages[-1].plain)
    assert len(messages[0].plain) <= CAPTION_LIMIT
    assert points(reply) == told.points
    for line in told.lines:
        assert line.title in reading
    forbidden = {"target", "guaranteed", "will", "nan", "inf", "none"}
    assert not forbidden & set(messages[0].plain.lower().split())


def test_estimated_liquidations_are_told_by_their_share_not_in_dollars() -> None:
    found, told = made({"cluster"})
    reading = fitted(found, told, "", 900)
    assert "est. 34 % of the shorts at 94,428.5, 0.12 % above" in reading
    assert "47" not in next(line for line in reading.splitlines() if "est." in line)
    assert "Level to watch: 94,428.5 (+0.12 %), near edge of estimated liquidations" in reading


def test_without_a_map_the_largest_wall_is_the_level() -> None:
    found, told = made({"delta"}, "no map")
    assert "Level to watch: 92,426.2 (-2.00 %), largest wall" in fitted(found, told, "", 900)


async def test_the_picture_shows_the_same_points() -> None:
    d, streams = live_desk(BINANCE, ETH)
    rest(d, BINANCE, ETH)
    streamed(streams, BINANCE)
    reply = await setup(args("btc"), d.app)
    ((name, data),) = d.drawn
    assert name == "setup"
    assert isinstance(data, SetupChart)
    assert sum(bar.points for bar in data.bars) == pytest.approx(reply.figures["score"].value)
    assert data.prices[-1] == (NOW, PRICE)
    assert [pane.zero for pane in data.panes] == [True, False]
    assert all(estimated for _price, _text, estimated in data.levels)


def test_no_candles_no_picture() -> None:
    found, told = made({"delta"})
    assert setup_chart(found, told, "x") is None


def test_interest_is_summed_over_those_who_have_the_whole_time() -> None:
    start, end = NOW - HOUR, NOW
    grid = range(start - 5 * MINUTE, end + 1, 5 * MINUTE)
    whole = [(ts, 100.0) for ts in grid]
    short = [(ts, 50.0) for ts in grid if ts > start + 20 * MINUTE]
    line, venues = interest_line({"binance": whole, "okx": short}, start, end)
    assert venues == ["binance"]
    assert {value for _ts, value in line} == {100.0}
    assert interest_line({"okx": short}, start, end) == ([], [])


def test_a_line_of_the_score_is_what_a_reader_sees() -> None:
    _found, told = made(set(POINTS) - {"correlation"})
    assert isinstance(told.lines[0], Line)
    assert told.score.value == pytest.approx(sum(line.points for line in told.lines))
    assert told.lines[1].sign == -1
    assert Side.SELL.value == "sell"
