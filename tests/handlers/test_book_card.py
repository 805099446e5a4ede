"""/book: figures equal the books, one look is called that, and what a venue does not show is not made up."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from desk_market import NOW, Desk, DeskMarket, args, desk, fits, perp, spot

from analytics.livebook import LiveBook
from charts.types import BookMap
from exchanges.types import VenueState
from handlers.book import book
from handlers.book_looks import looks
from market.errors import SourceError, SourceUnavailable, UserError
from market.types import BookChange, Instrument, Kind, OrderBook, Side, Trade

BYBIT, OKX, HYPER = perp("bybit"), perp("okx"), perp("hyperliquid", quote="USDC", step=1.0)
BINANCE = perp("binance")
Levels = tuple[tuple[float, float], ...]


@dataclass
class State:
    book: LiveBook | None


@dataclass
class BookStreams:
    """What `exchanges.streams.supervisor.Streams` shows of its books."""

    books: dict[str, LiveBook] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)

    async def watch(self, instruments: list[Instrument], *, book: bool = False) -> None:
        self.asked += [(i.key, book) for i in instruments]

    def state(self, instrument: Instrument) -> State | None:
        return State(self.books.get(instrument.key))

    def status(self) -> dict[str, Any]:
        return {}


def levels(mid: float, count: int, amount: float, step: float, sign: int) -> Levels:
    return tuple((mid + sign * step * (n + 0.5), amount) for n in range(count))


def change(
    i: Instrument,
    ts: int,
    number: int,
    bids: Levels = (),
    asks: Levels = (),
    *,
    whole: bool = False,
) -> BookChange:
    return BookChange(
        instrument=i, ts=ts, bids=bids, asks=asks, whole=whole, first=number, last=number,
        before=number - 1,
    )  # fmt: skip


def followed(
    i: Instrument, *, bid: float = 3.0, ask: float = 1.0, seconds: int = 90, count: int = 1203,
    wall: bool = True, now: int = NOW,
) -> LiveBook:  # fmt: skip
    """A book around 100,000 that was followed until `now`."""
    found, start = LiveBook(i), now - seconds * 1000
    bids, asks = levels(100_000, count, bid, 1.0, -1), levels(100_000, count, ask, 1.0, 1)
    found.take(change(i, start, 1, bids, asks, whole=True))
    for n in range(1, seconds + 1):
        more: Levels = ((99_700.5, 60.0),) if wall and n == 5 else ()
        found.take(change(i, start + n * 1000, n + 1, more))
    return found


class BookMarket(DeskMarket):
    """A desk market that has books to look at."""

    looks: dict[str, OrderBook]

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        if instrument.exchange in self.down:
            raise SourceUnavailable(instrument.exchange, "HTTP 503")
        if instrument.key not in self.looks:
            raise SourceError(instrument.exchange, "no such book")
        return self.looks[instrument.key]


def stage(*instruments: Instrument) -> tuple[Desk, BookStreams, BookMarket]:
    d = desk(*instruments)
    market, streams = BookMarket(d.clock, instruments), BookStreams()
    market.looks, market.streams = {}, streams  # type: ignore[assignment]
    d.app.market = market  # type: ignore[assignment]
    d.market = market
    return d, streams, market


def look(i: Instrument, *, age: int = 200, count: int = 130, bid: float = 1.0) -> OrderBook:
    return OrderBook(
        instrument=i, ts=NOW - age, bids=levels(100_000, count, bid, 10.0, -1),
        asks=levels(100_000, count, 1.0, 10.0, 1),
    )  # fmt: skip


async def test_live_books_of_two_venues_with_their_sums() -> None:
    d, streams, _market = stage(BYBIT, OKX)
    streams.books = {BYBIT.key: followed(BYBIT), OKX.key: followed(OKX, bid=1.0, wall=False)}
    reply = await book(args("btc"), d.app)
    assert streams.asked == [(BYBIT.key, True), (OKX.key, True)]
    inside = [100_000 - n - 0.5 for n in range(100)]
    bids = sum(4.0 * p for p in inside)
    asks = sum(2.0 * (200_000 - p) for p in inside)
    found = reply.figures
    assert found["depth_bid_01"].value == pytest.approx(bids)
    assert found["depth_ask_01"].value == pytest.approx(asks)
    assert found["bid_share_01"].value == pytest.approx(bids / (bids + asks))
    assert found["bid_share_01"].venues == ("bybit", "okx")
    assert found["bid_share.bybit"].value == 0.75
    assert found["mid.okx"].value == 100_000
    assert reply.card is not None
    assert reply.card.headline == "BTC bids heavier: 67 % bids of $60.0M within 0.1 %"
    assert reply.card.glyph == "🟢"
    assert "Bybit best ten bid-heavy for 1 m" in reply.card.reading
    assert "one look" not in reply.card.evidence
    assert fits(reply)
    (wall,) = reply.data["walls"]
    assert (wall["exchange"], wall["side"], wall["price"]) == ("bybit", Side.BUY, 99_700.5)
    assert wall["usd"] == pytest.approx(60 * 99_700.5)
    row = next(line for line in reply.card.table if line.startswith("Byb "))
    assert row.split() == ["Byb", "99,700.5", "5.98M", "-0.30", "1m"]


async def test_dollars_of_the_quote_currency_are_at_the_live_rate() -> None:
    d, streams, market = stage(BYBIT)
    market.usd = {"USDT": 0.99}
    streams.books = {BYBIT.key: followed(BYBIT)}
    plain = streams.books[BYBIT.key].readings(NOW)["depth_bid_05"].value
    reply = await book(args("btc"), d.app)
    assert plain is not None
    assert reply.figures["depth_bid_05.bybit"].value == pytest.approx(0.99 * plain)
    assert reply.figures["depth_bid_05.bybit"].unit == "USD"


async def test_what_is_not_followed_yet_is_one_look_and_says_so() -> None:
    d, streams, market = stage(BYBIT, OKX)
    streams.books = {OKX.key: followed(OKX)}
    market.looks[BYBIT.key] = look(BYBIT, age=3_000)
    reply = await book(args("btc"), d.app)
    assert reply.card is not None
    assert "one look, no history yet: Bybit" in reply.card.evidence
    assert "3 s" in reply.card.evidence
    assert reply.figures["ofi_1m.bybit"].value is None
    assert reply.figures["bid_share.bybit"].value == 0.5
    ((_name, data),) = d.drawn  # the picture is of the venue that has a past
    assert data.subtitle.startswith("OKX perp")


async def test_one_look_alone_is_drawn_at_the_right_edge_and_its_walls_have_no_age() -> None:
    d, _streams, market = stage(BYBIT)
    market.looks[BYBIT.key] = OrderBook(
        instrument=BYBIT, ts=NOW - 100,
        bids=((99_000.0, 80.0), *levels(100_000, 60, 1.0, 10.0, -1)),
        asks=levels(100_000, 61, 1.0, 10.0, 1),
    )  # fmt: skip
    reply = await book(args("btc"), d.app)
    assert reply.card is not None
    assert any(line.startswith("Byb") and line.endswith("n/a") for line in reply.card.table)
    ((name, data),) = d.drawn
    assert name == "bookmap"
    assert isinstance(data, BookMap)
    assert data.values.shape[1] == 60
    assert np.isnan(data.values[:, :-1]).all()
    assert not np.isnan(data.values[:, -1]).all()
    assert "history begins 15:24:59 UTC" in data.note
    assert "one look" in data.subtitle
    assert fits(reply)


async def test_a_live_book_that_is_old_is_looked_at_anew() -> None:
    d, streams, market = stage(BYBIT)
    streams.books = {BYBIT.key: followed(BYBIT, now=NOW - 6_000)}
    market.looks[BYBIT.key] = look(BYBIT)
    reply = await book(args("btc"), d.app)
    assert reply.figures["bid_share.bybit"].value == 0.5
    assert reply.card is not None
    assert "one look" in reply.card.evidence


async def test_a_look_that_is_too_old_shows_no_figures() -> None:
    d, _streams, market = stage(BYBIT)
    market.looks[BYBIT.key] = look(BYBIT, age=61_000)
    reply = await book(args("btc"), d.app)
    assert all(each.value is None for each in reply.figures.values())
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "the book is old" in reply.card.headline


async def test_depth_that_a_feed_does_not_reach_is_a_floor_and_not_in_the_sum() -> None:
    d, streams, _market = stage(BYBIT, HYPER)
    streams.books = {BYBIT.key: followed(BYBIT), HYPER.key: followed(HYPER, count=20, wall=False)}
    reply = await book(args("btc"), d.app)
    assert reply.figures["bid_share_01"].venues == ("bybit",)
    assert reply.figures["depth_bid_01.hyperliquid"].kind is Kind.ESTIMATED
    assert reply.figures["bid_share_01.hyperliquid"].value is None
    assert reply.card is not None
    row = next(line for line in reply.card.table if line.startswith("Hyper"))
    assert "≥8.00M" in row
    assert "≥ where the feed ends before · 0.1 % over Bybit" in reply.card.evidence
    alone, streams2, _market = stage(HYPER)
    streams2.books = {HYPER.key: followed(HYPER, count=20, wall=False)}
    card = (await book(args("btc"), alone.app)).card
    assert card is not None
    assert card.headline == "BTC bids heavier: 75 % bids in the best ten of Hyperliquid"
    assert fits(reply)


async def test_one_venue_down_leaves_the_others_and_is_named() -> None:
    d, streams, market = stage(BYBIT, OKX)
    streams.books = {BYBIT.key: followed(BYBIT)}
    market.down = {"okx"}
    market.state["okx"] = (VenueState.DOWN, "HTTP 503")
    reply = await book(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "OKX" in reply.card.reading
    assert reply.figures["bid_share_01"].venues == ("bybit",)
    market.down = {"okx", "bybit"}
    streams.books = {}
    with pytest.raises(SourceUnavailable):
        await book(args("btc"), d.app)


async def test_a_venue_can_be_named_and_buttons_lead_to_the_others() -> None:
    d, streams, _market = stage(BYBIT, OKX, spot("okx"))
    streams.books = {i.key: followed(i) for i in (BYBIT, OKX)}
    reply = await book(args("btc okx"), d.app)
    assert {look.exchange for look in (await looks(d.app, [OKX])).found} == {"okx"}
    assert "bid_share.bybit" not in reply.figures
    assert [[b.command for b in row] for row in reply.buttons] == [["/book okx:btc", "/book BTC"]]
    everything = await book(args("btc"), d.app)
    assert [b.command for b in everything.buttons[1]] == ["/book BTC bybit", "/book BTC okx"]


async def test_walls_follow_the_volume_of_the_day() -> None:
    d, streams, market = stage(BYBIT)
    streams.books = {BYBIT.key: followed(BYBIT)}
    market.quote(BYBIT, 100_000.0, quote_volume_24h=50_000_000_000.0)
    reply = await book(args("btc"), d.app)  # 0.02 % are $10M, and the wall has six
    assert reply.data["walls"] == []


async def test_suspicions_are_counted_and_called_suspected() -> None:
    d, streams, _market = stage(BYBIT)
    live = streams.books[BYBIT.key] = followed(BYBIT, wall=False)
    live.traded(
        [
            Trade(instrument=BYBIT, ts=NOW - 900, price=100_000.5 + n, amount=1.0, side=Side.BUY)
            for n in range(4)
        ]
    )
    gone = tuple((100_000.5 + n, 0.0) for n in range(4))
    live.take(change(BYBIT, NOW - 0, 92, (), gone))
    reply = await book(args("btc"), d.app)
    assert reply.card is not None
    assert "suspected in 10 m: 1 sweep" in reply.card.reading
    assert reply.data["patterns"][0]["score"] == 4


async def test_tiny_prices_fit() -> None:
    coin = Instrument(
        exchange="bybit", symbol="PEPE/USDT:USDT", base="PEPE", quote="USDT", perp=True,
        id="1000PEPEUSDT", price_step=1e-10, multiplier=1000.0, contract_size=1000.0,
    )  # fmt: skip
    d, _streams, market = stage(coin)
    market.looks[coin.key] = OrderBook(
        instrument=coin, ts=NOW - 100,
        bids=tuple((1.2345e-5 - n * 1e-9, 1e12 if n == 30 else 1e9) for n in range(1, 90)),
        asks=tuple((1.2345e-5 + n * 1e-9, 1e9) for n in range(1, 90)),
    )  # fmt: skip
    reply = await book(args("pepe"), d.app)
    assert fits(reply)
    assert reply.data["walls"]


@pytest.mark.parametrize("words", ["", "btc 4h", "btc okx more"])
async def test_a_silly_line_is_refused(words: str) -> None:
    d, _streams, _market = stage(BYBIT, OKX)
    with pytest.raises(UserError):
        await book(args(words), d.app)
