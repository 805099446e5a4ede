"""/alert_regime BTC: trend gave way to range or back, or the width of movement changed."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import MARKET, Kind

FIGURE = Figure(
    name="regime", words=("volatility regime", "regime"), unit=Unit.COUNT, scope=Scope.COIN,
    hows=frozenset({How.EVENT}), low=1.0, high=6.0, cooldown=0,
)  # fmt: skip


class Regime(Kind):
    """One of six regimes gave way to another, three hourly candles in a row."""

    name = "regime"
    title = "volatility regime"
    group = MARKET
    usage = "/alert_regime BTC"
    meaning = (
        "any change; above 4 = to a wide one (1-2 narrow, 3-4 normal, 5-6 wide; even = trend)."
    )
    examples = ("/alert_regime BTC", "/alert_regime ETH above 4")
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"
