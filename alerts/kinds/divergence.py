"""/alert_divergence BTC 1h: price and CVD part ways, known three candles after the second turn."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import FLOW, Kind

FIGURE = Figure(
    name="divergence", words=("divergence", "cvd divergence"), unit=Unit.SCORE,
    scope=Scope.INSTRUMENT, title="CVD divergence", hows=frozenset({How.EVENT}),
    timeframes=("15m", "30m", "1h", "2h", "4h"), timeframe="1h", signed=True, low=-1.0, high=1.0,
    cooldown=0,
)  # fmt: skip


class Divergence(Kind):
    """A higher high of the price with a lower high of the CVD, or the mirror of it."""

    name = "divergence"
    title = "CVD divergence"
    group = FLOW
    usage = "/alert_divergence BTC 1h"
    meaning = "price and CVD part ways; above 0 = bullish only, below 0 = bearish only."
    examples = (
        "/alert_divergence BTC 1h",
        "/alert_divergence BTC below 0 4h",
    )
    figures = (FIGURE,)
    aliases = ("cvd_alerts",)
    picture = "1h"
    more = "/cvd {coin}"
