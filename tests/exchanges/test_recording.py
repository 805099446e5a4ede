"""A recording answers as its venues stood at the clock's now, and never tells what came later."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exchanges.local.recording import Recording
from market.clock import FixedClock
from market.types import MINUTE, Instrument, PositionSide, Side

START = 1_781_000_040_000  # a whole minute
BTC = {
    "exchange": "hyperliquid", "symbol": "BTC/USDC:USDC", "base": "BTC", "quote": "USDC", "perp": True,
    "contract_size": 1.0, "price_step": 1.0, "amount_step": 0.001,
}  # fmt: skip
ETH = {**BTC, "exchange": "binance", "symbol": "ETH/USDT:USDT", "base": "ETH", "quote": "USDT"}
TRADES = [  # ts after START, price, amount, side
    (0, 100.0, 1.0, "buy"),
    (10_000, 102.0, 2.0, "sell"),
    (10_000, 102.0, 2.0, "sell"),  # an identical row is a trade of its own
    (59_999, 99.0, 0.5, "buy"),
    (60_000, 101.0, 1.5, "buy"),
    (200_000, 103.0, 4.0, "sell"),
]


def rows(entry: dict[str, Any], columns: dict[str, list[Any]]) -> pa.Table:
    n = len(columns["ts"])
    common = {"exchange": [entry["exchange"]] * n, "symbol": [entry["symbol"]] * n}
    return pa.table({**common, **columns})


def write(folder: Path, tables: dict[str, pa.Table], **about: Any) -> Path:
    folder.mkdir(exist_ok=True)
    manifest = {
        "format": 1, "title": "t", "start_ts": START, "end_ts": START + 300_000,
        "instruments": [BTC, ETH], **about,
    }  # fmt: skip
    (folder / "recording.json").write_text(json.dumps(manifest))
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path)
    return folder


def trades_table(entry: dict[str, Any] = BTC, ids: list[str | None] | None = None) -> pa.Table:
    ts, price, amount, side = (list(column) for column in zip(*TRADES, strict=True))
    columns: dict[str, list[Any]] = {
        "ts": [START + t for t in ts],
        "price": price,
        "amount": amount,
        "side": side,
    }
    if ids is not None:
        columns["id"] = ids
    return rows(entry, columns)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START + 300_000)


def opened(
    tmp_path: Path, clock: FixedClock, tables: dict[str, pa.Table]
) -> tuple[Recording, Instrument]:
    recording = Recording(write(tmp_path / "r", tables), clock)
    return recording, recording.instruments("hyperliquid")[0]


def test_identical_rows_without_ids_are_distinct_trades(tmp_path: Path, clock: FixedClock) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    trades = recording.trades(btc, START - 1, START + 300_000)
    assert [t.id for t in trades] == ["0", "1", "2", "3", "4", "5"]
    assert sum(t.amount for t in trades if t.side is Side.SELL) == 8.0


def test_recorded_ids_are_kept(tmp_path: Path, clock: FixedClock) -> None:
    recording, btc = opened(
        tmp_path, clock, {"trades": trades_table(ids=["7", "8", None, "9", "10", "11"])}
    )
    assert [t.id for t in recording.trades(btc, START - 1, START + 300_000)] == [
        "7",
        "8",
        "2",
        "9",
        "10",
        "11",
    ]


def test_a_candle_asked_for_by_an_uneven_end_is_whole(tmp_path: Path, clock: FixedClock) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    (candle,) = recording.candles(btc, "1m", START, START + 1)
    assert candle.volume == 5.5


def test_windows_leave_out_their_start_and_hold_their_end(
    tmp_path: Path, clock: FixedClock
) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    assert [t.ts - START for t in recording.trades(btc, START, START + 60_000)] == [
        10_000,
        10_000,
        59_999,
        60_000,
    ]


def test_nothing_after_now_is_told(tmp_path: Path, clock: FixedClock) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    clock.set(START + 10_000)
    assert len(recording.trades(btc, START - 1, START + 300_000)) == 3
    assert [t.price for t in recording.recent_trades(btc, 2)] == [102.0, 102.0]
    (candle,) = recording.candles(btc, "1m", START, START + 300_000)
    assert (candle.close, candle.volume, candle.closed) == (102.0, 5.0, False)
    assert recording.ticker(btc).last == 102.0


def test_candles_are_the_exact_sum_of_trades_and_quiet_minutes_are_flat(
    tmp_path: Path, clock: FixedClock
) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    candles = recording.candles(btc, "1m", START, START + 240_000)
    got = [
        (c.open, c.high, c.low, c.close, c.volume, c.taker_buy_volume, c.quote_volume)
        for c in candles
    ]
    assert got == [
        (100.0, 102.0, 99.0, 99.0, 5.5, 1.5, 100 + 204 + 204 + 49.5),
        (101.0, 101.0, 101.0, 101.0, 1.5, 1.5, 151.5),
        (101.0, 101.0, 101.0, 101.0, 0.0, 0.0, 0.0),
        (103.0, 103.0, 103.0, 103.0, 4.0, 0.0, 412.0),
    ]
    (five,) = recording.candles(btc, "5m", START // 300_000 * 300_000, START + 300_000)[:1]
    assert five.volume == sum(c.volume for c in candles if c.ts < five.ts + 300_000)


def test_minutes_inside_a_gap_are_left_out(tmp_path: Path, clock: FixedClock) -> None:
    gaps = pa.table(
        {
            "exchange": ["hyperliquid"], "symbol": ["BTC/USDC:USDC"], "table": ["trades"],
            "from_ts": [START + 110_000], "to_ts": [START + 190_000],
        }
    )  # fmt: skip
    recording, btc = opened(tmp_path, clock, {"trades": trades_table(), "gaps": gaps})
    assert [c.ts - START for c in recording.candles(btc, "1m", START, START + 240_000)] == [
        0,
        60_000,
        180_000,
    ]


def test_24_hour_figures_are_unknown_when_the_recording_is_shorter(
    tmp_path: Path, clock: FixedClock
) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    ticker = recording.ticker(btc)
    assert (ticker.last, ticker.change_24h, ticker.volume_24h) == (103.0, None, None)


def candle_table(n: int, taker: float | None) -> pa.Table:
    return rows(
        ETH,
        {
            "ts": [START + i * MINUTE for i in range(n)], "timeframe": ["1m"] * n,
            "open": [10.0 + i for i in range(n)], "high": [12.0 + i for i in range(n)],
            "low": [9.0 + i for i in range(n)], "close": [11.0 + i for i in range(n)],
            "volume": [8.0] * n, "taker_buy_volume": pa.array([taker] * n, pa.float64()),
        },
    )  # fmt: skip


@pytest.mark.parametrize("taker", [None, 6.0])
def test_ticks_between_candles_are_derived_and_agree_with_them(
    tmp_path: Path, clock: FixedClock, taker: float | None
) -> None:
    recording = Recording(write(tmp_path / "r", {"candles": candle_table(5, taker)}), clock)
    eth = recording.instruments("binance")[0]
    assert recording.derived(eth)
    for candle in recording.candles(eth, "1m", START, START + 300_000):
        ticks = recording.trades(eth, candle.ts - 1, candle.ts + MINUTE - 1)
        prices = [t.price for t in ticks]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (
            candle.open, candle.high, candle.low, candle.close,
        )  # fmt: skip
        assert sum(t.amount for t in ticks) == pytest.approx(candle.volume, rel=1e-12)
        if taker is not None:
            bought = sum(t.amount for t in ticks if t.side is Side.BUY)
            assert bought == pytest.approx(taker, rel=1e-12)
    ids = [int(t.id) for t in recording.trades(eth, START - 1, START + 300_000)]
    assert len(set(ids)) == len(ids)


def test_a_running_candle_of_a_candle_recording_does_not_tell_its_close(
    tmp_path: Path, clock: FixedClock
) -> None:
    recording = Recording(write(tmp_path / "r", {"candles": candle_table(5, None)}), clock)
    eth = recording.instruments("binance")[0]
    clock.set(START + MINUTE + 20_000)
    closed, running = recording.candles(eth, "1m", START, START + 300_000)
    assert closed.closed
    assert not running.closed
    assert running.volume == 3.0
    assert running.taker_buy_volume is None
    whole = recording.candles(eth, "3m", START // 180_000 * 180_000, START + 300_000)
    assert sum(c.volume for c in whole) == pytest.approx(closed.volume + running.volume)
    assert [c.closed for c in whole][-1] is False


def test_the_other_tables_answer_as_of_now(tmp_path: Path, clock: FixedClock) -> None:
    tables = {
        "trades/0": trades_table(),
        "open_interest": rows(BTC, {"ts": [START, START + 60_000, START + 120_000], "amount": [5.0, 6.0, 7.0]}),
        "funding": rows(BTC, {"ts": [START, START + 60_000], "rate": [1e-5, 2e-5], "interval_h": [1.0, 1.0]}),
        "mark": rows(BTC, {"ts": [START], "mark": [100.5], "index": [100.4]}),
        "books": rows(
            BTC,
            {
                "ts": [START + 70_000],
                "bids": [[[99.0, 1.0], [98.0, 2.0]]],
                "asks": [[[101.0, 1.0], [102.0, 2.0]]],
            },
        ),
        "liquidations": rows(
            BTC, {"ts": [START + 5, START + 80_000], "price": [90.0, 91.0], "amount": [1.0, 2.0],
                  "position": ["long", "short"]},
        ),
        "market_caps": pa.table(
            {"ts": [START, START + 60_000], "coin": ["bitcoin"] * 2, "name": ["Bitcoin"] * 2,
             "symbol": ["BTC"] * 2, "market_cap_usd": [1.0, 2.0]}
        ),
    }  # fmt: skip
    recording, btc = opened(tmp_path, clock, tables)
    clock.set(START + 75_000)
    assert recording.open_interest(btc).amount == 6.0
    assert [o.amount for o in recording.samples(btc)] == [5.0, 6.0]
    history = recording.open_interest_history(btc, MINUTE, START, START + 300_000)
    assert [(o.ts - START, o.amount) for o in history] == [(0, 5.0), (60_000, 6.0)]
    funding = recording.funding(btc)
    assert (funding.rate, funding.interval_h, funding.mark, funding.index) == (
        2e-5,
        1.0,
        100.5,
        100.4,
    )
    assert funding.next_ts % 3_600_000 == 0
    assert 0 < funding.next_ts - clock.now() <= 3_600_000
    assert recording.book(btc, 1).bids == ((99.0, 1.0),)
    assert [x.position for x in recording.liquidations("hyperliquid", START, START + 300_000)] == [
        PositionSide.LONG
    ]
    assert [(c.coin, c.market_cap_usd) for c in recording.market_caps()] == [("bitcoin", 2.0)]
    assert recording.tables("hyperliquid") >= {"trades", "candles", "open_interest", "market_caps"}
    assert "open_interest" not in recording.tables("binance")
    clock.set(START + 200_000)
    assert recording.book(btc, 1) is None


def test_a_missing_table_is_a_missing_feature(tmp_path: Path, clock: FixedClock) -> None:
    recording, btc = opened(tmp_path, clock, {"trades": trades_table()})
    assert recording.open_interest(btc) is None
    assert recording.funding(btc) is None
    assert recording.book(btc, 5) is None
    assert recording.market_caps() == []
    assert recording.ticker(recording.instruments("binance")[0]) is None


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"format": 2}, "has format 2"),
        ({"end_ts": 0}, "ends before it starts"),
        ({"instruments": [{**BTC, "exchange": "mtgox"}]}, "names the exchange 'mtgox'"),
        ({"instruments": [{"exchange": "okx"}]}, "is not a recording"),
    ],
)
def test_a_bad_folder_is_refused_in_one_sentence(
    tmp_path: Path, clock: FixedClock, about: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Recording(write(tmp_path / "r", {}, **about), clock)
    with pytest.raises(ValueError, match=r"no readable recording\.json"):
        Recording(tmp_path, clock)


def test_multiplied_contracts_know_their_coin(tmp_path: Path, clock: FixedClock) -> None:
    entry = {**ETH, "symbol": "1000PEPE/USDT:USDT", "base": "PEPE", "contract_size": 1000.0}
    (pepe,) = Recording(write(tmp_path / "r", {}, instruments=[entry]), clock).instruments()
    assert (pepe.base, pepe.multiplier, pepe.id) == ("PEPE", 1000.0, "1000PEPEUSDT")
