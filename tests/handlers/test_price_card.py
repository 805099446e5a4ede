"""/price: every venue, spot and perp, with ages, outages and honest units."""

import pytest
from desk_market import NOW, Desk, args, bars, desk, fits, perp, spot
from hypothesis import given
from hypothesis import strategies as st

from exchanges.types import VenueState
from handlers.price import price
from handlers.price_table import price_table, summary
from market import format as fmt
from market.errors import SourceError, UserError
from market.types import HOUR, MINUTE, Reading, Ticker

BTC, BTC_SPOT = perp("binance"), spot("binance")
OKX, HL, CB = perp("okx"), perp("hyperliquid", quote="USDC"), spot("coinbase", quote="USD")


def btc() -> Desk:
    d = desk(BTC, BTC_SPOT, OKX, HL, CB)
    day = {"high_24h": 101.0, "low_24h": 95.0, "volume_24h": 10.0, "quote_volume_24h": 1000.0}
    d.market.quote(BTC, 100.0, change_24h=0.02, **day)
    d.market.quote(BTC_SPOT, 99.0, change_24h=0.01, **day)
    d.market.quote(OKX, 100.5, change_24h=0.03)
    d.market.quote(HL, 100.2)
    d.market.quote(CB, 98.5, volume_24h=2.0, quote_volume_24h=200.0)
    d.market.bars[BTC.key, "1m"] = bars("1m", 30, close=98.0)
    return d


async def test_every_venue_stands_with_spot_perp_and_their_difference() -> None:
    reply = await price(args("btc"), btc().app)
    assert reply.card is not None
    assert reply.card.headline == "BTC $100.0  +2.00 % 24h"
    assert reply.card.glyph == "🟢"
    assert reply.card.table[1].split() == ["Binance", "99.00", "100.0", "+1.01%"]
    assert fits(reply)
    assert {n for n in reply.figures if n.startswith("price.")} == {
        "price.binance.perp", "price.binance.spot", "price.okx.perp", "price.hyperliquid.perp",
        "price.coinbase.spot",
    }  # fmt: skip
    assert all(r.as_of is not None and r.venues for r in reply.figures.values() if r.known)


