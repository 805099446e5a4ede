"""A recording as a market: the venues of the folder as they stood at the market clock's now.

Where only candles exist, the ticks between them are derived (`derived`), never called observed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from exchanges.local.recording_candles import (
    candles_from_trades,
    derived_trades,
    merged,
    stored_candles,
)
from exchanges.local.recording_tables import Columns, Tables, instrument_of, load_manifest
from market.clock import Clock
from market.types import (
    DAY,
    HOUR,
    MINUTE,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Gap,
    Instrument,
    Liquidation,
    MarketCap,
    OpenInterest,
    OrderBook,
    PositionSide,
    Side,
    Ticker,
    TierTable,
    Trade,
)

BOOK_LIMIT = MINUTE  # a recorded book older than this is no book
SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class Recording:
    """The `Source` of a recording folder. ValueError with one sentence when it cannot be read."""

    mark = "REPLAY"

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.manifest = load_manifest(folder)
        self.clock = clock
        self.title = self.manifest.title
        self.tables_of = Tables(folder)
        self._instruments = [instrument_of(entry) for entry in self.manifest.instruments]

    def instruments(self, exchange: str | None = None) -> list[Instrument]:
        """All recorded instruments, or those of one exchange."""
        return [i for i in self._instruments if exchange in (None, i.exchange)]

    def tables(self, exchange: str) -> frozenset[str]:
        """The tables that hold rows of `exchange`; trades and candles imply each other."""
        found = self.tables_of.of_exchange(exchange)
        if "trades" in found or "candles" in found:
            found |= {"trades", "candles"}
        return found | ({"market_caps"} if self.tables_of.files("market_caps") else frozenset())

    def down(self, exchange: str) -> bool:
        """A recording's venues always answer with what was recorded."""
        return False

    def derived(self, instrument: Instrument) -> bool:
        """Whether its ticks are made from candles."""
        return not self._rows("trades", instrument)

    def gaps(self, instrument: Instrument, table: str = "trades") -> list[Gap]:
        """When the recorder was blind for this instrument."""
        rows = self.tables_of.columns("gaps")
        names = rows.get("table", ())
        return [
            Gap(
                from_ts=int(a),
                to_ts=int(b),
                table=table,
                exchange=instrument.exchange,
                symbol=instrument.symbol,
            )
            for i, (a, b) in enumerate(
                zip(rows.get("from_ts", ()), rows.get("to_ts", ()), strict=True)
            )
            if names[i] == table and self._concerns(rows, i, instrument)
        ]

    @staticmethod
    def _concerns(rows: Columns, i: int, instrument: Instrument) -> bool:
        symbol = rows["symbol"][i] if "symbol" in rows else None
        exchange = rows["exchange"][i] if "exchange" in rows else None
        return symbol in (None, "", instrument.symbol) and exchange in (
            None, "", instrument.exchange,
        )  # fmt: skip

    def candles(self, instrument: Instrument, timeframe: str, start: int, end: int) -> list[Candle]:
        """Candles with start <= open < end, the running one made of what is known of it now."""
        now, step = self.clock.now(), TIMEFRAMES[timeframe]
        trades = self._rows("trades", instrument)
        if trades:
            blind = [(g.from_ts, g.to_ts) for g in self.gaps(instrument)]
            return candles_from_trades(
                trades, step=step, start=start, end=end, now=now, blind=blind
            )
        rows = self._rows("candles", instrument)
        if not rows:
            return []
        stored = {t for t in set(rows["timeframe"].tolist()) if t in TIMEFRAMES}
        if timeframe in stored:
            closed = stored_candles(rows, timeframe, start, end, now)
            return closed + self._running(instrument, step, start, end, now)
        parts = [t for t in stored if step % TIMEFRAMES[t] == 0]
        if not parts:
            return []
        part = max(parts, key=lambda t: TIMEFRAMES[t])
        first = start // step * step + (step if start % step else 0)
        fine = stored_candles(rows, part, first, end + step, now)
        fine += self._running(instrument, TIMEFRAMES[part], first, end + step, now)
        return [c for c in merged(fine, step, now) if start <= c.ts < end]

    def _running(
        self, instrument: Instrument, step: int, start: int, end: int, now: int
    ) -> list[Candle]:
        """The candle that holds `now`, from the derived ticks up to now."""
        open_ts = now // step * step
        if not start <= open_ts < end:
            return []
        ticks = self._derived(instrument, open_ts - 1, now)
        made = (
            candles_from_trades(ticks, step=step, start=open_ts, end=open_ts + 1, now=now, blind=[])
            if ticks
            else []
        )
        return [c if self._split_known(instrument) else _without_split(c) for c in made]

    def _split_known(self, instrument: Instrument) -> bool:
        split = self._rows("candles", instrument).get("taker_buy_volume")
        return split is not None and not np.isnan(split).any()

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        """Trades with start < ts <= min(end, now); where rows have no id their number is the id."""
        end = min(end, self.clock.now())
        rows = self._rows("trades", instrument)
        if not rows:
            rows = self._derived(instrument, start, end)
            return list(_trades(instrument, rows, 0, len(rows.get("ts", ()))))
        low, high = np.searchsorted(rows["ts"], [start, end], "right")
        return list(_trades(instrument, rows, int(low), int(high)))

    def recent_trades(self, instrument: Instrument, limit: int) -> list[Trade]:
        """The newest `limit` trades, oldest first."""
        now = self.clock.now()
        rows = self._rows("trades", instrument) or self._derived(instrument, now - HOUR, now)
        if not rows:
            return []
        high = int(np.searchsorted(rows["ts"], now, "right"))
        return list(_trades(instrument, rows, max(0, high - limit), high))

    def _derived(self, instrument: Instrument, start: int, end: int) -> Columns:
        """Ticks made from the finest stored candles, numbered by time so that ids never repeat."""
        rows = self._rows("candles", instrument)
        if not rows:
            return {}
        timeframe = min(set(rows["timeframe"].tolist()), key=lambda t: TIMEFRAMES[t])
        step = TIMEFRAMES[timeframe]
        bars = stored_candles(rows, timeframe, start // step * step, end + 1, end + step)
        parts = [derived_trades(bar, step) for bar in bars]
        if not parts:
            return {}
        columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        keep = (columns["ts"] > start) & (columns["ts"] <= end)
        columns = {name: column[keep] for name, column in columns.items()}
        ids = np.empty(len(columns["ts"]), dtype=object)
        ids[:] = [str(int(t) // (step // 8)) for t in columns["ts"]]
        return {**columns, "id": ids}

    def ticker(self, instrument: Instrument) -> Ticker | None:
        """The last trade and the 24 h behind it, where the recording reaches back that far."""
        now = self.clock.now()
        last = self.recent_trades(instrument, 1)
        if not last:
            return None
        book = self.book(instrument, 1)
        first = self._first_ts(instrument)
        day = (
            self.candles(instrument, "1m", now - DAY, now + 1)
            if first <= now - DAY + MINUTE
            else []
        )
        quote = [c.quote_volume if c.quote_volume is not None else c.volume * c.close for c in day]
        return Ticker(
            instrument=instrument,
            ts=last[0].ts,
            last=last[0].price,
            bid=book.bids[0][0] if book and book.bids else None,
            ask=book.asks[0][0] if book and book.asks else None,
            high_24h=max(c.high for c in day) if day else None,
            low_24h=min(c.low for c in day) if day else None,
            change_24h=last[0].price / day[0].open - 1 if day else None,
            volume_24h=sum(c.volume for c in day) if day else None,
            quote_volume_24h=sum(quote) if day else None,
        )

    def _first_ts(self, instrument: Instrument) -> int:
        rows = self._rows("trades", instrument) or self._rows("candles", instrument)
        return int(rows["ts"][0]) if rows else self.manifest.end_ts

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        """The newest recorded book, unless it is older than a minute."""
        row = self._latest("books", instrument)
        if row is None or self.clock.now() - row["ts"] > BOOK_LIMIT:
            return None
        bids, asks = (
            tuple((float(p), float(a)) for p, a in row[side][:depth]) for side in ("bids", "asks")
        )
        return OrderBook(
            instrument=instrument, ts=row["ts"], bids=bids, asks=asks, sequence=row["ts"]
        )

    def open_interest(self, instrument: Instrument) -> OpenInterest | None:
        """The newest sample at or before now."""
        row = self._latest("open_interest", instrument)
        return self._interest(instrument, row) if row else None

    def open_interest_history(
        self, instrument: Instrument, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """The newest sample, at most a step old, at multiples of `step` with start <= ts < end."""
        rows = self._rows("open_interest", instrument)
        if not rows:
            return []
        out: list[OpenInterest] = []
        for at in range(-(-start // step) * step, min(end, self.clock.now() + 1), step):
            i = int(np.searchsorted(rows["ts"], at, "right")) - 1
            if i >= 0 and at - rows["ts"][i] <= step:
                out.append(
                    OpenInterest(instrument=instrument, ts=at, amount=float(rows["amount"][i]))
                )
        return out

    def samples(self, instrument: Instrument) -> list[OpenInterest]:
        """Every recorded sample up to now: what a bot that ran since the start would have kept."""
        rows = self._rows("open_interest", instrument)
        high = int(np.searchsorted(rows["ts"], self.clock.now(), "right")) if rows else 0
        return [
            OpenInterest(
                instrument=instrument, ts=int(rows["ts"][i]), amount=float(rows["amount"][i])
            )
            for i in range(high)
        ]

    def _interest(self, instrument: Instrument, row: dict[str, Any]) -> OpenInterest:
        value = _number(row.get("value_usd"))
        return OpenInterest(
            instrument=instrument,
            ts=row["ts"],
            amount=float(row["amount"]),
            value=value,
        )

    def funding(self, instrument: Instrument) -> FundingRate | None:
        """The newest rate, with the settlement that follows now."""
        row = self._latest("funding", instrument)
        if row is None:
            return None
        now, interval = self.clock.now(), int(row["interval_h"] * HOUR)
        mark = self._latest("mark", instrument) or {}
        return FundingRate(
            instrument=instrument,
            ts=row["ts"],
            rate=float(row["rate"]),
            interval_h=float(row["interval_h"]),
            next_ts=(now // interval + 1) * interval,
            mark=_number(mark.get("mark")),
            index=_number(mark.get("index")),
        )

    def funding_history(self, instrument: Instrument, start: int, end: int) -> list[FundingRate]:
        """The rate at each settlement in [start, end] that a sample of the interval before tells."""
        rows = self._rows("funding", instrument)
        if not rows:
            return []
        hours = float(rows["interval_h"][0])
        interval = int(hours * HOUR)
        out: list[FundingRate] = []
        for at in range(-(-start // interval) * interval, min(end, self.clock.now()) + 1, interval):
            i = int(np.searchsorted(rows["ts"], at, "right")) - 1
            if i >= 0 and at - rows["ts"][i] < interval:
                out.append(
                    FundingRate(
                        instrument=instrument, ts=at, rate=float(rows["rate"][i]), interval_h=hours
                    )
                )
        return out

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        """Recorded forced closes with start < ts <= min(end, now)."""
        out: list[Liquidation] = []
        for instrument in self.instruments(exchange):
            rows = self._rows("liquidations", instrument)
            if not rows:
                continue
            low, high = np.searchsorted(rows["ts"], [start, min(end, self.clock.now())], "right")
            out += [_liquidation(instrument, rows, i) for i in range(int(low), int(high))]
        return sorted(out, key=lambda row: row.ts)

    def market_caps(self) -> list[MarketCap]:
        """The newest cap of each coin at or before now."""
        rows = self.tables_of.columns("market_caps")
        newest: dict[str, MarketCap] = {}
        for i in np.flatnonzero(rows["ts"] <= self.clock.now()) if rows else ():
            coin = rows["coin"][i]
            symbol = rows["symbol"][i] if "symbol" in rows else ""
            newest[coin] = MarketCap(
                coin=coin,
                symbol=(symbol or coin).split("/")[0].upper(),
                name=rows["name"][i],
                market_cap_usd=float(rows["market_cap_usd"][i]),
                ts=int(rows["ts"][i]),
            )
        return sorted(newest.values(), key=lambda cap: (-cap.market_cap_usd, cap.coin))

    def tiers(self, instrument: Instrument) -> TierTable | None:
        """Recordings hold no margin tables."""
        return None

    def _rows(self, table: str, instrument: Instrument) -> Columns:
        return self.tables_of.columns(table, instrument.exchange, instrument.symbol)

    def _latest(self, table: str, instrument: Instrument) -> dict[str, Any] | None:
        rows = self._rows(table, instrument)
        i = int(np.searchsorted(rows["ts"], self.clock.now(), "right")) - 1 if rows else -1
        if i < 0:
            return None
        row = {name: column[i] for name, column in rows.items()}
        return {**row, "ts": int(row["ts"])}


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)  # noqa: PLR0124 - NaN was null


def _without_split(candle: Candle) -> Candle:
    return Candle(
        ts=candle.ts, open=candle.open, high=candle.high, low=candle.low, close=candle.close,
        volume=candle.volume, closed=candle.closed,
    )  # fmt: skip


def _trades(instrument: Instrument, rows: Columns, low: int, high: int) -> Iterable[Trade]:
    if high <= low:
        return
    ids = rows.get("id")
    orders = rows.get("order")
    columns = (rows[name][low:high].tolist() for name in ("ts", "price", "amount", "side"))
    for i, (ts, price, amount, side) in enumerate(zip(*columns, strict=True), low):
        known = ids[i] if ids is not None else None
        yield Trade(
            instrument=instrument,
            ts=ts,
            price=price,
            amount=amount,
            side=SIDES[side],
            id=str(i) if known is None else str(known),
            order=str(orders[i] or "") if orders is not None else "",
        )


def _liquidation(instrument: Instrument, rows: Columns, i: int) -> Liquidation:
    return Liquidation(
        instrument=instrument,
        ts=int(rows["ts"][i]),
        price=float(rows["price"][i]),
        amount=float(rows["amount"][i]),
        position=PositionSide(rows["position"][i]),
        sample=bool(rows["sample"][i]) if "sample" in rows else False,
    )
