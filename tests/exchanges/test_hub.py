"""The whole REST path: our clients against the local exchange server, compared with the market behind it."""

# ruff: noqa: E501 - payloads and keys read best on one line

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from exchanges.endpoints import Endpoints, load_endpoints
from exchanges.hub import Market, settle
from exchanges.local.faults import Fault
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket
from exchanges.selection import main_quote
from exchanges.sources.coingecko import coin_for
from exchanges.types import VenueState
from market.clock import FixedClock, WallClock
from market.errors import SourceError, SourceUnavailable, UserError
from market.types import DAY, EXCHANGES, HOUR, MINUTE, Gap, Instrument, OpenInterest

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = 1_780_272_000_000
NOW = START + 2 * HOUR + 17 * MINUTE + 5_000


class Desk:
    """The server, the market behind it and a hub in front of it."""

    def __init__(self, server: LocalServer, source: SimulatedMarket, endpoints: Endpoints) -> None:
        self.server = server
        self.source = source
        self.endpoints = endpoints
        self.hubs: list[Market] = []

    def hub(
        self, exchanges: Sequence[str] = EXCHANGES, wall: object = None, **more: object
    ) -> Market:
        """A new hub; closed at the end."""
        options: dict[str, object] = {"cache_dir": None, "endpoints": self.endpoints} | more
        market = Market(
            exchanges=exchanges,
            clock=self.source.clock,
            wall=wall or WallClock(time.time),  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )
        self.hubs.append(market)
        return market

    def own(self, one: Instrument) -> Instrument:
        """The same instrument as the market behind the server has it."""
        return next(each for each in self.source.instruments(one.exchange) if each.key == one.key)

    def fault(self, exchange: str, fault: str) -> None:
        self.server.faults.set(Fault(exchange=exchange, fault=fault))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk() -> AsyncIterator[Desk]:
    clock = FixedClock(NOW)
    source = SimulatedMarket(7, START, clock, [])
    server = LocalServer(source, source)
    port = await server.start()
    each = Desk(server, source, await load_endpoints(f"http://127.0.0.1:{port}"))
    yield each
    await asyncio.gather(*(hub.close() for hub in each.hubs))
    await server.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def market(desk: Desk) -> Market:
    hub = desk.hub()
    await hub.start()
    return hub


@pytest.fixture(autouse=True)
def repaired(desk: Desk) -> None:
    desk.fault("*", "none")


async def test_every_instrument_arrives_as_the_market_has_it(desk: Desk, market: Market) -> None:
    ours = {each.key: each for each in market.directory.all}
    theirs = {each.key: each for each in desk.source.instruments()}
    assert set(ours) == set(theirs)
    for key, each in theirs.items():
        found = ours[key]
        if each.exchange == "hyperliquid":  # its price step is a rule, not a field
            found = replace(found, price_step=each.price_step)
        assert found == replace(each, min_value=found.min_value), key
    assert market.missing() == []


KEYS = [
    "binance:BTC/USDT", "binance:BTC/USDT:USDT", "binance:1000PEPE/USDT:USDT", "bybit:BTC/USDT", "bybit:1000PEPE/USDT:USDT",
    "okx:BTC/USDT", "okx:BTC/USDT:USDT", "okx:PEPE/USDT:USDT", "hyperliquid:BTC/USDC:USDC", "hyperliquid:kPEPE/USDC:USDC",
    "coinbase:BTC/USD",
]  # fmt: skip
PERPS = [key for key in KEYS if key.count(":") == 2]


def pick(market: Market, key: str) -> Instrument:
    found = market.directory.by_key(key)
    assert found is not None
    return found


@pytest.mark.parametrize("key", KEYS)
async def test_prices_volumes_and_candles_are_the_markets_own(
    desk: Desk, market: Market, key: str
) -> None:
    one, behind = pick(market, key), desk.source
    ticker, truth = await market.ticker(one), behind.ticker(desk.own(one))
    assert truth is not None
    assert ticker.last == pytest.approx(truth.last, rel=2e-5)  # Hyperliquid shows the middle
    assert ticker.quote_volume_24h == pytest.approx(truth.quote_volume_24h, rel=0.02)
    assert ticker.volume_24h == pytest.approx(truth.volume_24h, rel=1e-6)
    assert ticker.ts <= NOW
    for timeframe, step in (("15m", 15 * MINUTE), ("6h", 6 * HOUR), ("12h", 12 * HOUR)):
        rows = await market.candles(one, timeframe, limit=40)
        expected = behind.candles(desk.own(one), timeframe, NOW - 41 * step, NOW + 1)[-40:]
        assert [row.ts for row in rows] == [row.ts for row in expected]
        assert [row.closed for row in rows] == [row.closed for row in expected]
        assert not rows[-1].closed
        for row, true in zip(rows, expected, strict=True):
            assert (row.open, row.high, row.low, row.close) == pytest.approx(
                (true.open, true.high, true.low, true.close), rel=1e-9
            )
            assert row.volume == pytest.approx(true.volume, rel=1e-6)
            if one.exchange == "binance":
                assert row.taker_buy_volume == pytest.approx(true.taker_buy_volume, rel=1e-6)
            else:
                assert row.taker_buy_volume is None


