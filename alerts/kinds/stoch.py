"""/alert_stoch BTC below 20 1h: the slow stochastic of closed candles."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="stochastic", words=("stochastic", "stoch"), unit=Unit.SCORE, scope=Scope.INSTRUMENT,
    title="stochastic %K", timeframes=TIMED, timeframe="1h", param="14,3", band=2.0,
    cooldown=15 * MINUTE, low=0.0, high=100.0,
)  # fmt: skip


class Stochastic(Kind):
    """%K, smoothed by three candles, 0 to 100."""

    name = "stoch"
    title = "stochastic"
    group = INDICATORS
    usage = "/alert_stoch BTC below 20 1h"
    meaning = "0 to 100 of closed candles; 1h = candle."
    examples = ("/alert_stoch BTC below 20 1h", "/alert_stoch BTC above 80 4h")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
