"""/alert_funding BTC above 0.05%: what longs pay shorts in one interval, or a year, or how it changes."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind
from market.types import HOUR, MINUTE

FIGURE = Figure(
    name="funding", words=("funding", "funding rate"), unit=Unit.RATE, scope=Scope.INSTRUMENT,
    signed=True, band=1e-5, cooldown=HOUR, fresh=3 * MINUTE, low=-0.5, high=0.5,
    reading=lambda _metric: "funding",
)  # fmt: skip
APR = Figure(
    name="funding_apr", words=("funding apr",), unit=Unit.FRACTION, scope=Scope.INSTRUMENT,
    title="funding APR", signed=True, band=0.005, cooldown=HOUR, fresh=3 * MINUTE,
    reading=lambda _metric: "funding_apr",
)  # fmt: skip
MOMENTUM = Figure(
    name="funding_momentum", words=("funding momentum",), unit=Unit.RATE, scope=Scope.INSTRUMENT,
    title="funding momentum per 8 h", signed=True, band=1e-5, cooldown=HOUR, fresh=3 * MINUTE,
    low=-0.5, high=0.5, reading=lambda _metric: "funding_momentum",
)  # fmt: skip


class Funding(Kind):
    """A rate is a percent of one interval, and intervals differ: 1, 4 or 8 hours."""

    name = "funding"
    title = "funding"
    group = DERIVATIVES
    usage = "/alert_funding BTC above 0.05%"
    meaning = "percent per interval of the venue; funding apr = per year; below 0% = shorts pay."
    examples = (
        "/alert_funding BTC above 0.05%",
        "/alert_funding BTC below 0%",
        "/alert_funding BTC funding apr above 50%",
    )
    figures = (FIGURE, APR, MOMENTUM)
    picture = "1h"
    more = "/funding {coin}"
