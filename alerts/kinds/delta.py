"""/alert_delta BTC above $5m 5m: takers bought, or sold, so much more than the other way within minutes."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import FLOW, Kind
from market.types import MINUTE

WINDOWS = (MINUTE, 5 * MINUTE, 15 * MINUTE)
FIGURE = Figure(
    name="delta", words=("delta",), unit=Unit.MONEY, scope=Scope.INSTRUMENT, windows=WINDOWS,
    window=5 * MINUTE, exact=True, signed=True, rearm=0.2, cooldown=15 * MINUTE,
    reading=lambda metric: f"delta_{metric.window // MINUTE}m",
)  # fmt: skip


class Delta(Kind):
    """Taker buys minus taker sells, in dollars."""

    name = "delta"
    title = "delta"
    group = FLOW
    usage = "/alert_delta BTC above $5m 5m"
    meaning = "buys minus sells of takers within 1m, 5m or 15m; below -$5m = sellers."
    examples = (
        "/alert_delta BTC above $5m 5m",
        "/alert_delta BTC below -$5m 5m",
    )
    figures = (FIGURE,)
    picture = "1m"
    more = "/flow {coin}"
