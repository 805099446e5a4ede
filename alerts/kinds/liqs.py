"""/alert_liqs BTC above $10m 15m: forced closes of all venues together within a window."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind
from alerts.types import Metric
from market.types import MINUTE


def _reading(metric: Metric) -> str:
    """Of one side, or both added up."""
    sides = (metric.param,) if metric.param else ("long", "short")
    return "+".join(f"liq_{side}_{metric.window // MINUTE}m" for side in sides)


FIGURE = Figure(
    name="liquidations", words=("liquidations", "liqs"), unit=Unit.MONEY, scope=Scope.COIN,
    windows=(MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE), window=5 * MINUTE, exact=True,
    params=("long", "short"), rearm=0.3, cooldown=15 * MINUTE, low=0.0, reading=_reading,
)  # fmt: skip


class Liquidations(Kind):
    """Dollars closed by force within 1, 5, 15 or 60 minutes; a floor where a venue shows only some."""

    name = "liqs"
    title = "liquidations"
    group = DERIVATIVES
    usage = "/alert_liqs BTC above $10m 15m"
    meaning = "forced closes within 1m, 5m, 15m or 1h; liqs long or liqs short = one side."
    examples = (
        "/alert_liqs BTC above $10m 15m",
        "/alert_liqs BTC long above $5m 5m",
    )
    figures = (FIGURE,)
    picture = "1m"
    more = "/liqs {coin}"
