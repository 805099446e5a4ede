"""/alert_ichimoku BTC above 0% 4h: a candle closes above, or below, the cloud it stands in."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="ichimoku", words=("ichimoku", "cloud"), unit=Unit.FRACTION, scope=Scope.INSTRUMENT,
    title="distance from the Ichimoku cloud", timeframes=TIMED, timeframe="1h", signed=True,
    cooldown=15 * MINUTE,
)  # fmt: skip


class Ichimoku(Kind):
    """How far the close is from the cloud; 0 inside it."""

    name = "ichimoku"
    title = "Ichimoku cloud"
    group = INDICATORS
    usage = "/alert_ichimoku BTC above 0% 4h"
    meaning = "percent from the cloud: above 0% = leaves it upwards, below 0% = downwards."
    examples = (
        "/alert_ichimoku BTC above 0% 4h",
        "/alert_ichimoku BTC below 0% 4h",
    )
    figures = (FIGURE,)
    picture = "4h"
    more = "/ta {coin}"
