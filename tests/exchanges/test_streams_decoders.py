"""Trades of each venue become coins at the price of one with the taker's side; requests and their answers.

Contexts and books: test_streams_states.py; liquidations: test_streams_liquidations.py.
"""

import json
from typing import Any

import pytest
from stream_frames import (
    BN,
    BOOK,
    BY,
    BY_PEPE,
    CB,
    CONTEXT,
    HL,
    KPEPE,
    LIQUIDATIONS,
    NOW,
    OK,
    PEPE,
    TRADES,
    TS,
    agg,
    context,
    decoded,
    decoder,
    instrument,
    trade,
)

from exchanges.streams.binance import BinancePerps, BinanceSpot
from exchanges.streams.bybit import BybitPerps, BybitSpot
from exchanges.streams.coinbase import Coinbase
from exchanges.streams.decoder import Accepted, Channel, Refused, Topic
from exchanges.streams.hyperliquid import Hyperliquid
from exchanges.streams.okx import OkxPublic, OkxTrades
from exchanges.streams.protocols import DECODERS, SOCKETS, socket_of
from market.clock import FixedClock
from market.types import Side


def test_binance_buyer_as_maker_means_the_taker_sold() -> None:
    made = decoder(BinancePerps, BN)
    sold = decoded(made, {"stream": "btcusdt@aggTrade", "data": agg()})
    bought = decoded(made, agg(m=False, a=8))
    assert sold == [trade(BN, price=65000.10, amount=0.25, side=Side.SELL, id="7", seq=7)]
    assert bought == [trade(BN, price=65000.10, amount=0.25, side=Side.BUY, id="8", seq=8)]


def test_binance_multiplied_contracts_become_coins_at_the_price_of_one() -> None:
    row = agg(s="1000PEPEUSDT", p="0.0123400", q="5", m=False)
    found = decoded(decoder(BinancePerps, PEPE), row)
    assert found == [trade(PEPE, price=0.00001234, amount=5000.0, side=Side.BUY, id="7", seq=7)]


def test_binance_confirms_all_streams_of_a_request_and_refuses_them_with_an_error() -> None:
    made = BinancePerps(FixedClock(NOW))
    topics = [Topic(TRADES, BN), Topic(LIQUIDATIONS, BN), Topic(CONTEXT, PEPE)]
    (request,) = made.subscribe(topics)
    asked = json.loads(request)
    assert asked["params"] == [
        "btcusdt@aggTrade", "btcusdt@forceOrder", "1000pepeusdt@markPrice@1s",
    ]  # fmt: skip
    assert decoded(made, {"result": None, "id": asked["id"]}) == [Accepted(t) for t in topics]
    (again,) = made.subscribe(topics[:1])
    wrong = {"error": {"code": 2, "msg": "Invalid request"}, "id": json.loads(again)["id"]}
    (refused,) = decoded(made, wrong)
    assert isinstance(refused, Refused)
    assert refused.topic == topics[0]
    assert "Invalid request" in refused.reason


def test_binance_asks_for_a_hundred_streams_at_a_time() -> None:
    made = BinancePerps(FixedClock(NOW))
    topics = [Topic(TRADES, instrument("binance", f"C{n}USDT")) for n in range(250)]
    sizes = [len(json.loads(text)["params"]) for text in made.subscribe(topics)]
    assert sizes == [100, 100, 50]
    assert [len(json.loads(text)["params"]) for text in made.unsubscribe(topics)] == sizes


def test_what_was_asked_on_a_lost_connection_is_not_confirmed_by_the_next() -> None:
    for kind in (BinancePerps, BybitPerps):
        made = kind(FixedClock(NOW))
        (request,) = made.subscribe([Topic(TRADES, BN)])
        made.renew()
        asked = json.loads(request)
        answer = {"id": asked["id"], "result": None} if "id" in asked else {}
        answer |= {"op": "subscribe", "success": True, "req_id": asked.get("req_id", "")}
        assert decoded(made, answer) == []


def test_binance_answers_to_pings_say_nothing() -> None:
    made = decoder(BinancePerps, BN)
    number = json.loads(made.ping() or "")["id"]
    assert decoded(made, {"result": ["btcusdt@aggTrade"], "id": number}) == []
    assert made.bad == 0