async def test_a_difference_needs_both_in_one_currency() -> None:
    d = desk(perp("okx", quote="USDC"), spot("okx"))
    d.market.quote(perp("okx", quote="USDC"), 100.0)
    d.market.quote(spot("okx"), 99.0)
    reply = await price(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.table[1].split() == ["OKX", "99.00", "100.0", "n/a"]


async def test_the_quarter_hour_change_names_its_exact_edges() -> None:
    d = btc()
    d.clock.set(NOW + 20_000)
    rows = bars("1m", 30, now=NOW + 20_000)
    edge = NOW - 15 * MINUTE  # the last whole minute 15 minutes before the price, which is 1 s old
    d.market.quote(BTC, 110.0)
    d.market.bars[BTC.key, "1m"] = [
        type(c)(ts=c.ts, open=1.0, high=1.0, low=1.0, close=100.0 if c.ts == edge - MINUTE else 1.0, volume=1.0)
        for c in rows
    ]  # fmt: skip
    change = (await price(args("btc"), d.app)).figures["change_15m"]
    assert change.value == pytest.approx(0.10)
    assert (change.since, change.as_of) == (edge, NOW + 19_000)
    assert change.window == 15 * MINUTE + 19_000


async def test_volumes_are_summed_in_dollars_at_the_live_rate() -> None:
    d = btc()
    d.market.usd = {"USD": 1.0, "USDT": 0.5, "USDC": 1.0}
    figures = (await price(args("btc"), d.app)).figures
    assert figures["volume_24h"].value == pytest.approx(22.0)
    assert figures["volume_24h_usd"].value == pytest.approx(0.5 * 2000.0 + 200.0)


async def test_a_stablecoin_without_a_rate_is_said_to_count_as_a_dollar() -> None:
    d = btc()
    d.market.usd = {"USD": 1.0}
    reply = await price(args("btc"), d.app)
    assert reply.card is not None
    assert "USDT counted as USD" in reply.card.evidence
    assert reply.figures["volume_24h_usd"].note == "USDT counted as USD"


async def test_a_price_in_another_coin_is_never_called_dollars() -> None:
    pair = spot("binance", "ETH", "BTC", 0.00001)
    d = desk(pair)
    d.market.quote(pair, 0.03291, volume_24h=10.0, quote_volume_24h=0.3)
    reply = await price(args("eth/btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline.startswith("ETH 0.03291 BTC")
    assert not any("$" in line for line in [reply.card.headline, *reply.card.table])
    assert reply.figures["volume_24h_usd"].value is None


async def test_one_venue_down_is_named_and_the_rest_answers() -> None:
    d = btc()
    d.market.down = {"binance"}
    d.market.state["binance"] = (VenueState.DOWN, "HTTP 503")
    reply = await price(args("btc"), d.app)
    assert reply.card is not None
    assert (reply.card.glyph, reply.card.headline) == ("⚠️", "BTC $100.5  +3.00 % 24h")
    assert reply.card.reading == "Binance is not answering (HTTP 503 since 15:24 UTC)"
    assert reply.card.table[1].split() == ["Binance", "n/a", "n/a", "n/a"]
    assert reply.figures["price.binance.perp"].reason == "HTTP 503"
    assert fits(reply)


async def test_a_kept_price_of_a_silent_venue_shows_its_age_when_nothing_is_fresher() -> None:
    d = desk(BTC)
    d.market.quote(BTC, 100.0, age=45_000, change_24h=0.02)
    d.market.state["binance"] = (VenueState.DOWN, "HTTP 503")
    reply = await price(args("btc"), d.app)
    assert reply.card is not None
    assert (reply.card.glyph, reply.card.headline) == ("⚠️", "BTC $100.0, 45 s old")
    assert "not answering" in reply.card.reading


async def test_a_fresh_venue_leads_before_a_stale_default() -> None:
    d = btc()
    d.market.quote(BTC, 90.0, age=4 * MINUTE)
    reply = await price(args("btc"), d.app)
    assert reply.figures["price"].value == 100.5


async def test_a_price_that_is_too_old_is_refused() -> None:
    d = desk(BTC)
    d.market.quote(BTC, 100.0, age=HOUR)
    with pytest.raises(SourceError, match="1 h ago"):
        await price(args("btc"), d.app)


async def test_the_default_venue_leads_and_coin_chats_see_no_dollar_volume() -> None:
    reply = await price(args("btc", exchange="okx", unit="coin"), btc().app)
    assert reply.figures["price"].value == 100.5
    assert reply.card is not None
    assert [line for line in reply.card.table if line.startswith("vol")] == ["vol 22 BTC"]


async def test_a_coin_without_a_perp_gets_no_buttons_about_perps() -> None:
    only = spot("coinbase", "ABC", "USD")
    d = desk(only)
    d.market.quote(only, 1.5)
    reply = await price(args("abc"), d.app)
    assert [b.text for row in reply.buttons for b in row] == [
        "🔄 Refresh",
        "📈 Chart",
        "🔔 Set alert",
    ]


@pytest.mark.parametrize(
    "words", ["", "btc nonsense", "<b>btc</b>", "🚀", "btc " + "x" * 10_000, "مرحبا"]
)
async def test_bad_input_is_one_sentence(words: str) -> None:
    with pytest.raises(UserError) as caught:
        await price(args(words), btc().app)
    assert len(caught.value.text) < 120


async def test_no_coin_offers_the_usual_ones() -> None:
    with pytest.raises(UserError) as caught:
        await price(args(""), btc().app)
    assert caught.value.suggestions[0] == ("BTC", "/price BTC")


EXTREME = st.floats(1e-12, 1e12)


@given(
    EXTREME,
    EXTREME,
    st.floats(-0.9999, 50.0),
    EXTREME,
    st.sampled_from(["usd", "coin"]),
    st.integers(-12, 2),
)
def test_the_table_fits_a_phone_whatever_the_figures(
    one: float, two: float, change: float, volume: float, unit: str, step: int
) -> None:
    def ticker(exchange: str, last: float, *, is_perp: bool) -> Ticker:
        name = "WONDERFULCOIN123"
        i = (perp if is_perp else spot)(exchange, name, step=10.0**step)
        return Ticker(instrument=i, ts=NOW, last=last, change_24h=change, high_24h=two, low_24h=one)

    head = ticker("binance", one, is_perp=True)
    pairs = {
        "binance": (ticker("binance", two, is_perp=False), head),
        "hyperliquid": (None, ticker("hyperliquid", two, is_perp=True)),
    }
    figures = {name: Reading(value=volume) for name in ("volume_24h", "volume_24h_usd")}
    lines = [*price_table(pairs), *summary(head, Reading(value=change), figures, unit)]
    assert all(fmt.columns_of(line) <= fmt.COLUMNS for line in lines), lines
