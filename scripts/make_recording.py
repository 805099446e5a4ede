"""Turn market data sets into recording folders.

    python -m scripts.make_recording hyperliquid-2026-06 --data DATA --out FOLDER [--coins BTC,ETH]
    python -m scripts.make_recording binance-um-2025-05  --data DATA --out FOLDER

`hyperliquid-2026-06`: five days of ticks of seven perps with open interest, funding, mark and index each
minute. `binance-um-2025-05`: seventeen days of one-minute candles of sixteen perps with funding; no ticks.
Then: MARKET=recording RECORDING_DIR=FOLDER python -m bot. The data are not ours to publish, so a folder
inside the checkout is refused.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
HYPERLIQUID = ("BTC", "ETH", "SOL", "ARB", "AVAX", "DOGE", "WIF")


def main() -> int:
    """Run one conversion; 2 when something has to be changed first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=sorted(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--coins", default="", help="comma list; default all")
    options = parser.parse_args()
    if options.out.resolve().is_relative_to(ROOT):
        print(f"{options.out} is inside the checkout; choose a folder outside it", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    coins = tuple(c for c in options.coins.upper().split(",") if c)
    SETS[options.set](options.data, options.out, coins)
    print(f"{options.out} is ready")
    return 0


def hyperliquid(data: Path, out: Path, coins: tuple[str, ...]) -> None:
    """Ticks, open interest, funding and mark of Hyperliquid, 11-15 June 2026."""
    instruments = []
    span: list[int] = []
    (out / "trades").mkdir(exist_ok=True)
    for coin in coins or HYPERLIQUID:
        frame = pd.read_parquet(
            data / "trades" / f"hyperliquid_trades_{coin.lower()}_2026_06_11_15.parquet"
        )
        frame = frame.sort_values("ts_ms", kind="stable")
        table = pd.DataFrame(
            {
                "ts": frame["ts_ms"].astype("int64"),
                "exchange": "hyperliquid",
                "symbol": f"{coin}/USDC:USDC",
                "price": frame["price"].astype("float64"),
                "amount": frame["size"].astype("float64"),
                "side": frame["side"].astype(str),
            }
        )
        table.to_parquet(out / "trades" / f"{coin}.parquet", index=False)
        span += [int(table["ts"].iloc[0]), int(table["ts"].iloc[-1])]
        instruments.append(
            _instrument("hyperliquid", coin, "USDC", table["price"], table["amount"])
        )
    _contexts(data, out, [i["base"] for i in instruments])
    _manifest(
        out,
        title="Hyperliquid ticks, 11-15 June 2026",
        span=span,
        source="public repository of recorded Hyperliquid feeds",
        instruments=instruments,
    )


def _contexts(data: Path, out: Path, coins: list[str]) -> None:
    """Open interest, funding and mark, polled about once a minute."""
    frame = pd.read_parquet(data / "derivatives" / "hyperliquid_asset_ctx_1m_2026_06_11_15.parquet")
    frame = frame[frame["coin"].isin(coins)].sort_values(["ts_ms", "coin"], kind="stable")
    common = {
        "ts": frame["ts_ms"].astype("int64"),
        "exchange": "hyperliquid",
        "symbol": frame["coin"] + "/USDC:USDC",
    }
    _write(
        out, "open_interest", {**common, "amount": frame["open_interest_coin"].astype("float64")}
    )
    rate = frame["funding_rate_1h"].astype("float64")
    _write(out, "funding", {**common, "rate": rate, "interval_h": 1.0})
    mark, index = frame["mark_price"].astype("float64"), frame["oracle_price"].astype("float64")
    _write(out, "mark", {**common, "mark": mark, "index": index})


def binance(data: Path, out: Path, coins: tuple[str, ...]) -> None:
    """One-minute candles and funding of Binance USD-M, 4-20 May 2025."""
    frame = pd.read_parquet(data / "klines" / "binance_um_1m_16_symbols_2025_05_04_05_20.parquet")
    name = "symbol" if "symbol" in frame else "coin"
    frame["base"] = frame[name].str.replace("USDT", "", regex=False).str.split("/").str[0]
    if coins:
        frame = frame[frame["base"].isin(coins)]
    frame = frame.sort_values(["ts_ms", "base"], kind="stable")
    columns = {
        "ts": frame["ts_ms"].astype("int64"),
        "exchange": "binance",
        "symbol": frame["base"] + "/USDT:USDT",
        "timeframe": "1m",
        **{k: frame[k].astype("float64") for k in ("open", "high", "low", "close")},
        "volume": frame["volume_coin"].astype("float64"),
    }
    if "taker_buy_volume_coin" in frame:
        columns["taker_buy_volume"] = frame["taker_buy_volume_coin"].astype("float64")
    _write(out, "candles", columns)
    funding = pd.read_csv(data / "derivatives" / "binance_um_funding_19_symbols_2025_03_05.csv.gz")
    funding["base"] = funding["symbol"].str.replace("USDT", "", regex=False).str.split("/").str[0]
    bases = sorted(frame["base"].unique())
    funding = funding[funding["base"].isin(bases)].sort_values(["ts_ms", "base"], kind="stable")
    gaps = funding.groupby("base")["ts_ms"].transform(lambda ts: ts.diff().median()) / 3_600_000
    _write(
        out,
        "funding",
        {
            "ts": funding["ts_ms"].astype("int64"),
            "exchange": "binance",
            "symbol": funding["base"] + "/USDT:USDT",
            "rate": funding["funding_rate"].astype("float64"),
            "interval_h": gaps.astype("float64"),
        },
    )
    instruments = [
        _instrument("binance", base, "USDT", rows["close"], rows["volume_coin"])
        for base, rows in frame.groupby("base")
    ]
    _manifest(
        out,
        title="Binance USD-M one-minute candles, 4-20 May 2025",
        span=[int(frame["ts_ms"].min()), int(frame["ts_ms"].max()) + 60_000],
        source="public repository of exchange candles",
        instruments=instruments,
    )


def _instrument(
    exchange: str, base: str, quote: str, prices: "pd.Series[float]", amounts: "pd.Series[float]"
) -> dict[str, object]:
    return {
        "exchange": exchange,
        "symbol": f"{base}/{quote}:{quote}",
        "base": base,
        "quote": quote,
        "perp": True,
        "contract_size": 1.0,
        "price_step": _step(prices),
        "amount_step": _step(amounts),
    }


def _step(values: "pd.Series[float]") -> float:
    """The finest decimal step of the values: 10 ** -(most decimals that occur)."""
    sample = np.unique(values.to_numpy())[:20_000]
    decimals = max((len(f"{v:.10f}".rstrip("0").split(".")[1]) for v in sample), default=0)
    return float(f"1e-{decimals}")


def _write(out: Path, table: str, columns: dict[str, object]) -> None:
    pd.DataFrame(columns).to_parquet(out / f"{table}.parquet", index=False)


def _manifest(
    out: Path, *, title: str, span: list[int], source: str, instruments: list[dict[str, object]]
) -> None:
    about = {
        "format": 1,
        "title": title,
        "start_ts": min(span),
        "end_ts": max(span),
        "source": source,
        "licence": "for development only, not to be published",
        "instruments": instruments,
    }
    (out / "recording.json").write_text(json.dumps(about, indent=1))


SETS: dict[str, Callable[[Path, Path, tuple[str, ...]], None]] = {
    "hyperliquid-2026-06": hyperliquid,
    "binance-um-2025-05": binance,
}

if __name__ == "__main__":
    sys.exit(main())
