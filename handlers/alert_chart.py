"""The picture under a fired alert: its instrument and its candle, drawn when the message leaves."""

import logging
from collections.abc import Mapping
from typing import Any

from handlers.app import App
from handlers.ta import DRAWN, candle_chart
from market.errors import SourceError
from market.types import TIMEFRAMES

logger = logging.getLogger(__name__)

AFTER = 3  # candles shown after the one that fired, where the message leaves late


async def draw_alert(app: App, data: Mapping[str, Any]) -> bytes | None:
    """The PNG; None where that very candle cannot be had: no picture is better than another market's."""
    instrument = app.market.directory.by_key(str(data["instrument"]))
    timeframe, bar = str(data["timeframe"]), int(data["bar_ts"])
    if instrument is None or timeframe not in TIMEFRAMES:
        return None
    end = bar + TIMEFRAMES[timeframe] * (1 + AFTER)
    try:
        candles = await app.market.candles(instrument, timeframe, DRAWN + AFTER, end)
    except SourceError as error:
        logger.info("alert picture without candles instrument=%s reason=%s", instrument.key, error)
        return None
    if not any(candle.ts == bar for candle in candles):
        return None
    level = data.get("level")
    levels = ((float(level), f"#{data['alert_id']}"),) if level is not None else ()
    chart = candle_chart(
        app, instrument, timeframe, candles, str(data["headline"]), levels=levels, marked=bar
    )
    return await app.draw("candles", chart)
