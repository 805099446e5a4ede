"""/alert_bb BTC above 1 1h: a candle closes outside its Bollinger bands."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="bollinger", words=("bollinger", "%b", "bb"), unit=Unit.SCORE, scope=Scope.INSTRUMENT,
    title="Bollinger %b", timeframes=TIMED, timeframe="1h", param="20,2", signed=True, band=0.05,
    cooldown=15 * MINUTE,
)  # fmt: skip


class Bollinger(Kind):
    """Where the close stands: 0 at the lower band, 1 at the upper one."""

    name = "bb"
    title = "Bollinger"
    group = INDICATORS
    usage = "/alert_bb BTC above 1 1h"
    meaning = "0 = lower band, 1 = upper band of 20 candles and 2 deviations."
    examples = ("/alert_bb BTC above 1 1h", "/alert_bb BTC below 0 4h")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
