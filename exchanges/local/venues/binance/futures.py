"""Binance USD-M futures: mark price, funding, open interest, taker volumes."""

from exchanges.local.venues.binance.candles import candles
from exchanges.local.venues.binance.segment import (
    Query,
    Refused,
    Segment,
    Table,
    length,
    limited,
    maybe_whole,
    whole,
)
from exchanges.local.venues.native import native, plain
from market.types import DAY, HOUR, TIMEFRAMES, Candle, FundingRate, Instrument

USUAL_HOURS = 8.0  # of perps that fundingInfo does not list; the longest there is
USUAL_INTERVAL = 8 * HOUR
STATISTICS = 30 * DAY  # how far back /futures/data reaches
PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


def premium(segment: Segment, query: Query) -> object:
    """Mark, index and the running funding rate of one symbol or all."""
    if query.get("symbol"):
        instrument = segment.wanted(query)
        found = segment.source.funding(instrument)
        if found is None:
            raise Refused(-4108, "This symbol has no funding.")
        return premium_row(segment, found)
    rates = [segment.source.funding(each) for each in segment.instruments]
    return [premium_row(segment, each) for each in rates if each]


def premium_row(segment: Segment, rate: FundingRate) -> dict[str, object]:
    """One row of premiumIndex; "" where the source has no such price."""
    return {
        "symbol": segment.id_of(rate.instrument),
        "markPrice": native(rate.instrument).price(rate.mark),
        "indexPrice": native(rate.instrument).price(rate.index),
        "estimatedSettlePrice": "",
        "lastFundingRate": plain(rate.rate),
        "nextFundingTime": rate.next_ts or 0,
        "time": rate.ts,
    }


def funding_info(segment: Segment, _query: Query) -> object:
    """Only the perps whose interval is not the usual 8 h."""
    rates = [segment.source.funding(each) for each in segment.instruments]
    return [
        {
            "symbol": segment.id_of(each.instrument),
            "fundingIntervalHours": int(each.interval_h),
            "disclaimer": False,
        }
        for each in rates
        if each and each.interval_h != USUAL_HOURS
    ]


def funding_rates(segment: Segment, query: Query) -> object:
    """Settled rates, rising: the first from `startTime` on, else the newest."""
    limit = limited(query, 100, 1000)
    start, end = maybe_whole(query, "startTime"), whole(query, "endTime", segment.now)
    begin = end - (limit + 1) * USUAL_INTERVAL if start is None else start
    wanted = [segment.wanted(query)] if query.get("symbol") else segment.instruments
    rows = [each for one in wanted for each in segment.source.funding_history(one, begin, end + 1)]
    rows = sorted((each for each in rows if each.ts <= end), key=lambda each: each.ts)
    rows = rows[-limit:] if start is None else rows[:limit]
    return [
        {
            "symbol": segment.id_of(each.instrument),
            "fundingTime": each.ts,
            "fundingRate": plain(each.rate),
            "markPrice": native(each.instrument).price(each.mark),
        }
        for each in rows
    ]


def open_interest(segment: Segment, query: Query) -> object:
    """Open contracts now."""
    instrument = segment.wanted(query)
    found = segment.source.open_interest(instrument)
    if found is None:
        raise Refused(-4108, "This symbol has no open interest.")
    amount = native(instrument).amount(found.amount)
    return {"openInterest": amount, "symbol": segment.id_of(instrument), "time": found.ts}


def open_interest_history(segment: Segment, query: Query) -> object:
    """Open interest at whole periods; of a span that is too long, its end."""
    instrument = segment.wanted(query)
    period, start, end, limit = _statistics(segment, query)
    step = TIMEFRAMES[period]
    found = segment.source.open_interest_history(instrument, step, start, end + 1)
    return [
        {
            "symbol": segment.id_of(instrument),
            "sumOpenInterest": native(instrument).amount(each.amount),
            "sumOpenInterestValue": plain(each.value),
            "timestamp": each.ts,
        }
        for each in found[-limit:]
    ]


def taker_ratio(segment: Segment, query: Query) -> object:
    """What takers bought and sold in whole periods; nothing where candles have no taker split."""
    instrument = segment.wanted(query)
    period, start, end, limit = _statistics(segment, query)
    found = candles(segment, instrument, period, start=start, end=end, limit=limit + 1)
    closed = [each for each in found if each.ts + TIMEFRAMES[period] <= segment.now]
    rows = [_taker_row(instrument, each) for each in closed]
    return [row for row in rows if row][-limit:]


def _taker_row(instrument: Instrument, candle: Candle) -> dict[str, object] | None:
    bought = candle.taker_buy_volume
    if bought is None:
        return None
    sold = candle.volume - bought
    return {
        "buySellRatio": f"{bought / sold:.4f}" if sold > 0 else "",
        "buyVol": native(instrument).amount(bought),
        "sellVol": native(instrument).amount(sold),
        "timestamp": candle.ts,
    }


def _statistics(segment: Segment, query: Query) -> tuple[str, int, int, int]:
    """Period, start, end and limit of a /futures/data request."""
    period = length(query, "period")
    if period not in PERIODS:
        raise Refused(-1130, "Data sent for parameter 'period' is not valid.")
    limit = limited(query, 30, 500)
    end = min(whole(query, "endTime", segment.now), segment.now)
    start, oldest = maybe_whole(query, "startTime"), segment.now - STATISTICS
    if start is not None and start < oldest:
        raise Refused(-1130, "parameter 'startTime' is invalid.")
    step = TIMEFRAMES[period]
    newest = end - end % step - limit * step  # one more: the last period may still be running
    return period, max(oldest, newest, start or 0), end, limit


ROUTES: Table = {
    "premiumIndex": premium,
    "fundingInfo": funding_info,
    "fundingRate": funding_rates,
    "openInterest": open_interest,
}
DATA_ROUTES: Table = {"openInterestHist": open_interest_history, "takerlongshortRatio": taker_ratio}
