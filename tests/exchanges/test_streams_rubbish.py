"""What makes no sense is counted and dropped, and never raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_frames import BN, BY, CB, HL, OK, TS, agg, decoded, decoder

from exchanges.streams.binance import BinancePerps
from exchanges.streams.decoder import Decoder
from exchanges.streams.protocols import DECODERS
from market.types import Trade


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize(
    "frame",
    [
        "", "{", "null", "[]", "[1,2]", "42", '"text"', "{}", b"\xff\xfe", '{"data":{}}',
        '{"channel":"trades","data":[{}]}', '{"topic":"publicTrade.X","data":null}',
        '{"channel":"market_trades","events":[{"type":"update"}]}', '{"channel":"weather"}',
        '{"arg":{"channel":"trades-all"},"data":[{"ts":"x"}]}', '{"e":"kline"}', "[" * 100_000,
        '{"data":' + '{"x":' * 100_000, '{"channel":"l2Book","data":{"coin":"BTC"}}',
        '{"topic":"tickers.BTCUSDT","ts":5,"data":{"symbol":"DOGEUSDT"}}', b"\x00" * 9,
        '{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"data":[{"bids":{}}]}',
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
        {"p": True}, {"p": "9" * 1000}, {"q": int("9" * 1000)}, {"T": int("9" * 1000)}, {"a": -1},
        {"a": 2**70}, {"p": [1]}, {"q": "1_0"}, {"m": None}, {"s": 5}, {"p": "1e-320"},
    ],
)  # fmt: skip
def test_a_trade_that_cannot_be_true_is_dropped(wrong: dict[str, Any]) -> None:
    made = decoder(BinancePerps, BN)
    assert decoded(made, agg(**wrong)) == []
    assert made.bad == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["BTCUSDT", "BTC", "BTC-USD", "BTC-USDT-SWAP", "1", "-1", "nan", "1e999"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*"epqTmsSvuUbaoz", "data", "px", "sz"]), inner),
    max_leaves=12,
)  # fmt: skip
ENVELOPES = [
    lambda x: {"stream": "a", "data": x},
    lambda x: {"topic": "publicTrade.BTCUSDT", "ts": TS, "data": [x]},
    lambda x: {"topic": "tickers.BTCUSDT", "ts": TS, "data": {"symbol": "BTCUSDT", "markPrice": x}},
    lambda x: {"topic": "orderbook.200.BTCUSDT", "ts": TS, "type": "delta", "data": {"b": x}},
    lambda x: {"arg": {"channel": "books", "instId": "BTC-USDT-SWAP"}, "data": [x]},
    lambda x: {"arg": {"channel": "liquidation-orders"}, "data": [{"instId": OK.id, "details": x}]},
    lambda x: {"event": "error", "msg": x, "arg": x},
    lambda x: {"channel": "trades", "data": [x]},
    lambda x: {"channel": "l2Book", "data": {"coin": "BTC", "time": TS, "levels": x}},
    lambda x: {"channel": "error", "data": x},
    lambda x: {"channel": "market_trades", "sequence_num": x, "events": [{"trades": [x]}]},
    lambda x: x,
]  # fmt: skip


@given(st.sampled_from(DECODERS), st.sampled_from(ENVELOPES), JSON)
def test_no_frame_raises(kind: type[Decoder], envelope: Any, inner: Any) -> None:
    made = decoder(kind, BN, BY, OK, HL, CB)
    try:
        frame = json.dumps(envelope(inner))
    except ValueError:
        return
    for event in made.decode(frame):
        if isinstance(event, Trade):
            assert event.price > 0
            assert event.amount > 0
