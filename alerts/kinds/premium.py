"""/alert_premium BTC above 0.2%: the mark price against the index."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="premium", words=("premium", "basis"), unit=Unit.FRACTION, scope=Scope.INSTRUMENT,
    signed=True, band=0.0001, cooldown=15 * MINUTE, fresh=2 * MINUTE,
    reading=lambda _metric: "basis",
)  # fmt: skip


class Premium(Kind):
    """Mark over index, minus one."""

    name = "premium"
    title = "premium"
    group = DERIVATIVES
    usage = "/alert_premium BTC above 0.2%"
    meaning = "percent of the mark price over the index; below -0.1% = a discount."
    examples = ("/alert_premium BTC above 0.1%", "/alert_premium BTC below -0.1%")
    figures = (FIGURE,)
    picture = "15m"
    more = "/funding {coin}"