def bybit(*rows: dict[str, Any]) -> dict[str, Any]:
    base = {"T": TS, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50", "L": "PlusTick",
            "i": "20f43950", "BT": False}  # fmt: skip
    rows_told = [base | row for row in rows]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": TS + 2, "data": rows_told}


def test_bybit_side_is_the_takers() -> None:
    found = decoded(decoder(BybitPerps, BY), bybit({}, {"S": "Sell", "i": "b"}))
    assert found == [
        trade(BY, price=16578.5, amount=0.001, side=Side.BUY, id="20f43950"),
        trade(BY, price=16578.5, amount=0.001, side=Side.SELL, id="b"),
    ]


def test_one_broken_row_does_not_take_the_others_with_it() -> None:
    made = decoder(BybitPerps, BY)
    found = decoded(made, bybit({"i": "a"}, {"p": "a lot"}, {"S": "Hold"}, {"i": "d"}))
    assert [each.id for each in found] == ["a", "d"]
    assert made.bad == 2


def test_block_trades_are_no_flow_of_the_book_but_counted() -> None:
    made = decoder(BybitPerps, BY)
    found = decoded(made, bybit({"i": "a", "BT": True}, {"i": "b"}))
    assert [each.id for each in found] == ["b"]
    assert (made.blocks, made.bad) == (1, 0)


def test_bybit_asks_for_an_instrument_at_once_and_answers_by_the_number_of_the_request() -> None:
    made = BybitPerps(FixedClock(NOW))
    mine = [Topic(TRADES, BY), Topic(CONTEXT, BY)]
    other = [Topic(LIQUIDATIONS, BY_PEPE), Topic(BOOK, BY_PEPE)]
    second, first = (json.loads(text) for text in made.subscribe([mine[0], *other, mine[1]]))
    assert first["args"] == ["publicTrade.BTCUSDT", "tickers.BTCUSDT"]
    assert second["args"] == ["allLiquidation.1000PEPEUSDT", "orderbook.200.1000PEPEUSDT"]
    bad = {"success": False, "ret_msg": "handler not found", "req_id": second["req_id"]}
    good = {"success": True, "ret_msg": "", "op": "subscribe", "req_id": first["req_id"]}
    assert decoded(made, bad | {"op": "subscribe"}) == [
        Refused(each, "handler not found") for each in other
    ]
    assert decoded(made, good) == [Accepted(each) for each in mine]
    assert decoded(made, {"success": True, "ret_msg": "pong", "op": "ping"}) == []
    assert made.bad == 0


def test_okx_contracts_become_coins() -> None:
    row = {"instId": "BTC-USDT-SWAP", "tradeId": "130639474", "px": "42219.9", "sz": "12",
           "side": "sell", "source": "0", "ts": str(TS)}  # fmt: skip
    message = {"arg": {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}, "data": [row]}
    found = decoded(decoder(OkxTrades, OK), message)
    assert found == [
        trade(OK, price=42219.9, amount=0.12, side=Side.SELL, id="130639474", seq=130639474)
    ]


@pytest.mark.parametrize(
    ("id_", "seq"),
    [("130639474", 130639474), ("17810000000000001", None), ("a7", None), ("²", None), ("", None)],
)
def test_okx_counts_by_ids_that_are_counts(id_: str, seq: int | None) -> None:
    row = {"instId": "BTC-USDT-SWAP", "tradeId": id_, "px": "42219.9", "sz": "12",
           "side": "buy", "ts": str(TS)}  # fmt: skip
    message = {"arg": {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}, "data": [row]}
    (found,) = decoded(decoder(OkxTrades, OK), message)
    assert (found.id, found.seq) == (id_, seq)


def test_okx_answers_each_argument_and_names_the_wrong_one_in_words() -> None:
    made = OkxTrades(FixedClock(NOW))
    topic = Topic(TRADES, OK)
    (request,) = made.subscribe([topic])
    arg = {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}
    assert json.loads(request) == {"op": "subscribe", "args": [arg]}
    assert decoded(made, {"event": "subscribe", "arg": arg, "connId": "a"}) == [Accepted(topic)]
    msg = "Wrong URL or channel:trades-all,instId:BTC-USDT-SWAP doesn't exist."
    (refused,) = decoded(made, {"event": "error", "code": "60018", "msg": msg})
    assert refused == Refused(topic, f"60018 {msg}")
    assert made.decode("pong") == []
    assert made.bad == 0


