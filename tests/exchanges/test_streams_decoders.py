"""Each venue's frames become trades in coins, per coin, with the taker's side; what makes no sense is counted."""

import json
from typing import Any

import pytest

from exchanges.streams.binance import BinanceSpotTrades, BinanceTrades
from exchanges.streams.bybit import BybitTrades
from exchanges.streams.coinbase import CoinbaseTrades
from exchanges.streams.decoder import Accepted, Decoder, Refused
from exchanges.streams.hyperliquid import HyperliquidTrades
from exchanges.streams.okx import OkxTrades
from exchanges.streams.supervisor import DECODERS
from market.clock import FixedClock
from market.types import Instrument, OpenInterest, Side, Trade

NOW = 1_781_000_000_500
TS = 1_781_000_000_000


def instrument(exchange: str, id_: str, **about: Any) -> Instrument:
    told = {"base": "BTC", "quote": "USDT", "perp": True, "symbol": f"{id_}/X:X"} | about
    return Instrument(exchange=exchange, id=id_, **told)


def decoder(kind: type[Decoder], *instruments: Instrument) -> Decoder:
    made = kind(FixedClock(NOW))
    made.know(instruments)
    return made


def decoded(made: Decoder, message: Any) -> list[Any]:
    return made.decode(json.dumps(message))


def trade(of: Instrument, **told: Any) -> Trade:
    return Trade(instrument=of, ts=TS, recv_ts=NOW, **told)


BN = instrument("binance", "BTCUSDT")
PEPE = instrument("binance", "1000PEPEUSDT", base="PEPE", contract_size=1000.0, multiplier=1000.0)
BY = instrument("bybit", "BTCUSDT")
OK = instrument("okx", "BTC-USDT-SWAP", contract_size=0.01)
HL = instrument("hyperliquid", "BTC", quote="USDC")
KPEPE = instrument(
    "hyperliquid", "kPEPE", base="PEPE", quote="USDC", contract_size=1000.0, multiplier=1000.0
)
CB = instrument("coinbase", "BTC-USD", quote="USD", perp=False)


def agg(**told: Any) -> dict[str, Any]:
    row = {"e": "aggTrade", "E": TS + 3, "s": "BTCUSDT", "a": 7, "p": "65000.10", "q": "0.250",
           "f": 9, "l": 12, "T": TS, "m": True}  # fmt: skip
    return row | told


def test_binance_buyer_as_maker_means_the_taker_sold() -> None:
    made = decoder(BinanceTrades, BN)
    sold = decoded(made, {"stream": "btcusdt@aggTrade", "data": agg()})
    bought = decoded(made, agg(m=False, a=8))
    assert sold == [trade(BN, price=65000.10, amount=0.25, side=Side.SELL, id="7")]
    assert bought == [trade(BN, price=65000.10, amount=0.25, side=Side.BUY, id="8")]


def test_binance_multiplied_contracts_become_coins_at_the_price_of_one() -> None:
    row = agg(s="1000PEPEUSDT", p="0.0123400", q="5", m=False)
    found = decoded(decoder(BinanceTrades, PEPE), row)
    assert found == [trade(PEPE, price=0.00001234, amount=5000.0, side=Side.BUY, id="7")]


def test_binance_confirms_all_streams_of_a_request_and_refuses_them_with_an_error() -> None:
    made = BinanceSpotTrades(FixedClock(NOW))
    (request,) = made.subscribe([BN, PEPE])
    asked = json.loads(request)
    assert asked["params"] == ["btcusdt@aggTrade", "1000pepeusdt@aggTrade"]
    assert decoded(made, {"result": None, "id": asked["id"]}) == [Accepted(BN), Accepted(PEPE)]
    (again,) = made.subscribe([BN])
    wrong = {"error": {"code": 2, "msg": "Invalid request"}, "id": json.loads(again)["id"]}
    (refused,) = decoded(made, wrong)
    assert isinstance(refused, Refused)
    assert "Invalid request" in refused.reason


def test_binance_answers_to_pings_say_nothing() -> None:
    made = decoder(BinanceTrades, BN)
    number = json.loads(made.ping() or "")["id"]
    assert decoded(made, {"result": ["btcusdt@aggTrade"], "id": number}) == []
    assert made.bad == 0


