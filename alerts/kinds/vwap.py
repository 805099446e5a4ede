"""/alert_vwap BTC above 0% 15m: the close against the volume-weighted average of the UTC day."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import INDICATORS, TIMED, Kind
from market.types import DAY, MINUTE, TIMEFRAMES

FIGURE = Figure(
    name="vwap_distance", words=("vwap",), unit=Unit.FRACTION, scope=Scope.INSTRUMENT,
    title="distance from the VWAP of the UTC day",
    timeframes=tuple(each for each in TIMED if TIMEFRAMES[each] < DAY), timeframe="15m",
    signed=True, band=0.001, cooldown=15 * MINUTE,
)  # fmt: skip


class Vwap(Kind):
    """The close over the session VWAP, minus one."""

    name = "vwap"
    title = "VWAP"
    group = INDICATORS
    usage = "/alert_vwap BTC above 0% 15m"
    meaning = "percent from the VWAP since 00:00 UTC: above 0% = crosses it upwards."
    examples = ("/alert_vwap BTC above 0% 15m", "/alert_vwap BTC below -2% 15m")
    figures = (FIGURE,)
    picture = "15m"
    more = "/ta {coin}"
