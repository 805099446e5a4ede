"""/alert_when BTC price above 95k and BTC rsi above 70: any rule, of as many parts as it needs."""

from alerts.kinds.base import DESK, Kind


class When(Kind):
    """The whole rule language."""

    name = "when"
    title = "rule"
    group = DESK
    usage = "/alert_when BTC price above 95k and BTC rsi above 70"
    meaning = "and, or, not, for 10m, then ... within 30m."
    examples = (
        "/alert_when BTC price above 95k and BTC funding below 0%",
        "/alert_when BTC < 90k then BTC > 91k within 30m",
    )
    figures = ()
