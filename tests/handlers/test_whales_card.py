"""/whales: merged orders above the threshold, the newest first; sums over those who were watched all the time."""

import pytest
from desk_market import NOW, args, fits, perp, trade
from live_desk import live_desk, traded

from analytics.state import SymbolState
from handlers.whales import whales
from market.errors import UserError
from market.types import HOUR, MINUTE, Side

BINANCE, BYBIT = perp("binance"), perp("bybit")
HYPER = perp("hyperliquid", quote="USDC", step=1.0)
AT = NOW - 5 * MINUTE + 777


async def test_prints_of_one_order_are_put_together() -> None:
    d, streams = live_desk(BINANCE)
    state = SymbolState(BINANCE, NOW - 2 * HOUR)
    sweep = [trade(BINANCE, AT + n, 100_000.0 + n, 1.0, Side.SELL) for n in range(8)]
    state.update(
        [
            *sweep,
            trade(BINANCE, AT + 5_000, 100_000.0, 5.5, Side.BUY),
            trade(BINANCE, AT + 9_000, 1e5, 0.1, Side.BUY),
        ]
    )
    state.alive(NOW)
    streams.by_key = {BINANCE.key: state}
    reply = await whales(args("btc"), d.app)
    buy, sell = reply.data["orders"]
    assert (buy["side"], buy["usd"]) == ("buy", 550_000.0)
    assert (sell["side"], sell["prints"], sell["ts"]) == ("sell", 8, AT)
    assert sell["usd"] == pytest.approx(sum(100_000.0 + n for n in range(8)))
    assert reply.figures["whale_net"].value == pytest.approx(550_000 - sell["usd"])
    assert reply.figures["whale_orders"].value == 2
    assert reply.card is not None
    assert reply.card.glyph == "🔴"
    assert reply.card.headline == "BTC whales net -$250.0k in 60 m, 2 orders"
    assert reply.card.reading == "bought $550.0k, sold $800.0k"
    assert "orders from $500.0k on" in reply.card.evidence
    assert [line.split()[2] for line in reply.card.table[1:]] == ["+550k", "-800k"]
    assert fits(reply)


async def test_a_least_size_counts_in_the_list_and_in_the_sums() -> None:
    d, streams = live_desk(BINANCE)
    found = [(AT + n * 10_000, Side.BUY, coins) for n, coins in enumerate((6.0, 12.0, 30.0))]
    streams.by_key = {BINANCE.key: traded(BINANCE, buy=0.01, sell=0.01, whales=found)}
    reply = await whales(args("btc 1m"), d.app)
    assert [row["usd"] for row in reply.data["orders"]] == [3e6, 1.2e6]
    assert reply.figures["whale_net"].value == 4.2e6
    assert reply.data["least"] == 1e6
    assert reply.buttons[0][0].command == "/whales btc 1000000"
    nothing = await whales(args("btc $5m"), d.app)
    assert nothing.card is not None
    assert nothing.card.headline == "BTC: no order above $5.00M in 60 m"
    assert nothing.figures["whale_net"].value == 0.0
    for words in ("btc 10k", "btc 0", "btc 1m 2m", "btc -1m", "nothingcoin"):
        with pytest.raises(UserError):
            await whales(args(words), d.app)


async def test_who_was_watched_for_less_is_listed_but_not_summed_and_named() -> None:
    d, streams = live_desk(BINANCE, BYBIT, HYPER)
    order = [(AT, Side.BUY, 10.0)]
    streams.by_key = {
        BINANCE.key: traded(BINANCE, buy=0.01, sell=0.01, whales=order),
        BYBIT.key: traded(BYBIT, buy=0.01, sell=0.01, since=NOW - 10 * MINUTE, whales=order),
    }
    reply = await whales(args("btc"), d.app)
    assert len(reply.data["orders"]) == 2
    assert reply.figures["whale_net"].value == 1e6
    assert reply.figures["whale_net"].venues == ("binance",)
    assert reply.card is not None
    assert "Hyperliquid: not streamed yet" in reply.card.evidence
    assert "Bybit: watched since 15:15:00 UTC" in reply.card.evidence


async def test_a_short_watch_says_since_when_and_none_is_no_zero() -> None:
    d, streams = live_desk(BINANCE)
    streams.by_key = {BINANCE.key: traded(BINANCE, since=NOW - 90_000)}
    reply = await whales(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC: no order above $500.0k since 15:23:30 UTC"
    assert reply.figures["whale_net"].window == 90_000
    streams.by_key = {}
    reply = await whales(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC whales n/a: not streamed yet"
    assert reply.figures["whale_net"].value is None
    streams.by_key = {BINANCE.key: traded(BINANCE, since=NOW - HOUR, until=NOW - 2 * MINUTE)}
    reply = await whales(args("btc"), d.app)
    assert reply.figures["whale_net"].value is None
    assert "silent" in reply.figures["whale_net"].reason


async def test_more_orders_than_are_kept_shorten_the_window() -> None:
    d, streams = live_desk(BINANCE)
    rows = [
        (NOW - 50 * MINUTE + n * 10_000 + 777, Side.BUY if n % 2 else Side.SELL, 6.0)
        for n in range(280)
    ]
    streams.by_key = {BINANCE.key: traded(BINANCE, buy=0.01, sell=0.01, whales=rows)}
    reply = await whales(args("btc"), d.app)
    since = reply.figures["whale_net"].since
    assert since == rows[80][0]  # the 200 newest are kept; the window begins with the first of them
    assert reply.figures["whale_orders"].value == 199
    assert fits(reply)


async def test_the_watch_list_with_long_names() -> None:
    coin = perp("binance", "FARTCOIN", step=0.00001)
    d, streams = live_desk(BINANCE, coin)
    with pytest.raises(UserError):
        await whales(args(""), d.app)
    streams.by_key = {
        BINANCE.key: traded(BINANCE, whales=[(AT, Side.SELL, 7.0)]),
        coin.key: traded(coin, price=0.98123, whales=[(AT + 1, Side.BUY, 7e8)]),
    }
    reply = await whales(args("2m"), d.app)
    assert reply.card is not None
    assert reply.card.headline.startswith("Watch list whales net +$686.9M")
    assert len(reply.data["orders"]) == 1
    assert fits(await whales(args(""), d.app))
