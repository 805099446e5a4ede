"""/top10: perps by volume over the venues that answer; coins by market cap and nothing else."""

from itertools import permutations

import pytest
from desk_market import NOW, Desk, args, desk, fits, perp
from hypothesis import given
from hypothesis import strategies as st

from handlers.top10 import STABLE, _lines, top10
from market import format as fmt
from market.errors import SourceUnavailable, UserError
from market.types import HOUR, FundingRate, MarketCap, OpenInterest, Reading

COINS = ["BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "BNB", "SUI", "LTC", "DOT", "UNI", "USDC"]


def market() -> Desk:
    both = [perp(name, coin) for name in ("binance", "okx") for coin in COINS]
    d = desk(*both)
    for place, i in enumerate(both):
        volume = 1e9 / (1 + COINS.index(i.base))
        d.market.quote(i, 100.0 + place, change_24h=0.01, volume_24h=1.0, quote_volume_24h=volume)
        d.market.interest[i.key] = OpenInterest(instrument=i, ts=NOW, amount=1000.0)
        rate = 0.0001 if i.exchange == "binance" else 0.0002
        d.market.rates[i.key] = FundingRate(instrument=i, ts=NOW, rate=rate, interval_h=8)
    return d


async def test_perps_are_ranked_by_summed_volume_with_interest_and_funding() -> None:
    reply = await top10(args("perps"), market().app)
    assert reply.data["rank"] == COINS[:10]
    assert reply.figures["BTC.volume_24h_usd"].value == pytest.approx(2e9)
    assert reply.figures["BTC.open_interest_usd"].value == pytest.approx(1000 * (100 + 112))
    weights = (100.0, 112.0)
    mean = (0.0001 * weights[0] + 0.0002 * weights[1]) / sum(weights) * 1095
    assert reply.figures["BTC.funding_apr"].value == pytest.approx(mean)
    assert fits(reply)
    assert fits(await top10(args("perps 2"), market().app))


async def test_quotes_are_converted_before_they_are_summed() -> None:
    d = desk(perp("binance"), perp("okx", quote="USDC"))
    d.market.quote(perp("binance"), 1.0, quote_volume_24h=100.0)
    d.market.quote(perp("okx", quote="USDC"), 1.0, quote_volume_24h=100.0)
    d.market.usd = {"USDT": 0.9, "USDC": 1.1}
    figures = (await top10(args(""), d.app)).figures
    assert figures["BTC.volume_24h_usd"].value == pytest.approx(200.0)
    d.market.usd = {"USDT": 0.5, "USDC": 1.0}
    figures = (await top10(args(""), d.app)).figures
    assert figures["BTC.volume_24h_usd"].value == pytest.approx(150.0)


@pytest.mark.parametrize("bulk", [True, False])
async def test_one_venue_down_never_empties_the_list(bulk: bool) -> None:
    d = market()
    d.market.bulk = bulk
    d.market.down = {"binance"}
    reply = await top10(args("perps"), d.app)
    assert reply.data["rank"] == COINS[:10]
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "Binance unavailable (HTTP 503)" in reply.card.evidence
    assert reply.figures["BTC.open_interest_usd"].value == pytest.approx(1000 * 112)


async def test_all_down_says_so() -> None:
    d = market()
    d.market.down = {"binance", "okx"}
    with pytest.raises(SourceUnavailable):
        await top10(args("perps"), d.app)


def cap(coin: str, symbol: str, value: float, *, name: str = "", age: int = 0) -> MarketCap:
    return MarketCap(
        coin=coin, symbol=symbol, name=name or coin, market_cap_usd=value, ts=NOW - age,
        price_usd=1.0, volume_24h_usd=1e15 / value,
    )  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
async def test_spot_ranks_by_market_cap_in_whatever_order_it_comes(order: tuple[int, ...]) -> None:
    caps = [cap("bitcoin", "btc", 2e12), cap("ethereum", "eth", 4e11), cap("solana", "sol", 8e10),
            cap("cardano", "ada", 2e10)]  # fmt: skip
    d = market()
    d.market.caps = [caps[n] for n in order]
    reply = await top10(args("spot"), d.app)
    assert reply.data["rank"] == ["bitcoin", "ethereum", "solana", "cardano"]
    assert reply.figures["BTC.market_cap_usd"].value == 2e12
    assert fits(reply)


async def test_doubles_of_a_coin_are_left_out_and_old_caps_labelled() -> None:
    d = market()
    d.market.caps = [
        cap("bitcoin", "btc", 2e12, age=HOUR), cap("tether", "usdt", 1e11),
        cap("wrapped-bitcoin", "wbtc", 1e10, name="Wrapped Bitcoin"),
        cap("staked-ether", "steth", 3e10, name="Lido Staked Ether"),
    ]  # fmt: skip
    reply = await top10(args("spot"), d.app)
    assert reply.data["rank"] == ["bitcoin"]
    assert reply.card is not None
    assert (reply.card.glyph, reply.card.headline) == ("⚠️", "Largest coins by market cap, 1 h old")
    assert "CoinGecko" in reply.card.evidence


@pytest.mark.parametrize("words", ["everything", "perps 3", "perps 1 2", "spot 1", "<i>"])
async def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(UserError):
        await top10(args(words), market().app)


def test_a_stablecoin_is_no_top_perp() -> None:
    assert "USDC" in STABLE


@given(
    st.floats(1e-12, 1e9),
    st.floats(-0.9999, 1e4),
    st.floats(0, 1e15),
    st.floats(-1e3, 1e3),
    st.integers(-12, 2),
)
def test_lines_fit_and_keep_their_digits(
    price: float, change: float, interest: float, apr: float, step: int
) -> None:
    rows: dict[str, Reading[float]] = {
        "VERYLONGCOINNAME.price": Reading(value=price),
        "VERYLONGCOINNAME.change_24h": Reading(value=change),
        "VERYLONGCOINNAME.open_interest_usd": Reading(value=interest),
        "VERYLONGCOINNAME.funding_apr": Reading(value=apr),
    }
    lines = _lines(10, "VERYLONGCOINNAME", rows, 10.0**step)
    assert all(fmt.columns_of(line) <= 32 for line in lines), lines
    assert lines[0].endswith("%")
    assert lines[1].endswith("%")