def bybit(*rows: dict[str, Any]) -> dict[str, Any]:
    base = {"T": TS, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50", "L": "PlusTick",
            "i": "20f43950", "BT": False}  # fmt: skip
    rows_told = [base | row for row in rows]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": TS + 2, "data": rows_told}


def test_bybit_side_is_the_takers() -> None:
    found = decoded(decoder(BybitTrades, BY), bybit({}, {"S": "Sell", "i": "b"}))
    assert found == [
        trade(BY, price=16578.5, amount=0.001, side=Side.BUY, id="20f43950"),
        trade(BY, price=16578.5, amount=0.001, side=Side.SELL, id="b"),
    ]


def test_one_broken_row_does_not_take_the_others_with_it() -> None:
    made = decoder(BybitTrades, BY)
    found = decoded(made, bybit({"i": "a"}, {"p": "a lot"}, {"S": "Hold"}, {"i": "d"}))
    assert [each.id for each in found] == ["a", "d"]
    assert made.bad == 2


def test_bybit_answers_by_the_number_of_the_request() -> None:
    made = BybitTrades(FixedClock(NOW))
    eth = instrument("bybit", "ETHUSDT", base="ETH")
    first, second = (json.loads(text) for text in made.subscribe([BY, eth]))
    assert first["args"] == ["publicTrade.BTCUSDT"]
    bad = {"success": False, "ret_msg": "handler not found", "req_id": second["req_id"]}
    good = {"success": True, "ret_msg": "", "op": "subscribe", "req_id": first["req_id"]}
    assert decoded(made, bad | {"op": "subscribe"}) == [Refused(eth, "handler not found")]
    assert decoded(made, good) == [Accepted(BY)]
    assert decoded(made, {"success": True, "ret_msg": "pong", "op": "ping"}) == []
    assert made.bad == 0


def test_okx_contracts_become_coins() -> None:
    row = {"instId": "BTC-USDT-SWAP", "tradeId": "130639474", "px": "42219.9", "sz": "12",
           "side": "sell", "source": "0", "ts": str(TS)}  # fmt: skip
    message = {"arg": {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}, "data": [row]}
    found = decoded(decoder(OkxTrades, OK), message)
    assert found == [trade(OK, price=42219.9, amount=0.12, side=Side.SELL, id="130639474")]


def test_okx_answers_each_argument_and_names_the_wrong_one_in_words() -> None:
    made = OkxTrades(FixedClock(NOW))
    (request,) = made.subscribe([OK])
    arg = {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}
    assert json.loads(request) == {"op": "subscribe", "args": [arg]}
    assert decoded(made, {"event": "subscribe", "arg": arg, "connId": "a"}) == [Accepted(OK)]
    msg = "Wrong URL or channel:trades-all,instId:BTC-USDT-SWAP doesn't exist."
    (refused,) = decoded(made, {"event": "error", "code": "60018", "msg": msg})
    assert refused == Refused(OK, f"60018 {msg}")
    assert made.decode("pong") == []
    assert made.bad == 0


def hl_row(**told: Any) -> dict[str, Any]:
    row = {"coin": "BTC", "side": "B", "px": "105056.0", "sz": "0.00219", "time": TS,
           "hash": "0xde47", "tid": 121451470284048, "users": ["0x1", "0x2"]}  # fmt: skip
    return row | told


def test_hyperliquid_bids_are_takers_buys_and_the_transaction_is_the_order() -> None:
    made = decoder(HyperliquidTrades, HL, KPEPE)
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


def test_hyperliquid_open_interest_is_stamped_on_receipt_and_valued_at_mark() -> None:
    made = decoder(HyperliquidTrades, HL, KPEPE)
    ctx = {"markPx": "0.02", "openInterest": "500", "funding": "0.0000125", "midPx": None}
    found = decoded(made, {"channel": "activeAssetCtx", "data": {"coin": "kPEPE", "ctx": ctx}})
    assert found == [OpenInterest(instrument=KPEPE, ts=NOW, amount=500_000.0, value=10.0)]
    empty = {"coin": "BTC", "ctx": {"markPx": None, "openInterest": None}}
    assert decoded(made, {"channel": "activeAssetCtx", "data": empty}) == []
    assert made.bad == 0


