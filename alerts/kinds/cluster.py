"""/alert_cluster BTC below 0.5%: the price is near a cluster of estimated liquidations."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind
from market.types import HOUR, MINUTE

FIGURE = Figure(
    name="liq_cluster", words=("liquidation cluster", "liq cluster", "cluster"), unit=Unit.FRACTION,
    scope=Scope.COIN, title="distance to a liquidation cluster (estimate)",
    params=("long", "short"), rearm=0.3, cooldown=HOUR, fresh=3 * MINUTE, low=0.0, high=1.0,
)  # fmt: skip


class Cluster(Kind):
    """Distance to the nearest cluster of the liquidation map; an estimate."""

    name = "cluster"
    title = "liquidation cluster"
    group = DERIVATIVES
    usage = "/alert_cluster BTC below 0.5%"
    meaning = "percent from the price to the nearest cluster (estimate); long or short = one side."
    examples = (
        "/alert_cluster BTC below 0.5%",
        "/alert_cluster BTC short below 1%",
    )
    figures = (FIGURE,)
    picture = "1h"
    more = "/liqmap {coin}"
