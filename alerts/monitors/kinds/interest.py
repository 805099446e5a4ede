"""OI jump: contracts were opened or closed much faster than usual."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from market import format as fmt
from market.language import _
from market.types import MINUTE

NAME = "oi_change_15m"


class Interest(Monitor):
    """|change of the open contracts within 15 minutes|, in coins, so that the price has no part in it."""

    kind = "oi"
    title = _("OI jump")
    about = _("change of open interest in 15 minutes, in coins")
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"BTC": 2.0, "ETH": 3.0, "*": 5.0}
    high = 1000.0
    cooldown = 30 * MINUTE

    @classmethod
    def short(cls, value: float) -> str:
        """`+3.20%`."""
        return fmt.percent(value, tight=True)

    def look(self, view: View) -> Iterable[Finding]:
        """Each perp, both directions."""
        for key, state in view.states.items():
            if not state.instrument.perp:
                continue
            reading = view.figure(state.instrument, NAME)
            if reading is None or reading.value is None:
                continue
            figures = {NAME: reading}
            for name in ("oi", "oi_usd"):
                beside = view.snapshot(key).get(name)
                if beside is not None and beside.known:
                    figures[name] = beside
            for side, sign in (("up", 1), ("down", -1)):
                yield Finding(
                    kind=self.kind, key=key, coin=state.instrument.base, ts=view.now, value=reading.value,
                    size=max(0.0, sign * reading.value * 100), side=side,
                    venues=(state.instrument.exchange,), figures=figures,
                )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC open interest +3.20 % in 15 m`."""
        head = _("{coin} open interest {change} in 15 m").format(
            coin=finding.coin, change=fmt.percent(finding.value)
        )
        now = finding.figures.get("oi")
        value = finding.figures.get("oi_usd")
        if now is None or now.value is None:
            return head, ""
        held = fmt.amount_and_value(now.value, finding.coin, value.value if value else None)
        return head, _("now {held}, measured in coins").format(held=held)
