"""OKX's rows: domain values as its v5 payloads have them. Swap sizes are contracts."""

import zlib
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Any

from exchanges.local.source import Source
from exchanges.local.venues.listing import trade_ids
from exchanges.local.venues.native import Level, native, plain
from market.types import (
    HOUR,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    OpenInterest,
    PositionSide,
    Trade,
)

EAST = 8 * HOUR  # bars without "utc" begin with the day of UTC+8
BARS = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1H": "1h",
    "2H": "2h",
    "4H": "4h",
    "6H": "6h",
    "12H": "12h",
    "1D": "1d",
    "6Hutc": "6h",
    "12Hutc": "12h",
    "1Dutc": "1d",
    "1W": "",
    "1Wutc": "",
    "1M": "",
    "1Mutc": "",
    "3M": "",
    "3Mutc": "",
    "2D": "",
    "2Dutc": "",
    "3D": "",
    "3Dutc": "",
}  # fmt: skip - "" : the venue has it, a source does not


def kind(instrument: Instrument) -> str:
    """The instType of an instrument."""
    return "SWAP" if instrument.perp else "SPOT"


def family(instrument: Instrument) -> str:
    """What a swap is on: BTC-USDT."""
    return instrument.id.removesuffix("-SWAP")


def instrument_row(source: Source, place: int, instrument: Instrument) -> dict[str, Any]:
    """One entry of public/instruments."""
    units = native(instrument)
    row = {
        "instType": kind(instrument),
        "instId": instrument.id,
        "instIdCode": place,
        "category": "1",
        "alias": "",
        "expTime": "",
        "listTime": "",
        "optType": "",
        "stk": "",
        "ruleType": "normal",
        "state": "live" if instrument.active else "suspend",
        "tickSz": units.tick,
        "lotSz": units.lot,
        "minSz": units.lot,
    }
    base, quote = family(instrument).split("-", 1)
    if not instrument.perp:
        pair = {"baseCcy": base, "quoteCcy": quote, "settleCcy": "", "uly": "", "instFamily": ""}
        return row | pair | {"ctType": "", "ctVal": "", "ctMult": "", "ctValCcy": "", "lever": ""}
    table = source.tiers(instrument)
    return row | {
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": quote,
        "uly": family(instrument),
        "instFamily": family(instrument),
        "ctType": "linear",
        "ctVal": plain(instrument.contract_size),
        "ctMult": "1",
        "ctValCcy": base,
        "lever": plain(max(tier[3] for tier in table.tiers)) if table and table.tiers else "",
    }


def ticker_row(source: Source, instrument: Instrument) -> dict[str, str] | None:
    """One 24 h line; `vol24h` counts contracts of a swap, `volCcy24h` its coins; None without a price."""
    ticker = source.ticker(instrument)
    if ticker is None:
        return None
    units = native(instrument)
    before = None if ticker.change_24h is None else ticker.last / (1 + ticker.change_24h)
    in_currency = ticker.volume_24h if instrument.perp else ticker.quote_volume_24h
    return {
        "instType": kind(instrument),
        "instId": instrument.id,
        "last": units.price(ticker.last),
        "lastSz": "",
        "askPx": units.price(ticker.ask),
        "askSz": "",
        "bidPx": units.price(ticker.bid),
        "bidSz": "",
        "open24h": units.price(before),
        "high24h": units.price(ticker.high_24h),
        "low24h": units.price(ticker.low_24h),
        "volCcy24h": plain(in_currency),
        "vol24h": units.amount(ticker.volume_24h),
        "ts": str(ticker.ts),
        "sodUtc0": "",
        "sodUtc8": "",
    }


def candle_row(instrument: Instrument, candle: Candle) -> list[str]:
    """[ts, open, high, low, close, contracts, coins, quote, confirm]; of spot [.., coins, quote, quote, ..]."""
    units = native(instrument)
    prices = (candle.open, candle.high, candle.low, candle.close)
    quote = plain(candle.quote_volume)
    return [
        str(candle.ts),
        *(units.price(price) for price in prices),
        units.amount(candle.volume),
        plain(candle.volume) if instrument.perp else quote,
        quote,
        "1" if candle.closed else "0",
    ]


