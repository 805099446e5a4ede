"""/alert_listing new: a venue lists a market, or takes one away."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import MARKET, Kind

FIGURE = Figure(
    name="listing", words=("listing",), unit=Unit.COUNT, scope=Scope.MARKET,
    hows=frozenset({How.EVENT}), params=("new", "gone"), cooldown=0, low=0.0,
)  # fmt: skip


class Listing(Kind):
    """Markets in the list of a venue that were not there before, or are not there any more."""

    name = "listing"
    title = "listing"
    group = MARKET
    usage = "/alert_listing new"
    meaning = "new = listed, gone = taken away, nothing = both; looked at every 10 minutes."
    examples = ("/alert_listing new", "/alert_listing gone", "/alert_listing")
    figures = (FIGURE,)
    picture = ""
    more = "/status"
