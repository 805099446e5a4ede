"""Funding: a rate far from its usual size, and one that is about to change."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from market import format as fmt
from market.language import _
from market.types import HOUR


class _Rate(Monitor):
    """A rate per 8 hours, in percent, either sign."""

    unit = "%/8h"
    figure: str
    cooldown = 4 * HOUR
    high = 4.0 * 8

    @classmethod
    def short(cls, value: float) -> str:
        """`0.06%`."""
        return fmt.percent(value, 2, tight=True)

    def look(self, view: View) -> Iterable[Finding]:
        """Each perp, both signs."""
        for key, state in view.states.items():
            if not state.instrument.perp:
                continue
            reading = view.figure(state.instrument, self.figure)
            if reading is None or reading.value is None:
                continue
            figures = {self.figure: reading}
            yearly = view.snapshot(key).get("funding_apr")
            if yearly is not None and yearly.known:
                figures["funding_apr"] = yearly
            for side, sign in (("up", 1), ("down", -1)):
                yield Finding(
                    kind=self.kind, key=key, coin=state.instrument.base, ts=view.now, value=reading.value,
                    size=max(0.0, sign * reading.value * 100), side=side,
                    venues=(state.instrument.exchange,), figures=figures,
                )  # fmt: skip


def _yearly(finding: Finding) -> str:
    yearly = finding.figures.get("funding_apr")
    if yearly is None or yearly.value is None:
        return ""
    return _("now {apr} APR").format(apr=fmt.percent(yearly.value))


class Extreme(_Rate):
    """|funding per 8 h|."""

    kind = "funding"
    title = _("extreme funding")
    about = _("funding per 8 hours, either sign")
    figure = "funding_8h"
    defaults: ClassVar[Mapping[str, float]] = {"*": 0.05}

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC funding +0.0600 % per 8 h: longs pay`."""
        who = _("longs pay shorts") if finding.side == "up" else _("shorts pay longs")
        head = _("{coin} funding {rate} per 8 h: {who}").format(
            coin=finding.coin, rate=fmt.percent(finding.value, 4), who=who
        )
        return head, _yearly(finding)


class Momentum(_Rate):
    """Change of the funding per 8 h: predicted against current, or over an hour."""

    kind = "momentum"
    title = _("funding momentum")
    about = _("funding per 8 hours: predicted minus current, or its change in an hour")
    figure = "funding_momentum"
    defaults: ClassVar[Mapping[str, float]] = {"*": 0.02}

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC funding rising: +0.0250 % per 8 h`."""
        word = _("rising") if finding.side == "up" else _("falling")
        head = _("{coin} funding {word} by {rate} per 8 h").format(
            coin=finding.coin, word=word, rate=fmt.percent(abs(finding.value), 4, signed=False)
        )
        return head, _yearly(finding)
