"""/alert_turnover BTC above $50m 5m: what was traded within minutes, in dollars."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import FLOW, Kind
from market.types import MINUTE

WINDOWS = (MINUTE, 5 * MINUTE, 15 * MINUTE)
FIGURE = Figure(
    name="turnover", words=("turnover", "traded value"), unit=Unit.MONEY, scope=Scope.INSTRUMENT,
    windows=WINDOWS, window=5 * MINUTE, exact=True, rearm=0.2, cooldown=15 * MINUTE, low=0.0,
    reading=lambda metric: f"volume_{metric.window // MINUTE}m",
)  # fmt: skip


class Turnover(Kind):
    """Dollars traded in the last 1, 5 or 15 minutes."""

    name = "turnover"
    title = "turnover"
    group = FLOW
    usage = "/alert_turnover BTC above $50m 5m"
    meaning = "dollars traded within 1m, 5m or 15m."
    examples = (
        "/alert_turnover BTC above $100m 5m",
        "/alert_turnover ETH above $50m 15m",
    )
    figures = (FIGURE,)
    picture = "1m"
    more = "/flow {coin}"
