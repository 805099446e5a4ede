"""/alert_cascade BTC above $2m: forced closes of one side, one after another, on any venue."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="cascade", words=("cascade",), unit=Unit.MONEY, scope=Scope.COIN,
    title="liquidation cascade", hows=frozenset({How.EVENT}), params=("long", "short"),
    cooldown=2 * MINUTE, low=0.0,
)  # fmt: skip


class Cascade(Kind):
    """Dollars of one side liquidated within 30 s, five prints at least."""

    name = "cascade"
    title = "cascade"
    group = DERIVATIVES
    usage = "/alert_cascade BTC above $2m"
    meaning = "liquidations of one side within 30 s, five at least; long or short = one side."
    examples = ("/alert_cascade BTC above $1m", "/alert_cascade ETH above $500k")
    figures = (FIGURE,)
    picture = "1m"
    more = "/liqs {coin}"
