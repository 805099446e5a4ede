"""Extreme delta: takers of one side were far ahead within five minutes, in dollars and against what is usual."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from analytics.anomaly import RobustZ
from market import format as fmt
from market.language import _
from market.types import MINUTE, Instrument, Reading

WINDOW = 5 * MINUTE
ENOUGH = 60  # minutes before it is known what is usual
Z = 4.0


class Delta(Monitor):
    """|net taker buying of 5 minutes| on one venue."""

    kind = "delta"
    title = _("extreme delta")
    about = _("takers' net buying or selling in 5 minutes on one venue, and z > 4 of the last day")
    unit = "$"
    # On one venue |5 min net| is above $1M in half of all minutes for BTC, in a quarter for ETH.
    defaults: ClassVar[Mapping[str, float]] = {
        "BTC": 20e6,
        "ETH": 12e6,
        "SOL": 5e6,
        "XRP": 3e6,
        "*": 1e6,
    }

    def __init__(self) -> None:
        self._usual: dict[str, RobustZ] = {}  # one value a minute, of the last day

    def look(self, view: View) -> Iterable[Finding]:
        """Each instrument, both directions."""
        for key, state in view.states.items():
            reading = view.flow(state.instrument, "delta_5m", WINDOW)
            if reading is None or reading.value is None:
                continue
            usual = self._usual.get(key)
            if usual is None:
                usual = self._usual[key] = RobustZ(least=ENOUGH)
            z = usual.update(view.now, reading.value)
            yield from self._findings(state.instrument, reading, reading.value, z, view.now)
        for gone in self._usual.keys() - view.states.keys():
            del self._usual[gone]

    def _findings(
        self,
        instrument: Instrument,
        reading: Reading[float],
        value: float,
        z: float | None,
        now: int,
    ) -> Iterable[Finding]:
        figures = {"delta_5m": reading}
        if z is not None:
            figures["z"] = Reading(value=z, as_of=now, unit="deviations")
        for side, size in (("buy", value), ("sell", -value)):
            yield Finding(
                kind=self.kind, key=instrument.key, coin=instrument.base, ts=now, value=value,
                size=max(0.0, size), side=side, ripe=z is None or abs(z) > Z,
                venues=(instrument.exchange,), figures=figures,
            )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC sellers ahead by $24.1M in 5 m`."""
        word = _("buyers") if finding.side == "buy" else _("sellers")
        head = _("{coin} {who} ahead by {value} in 5 m").format(
            coin=finding.coin, who=word, value=fmt.money(abs(finding.value))
        )
        z = finding.figures.get("z")
        if z is None or z.value is None:
            return head, _("what is usual is not known yet: less than an hour watched")
        return head, _("z {z} of the last day").format(z=f"{abs(z.value):.1f}")