def okx_args(requests: list[str], op: str = "subscribe") -> list[tuple[str, str]]:
    asked = [json.loads(text) for text in requests]
    assert {each["op"] for each in asked} <= {op}
    return [
        (arg["channel"], arg.get("instId") or arg["instType"])
        for each in asked
        for arg in each["args"]
    ]


def test_an_okx_context_is_whole_when_all_that_it_needs_is_confirmed() -> None:
    made = OkxPublic(FixedClock(NOW))
    topic = Topic(CONTEXT, OK)
    args = okx_args(made.subscribe([topic]))
    assert args == [
        ("open-interest", OK.id), ("mark-price", OK.id), ("funding-rate", OK.id),
        ("index-tickers", "BTC-USDT"),
    ]  # fmt: skip

    def confirm(channel: str) -> list[Any]:
        return decoded(made, {"event": "subscribe", "arg": {"channel": channel, "instId": OK.id}})

    lost = "Wrong URL or channel:index-tickers,instId:BTC-USDT doesn't exist."
    assert decoded(made, {"event": "error", "code": "60018", "msg": lost}) == []
    assert [confirm(each) for each in ("mark-price", "mark-price", "funding-rate")] == [[], [], []]
    assert confirm("open-interest") == [Accepted(topic)]
    assert made.bad == 0
    made.subscribe([topic])
    gone = f"Wrong URL or channel:open-interest,instId:{OK.id} doesn't exist."
    (refused,) = decoded(made, {"event": "error", "code": "60018", "msg": gone})
    assert refused.topic == topic
    assert [confirm(each) for each in ("mark-price", "funding-rate", "open-interest")] == [[]] * 3


def hl_row(**told: Any) -> dict[str, Any]:
    row = {"coin": "BTC", "side": "B", "px": "105056.0", "sz": "0.00219", "time": TS,
           "hash": "0xde47", "tid": 121451470284048, "users": ["0x1", "0x2"]}  # fmt: skip
    return row | told


def test_hyperliquid_bids_are_takers_buys_and_the_transaction_is_the_order() -> None:
    made = decoder(Hyperliquid, HL, KPEPE)
    rows = [hl_row(), hl_row(side="A", tid=2, hash="0x" + "0" * 64)]
    found = decoded(made, {"channel": "trades", "data": rows})
    told = {"price": 105056.0, "amount": 0.00219}
    assert found == [
        trade(HL, side=Side.BUY, id="121451470284048", order="0xde47", **told),
        trade(HL, side=Side.SELL, id="2", order="", **told),
    ]
    (pepe,) = decoded(
        made, {"channel": "trades", "data": [hl_row(coin="kPEPE", px="0.012", sz="3")]}
    )
    assert (pepe.price, pepe.amount) == (0.000012, 3000.0)


def test_hyperliquid_confirms_each_channel_and_repeats_what_it_refuses() -> None:
    made = Hyperliquid(FixedClock(NOW))
    topics = [Topic(TRADES, HL), Topic(CONTEXT, HL), Topic(BOOK, HL)]
    asked = [json.loads(text)["subscription"] for text in made.subscribe(topics)]
    assert asked == [{"type": t, "coin": "BTC"} for t in ("trades", "activeAssetCtx", "l2Book")]
    for topic, subscription in zip(topics, asked, strict=True):
        told = {"method": "subscribe", "subscription": subscription | {"nSigFigs": None}}
        answer = {"channel": "subscriptionResponse", "data": told}
        assert decoded(made, answer) == [Accepted(topic)]
        request = json.dumps({"method": "subscribe", "subscription": subscription})
        text = f"Invalid subscription {request}"
        assert decoded(made, {"channel": "error", "data": text}) == [Refused(topic, text)]
        again = f"Already subscribed: {request}"
        assert decoded(made, {"channel": "error", "data": again}) == [Accepted(topic)]
        ended = f"Already unsubscribed: {request}"
        assert decoded(made, {"channel": "error", "data": ended}) == []
    assert made.bad == 0