@pytest.mark.parametrize("key", KEYS)
async def test_trades_and_books_are_in_coins_with_the_takers_side(
    desk: Desk, market: Market, key: str
) -> None:
    one = pick(market, key)
    found, truth = await market.trades(one, 10), desk.source.recent_trades(desk.own(one), 10)
    assert [(t.ts, t.side) for t in found] == [(t.ts, t.side) for t in truth]
    assert [t.price for t in found] == pytest.approx([t.price for t in truth], rel=1e-9)
    assert [t.amount for t in found] == pytest.approx([t.amount for t in truth], rel=1e-9)
    book, true = await market.book(one, 20), desk.source.book(desk.own(one), 20)
    assert true is not None
    assert book.bids[0] == pytest.approx(true.bids[0], rel=1e-6)
    assert book.asks[0] == pytest.approx(true.asks[0], rel=1e-6)
    assert len(book.bids) >= 20


@pytest.mark.parametrize("key", PERPS)
async def test_open_interest_and_funding_are_the_markets_own(
    desk: Desk, market: Market, key: str
) -> None:
    one, behind = pick(market, key), desk.source
    interest, truth = await market.open_interest(one), behind.open_interest(desk.own(one))
    assert truth is not None
    assert interest.amount == pytest.approx(truth.amount, rel=1e-9)
    assert interest.value == pytest.approx(truth.value, rel=1e-3)
    funding, rate = await market.funding(one), behind.funding(desk.own(one))
    assert rate is not None
    assert (funding.interval_h, funding.next_ts) == (rate.interval_h, rate.next_ts)
    assert funding.rate == pytest.approx(rate.rate, abs=1e-9)
    assert funding.mark == pytest.approx(rate.mark, rel=1e-6)
    assert funding.index == pytest.approx(rate.index, rel=1e-2)
    past = await market.funding_history(one, 20)
    settled = behind.funding_history(desk.own(one), NOW - 30 * DAY, NOW)[-20:]
    assert [(r.ts, r.interval_h) for r in past] == [(r.ts, r.interval_h) for r in settled]
    assert [r.rate for r in past] == pytest.approx([r.rate for r in settled], abs=1e-9)
    if one.exchange != "hyperliquid":
        rows = await market.open_interest_history(one, step=HOUR, start=NOW - 10 * DAY, end=NOW)
        true = {
            row.ts: row
            for row in behind.open_interest_history(desk.own(one), HOUR, NOW - 10 * DAY, NOW)
        }
        assert len(rows) == 240
        assert all(row.amount == pytest.approx(true[row.ts].amount, rel=1e-9) for row in rows)


@pytest.mark.parametrize("exchange", ["bybit", "okx", "hyperliquid"])
async def test_margin_tiers_are_the_venues(desk: Desk, market: Market, exchange: str) -> None:
    one = next(
        each
        for each in market.directory.all
        if each.exchange == exchange and each.perp and each.base == "BTC"
    )
    table, truth = await market.tiers(one), desk.source.tiers(desk.own(one))
    assert table is not None
    assert truth is not None
    mark = (await market.funding(one)).mark
    assert mark is not None
    for ours, theirs in zip(table.tiers[:-1], truth.tiers[:-1], strict=True):
        cap, rate, offset, leverage = theirs
        if exchange == "okx":  # counts contracts, and one rate holds for the whole position
            cap, offset = cap / mark / one.contract_size, 0.0
        assert ours == pytest.approx((cap, rate, offset, leverage), rel=2e-3, abs=1.0)


async def test_whole_venues_come_in_bulk(desk: Desk, market: Market) -> None:
    for exchange in EXCHANGES:
        for perp in (True, False):
            listed = [each for each in desk.source.instruments(exchange) if each.perp == perp]
            assert len(await market.tickers(exchange, perp)) == len(listed)
    for exchange in ("binance", "bybit", "okx", "hyperliquid"):
        perps = [each for each in desk.source.instruments(exchange) if each.perp]
        assert len(await market.fundings(exchange)) == len(perps)
    assert len(await market.open_interest_all("okx")) == len(await market.tickers("okx", True))


