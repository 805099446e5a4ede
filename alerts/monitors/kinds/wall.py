"""Walls: a level of the book much larger than its neighbours that stays, and one that is taken away untouched."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from analytics.book_patterns import Pattern, PatternKind
from analytics.book_walls import Wall as Level
from market import format as fmt
from market.language import _
from market.types import HOUR, MINUTE, Instrument, Kind, Reading, Side

NEAR = 0.005  # of the mid
SAME = HOUR  # a level that was away for less is the same wall


class Wall(Monitor):
    """Dollars of one level within half a percent of the price that has stood for 30 s."""

    kind = "wall"
    title = _("wall")
    about = _(
        "a level of the book near the price that has stood for 30 s; resting orders can be pulled"
    )
    unit = "$"
    defaults: ClassVar[Mapping[str, float]] = {"BTC": 10e6, "ETH": 6e6, "SOL": 3e6, "*": 1.5e6}

    def __init__(self) -> None:
        self._standing: dict[tuple[str, Side, float], tuple[int, int]] = {}  # born, last seen

    def look(self, view: View) -> Iterable[Finding]:
        """Each book that is whole now."""
        for state in view.states.values():
            book = state.book
            if book is None or not book.live(view.now):
                continue
            for wall in book.walls(view.now):
                if abs(wall.distance) <= NEAR:
                    yield self._finding(wall, state.instrument, view.now)
        for place in [
            p for p, seen in self._standing.items() if not 0 <= view.now - seen[1] <= SAME
        ]:
            del self._standing[place]

    def _finding(self, wall: Level, instrument: Instrument, now: int) -> Finding:
        place = (instrument.key, wall.side, wall.price)
        born = self._standing.get(place, (now, now))[0]
        self._standing[place] = (born, now)
        figures = {
            "wall": Reading(
                value=wall.value, as_of=now, since=wall.since, venues=(instrument.exchange,),
                kind=Kind.ESTIMATED, unit="USD",
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=now,
            value=wall.value if wall.side is Side.BUY else -wall.value, size=wall.value,
            side=str(wall.side), event=f"{wall.side}:{wall.price}:{born}",
            venues=(instrument.exchange,), figures=figures,
            extra={"price": fmt.price(wall.price, instrument.price_step), "times": wall.times,
                   "distance": wall.distance, "stood": now - wall.since},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC bid wall $12.4M at 94,000.0, 0.33 % below`."""
        bids = finding.side == Side.BUY
        head = _("{coin} {side} wall {value} at {price}").format(
            coin=finding.coin, side=_("bid") if bids else _("ask"),
            value=fmt.money(finding.size), price=finding.extra["price"],
        )  # fmt: skip
        line = _("{distance} from the price, {times} x its neighbours, for {age}").format(
            distance=fmt.percent(finding.extra["distance"]),
            times=f"{finding.extra['times']:.0f}",
            age=fmt.age(finding.extra["stood"]),
        )
        return head, line


class Pulled(Monitor):
    """Dollars that were taken away near the price without being traded, the third time in ten minutes."""

    kind = "pulled"
    title = _("pulled wall")
    about = _("walls near the price that go without being traded, three in 10 minutes: a suspicion")
    unit = "$"
    defaults: ClassVar[Mapping[str, float]] = {"BTC": 5e6, "ETH": 3e6, "SOL": 1.5e6, "*": 0.75e6}

    def look(self, view: View) -> Iterable[Finding]:
        """Each book that is whole now."""
        for state in view.states.values():
            book = state.book
            if book is None or not book.live(view.now):
                continue
            for each in book.patterns(view.now):
                pulled = each.pattern is PatternKind.PULLED
                if pulled and each.alertable and 0 <= view.now - each.ts <= MINUTE:
                    yield self._finding(each, state.instrument)

    def _finding(self, pattern: Pattern, instrument: Instrument) -> Finding:
        figures = {
            "pulled": Reading(
                value=pattern.value, as_of=pattern.ts, n=pattern.repeats,
                venues=(instrument.exchange,), kind=Kind.ESTIMATED, unit="USD",
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=pattern.ts,
            value=pattern.value, size=pattern.value, side=str(pattern.side),
            event=f"{pattern.ts}:{pattern.side}:{pattern.price}",
            venues=(instrument.exchange,), figures=figures,
            extra={"price": fmt.price(pattern.price, instrument.price_step),
                   "repeats": pattern.repeats},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC bid wall of $6.2M at 94,000.0 was pulled`."""
        bids = finding.side == Side.BUY
        head = _("{coin} {side} wall of {value} at {price} was pulled").format(
            coin=finding.coin, side=_("bid") if bids else _("ask"),
            value=fmt.money(finding.size), price=finding.extra["price"],
        )  # fmt: skip
        return head, _("{n} on this side in 10 m; trades do not explain them: a suspicion").format(
            n=finding.extra["repeats"]
        )
