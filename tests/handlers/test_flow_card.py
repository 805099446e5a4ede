"""/flow: sums equal the trades, a venue that is too short is left out and named, nothing is made up."""

import pytest
from desk_market import DAY, NOW, args, fits, perp, spot, trade
from hypothesis import given
from hypothesis import strategies as st
from live_desk import MIDNIGHT, live_desk, traded

from analytics.state import SymbolState
from charts.types import FlowChart
from handlers.flow import flow
from handlers.live import looked, narrow, together
from market import format as fmt
from market.errors import UserError
from market.types import HOUR, MINUTE, Candle, Instrument, Side

BINANCE, BYBIT, OKX = perp("binance"), perp("bybit"), perp("okx")
HYPER = perp("hyperliquid", quote="USDC", step=1.0)
PRICE = 100_000.0
# every 5 s 0.5 coins bought, 0.3 sold
BOUGHT, SOLD = 12 * 0.5 * PRICE, 12 * 0.3 * PRICE


def bar(ts: int, close: float) -> Candle:
    return Candle(ts=ts, open=close, high=close, low=close, close=close, volume=1.0)


async def test_sums_over_venues_equal_their_trades() -> None:
    d, streams = live_desk(BINANCE, BYBIT)
    streams.by_key = {i.key: traded(i) for i in (BINANCE, BYBIT)}
    reply = await flow(args("btc"), d.app)
    found = reply.figures
    for minutes in (1, 5, 15):
        # the last buy would come at NOW itself: one fewer in each window
        buys, sells = minutes * BOUGHT - 0.5 * PRICE, minutes * SOLD
        assert found[f"delta_{minutes}m"].value == pytest.approx(
            2 * (buys - sells), abs=2 * 0.3 * PRICE + 1
        )
        one = found[f"delta_{minutes}m.bybit"].value
        assert found[f"delta_{minutes}m"].value == pytest.approx(2 * one)
        volume = found[f"volume_{minutes}m"].value
        share = (volume + found[f"delta_{minutes}m"].value) / 2 / volume
        assert found[f"buy_share_{minutes}m"].value == pytest.approx(share)
        assert found[f"delta_{minutes}m"].venues == ("binance", "bybit")
    assert reply.card is not None
    assert reply.card.headline.startswith("BTC buyers lead: delta +$")
    assert reply.card.glyph == "🟢"
    assert fits(reply)


async def test_dollars_are_at_the_live_rate_of_the_quote_currency() -> None:
    d, streams = live_desk(BINANCE, HYPER)
    streams.by_key = {i.key: traded(i) for i in (BINANCE, HYPER)}
    d.market.usd = {"USDT": 0.9, "USDC": 1.1}
    found = (await flow(args("btc"), d.app)).figures
    raw = streams.by_key[BINANCE.key].snapshot(NOW)["delta_5m"].value
    assert found["delta_5m.binance"].value == pytest.approx(0.9 * raw)
    assert found["delta_5m"].value == pytest.approx(2.0 * raw)


async def test_a_quote_without_a_rate_is_left_out_and_named() -> None:
    other = perp("bybit", quote="TRY")
    d, streams = live_desk(other)
    streams.by_key = {other.key: traded(other)}
    reply = await flow(args("btc"), d.app)
    assert reply.figures["delta_5m"].value is None
    assert "no rate of TRY" in reply.figures["delta_5m"].reason
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"


async def test_a_venue_watched_for_too_short_is_left_out_and_named() -> None:
    d, streams = live_desk(BINANCE, OKX, HYPER)
    streams.by_key = {BINANCE.key: traded(BINANCE), OKX.key: traded(OKX, since=NOW - 400_000)}
    reply = await flow(args("btc"), d.app)
    found = reply.figures
    assert found["delta_5m"].venues == ("binance", "okx")
    assert found["delta_15m"].venues == ("binance",)
    assert found["delta_15m.okx"].reason == "watched for 400 s of 900 s"
    assert found["cvd"].venues == ("binance",)
    assert "OKX: collected since 15:18 UTC" in found["cvd"].note
    assert reply.card is not None
    assert "OKX only up to 5 m" in reply.card.evidence
    assert "without Hyperliquid: not streamed yet" in reply.card.evidence
    okx = next(line for line in reply.card.table if line.startswith("OKX"))
    assert okx.split()[-1] == fmt.NOT_KNOWN
    assert fits(reply)


