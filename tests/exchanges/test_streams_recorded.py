"""The decoders read every recorded message of the channels they use."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from exchanges.streams.binance import BinanceTrades
from exchanges.streams.bybit import BybitTrades
from exchanges.streams.decoder import Decoder
from exchanges.streams.hyperliquid import HyperliquidTrades
from exchanges.streams.okx import OkxTrades
from market.clock import FixedClock
from market.types import Instrument, OpenInterest, Side, Trade

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "ws_messages"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here"),
]


def made(kind: type[Decoder], exchange: str, *ids: str) -> Decoder:
    decoder = kind(FixedClock(1_900_000_000_000))
    decoder.know(
        Instrument(exchange=exchange, symbol=i, base=i, quote="USD", perp=True, id=i) for i in ids
    )
    return decoder


def single(exchange: str, name: str) -> Any:
    messages = json.loads((DATA / exchange / "single_messages.json").read_text())["messages"]
    (found,) = [each["message"] for each in messages if each["name"] == name]
    return found


def recorded(file: str, word: str) -> list[Any]:
    with gzip.open(DATA / file, "rt") as lines:
        rows = [json.loads(line) for line in lines][1:]
    found = [row["m"] if isinstance(row["m"], str) else json.dumps(row["m"]) for row in rows]
    return [text for text in found if word in text]


def trades(decoder: Decoder, *frames: Any) -> list[Trade]:
    found = []
    for frame in frames:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        events = decoder.decode(text)
        assert events, text[:200]
        found += [each for each in events if isinstance(each, Trade)]
    assert decoder.bad == 0
    return found


@pytest.mark.parametrize(
    ("exchange", "name", "side"),
    [
        ("binance", "ccxt_sample_parse_ws_trade#2", Side.SELL),
        ("binance", "ws_spot_agg_trade", Side.BUY),
        ("binanceusdm", "agg_trade_stream", Side.SELL),
    ],
)
def test_binance_samples(exchange: str, name: str, side: Side) -> None:
    message = single(exchange, name)
    row = message.get("data", message)
    (found,) = trades(made(BinanceTrades, "binance", row["s"]), message)
    assert (found.ts, found.side, found.id) == (row["T"], side, str(row["a"]))
    assert (found.price, found.amount) == (float(row["p"]), float(row["q"]))


@pytest.mark.parametrize(
    "file",
    [
        "binance/recording_2021_10_12_4symbols.jsonl.gz",
        "binanceusdm/recording_2021_07_22_4symbols.jsonl.gz",
        "binancecoinm/recording_2021_07_22.jsonl.gz",
    ],
)
def test_binance_recordings_have_the_sum_of_their_rows_and_no_holes_in_their_ids(file: str) -> None:
    frames = recorded(file, '"aggTrade"')
    rows = [json.loads(frame)["data"] for frame in frames]
    assert rows
    found = trades(made(BinanceTrades, "binance", *{row["s"] for row in rows}), *frames)
    signed = sum(t.amount if t.side is Side.BUY else -t.amount for t in found)
    assert signed == pytest.approx(sum(float(r["q"]) * (-1 if r["m"] else 1) for r in rows))
    ids = {
        name: [int(t.id) for t in found if t.instrument.id == name]
        for name in (r["s"] for r in rows)
    }
    assert all(mine == list(range(mine[0], mine[0] + len(mine))) for mine in ids.values())


def test_bybit_sample() -> None:
    message = single("bybit", "ccxt_sample_handle_trades#1")
    (found,) = trades(made(BybitTrades, "bybit", "BTCUSDT"), message)
    assert (found.ts, found.price, found.amount, found.side) == (
        1672304486865, 16578.5, 0.001, Side.BUY,
    )  # fmt: skip


def test_okx_sample() -> None:
    message = single("okx", "ccxt_sample_handle_trades#2")
    (found,) = trades(made(OkxTrades, "okx", "BTC-USDT"), message)
    assert (found.ts, found.price, found.amount, found.side, found.id) == (
        1630048897897, 42219.9, 0.12060306, Side.BUY, "130639474",
    )  # fmt: skip


def test_okx_recorded_rows_in_the_envelope_of_the_channel_used() -> None:
    frames = [
        frame.replace('"channel": "trades"', '"channel": "trades-all"')
        .replace('"channel":"trades"', '"channel":"trades-all"')
        for frame in recorded("okx/recording_2022_05_13_3instruments.jsonl.gz", '"tradeId"')
    ]  # fmt: skip
    rows = [row for frame in frames for row in json.loads(frame)["data"]]
    found = trades(made(OkxTrades, "okx", *{row["instId"] for row in rows}), *frames)
    assert [(t.ts, t.price, t.amount, t.side) for t in found] == [
        (int(r["ts"]), float(r["px"]), float(r["sz"]), Side(r["side"])) for r in rows
    ]


def test_hyperliquid_recording_and_context() -> None:
    frames = recorded("hyperliquid/recording_2025_01_26_btc_l2book_trades.jsonl.gz", '"trades"')
    frames = [frame for frame in frames if json.loads(frame)["channel"] == "trades"]
    rows = [row for frame in frames for row in json.loads(frame)["data"]]
    assert rows
    found = trades(made(HyperliquidTrades, "hyperliquid", "BTC"), *frames)
    assert [(t.ts, t.price, t.amount, t.side is Side.BUY, t.id) for t in found] == [
        (r["time"], float(r["px"]), float(r["sz"]), r["side"] == "B", str(r["tid"])) for r in rows
    ]
    context = single("hyperliquid", "ccxt_sample_handle_active_asset_ctx#1")
    (interest,) = made(HyperliquidTrades, "hyperliquid", "BTC").decode(json.dumps(context))
    assert isinstance(interest, OpenInterest)
    assert interest.amount == 688.11
    assert interest.value == pytest.approx(688.11 * 14.3161)
