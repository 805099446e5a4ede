"""Imbalance: one side of the book holds much more near the price, and goes on doing so."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from market import format as fmt
from market.language import _
from market.types import MINUTE

HELD = 3_000  # market ms
HOLE = 20_000  # between two looks: what was held in it is not known
NAME = "bid_share"


class Imbalance(Monitor):
    """Share of the heavier side in the ten best levels, the least of three seconds."""

    kind = "imbalance"
    title = _("book imbalance")
    about = _("share of one side in the ten best levels, held for 3 s")
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"*": 70.0}
    low, high = 50.0, 100.0
    rearm = 0.9
    cooldown = 30 * MINUTE  # one level of big makers swings it

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[int, float]]] = {}

    @classmethod
    def short(cls, value: float) -> str:
        """The bids' share: `74%`."""
        return fmt.percent(value, 0, signed=False, tight=True)

    def look(self, view: View) -> Iterable[Finding]:
        """Each book, both sides."""
        for key, state in view.states.items():
            if state.book is None:
                continue
            reading = view.figure(state.instrument, NAME)
            if reading is None or reading.value is None:
                self._looks.pop(key, None)
                continue
            looks = self._looks.setdefault(key, deque(maxlen=64))
            shares = _held(looks, view.now, reading.value)
            for side, size in (("bid", min(shares)), ("ask", 1 - max(shares))) if shares else ():
                yield Finding(
                    kind=self.kind, key=key, coin=state.instrument.base, ts=view.now, value=reading.value,
                    size=size * 100, side=side, venues=(state.instrument.exchange,), figures={NAME: reading},
                )  # fmt: skip
        for gone in self._looks.keys() - view.states.keys():
            del self._looks[gone]

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC book: bids hold 74 % of the ten best levels`."""
        bids = finding.side == "bid"
        share = finding.value if bids else 1 - finding.value
        head = _("{coin} book: {side} hold {share} of the ten best levels").format(
            coin=finding.coin, side=_("bids") if bids else _("asks"),
            share=fmt.percent(share, 0, signed=False),
        )  # fmt: skip
        return head, _("for 3 s or longer; resting orders can be pulled")


def _held(looks: deque[tuple[int, float]], now: int, share: float) -> list[float]:
    """The shares of the last three seconds with this one; none where they are not all known."""
    if looks and not 0 <= now - looks[-1][0] <= HOLE:
        looks.clear()
    looks.append((now, share))
    while len(looks) > 1 and looks[1][0] <= now - HELD:
        looks.popleft()
    return [each for _ts, each in looks] if looks[0][0] <= now - HELD else []
