"""The liquidation map of each venue, made from what it tells of candles, open interest and margin tiers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from analytics.liquidation.ledger import LiquidationMap, build_map
from analytics.liquidation.tiers import bundled_tiers
from exchanges.hub import Market, settle
from market.errors import SourceError
from market.language import _
from market.types import DAY, TIMEFRAMES, Candle, Instrument, TierTable


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMap:
    """The map of one venue and what it was made from."""

    map: LiquidationMap
    candles: Sequence[Candle]
    interest_usd: float


async def venue_maps(
    market: Market, perps: Sequence[Instrument], window: int, now: int
) -> tuple[dict[str, VenueMap], dict[str, str]]:
    """The map of each venue that has a history of open interest, and why the others have none. `window` in ms."""
    timeframe = "5m" if window <= DAY else "1h"
    step = TIMEFRAMES[timeframe]
    start = now - window - 2 * step
    candles, no_candles = await settle(
        {i.exchange: market.candles(i, timeframe, window // step + 3) for i in perps}
    )
    history, no_history = await settle(
        {
            i.exchange: market.open_interest_history(i, step=step, start=start, end=now)
            for i in perps
        }
    )
    found: dict[str, VenueMap] = {}
    missing = {name: error.reason for name, error in (no_candles | no_history).items()}
    for i in perps:
        if i.exchange in missing:
            continue
        if not candles[i.exchange]:
            missing[i.exchange] = _("no candles")
            continue
        samples = [(o.ts, o.amount) for o in history[i.exchange]]
        tiers = await tiers_of(market, i)
        reading = await asyncio.to_thread(
            build_map, candles[i.exchange], timeframe, samples, tiers, now=now, window=window
        )
        if reading.value is None:
            missing[i.exchange] = reading.reason
        else:
            price = candles[i.exchange][-1].close
            found[i.exchange] = VenueMap(
                map=reading.value, candles=candles[i.exchange], interest_usd=samples[-1][1] * price
            )
    return found, missing


async def tiers_of(market: Market, instrument: Instrument) -> TierTable:
    """The venue's own table where it publishes one, else the dated one that comes with the product."""
    try:
        table = await market.tiers(instrument)
    except SourceError:
        table = None
    return table or bundled_tiers(instrument.exchange, instrument.base)
