"""/alert_atr BTC above 1% 1h: how far a candle usually ranges, in percent of the price."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="atr", words=("atr",), unit=Unit.FRACTION, scope=Scope.INSTRUMENT, title="ATR",
    timeframes=TIMED, timeframe="1h", param="14", rearm=0.1, cooldown=15 * MINUTE, low=0.0,
)  # fmt: skip


class Atr(Kind):
    """Average true range over the close."""

    name = "atr"
    title = "ATR"
    group = INDICATORS
    usage = "/alert_atr BTC above 1% 1h"
    meaning = "percent of the price that a closed candle usually ranges."
    examples = ("/alert_atr BTC above 1% 1h", "/alert_atr BTC below 0.3% 1h")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
