"""/alert_liq BTC above $1m: one forced close of so many dollars, on any venue."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind

FIGURE = Figure(
    name="liquidation", words=("liquidation", "liq"), unit=Unit.MONEY, scope=Scope.COIN,
    hows=frozenset({How.EVENT}), params=("long", "short"), cooldown=60_000, low=0.0,
)  # fmt: skip


class Liquidation(Kind):
    """One print of a liquidation."""

    name = "liq"
    title = "liquidation"
    group = DERIVATIVES
    usage = "/alert_liq BTC above $1m"
    meaning = "one forced close of so many dollars; liq long or liq short = one side."
    examples = ("/alert_liq BTC above $1m", "/alert_liq BTC long above $500k")
    figures = (FIGURE,)
    picture = "1m"
    more = "/liqs {coin}"
