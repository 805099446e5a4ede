"""/alert_anomaly BTC: figures far from their own last day, one very far or two at once."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import MARKET, Kind
from analytics.anomaly import ALONE
from market.types import MINUTE

FIGURE = Figure(
    name="anomaly", words=("anomaly",), unit=Unit.SCORE, scope=Scope.COIN,
    hows=frozenset({How.EVENT}), low=ALONE, cooldown=30 * MINUTE,
)  # fmt: skip


class Anomaly(Kind):
    """Robust deviations of trades, delta, spread, basis and open interest from their last 24 h."""

    name = "anomaly"
    title = "anomaly"
    group = MARKET
    usage = "/alert_anomaly BTC"
    meaning = "deviations from the last day, 5 at least; above 8 = only larger ones."
    examples = ("/alert_anomaly BTC", "/alert_anomaly SOL above 8")
    figures = (FIGURE,)
    picture = "1m"
    more = "/monitor {coin}"
