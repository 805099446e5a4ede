"""Anomaly: figures that are far from their own last day, one very far or two at once."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from analytics.anomaly import ALONE, TOGETHER, Anomaly, AnomalyWatch
from market import format as fmt
from market.language import _
from market.types import MINUTE, Instrument, Reading

FLOW = {"trades_1m": MINUTE, "delta_1m": MINUTE}
OTHER = ("spread", "basis", "oi_change_5m")
NAMES = {
    "trades_1m": _("trades"),
    "delta_1m": _("delta"),
    "spread": _("spread"),
    "basis": _("basis"),
    "oi_change_5m": _("open interest"),
}
WATCHED = 60  # instruments: a day of each figure is kept


class Unusual(Monitor):
    """Robust deviations from the figure's own last 24 hours; two figures at 3.5 count as one at 5."""

    kind = "anomaly"
    title = _("anomaly")
    about = _("a figure far from its last 24 h: one at z 5, or two at z 3.5 within a minute")
    unit = "z"
    defaults: ClassVar[Mapping[str, float]] = {"*": ALONE}
    low, high = 3.0, 1000.0
    cooldown = 30 * MINUTE

    def __init__(self) -> None:
        self._watches: dict[str, AnomalyWatch] = {}

    def look(self, view: View) -> Iterable[Finding]:
        """The busiest instruments."""
        for key in self._watches.keys() - view.states.keys():
            del self._watches[key]
        for key, state in view.states.items():
            watch = self._watches.get(key)
            if watch is None:
                if len(self._watches) >= WATCHED:
                    continue
                watch = self._watches[key] = AnomalyWatch()
            values = _values(view, state.instrument)
            if not values:
                continue
            yield self._finding(watch.take(view.now, values), state.instrument, values, view.now)

    def _finding(
        self,
        found: Anomaly | None,
        instrument: Instrument,
        values: Mapping[str, Reading[float]],
        now: int,
    ) -> Finding:
        scores = dict(found.scores) if found is not None else {}
        sizes = sorted((abs(z) for z in scores.values()), reverse=True)
        second = sizes[1] * ALONE / TOGETHER if len(sizes) > 1 else 0.0
        worst = next(iter(scores.values()), 0.0)
        figures = {name: values[name] for name in scores if name in values}
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=now, value=worst,
            size=max([second, *sizes[:1]]), venues=(instrument.exchange,), figures=figures,
            extra={"scores": scores},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`SOL unusual: trades z 7.2, spread z 4.1`."""
        parts = [
            f"{NAMES.get(name, name)} z {z:+.1f}" for name, z in finding.extra["scores"].items()
        ]
        head = _("{coin} unusual: {parts}").format(coin=finding.coin, parts=", ".join(parts[:3]))
        return head, _("against the last 24 h, whatever the time of day")

    @classmethod
    def short(cls, value: float) -> str:
        """`z 7.2`."""
        return f"z {fmt.significant(value, 2)}"


def _values(view: View, instrument: Instrument) -> dict[str, Reading[float]]:
    """The figures that can be relied on now."""
    found = {name: view.flow(instrument, name, window) for name, window in FLOW.items()}
    snapshot = view.snapshot(instrument.key)
    found |= {name: view.figure(instrument, name) for name in OTHER if name in snapshot}
    return {name: reading for name, reading in found.items() if reading is not None}