def eastern(hours: Iterable[Candle], step: int) -> list[Candle]:
    """Bars of `step` that begin with the day of UTC+8, from hours."""
    bars: dict[int, list[Candle]] = {}
    for hour in hours:
        bars.setdefault((hour.ts + EAST) // step * step - EAST, []).append(hour)
    return [_whole(ts, parts, step) for ts, parts in bars.items()]


def _whole(ts: int, parts: list[Candle], step: int) -> Candle:
    quotes = [part.quote_volume for part in parts]
    known = [quote for quote in quotes if quote is not None]
    ended = parts[-1].ts + HOUR == ts + step
    return Candle(
        ts=ts,
        open=parts[0].open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=parts[-1].close,
        volume=sum(part.volume for part in parts),
        quote_volume=sum(known) if len(known) == len(quotes) else None,
        closed=ended and parts[-1].closed,
    )


def bars(
    source: Source, instrument: Instrument, bar: str, start: int, end: int, count: int
) -> list[Candle]:
    """The newest `count` bars with start <= ts <= end, rising; none of a length the source lacks."""
    timeframe = BARS[bar]
    if not timeframe:
        return []
    step, last = TIMEFRAMES[timeframe], min(end, source.clock.now())
    if bar.endswith("utc") or EAST % step == 0:
        first = max(start, last // step * step - (count - 1) * step)
        return source.candles(instrument, timeframe, first, last + 1)[-count:]
    first = max(start, last - count * step) // step * step - step
    hours = source.candles(instrument, "1h", first, last // step * step + 2 * step)
    return [each for each in eastern(hours, step) if start <= each.ts <= last][-count:]


def trade_rows(source: Source, trades: list[Trade]) -> list[dict[str, str]]:
    """One row a trade, in order."""
    rows: list[dict[str, str]] = []
    for trade, name in zip(trades, trade_ids(source, trades), strict=True):
        units = native(trade.instrument)
        rows.append(
            {
                "instId": trade.instrument.id,
                "tradeId": name,
                "px": units.price(trade.price),
                "sz": units.amount(trade.amount),
                "side": trade.side.value,
                "source": "0",
                "ts": str(trade.ts),
            }
        )
    return rows


def book_levels(side: Iterable[Level]) -> list[list[str]]:
    """[price, contracts, "0", orders]; how many orders make a level is not known, at least one does."""
    return [[price, amount, "0", "0" if amount == "0" else "1"] for price, amount in side]


def checksum(bids: Iterable[Level], asks: Iterable[Level]) -> int:
    """CRC32 of the 25 best levels, bid and ask in turn, as a signed number."""
    pairs = chain.from_iterable(zip_longest(list(bids)[:25], list(asks)[:25]))
    text = ":".join(f"{price}:{amount}" for price, amount in (pair for pair in pairs if pair))
    crc = zlib.crc32(text.encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def interest_row(found: OpenInterest) -> dict[str, str]:
    """Open interest in contracts, coins and USD."""
    instrument = found.instrument
    return {
        "instType": kind(instrument),
        "instId": instrument.id,
        "oi": native(instrument).amount(found.amount),
        "oiCcy": plain(found.amount),
        "oiUsd": plain(found.value),
        "ts": str(found.ts),
    }


def funding_row(found: FundingRate) -> dict[str, str]:
    """The running rate: `fundingTime` is when it is paid, `nextFundingTime` one interval later."""
    following = "" if found.next_ts is None else str(found.next_ts + round(found.interval_h * HOUR))
    return {
        "instType": "SWAP",
        "instId": found.instrument.id,
        "method": "current_period",
        "formulaType": "",
        "fundingRate": plain(found.rate),
        "nextFundingRate": plain(found.predicted),
        "fundingTime": str(found.next_ts or ""),
        "nextFundingTime": following,
        "ts": str(found.ts),
    }


def index_row(found: FundingRate) -> dict[str, str]:
    """The index of a swap; what it did over a day is not known."""
    unknown = dict.fromkeys(("high24h", "low24h", "open24h", "sodUtc0", "sodUtc8"), "")
    index = native(found.instrument).price(found.index)
    return {"instId": family(found.instrument), "idxPx": index, "ts": str(found.ts)} | unknown


def mark_row(found: FundingRate) -> dict[str, str]:
    """The mark price."""
    instrument = found.instrument
    return {
        "instType": kind(instrument),
        "instId": instrument.id,
        "markPx": native(instrument).price(found.mark),
        "ts": str(found.ts),
    }


def liquidation_rows(found: Iterable[Liquidation]) -> list[dict[str, Any]]:
    """One row an instrument with its closes as details; `side` is the closing order's."""
    rows: dict[str, dict[str, Any]] = {}
    for each in found:
        instrument, units = each.instrument, native(each.instrument)
        row = rows.setdefault(
            instrument.id,
            {
                "instType": kind(instrument),
                "instId": instrument.id,
                "instFamily": family(instrument),
                "uly": family(instrument),
                "details": [],
            },
        )
        row["details"].append(
            {
                "bkLoss": "0",
                "bkPx": units.price(each.price),
                "ccy": "",
                "posSide": each.position.value,
                "side": "sell" if each.position is PositionSide.LONG else "buy",
                "sz": units.amount(each.amount),
                "ts": str(each.ts),
            }
        )
    return list(rows.values())
