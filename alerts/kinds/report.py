"""/alert_report 08:00: a report at a time of day."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import DESK, Kind

FIGURE = Figure(
    name="report", words=("report",), unit=Unit.COUNT, scope=Scope.MARKET,
    hows=frozenset({How.EVENT}), param="08:00", cooldown=0,
)  # fmt: skip


class Report(Kind):
    """Every day at a time, UTC unless a place is named."""

    name = "report"
    title = "report"
    group = DESK
    usage = "/alert_report 08:00"
    meaning = "every day at that time, UTC; 08:00 Europe/Berlin = the time there."
    examples = ("/alert_report 08:00", "/alert_report 21:30")
    figures = (FIGURE,)
    picture = ""
