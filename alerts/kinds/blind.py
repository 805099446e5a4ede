"""/alert_blind BTC above 60: nothing was heard of a feed for so many seconds."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import DESK, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="blind", words=("blindness", "feed silence", "blind"), unit=Unit.COUNT,
    scope=Scope.INSTRUMENT, title="seconds of feed silence", rearm=0.5, cooldown=15 * MINUTE,
    low=0.0,
)  # fmt: skip


class Blind(Kind):
    """Seconds since the trades of an instrument were last heard of."""

    name = "blind"
    title = "feed silence"
    group = DESK
    usage = "/alert_blind BTC above 60"
    meaning = "seconds without a sign of the feed: what the desk tells then is old."
    examples = ("/alert_blind BTC above 60", "/alert_blind ETH above 120")
    figures = (FIGURE,)
    picture = ""
    more = "/status"
