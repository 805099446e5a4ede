"""Cascade: forced closes of one side, one after another, on any venue."""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from exchanges.streams.decoder import News
from market import format as fmt
from market.language import _
from market.types import MINUTE, Liquidation, PositionSide, Reading

WINDOW = 30_000  # ms
COUNT = 5
KEPT = 5_000  # prints of one side of a coin


class Cascade(Monitor):
    """Dollars liquidated of one side of a coin within 30 s over all venues, five prints at least."""

    kind = "cascade"
    title = _("cascade")
    about = _("liquidations of one side in 30 s over all venues, at least 5 of them")
    unit = "$"
    defaults: ClassVar[Mapping[str, float]] = {"BTC": 500e3, "ETH": 250e3, "SOL": 100e3, "*": 50e3}
    rearm = 0.5
    cooldown = 2 * MINUTE

    def __init__(self) -> None:
        self._recent: dict[tuple[str, PositionSide], deque[Liquidation]] = {}

    def take(self, news: Sequence[News], view: View) -> Iterable[Finding]:
        """Count the new prints; each coin and side they touch is looked at once."""
        touched: dict[tuple[str, PositionSide], None] = {}
        for each in news:
            if isinstance(each, Liquidation):
                place = (each.instrument.base, each.position)
                self._recent.setdefault(place, deque(maxlen=KEPT)).append(each)
                touched[place] = None
        for place in touched:
            yield self._finding(place, view.now, ripe=True)

    def look(self, view: View) -> Iterable[Finding]:
        """Time passes: sums fall, and what was told may be told again."""
        for place in list(self._recent):
            yield self._finding(place, view.now, ripe=False)
            if not self._recent[place]:
                del self._recent[place]

    def _finding(self, place: tuple[str, PositionSide], now: int, *, ripe: bool) -> Finding:
        recent = self._recent[place]
        while recent and recent[0].ts <= now - WINDOW:
            recent.popleft()
        within = [each for each in recent if now - WINDOW < each.ts]
        total = math.fsum(each.value for each in within)
        coin, position = place
        venues = tuple(dict.fromkeys(each.instrument.exchange for each in within))
        floor = any(each.sample for each in within)
        figures = {
            f"liq_{position}_30s": Reading(
                value=total, as_of=max((e.ts for e in within), default=now), since=now - WINDOW,
                window=WINDOW, n=len(within), venues=venues, unit="USD",
                note=_("floor") if floor else "",
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=coin, coin=coin, ts=now, value=total, size=total, side=str(position),
            ripe=ripe and len(within) >= COUNT, urgent=True, venues=venues, figures=figures,
            extra={"count": len(within), "floor": floor},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC longs liquidated: at least $1.24M in 30 s`."""
        who = _("longs") if finding.side == PositionSide.LONG else _("shorts")
        least = "≥" if finding.extra["floor"] else ""
        head = _("{coin} {who} liquidated: {value} in 30 s").format(
            coin=finding.coin, who=who, value=least + fmt.money(finding.value)
        )
        line = _("{n} liquidations").format(n=finding.extra["count"])
        if finding.extra["floor"]:
            line += fmt.SEPARATOR + _("a floor: not every venue shows all of them")
        return head, line
