"""Candles of a recording from its trades or its candles, and ticks where it has candles only."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from exchanges.local.recording_tables import Columns
from market.types import Candle

# A candle without ticks is walked open -> one extreme -> the other -> close in eight prints.
TICKS = 8


def candles_from_trades(
    trades: Columns, *, step: int, start: int, end: int, now: int, blind: list[tuple[int, int]]
) -> list[Candle]:
    """Exact candles with start <= open < end of the trades at or before `now`; quiet ones are flat.

    A candle wholly inside a blind interval is left out: nobody knows what traded then.
    """
    ts = trades["ts"]
    last = min(-(-end // step) * step - 1, now)  # the last candle is whole where it may be
    if not len(ts) or ts[0] > last:
        return []
    first_open = max(-(-start // step) * step, int(ts[0]) // step * step)
    low, high = np.searchsorted(ts, [first_open, last + 1], "left")
    made = _grouped(trades, int(low), int(high), step)
    price = float(trades["price"][low - 1]) if low else None
    out: list[Candle] = []
    for open_ts in range(first_open, min(end, now // step * step + step), step):
        row = made.get(open_ts)
        if row is None:
            if price is None or any(a <= open_ts and open_ts + step <= b for a, b in blind):
                continue
            row = (price, price, price, price, 0.0, 0.0, 0.0, 0.0)
        price = row[3]
        out.append(_candle(open_ts, row, closed=open_ts + step <= now))
    return out


def _grouped(trades: Columns, low: int, high: int, step: int) -> dict[int, tuple[float, ...]]:
    """Rows (open, high, low, close, volume, value, buy volume, buy value) by open time."""
    if low >= high:
        return {}
    price, amount = trades["price"][low:high], trades["amount"][low:high]
    opens = trades["ts"][low:high] // step * step
    edges = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    bought = np.where(trades["side"][low:high] == "buy", amount, 0.0)
    columns = (
        price[edges],
        np.maximum.reduceat(price, edges),
        np.minimum.reduceat(price, edges),
        price[np.append(edges[1:], len(price)) - 1],
        np.add.reduceat(amount, edges),
        np.add.reduceat(amount * price, edges),
        np.add.reduceat(bought, edges),
        np.add.reduceat(bought * price, edges),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return dict(zip(opens[edges].tolist(), rows, strict=True))


def _candle(ts: int, row: tuple[Any, ...], *, closed: bool) -> Candle:
    return Candle(
        ts=ts, open=row[0], high=row[1], low=row[2], close=row[3], volume=row[4],
        quote_volume=row[5], taker_buy_volume=row[6], taker_buy_quote=row[7], closed=closed,
    )  # fmt: skip


def stored_candles(rows: Columns, timeframe: str, start: int, end: int, now: int) -> list[Candle]:
    """Closed candles of one stored timeframe; one that is still running would tell the future."""
    chosen = rows["timeframe"] == timeframe
    ts = rows["ts"][chosen]
    low, high = np.searchsorted(ts, [start, end], "left")
    columns = {
        k: rows[k][chosen][low:high] for k in ("ts", "open", "high", "low", "close", "volume")
    }
    taker = rows.get("taker_buy_volume")
    bought = taker[chosen][low:high] if taker is not None else np.full(high - low, np.nan)
    out: list[Candle] = []
    for at, o, h, lo, c, v, b in zip(
        *(col.tolist() for col in columns.values()), bought.tolist(), strict=True
    ):
        known = b is not None and b == b  # noqa: PLR0124 - NaN is what null became
        out.append(
            Candle(
                ts=at,
                open=o,
                high=h,
                low=lo,
                close=c,
                volume=v,
                taker_buy_volume=b if known else None,
            )
        )
    step = _spacing(ts)
    return [c for c in out if c.ts + step <= now]


def _spacing(ts: npt.NDArray[np.int64]) -> int:
    return int(np.min(np.diff(ts))) if len(ts) > 1 else 0


def merged(candles: list[Candle], step: int, now: int) -> list[Candle]:
    """Candles summed into longer ones; the taker split only where every part has it."""
    groups: dict[int, list[Candle]] = {}
    for candle in candles:
        groups.setdefault(candle.ts // step * step, []).append(candle)
    return [_sum(ts, parts, closed=ts + step <= now) for ts, parts in groups.items()]


def _sum(ts: int, parts: list[Candle], *, closed: bool) -> Candle:
    taker = [p.taker_buy_volume for p in parts]
    return Candle(
        ts=ts,
        open=parts[0].open,
        high=max(p.high for p in parts),
        low=min(p.low for p in parts),
        close=parts[-1].close,
        volume=sum(p.volume for p in parts),
        taker_buy_volume=None if None in taker else sum(t for t in taker if t is not None),
        closed=closed,
    )


def derived_trades(candle: Candle, step: int) -> Columns:
    """Ticks that a candle may have had: they touch its four prices and sum to its volume.

    Nobody saw them. Where the taker split is known the sides sum to it; otherwise a print is a buy
    when it rises, and whoever sums them has an approximation.
    """
    first, second = (
        (candle.low, candle.high) if candle.close >= candle.open else (candle.high, candle.low)
    )
    corners = (candle.open, first, second, candle.close)
    price: list[float] = [candle.open]
    for a, b in pairwise(corners):
        price += [(a + b) / 2, b]
    price.append(candle.close)
    ts = [candle.ts + (i * step) // TICKS for i in range(TICKS)]
    buys = [b >= a for a, b in zip([candle.open, *price], price, strict=False)]
    amounts = _amounts(candle, buys)
    return {
        "ts": np.array(ts, dtype=np.int64),
        "price": np.array(price),
        "amount": np.array(amounts),
        "side": np.array(["buy" if b else "sell" for b in buys], dtype=object),
    }


def _amounts(candle: Candle, buys: list[bool]) -> list[float]:
    bought = candle.taker_buy_volume
    n_buy, n_sell = sum(buys), len(buys) - sum(buys)
    if bought is None or (n_buy == 0 and bought > 0) or (n_sell == 0 and bought < candle.volume):
        return [candle.volume / len(buys)] * len(buys)
    sold = candle.volume - bought
    return [bought / n_buy if b else sold / n_sell for b in buys]
