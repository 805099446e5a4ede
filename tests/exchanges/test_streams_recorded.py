"""The decoders read every recorded message of the channels they use, and what a sample says is what they tell."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from exchanges.streams.binance import BinanceBooks, BinancePerps, BinanceSpot
from exchanges.streams.bybit import BybitPerps
from exchanges.streams.decoder import Decoder
from exchanges.streams.hyperliquid import Hyperliquid
from exchanges.streams.okx import OkxPublic, OkxTrades
from market.clock import FixedClock
from market.types import BookChange, Context, Instrument, Liquidation, PositionSide, Side, Trade

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
    (found,) = trades(made(BinancePerps, "binance", row["s"]), message)
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
    found = trades(made(BinancePerps, "binance", *{row["s"] for row in rows}), *frames)
    signed = sum(t.amount if t.side is Side.BUY else -t.amount for t in found)
    assert signed == pytest.approx(sum(float(r["q"]) * (-1 if r["m"] else 1) for r in rows))
    ids = {
        name: [int(t.id) for t in found if t.instrument.id == name]
        for name in (r["s"] for r in rows)
    }
    assert all(mine == list(range(mine[0], mine[0] + len(mine))) for mine in ids.values())


def test_bybit_sample() -> None:
    message = single("bybit", "ccxt_sample_handle_trades#1")
    (found,) = trades(made(BybitPerps, "bybit", "BTCUSDT"), message)
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
    found = trades(made(Hyperliquid, "hyperliquid", "BTC"), *frames)
    assert [(t.ts, t.price, t.amount, t.side is Side.BUY, t.id) for t in found] == [
        (r["time"], float(r["px"]), float(r["sz"]), r["side"] == "B", str(r["tid"])) for r in rows
    ]


def test_hyperliquid_context_sample() -> None:
    message = single("hyperliquid", "ccxt_sample_handle_active_asset_ctx#1")
    (found,) = made(Hyperliquid, "hyperliquid", "BTC").decode(json.dumps(message))
    assert isinstance(found, Context)
    assert (found.interest, found.mark, found.index) == (688.11, 14.3161, 14.32)
    assert found.interest_value == pytest.approx(688.11 * 14.3161)
    assert (found.rate, found.interval_h) == (0.0000125, 1.0)


def changes(decoder: Decoder, frames: list[str]) -> list[BookChange]:
    found = []
    for frame in frames:
        (event,) = decoder.decode(frame)
        assert isinstance(event, BookChange)
        found.append(event)
    assert decoder.bad == 0
    return found


def floats(side: list[Any]) -> tuple[tuple[float, float], ...]:
    return tuple((float(level[0]), float(level[1])) for level in side)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("binanceusdm/recording_2024_08_08_btcusdt_trade_depth_bookticker.jsonl.gz", BinanceBooks),
        ("binanceusdm/recording_2021_07_22_4symbols.jsonl.gz", BinanceBooks),
        ("binance/recording_2024_08_08_btcusdt_trade_depth_bookticker.jsonl.gz", BinanceSpot),
        ("binance/recording_2021_10_12_4symbols.jsonl.gz", BinanceSpot),
    ],
)
def test_binance_book_recordings_are_chained_without_a_hole(file: str, kind: type[Decoder]) -> None:
    frames = recorded(file, '"depthUpdate"')
    rows = [json.loads(frame)["data"] for frame in frames]
    assert rows
    found = changes(made(kind, "binance", *{row["s"] for row in rows}), frames)
    last: dict[str, int] = {}
    for row, each in zip(rows, found, strict=True):
        assert (each.bids, each.asks) == (floats(row["b"]), floats(row["a"]))
        assert each.ts == row.get("T", row["E"])
        if row["s"] in last:
            expected = each.first - 1 if each.before is None else each.before
            assert expected == last[row["s"]]
        last[row["s"]] = each.last
        assert (each.before is None) == (kind is BinanceSpot)


def test_okx_book_recording() -> None:
    file = "okx/recording_2022_05_13_3instruments.jsonl.gz"
    frames = [frame for frame in recorded(file, '"books"') if '"action"' in frame]
    told = [json.loads(frame) for frame in frames]
    decoder = made(OkxPublic, "okx", *{each["arg"]["instId"] for each in told})
    for message, each in zip(told, changes(decoder, frames), strict=True):
        (row,) = message["data"]
        assert (each.bids, each.asks) == (floats(row["bids"]), floats(row["asks"]))
        assert (each.ts, each.whole) == (int(row["ts"]), message["action"] == "snapshot")


def test_hyperliquid_book_recording() -> None:
    file = "hyperliquid/recording_2025_01_26_btc_l2book_trades.jsonl.gz"
    frames = [each for each in recorded(file, '"l2Book"') if '"levels"' in each]
    assert frames
    for frame, each in zip(
        frames, changes(made(Hyperliquid, "hyperliquid", "BTC"), frames), strict=True
    ):
        bids, asks = json.loads(frame)["data"]["levels"]
        assert each.bids == tuple((float(row["px"]), float(row["sz"])) for row in bids)
        assert each.asks == tuple((float(row["px"]), float(row["sz"])) for row in asks)
        assert each.whole


@pytest.mark.parametrize(
    ("kind", "exchange", "name", "id_", "told"),
    [
        (
            BinancePerps, "binance", "ccxt_sample_handle_liquidation#1", "BTCUSDT",
            (1698871323059, 34959.70, 1.437, PositionSide.SHORT, True),
        ),
        (
            BinancePerps, "binanceusdm", "liquidation_stream", "BTCUSDT",
            (1568014460893, 9910.12345678, 0.014, PositionSide.LONG, True),
        ),
        (
            BybitPerps, "bybit", "ccxt_sample_handle_liquidation#2", "ROSEUSDT",
            (1739502302929, 0.04499, 20000.0, PositionSide.SHORT, False),
        ),
        (
            OkxPublic, "okx", "ccxt_sample_handle_liquidation#1", "IOST-USDT-SWAP",
            (1692266434010, 0.007831, 13.0, PositionSide.SHORT, True),
        ),
    ],
)  # fmt: skip
def test_liquidation_samples(
    kind: type[Decoder], exchange: str, name: str, id_: str, told: tuple[Any, ...]
) -> None:
    (found,) = made(kind, exchange, id_).decode(json.dumps(single(exchange, name)))
    assert isinstance(found, Liquidation)
    assert (found.ts, found.price, found.amount, found.position, found.sample) == told


@pytest.mark.parametrize(
    ("kind", "exchange", "name", "id_", "told"),
    [
        (
            BinancePerps, "binance", "ccxt_sample_parse_ws_ticker#1", "BTCUSDT",
            {"ts": 1562305380000, "mark": 11794.15, "index": 11784.62659091, "rate": 0.00038167,
             "next_ts": 1562306400000, "interval_h": None},
        ),
        (
            BybitPerps, "bybit", "ccxt_sample_handle_ticker#1", "BTCUSDT",
            {"ts": 1673272861686, "mark": 17217.33, "index": 17227.36, "rate": -0.000212,
             "next_ts": 1673280000000, "interest": 68744.761, "interest_value": 1183601235.91},
        ),
        (
            OkxPublic, "okx", "ws_funding_rate", "BTC-USDT-SWAP",
            {"ts": 1744590349506, "rate": 0.0001, "predicted": 0.0002, "interval_h": 8.0,
             "next_ts": 1744590349506, "mark": None},
        ),
    ],
)  # fmt: skip
def test_context_samples(
    kind: type[Decoder], exchange: str, name: str, id_: str, told: dict[str, Any]
) -> None:
    (found,) = made(kind, exchange, id_).decode(json.dumps(single(exchange, name)))
    assert isinstance(found, Context)
    assert {key: getattr(found, key) for key in told} == told