def test_coinbase_names_the_makers_side_and_sends_the_newest_first() -> None:
    def row(number: str, side: str) -> dict[str, Any]:
        time = "2026-06-09T10:13:20.000000Z"
        return {"trade_id": number, "product_id": "BTC-USD", "price": "1260.01", "size": "0.3",
                "side": side, "time": time}  # fmt: skip

    events = [{"type": "update", "trades": [row("2", "SELL"), row("1", "BUY"), row("0", "?")]}]
    made = decoder(Coinbase, CB)
    message = {"channel": "market_trades", "sequence_num": 4, "events": events}
    told = {"price": 1260.01, "amount": 0.3}
    assert decoded(made, message) == [
        trade(CB, side=Side.SELL, id="1", **told),
        trade(CB, side=Side.BUY, id="2", **told),
    ]
    assert made.bad == 1
    assert made.missed == 0
    decoded(made, message | {"sequence_num": 5})
    decoded(made, message | {"sequence_num": 9})
    assert made.missed == 3
    decoded(made, message | {"sequence_num": 7})  # late
    assert made.missed == 2
    for again in (7, 9, 10):
        decoded(made, message | {"sequence_num": again})
    assert made.missed == 2


@pytest.mark.parametrize("time", ["2026-06-09T10:13:20", "yesterday", "", "0001-01-01T00:00:00Z"])
def test_a_coinbase_time_that_is_none_drops_its_trade(time: str) -> None:
    row = {"trade_id": "1", "product_id": "BTC-USD", "price": "1", "size": "1", "side": "BUY"}
    made = decoder(Coinbase, CB)
    events = [{"type": "update", "trades": [row | {"time": time}]}]
    assert decoded(made, {"channel": "market_trades", "events": events}) == []
    assert made.bad == 1


def test_coinbase_reports_each_product_once() -> None:
    made = Coinbase(FixedClock(NOW))
    topic = Topic(TRADES, CB)
    (request,) = made.subscribe([topic])
    assert json.loads(request) == {
        "type": "subscribe", "channel": "market_trades", "product_ids": ["BTC-USD"],
    }  # fmt: skip
    events = [{"subscriptions": {"market_trades": ["BTC-USD"], "heartbeats": ["heartbeats"]}}]
    message = {"channel": "subscriptions", "events": events}
    assert decoded(made, message) == [Accepted(topic)]
    assert decoded(made, message) == []
    made.subscribe([topic])
    text = "product_id BTC-USD is not a valid product"
    assert decoded(made, {"type": "error", "message": text}) == [Refused(topic, text)]


def test_what_was_unsubscribed_is_no_longer_read_and_the_other_topics_are() -> None:
    made = BinancePerps(FixedClock(NOW))
    made.subscribe([Topic(TRADES, BN), Topic(CONTEXT, BN)])
    made.unsubscribe([Topic(TRADES, BN)])
    assert decoded(made, agg()) == []
    mark = {"e": "markPriceUpdate", "E": TS, "s": "BTCUSDT", "p": "1"}
    assert decoded(made, mark) == [context(BN, mark=1.0)]


def test_a_moment_of_receipt_that_is_told_is_used() -> None:
    made = decoder(BinancePerps, BN)
    (found,) = made.decode(json.dumps(agg()), TS + 11)
    assert found.recv_ts == TS + 11
    made.local = True
    (found,) = made.decode(json.dumps(agg()), TS + 11)
    assert found.recv_ts == 0


def test_every_topic_has_one_socket() -> None:
    spots = {"binance": BinanceSpot, "bybit": BybitSpot, "okx": OkxPublic}
    for exchange in ("binance", "bybit", "okx", "hyperliquid", "coinbase"):
        perp = instrument(exchange, "X")
        spot = instrument(exchange, "X", perp=False)
        for channel in Channel:
            mine = [d for d in DECODERS if d.url_key.partition(".")[0] == exchange]
            for one, fits in (
                (perp, [d for d in mine if d.perp]),
                (spot, [d for d in mine if d.spot]),
            ):
                serving = [d for d in fits if channel in d.channels]
                if not one.perp and channel in (LIQUIDATIONS, CONTEXT):
                    serving = []
                assert [socket_of(Topic(channel, one))] == (serving or [None])
        assert socket_of(Topic(LIQUIDATIONS, spot)) is None
        if exchange in spots:
            assert socket_of(Topic(BOOK, spot)) is spots[exchange]
    assert socket_of(Topic(LIQUIDATIONS, HL)) is None
    assert socket_of(Topic(BOOK, CB)) is None
    assert len(SOCKETS) == len(DECODERS) == 9