async def test_a_symbol_means_all_venues_or_one(market: Market) -> None:
    query = market.resolve("btc")
    everywhere = {each.key for each in market.instruments_for(query, perp=None)}
    assert {
        "binance:BTC/USDT",
        "binance:BTC/USDT:USDT",
        "hyperliquid:BTC/USDC:USDC",
        "coinbase:BTC/USD",
    } <= everywhere
    assert all(each.perp for each in market.instruments_for(query, perp=True))
    assert market.one("btc", default_exchange="okx").key == "okx:BTC/USDT:USDT"
    assert market.one("BTC/USDT", default_exchange="okx").key == "okx:BTC/USDT"
    assert market.one("BTC/USDT", default_exchange="okx", need_perp=True).key == "okx:BTC/USDT:USDT"
    assert market.one("bybit:btc", default_exchange="okx").key == "bybit:BTC/USDT:USDT"
    assert market.one("kpepe", default_exchange="hyperliquid").key == "hyperliquid:kPEPE/USDC:USDC"
    assert market.one("btc", default_exchange="coinbase").key == "coinbase:BTC/USD"
    assert (
        market.one("btc", default_exchange="coinbase", need_perp=True).key
        == "binance:BTC/USDT:USDT"
    )


async def test_a_resolved_query_names_the_coin_that_was_meant(market: Market) -> None:
    pair = market.resolve("BTCUSD")
    assert (pair.base, pair.quote, pair.perp) == ("BTC", "USD", False)
    assert [each.key for each in market.instruments_for(pair, perp=pair.perp)] == [
        "coinbase:BTC/USD"
    ]
    with pytest.raises(UserError, match="BTC/USD has no perpetual"):
        market.instruments_for(pair, perp=True)
    assert market.resolve("kpepe").base == "PEPE"
    assert market.resolve("okx:btcusdt").exchange == "okx"
    perp = market.resolve("btcusdt")
    assert {each.symbol for each in market.instruments_for(perp, perp=perp.perp)} == {
        "BTC/USDT:USDT"
    }


@pytest.mark.parametrize("text", ["BTTC", "bct"])
async def test_a_typo_is_answered_with_buttons(market: Market, text: str) -> None:
    with pytest.raises(UserError, match=f"I know no market “{text}”") as caught:
        market.resolve(text, command="/oi {}")
    assert ("BTC", "/oi BTC") in caught.value.suggestions
    assert caught.value.example.startswith("/oi ")


@pytest.mark.parametrize("text", ["", "🚀", "a" * 10_000, "<b>", "\u202e", "BTC/USDT/ETH", "\x00"])
async def test_junk_is_answered_with_an_example(market: Market, text: str) -> None:
    with pytest.raises(UserError) as caught:
        market.resolve(text)
    assert caught.value.example == "/price BTC"
    assert len(caught.value.text) < 80


async def test_a_coin_without_a_perp_there_says_so_and_where_it_is(market: Market) -> None:
    with pytest.raises(UserError, match="BTC has no perpetual on Coinbase") as caught:
        market.one(
            "coinbase:btc", default_exchange="binance", need_perp=True, command="/chart {} 1h"
        )
    label, command = caught.value.suggestions[0]
    assert command == f"/chart {label} 1h"
    assert market.one(label, default_exchange="binance").key == "binance:BTC/USDT:USDT"


async def test_dollar_rates_come_from_a_market_or_are_missing(desk: Desk, market: Market) -> None:
    usdt, usdc, none = [await market.usd_rate(quote) for quote in ("USDT", "USDC", "XYZ")]
    truth = desk.source.ticker(pick(market, "coinbase:USDT/USD"))
    assert truth is not None
    assert usdt.value == pytest.approx(truth.last)
    assert (usdt.venues, usdt.as_of is not None) == (("coinbase",), True)
    assert usdc.value == pytest.approx(1.0, abs=0.01)
    assert (none.value, none.reason) == (None, "no market gives XYZ in USD")
    assert (await market.usd_rate("USD")).value == 1.0