def test_hyperliquid_confirms_trades_only_and_repeats_what_it_refuses() -> None:
    made = HyperliquidTrades(FixedClock(NOW))
    kinds = [json.loads(text)["subscription"]["type"] for text in made.subscribe([HL])]
    assert kinds == ["trades", "activeAssetCtx"]

    def answer(kind: str) -> dict[str, Any]:
        told = {"method": "subscribe", "subscription": {"type": kind, "coin": "BTC"}}
        return {"channel": "subscriptionResponse", "data": told}

    assert decoded(made, answer("activeAssetCtx")) == []
    assert decoded(made, answer("trades")) == [Accepted(HL)]
    request = '{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}'
    text = f"Invalid subscription {request}"
    assert decoded(made, {"channel": "error", "data": text}) == [Refused(HL, text)]
    again = f"Already subscribed: {request}"
    assert decoded(made, {"channel": "error", "data": again}) == [Accepted(HL)]


def test_coinbase_names_the_makers_side_and_sends_the_newest_first() -> None:
    def row(number: str, side: str) -> dict[str, Any]:
        time = "2026-06-09T10:13:20.000000Z"
        return {"trade_id": number, "product_id": "BTC-USD", "price": "1260.01", "size": "0.3",
                "side": side, "time": time}  # fmt: skip

    events = [{"type": "update", "trades": [row("2", "SELL"), row("1", "BUY"), row("0", "?")]}]
    made = decoder(CoinbaseTrades, CB)
    message = {"channel": "market_trades", "sequence_num": 4, "events": events}
    told = {"price": 1260.01, "amount": 0.3}
    assert decoded(made, message) == [
        trade(CB, side=Side.SELL, id="1", **told),
        trade(CB, side=Side.BUY, id="2", **told),
    ]
    assert made.bad == 1


def test_coinbase_reports_each_product_once() -> None:
    made = CoinbaseTrades(FixedClock(NOW))
    (request,) = made.subscribe([CB])
    assert json.loads(request) == {
        "type": "subscribe", "channel": "market_trades", "product_ids": ["BTC-USD"],
    }  # fmt: skip
    events = [{"subscriptions": {"market_trades": ["BTC-USD"], "heartbeats": ["heartbeats"]}}]
    message = {"channel": "subscriptions", "events": events}
    assert decoded(made, message) == [Accepted(CB)]
    assert decoded(made, message) == []
    made.subscribe([CB])
    text = "product_id BTC-USD is not a valid product"
    assert decoded(made, {"type": "error", "message": text}) == [Refused(CB, text)]


@pytest.mark.parametrize("kind", DECODERS.values(), ids=list(DECODERS))
@pytest.mark.parametrize(
    "frame",
    [
        "", "{", "null", "[]", "[1,2]", "42", '"text"', "{}", b"\xff\xfe", '{"data":{}}',
        '{"channel":"trades","data":[{}]}', '{"topic":"publicTrade.X","data":null}',
        '{"channel":"market_trades","events":[{"type":"update"}]}', '{"channel":"weather"}',
        '{"arg":{"channel":"trades-all"},"data":[{"ts":"x"}]}', '{"e":"kline"}',
    ],
)  # fmt: skip
def test_a_frame_that_makes_no_sense_is_counted_and_never_raises(
    kind: type[Decoder], frame: str | bytes
) -> None:
    made = decoder(kind, BN, BY, OK, HL, CB)
    assert made.decode(frame) == []
    assert made.bad == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"p": "0"}, {"q": "0"}, {"p": "-1"}, {"p": "nan"}, {"q": "inf"}, {"p": None}, {"q": ""},
        {"T": 0}, {"T": -5}, {"T": "soon"}, {"m": "maybe"}, {"s": "DOGEUSDT"}, {"p": "1e400"},
    ],
)  # fmt: skip
def test_a_trade_that_cannot_be_true_is_dropped(wrong: dict[str, Any]) -> None:
    made = decoder(BinanceTrades, BN)
    assert decoded(made, agg(**wrong)) == []
    assert made.bad == 1


def test_what_was_unsubscribed_is_no_longer_read() -> None:
    made = decoder(BinanceTrades, BN)
    made.unsubscribe([BN])
    assert decoded(made, agg()) == []
