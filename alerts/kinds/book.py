"""/alert_book BTC above 75%: the share of bids among the ten best levels of the book."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import BOOK, Kind
from market.types import MINUTE

FIGURE = Figure(
    name="imbalance", words=("book imbalance", "imbalance", "bid share"), unit=Unit.FRACTION,
    scope=Scope.INSTRUMENT, title="bid share of the book", band=0.05, cooldown=15 * MINUTE,
    fresh=15_000, low=0.0, high=1.0, reading=lambda _metric: "bid_share",
)  # fmt: skip


class Book(Kind):
    """Bids over bids and asks; it flickers, so a rule about it had better hold for some seconds."""

    name = "book"
    title = "book imbalance"
    group = BOOK
    usage = "/alert_book BTC above 75%"
    meaning = "percent of bids in the ten best levels; below 25% = asks; for 10s = it has to last."
    examples = (
        "/alert_book BTC above 75% for 10s",
        "/alert_book BTC below 25% for 10s",
    )
    figures = (FIGURE,)
    picture = "1m"
    more = "/book {coin}"
