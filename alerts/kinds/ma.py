"""/alert_ma BTC ema200 above 0% 1d: the close crosses a moving average, or is so far from it."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="ma_distance", words=("ma", "moving average"), unit=Unit.FRACTION,
    scope=Scope.INSTRUMENT, title="distance from a moving average", timeframes=TIMED,
    timeframe="1h", param="sma50", signed=True, band=0.001, cooldown=15 * MINUTE,
    params=tuple(f"{kind}{n}" for kind in ("sma", "ema") for n in (9, 20, 21, 50, 100, 200)),
)  # fmt: skip


class Average(Kind):
    """The close over the mean of the closes, minus one."""

    name = "ma"
    title = "moving average"
    group = INDICATORS
    usage = "/alert_ma BTC ema200 above 0% 4h"
    meaning = "percent from the average: above 0% = crosses it upwards; sma or ema 9, 20, 21, 50, 100, 200."
    examples = (
        "/alert_ma BTC sma50 above 0% 4h",
        "/alert_ma BTC ema200 below 0% 1d",
    )
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
