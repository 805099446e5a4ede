"""/alert_macd BTC above 0 4h: the MACD histogram of closed candles turns."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind

FIGURE = Figure(
    name="macd", words=("macd", "macd histogram"), unit=Unit.PRICE, scope=Scope.INSTRUMENT,
    title="MACD histogram", timeframes=TIMED, timeframe="1h", param="12,26,9", signed=True,
    cooldown=0,
)  # fmt: skip


class Macd(Kind):
    """MACD minus its signal line, in the currency of the price."""

    name = "macd"
    title = "MACD"
    group = INDICATORS
    usage = "/alert_macd BTC above 0 4h"
    meaning = "the histogram: above 0 = the MACD crosses its signal upwards."
    examples = ("/alert_macd BTC above 0 4h", "/alert_macd BTC below 0 1h")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