async def test_a_rate_is_crossed_where_no_market_is_in_dollars(desk: Desk) -> None:
    hub = desk.hub(("binance", "coinbase"))
    await hub.start()
    perps = [each for each in hub.directory.all if each.key != "coinbase:USDC/USD"]
    hub._selection.directory = type(hub.directory)(perps)
    usdc = await hub.usd_rate("USDC")
    assert usdc.note == "USDC/USDT × USDT/USD"  # noqa: RUF001
    first, second = (
        desk.source.ticker(pick(hub, key)) for key in ("binance:USDC/USDT", "coinbase:USDT/USD")
    )
    assert first is not None
    assert second is not None
    assert usdc.value == pytest.approx(first.last * second.last)
    hub._selection.directory = type(hub.directory)(
        [each for each in perps if each.exchange == "binance"]
    )
    assert (await hub.usd_rate("USDC")).value is None


async def test_one_venue_down_leaves_the_others_and_comes_back(desk: Desk) -> None:
    desk.fault("okx", "500")
    hub = desk.hub(("binance", "okx"))
    await hub.start()
    assert hub.missing() == ["okx"]
    assert {each.exchange for each in hub.directory.all} == {"binance"}
    states = {each.exchange: each for each in hub.status()}
    assert (states["binance"].state, states["binance"].instruments > 0) == (VenueState.OK, True)
    assert (states["okx"].state, states["okx"].reason) == (VenueState.DOWN, "HTTP 500")
    with pytest.raises(UserError, match="OKX not loaded"):
        hub.resolve("QQQQ")
    desk.fault("okx", "none")
    later = desk.hub(("binance", "okx"), wall=FixedClock(0))
    await later.start()
    assert later.missing() == []
    perps = later.instruments_for(later.resolve("btc"), perp=True)
    assert {each.exchange for each in perps} == {"binance", "okx"}
    desk.fault("okx", "garbage")
    found, errors = await settle({each.exchange: later.ticker(each) for each in perps})
    assert (set(found), set(errors)) == ({"binance"}, {"okx"})
    assert errors["okx"].reason == "sent an answer that cannot be read"


@pytest.mark.parametrize(
    ("exchange", "fault", "reason"),
    [
        ("binance", "500", "HTTP 500"),
        ("bybit", "down", "no connection"),
        ("hyperliquid", "garbage", "cannot be read"),
        ("coinbase", "500", "HTTP 500"),
        ("okx", "429", "rate limited"),
        ("bybit", "429", "rate limited"),
        ("binance", "429", "rate limited"),
        ("hyperliquid", "429", "rate limited"),
        ("coinbase", "429", "rate limited"),
    ],
)
async def test_each_fault_has_its_reason(
    desk: Desk, exchange: str, fault: str, reason: str
) -> None:
    hub = desk.hub((exchange,))
    venue = hub.venues[exchange]
    venue.caller._sleep = nap  # type: ignore[assignment]
    desk.fault(exchange, fault)
    with pytest.raises(SourceError, match=reason) as caught:
        await venue.load_instruments()
    assert "127.0.0.1" not in str(caught.value)


async def nap(_seconds: float) -> None:
    """No waiting between attempts."""


async def test_an_old_price_is_given_for_a_minute_with_its_own_time_and_candles_never(
    desk: Desk,
) -> None:
    wall = FixedClock(1_000_000)
    hub = desk.hub(("okx",), wall=wall)
    await hub.start()
    hub.venues["okx"].caller._sleep = nap  # type: ignore[assignment]
    one = hub.one("btc", default_exchange="okx")
    fresh = await hub.ticker(one)
    await hub.candles(one, "1m", limit=5)
    desk.fault("okx", "500")
    wall.advance(60_000)
    assert await hub.ticker(one) == fresh
    with pytest.raises(SourceUnavailable):
        await hub.candles(one, "1m", limit=5)
    wall.advance(2_001)
    with pytest.raises(SourceUnavailable):
        await hub.ticker(one)


async def test_fifty_questions_at_once_are_one_request(desk: Desk) -> None:
    hub = desk.hub(("okx",))
    await hub.start()
    one = hub.one("btc", default_exchange="okx")
    before = hub.status()[0].calls
    answers = await asyncio.gather(*(hub.ticker(one) for _ in range(50)))
    assert hub.status()[0].calls == before + 1
    assert len({id(answer) for answer in answers}) == 1


class Store:
    """Samples in a list."""

    def __init__(self) -> None:
        self.rows: list[OpenInterest] = []

    async def save_open_interest(self, samples: Sequence[OpenInterest]) -> None:
        self.rows += samples

    async def open_interest(
        self, key: str, start: int, end: int
    ) -> list[tuple[int, float, float | None]]:
        rows = [row for row in self.rows if row.instrument.key == key and start <= row.ts < end]
        return [(row.ts, row.amount, row.value) for row in rows]

    async def save_gaps(self, gaps: Sequence[Gap]) -> None: ...

    async def gaps(self, exchange: str, symbol: str, start: int, end: int) -> list[Gap]:
        return []

    async def prune(self, now: int) -> int:
        return 0