async def test_what_is_not_known_yet_says_how_long_it_was_watched() -> None:
    d, streams = live_desk(BINANCE)
    streams.by_key = {BINANCE.key: traded(BINANCE, since=NOW - 40_000)}
    reply = await flow(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC flow n/a: watched for 40 s of 60 s"
    assert reply.card.glyph == "⚠️"
    assert not reply.card.table
    assert all(
        reply.figures[name].value is None for name in ("delta_1m", "trades_1m", "whale_net_5m")
    )


async def test_nothing_streamed_and_a_silent_feed_give_no_number() -> None:
    d, streams = live_desk(BINANCE)
    assert (await flow(args("btc"), d.app)).figures["cvd"].value is None
    streams.by_key = {BINANCE.key: traded(BINANCE, until=NOW - MINUTE)}
    reply = await flow(args("btc"), d.app)
    assert {r.value for r in reply.figures.values()} == {None}
    assert reply.card is not None
    assert "silent" in reply.card.headline


async def test_a_gap_is_told_in_the_glyph_and_in_the_cvd() -> None:
    d, streams = live_desk(BINANCE)
    state = traded(BINANCE)
    state.flow.mark_gap(NOW - 3 * MINUTE, NOW - 2 * MINUTE)
    streams.by_key = {BINANCE.key: state}
    reply = await flow(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "blind" in reply.figures["cvd"].note
    assert "no gaps" not in reply.card.evidence


async def test_whales_by_size_class_and_their_label() -> None:
    d, streams = live_desk(BINANCE, BYBIT)
    streams.by_key = {
        BINANCE.key: traded(BINANCE, buy=0.001, sell=0.001, whales=[(NOW - 90_700, Side.SELL, 40.0)]),
        BYBIT.key: traded(
            BYBIT, buy=0.001, sell=0.001,
            whales=[(NOW - 80_700, Side.SELL, 20.0), (NOW - 70_700, Side.BUY, 6.0)],
        ),
    }  # fmt: skip
    reply = await flow(args("btc"), d.app)
    found = reply.figures
    assert found["whale_net_60m"].value == pytest.approx(-54.0 * PRICE)
    assert found["whale_value_60m"].value == pytest.approx(66.0 * PRICE)
    assert found["money_60m"].value == "INSTITUTIONAL_DISTRIBUTION"
    whales = 66.0 * PRICE
    assert found["whale_ratio_60m"].value == pytest.approx(
        whales / (whales + found["retail_value_60m"].value)
    )
    assert reply.card is not None
    assert "Institutional distribution · whales net -$5.40M in 60 m" in reply.card.reading
    state = traded(BINANCE, since=NOW - 400_000)
    streams.by_key = {BINANCE.key: state, BYBIT.key: traded(BYBIT, since=NOW - 400_000)}
    young = await flow(args("btc"), d.app)
    assert young.card is not None
    assert "15 m: watched for 400 s of 900 s" in young.card.evidence
    assert {row["usd"] for row in reply.data["whales"]} == {4e6, 2e6, 6e5}


async def test_the_session_begins_at_midnight_for_all_venues_or_at_one_later_edge() -> None:
    d, streams = live_desk(BINANCE, BYBIT, now=MIDNIGHT + 10 * MINUTE)
    now = MIDNIGHT + 10 * MINUTE
    streams.by_key = {
        BINANCE.key: traded(BINANCE, since=MIDNIGHT - HOUR, until=now),
        BYBIT.key: traded(BYBIT, since=MIDNIGHT + 20_000, until=now),
    }
    total = (await flow(args("btc"), d.app)).figures["cvd"]
    assert total.since == MIDNIGHT + MINUTE  # 20 s later for one of them: a whole minute for both
    both = [s.flow.window(MIDNIGHT + MINUTE, now).delta_value for s in streams.states()]
    assert total.value == pytest.approx(sum(both))
    assert total.venues == ("binance", "bybit")


async def test_the_picture_has_candles_deltas_and_whales_of_the_venues_in_it() -> None:
    d, streams = live_desk(BINANCE, OKX)
    streams.by_key = {
        BINANCE.key: traded(BINANCE, whales=[(NOW - 90_700, Side.BUY, 9.0)]),
        OKX.key: traded(OKX, since=NOW - 400_000, whales=[(NOW - 60_700, Side.BUY, 7.0)]),
    }
    rows = [bar(ts, 99_000.0) for ts in range(NOW - 2 * HOUR, NOW, MINUTE)]
    d.market.bars[BINANCE.key, "1m"] = rows
    reply = await flow(args("btc"), d.app)
    assert reply.picture is not None
    ((name, data),) = d.drawn
    assert name == "flow"
    assert isinstance(data, FlowChart)
    assert data.prices[-1] == (NOW, PRICE)  # the live price, not the candle's
    assert data.end - data.start == HOUR
    assert [b.value for b in data.bubbles] == [9.0 * PRICE]
    total = streams.by_key[BINANCE.key].flow.window(NOW - HOUR, NOW).delta_value
    assert sum(v for _ts, v in data.deltas) == pytest.approx(total)
    assert data.subtitle.startswith("Binance · last 1 h from trades")
    assert data.bubbles_since is None
    streams.by_key[BINANCE.key] = traded(BINANCE, since=NOW - 10 * MINUTE)
    await flow(args("btc binance"), d.app)
    assert d.drawn[-1][1].bubbles_since == NOW - 10 * MINUTE


async def test_one_venue_spot_and_what_cannot_be_read() -> None:
    one = spot("binance")
    d, streams = live_desk(BINANCE, OKX, one)
    streams.by_key = {i.key: traded(i) for i in (BINANCE, OKX, one)}
    reply = await flow(args("btc okx"), d.app)
    assert reply.figures["delta_5m"].venues == ("okx",)
    assert streams.watched[-1] == (OKX.key, False)
    reply = await flow(args("btc spot"), d.app)
    assert reply.card is not None
    assert reply.card.headline.startswith("BTC spot buyers lead")
    assert "spot" in reply.card.evidence
    for words in ("", "btc 5m", "nothingcoin"):
        with pytest.raises(UserError):
            await flow(args(words), d.app)


async def test_contracts_of_a_multiplied_coin_are_counted_in_coins_and_dollars() -> None:
    i = Instrument(
        exchange="binance", symbol="1000PEPE/USDT:USDT", base="PEPE", quote="USDT", perp=True,
        contract_size=1000.0, multiplier=1000.0, price_step=1e-10, id="1000PEPEUSDT",
    )  # fmt: skip
    d, streams = live_desk(i)
    streams.by_key = {i.key: traded(i, price=0.00001234, buy=5e9, sell=1e9)}
    reply = await flow(args("pepe"), d.app)
    assert reply.figures["volume_1m"].value == pytest.approx(12 * 6e9 * 0.00001234, rel=0.1)
    assert fits(reply)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, DAY), min_size=1),
    st.integers(0, DAY),
)
def test_all_who_are_summed_were_watched_from_the_edge_on(
    starts: dict[str, int], since: int
) -> None:
    edge, used = together(starts, since)
    assert used
    assert edge >= since
    assert all(starts[key] <= edge for key in used)
    first = max(since, min(starts.values()))
    assert edge - first <= MINUTE
    assert all(max(since, starts[key]) > first + MINUTE for key in starts.keys() - set(used))


@given(st.floats(-9e14, 9e14))
def test_narrow_figures_are_narrow_and_right(value: float) -> None:
    text = narrow(value, signed=True)
    assert len(text) <= 6
    if "<" in text:
        assert 0 < abs(value) < 0.005
        return
    units = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    plain = float(text.rstrip("kMBT")) * units.get(text[-1], 1.0)
    assert plain == pytest.approx(value, rel=0.006, abs=0.006)


async def test_a_state_of_before_the_watch_is_asked_again() -> None:
    d, streams = live_desk(BINANCE)
    state = SymbolState(BINANCE, NOW - HOUR)
    state.update([trade(BINANCE, NOW - 10, PRICE, 1.0, Side.BUY)])
    streams.by_key = {BINANCE.key: state}
    seen = await looked(d.app, [(BINANCE, state)])
    assert seen.total("delta_1m").value == PRICE
    assert seen.total("nothing like it").value is None
