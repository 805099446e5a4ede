"""/alert_crash BTC: several percent within a minute, confirmed by a second source."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import MARKET, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="crash", words=("crash", "flash crash"), unit=Unit.FRACTION, scope=Scope.COIN,
    title="flash crash", hows=frozenset({How.EVENT}), signed=True, cooldown=5 * MINUTE,
    low=-1.0, high=1.0,
)  # fmt: skip


class Crash(Kind):
    """A fall within 60 s on two venues, or on one and the index; a rise is below 0."""

    name = "crash"
    title = "flash crash"
    group = MARKET
    usage = "/alert_crash BTC"
    meaning = "any confirmed fall within a minute; above 5% = larger ones; below 0% = sudden rises."
    examples = ("/alert_crash BTC", "/alert_crash BTC above 5%")
    figures = (FIGURE,)
    picture = "1m"
    more = "/price {coin}"