async def test_a_venue_without_history_is_sampled_and_an_outage_leaves_a_hole(desk: Desk) -> None:
    store, wall = Store(), FixedClock(1_000_000)
    hub = desk.hub(("hyperliquid",), wall=wall, samples=store)
    await hub.start()
    hub.venues["hyperliquid"].caller._sleep = nap  # type: ignore[assignment]
    one = hub.one("btc", default_exchange="hyperliquid")
    clock = desk.source.clock
    assert isinstance(clock, FixedClock)
    try:
        for minute in range(4):
            clock.set(NOW + minute * MINUTE)
            wall.advance(60_000)
            desk.fault("hyperliquid", "500" if minute == 2 else "none")
            await hub.sample_open_interest([one])
            await hub.sample_open_interest([one])  # the same moment is kept once
    finally:
        clock.set(NOW)
    expected = [NOW, NOW + MINUTE, NOW + 3 * MINUTE]
    history = {"step": MINUTE, "start": NOW - DAY, "end": NOW + DAY}
    assert [row.ts for row in await hub.open_interest_history(one, **history)] == expected
    again = desk.hub(("hyperliquid",), samples=store)
    assert [row.ts for row in await again.open_interest_history(one, **history)] == expected
    assert [row.ts for row in store.rows] == expected


async def test_the_table_on_disk_starts_the_desk_without_a_network(
    desk: Desk, tmp_path: Path
) -> None:
    live = replace(desk.endpoints, mark="")
    first = desk.hub(("bybit",), wall=FixedClock(5 * DAY), endpoints=live, cache_dir=tmp_path)
    await first.start()
    desk.fault("bybit", "500")
    second = desk.hub(
        ("bybit",), wall=FixedClock(5 * DAY + HOUR), endpoints=live, cache_dir=tmp_path
    )
    await second.start()
    assert second.directory.all == first.directory.all
    assert second.status()[0].calls == 0
    old = desk.hub(("bybit",), wall=FixedClock(6 * DAY), endpoints=live, cache_dir=tmp_path)
    old.venues["bybit"].caller._sleep = nap  # type: ignore[assignment]
    await old.start()  # a day old: asked again, and kept where that fails
    assert old.directory.all == first.directory.all
    assert old.status()[0].errors > 0


async def test_a_simulated_market_is_not_written_over_the_live_table(
    desk: Desk, tmp_path: Path
) -> None:
    hub = desk.hub(("bybit",), cache_dir=tmp_path)
    await hub.start()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a test may look


async def test_market_caps_are_by_coin_with_their_time(desk: Desk, market: Market) -> None:
    caps = await market.market_caps()
    truth = {cap.coin: cap for cap in desk.source.market_caps()}
    found = coin_for("BTC", caps)
    assert found is not None
    assert found.market_cap_usd == pytest.approx(truth["bitcoin"].market_cap_usd)
    assert found.ts <= NOW
    assert [cap.market_cap_usd for cap in caps] == sorted(
        (cap.market_cap_usd for cap in caps), reverse=True
    )
    assert (
        await desk.hub(("bybit",), endpoints=replace(desk.endpoints, coingecko="")).start() is None
    )


async def test_an_old_list_of_caps_stands_in_for_a_day(desk: Desk) -> None:
    wall = FixedClock(1_000_000)
    hub = desk.hub(("bybit",), wall=wall)
    caps = await hub.market_caps()
    desk.fault("coingecko", "500")
    assert await hub.market_caps() is caps
    wall.advance(3_600_000)
    assert await hub.market_caps() is caps
    wall.advance(DAY)
    with pytest.raises(SourceUnavailable, match="CoinGecko: HTTP 500"):
        await hub.market_caps()


async def test_each_exchange_has_its_main_quote() -> None:
    def listed(exchange: str, *quotes: str) -> list[Instrument]:
        return [
            Instrument(exchange=exchange, symbol=f"BTC/{q}", base="BTC", quote=q, perp=False)
            for q in quotes
        ]

    every = ("EUR", "USD", "USDC", "USDT")
    assert main_quote(listed("coinbase", *every)).quote == "USD"
    assert main_quote(listed("binance", *every)).quote == "USDT"
    assert main_quote(listed("hyperliquid", *every)).quote == "USDC"
    assert main_quote(listed("okx", "EUR", "BRL")).quote == "BRL"


async def test_settle_lets_programming_errors_through() -> None:
    async def broken() -> int:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await settle({"okx": broken()})
