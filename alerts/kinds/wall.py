"""/alert_wall BTC above $20m: a level of the book near the price that is much larger than its neighbours."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import BOOK, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="wall", words=("wall",), unit=Unit.MONEY, scope=Scope.INSTRUMENT,
    hows=frozenset({How.EVENT}), params=("bid", "ask"), cooldown=15 * MINUTE, low=0.0,
)  # fmt: skip


class Wall(Kind):
    """Dollars of one level within half a percent of the price that has stood for 30 s."""

    name = "wall"
    title = "wall"
    group = BOOK
    usage = "/alert_wall BTC above $20m"
    meaning = "a level within 0.5% of the price that stood for 30 s; wall bid or ask = one side."
    examples = ("/alert_wall BTC above $20m", "/alert_wall BTC bid above $10m")
    figures = (FIGURE,)
    picture = "1m"
    more = "/book {coin}"
