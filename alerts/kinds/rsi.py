"""/alert_rsi BTC above 70 1h: relative strength of closed candles."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="rsi", words=("rsi",), unit=Unit.SCORE, scope=Scope.INSTRUMENT, title="RSI",
    timeframes=TIMED, timeframe="1h", param="14", band=2.0, cooldown=15 * MINUTE, low=0.0,
    high=100.0,
)  # fmt: skip


class Rsi(Kind):
    """RSI at the close of each candle, 0 to 100."""

    name = "rsi"
    title = "RSI"
    group = INDICATORS
    usage = "/alert_rsi BTC above 70 1h"
    meaning = "0 to 100 of closed candles, 1h = candle; rsi 21 = another length than 14."
    examples = ("/alert_rsi BTC above 70 1h", "/alert_rsi BTC below 30 4h")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
