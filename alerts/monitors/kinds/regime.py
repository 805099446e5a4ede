"""Regime change: from range to trend or back, or to another width of movement, on hourly candles."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Learner
from alerts.monitors.view import View
from analytics.regime import Regime, RegimeChange, RegimeWatch
from market.language import _
from market.types import HOUR, MINUTE, Candle, Instrument, Reading

CANDLES = 300
NEWS = 15 * MINUTE  # after the close of the bar
NAMES = {
    Regime.TREND_LOW: _("trend, narrow"),
    Regime.TREND_NORMAL: _("trend"),
    Regime.TREND_HIGH: _("trend, wide"),
    Regime.RANGE_LOW: _("range, narrow"),
    Regime.RANGE_NORMAL: _("range"),
    Regime.RANGE_HIGH: _("range, wide"),
}


class Change(Learner):
    """One of six regimes gave way to another, three bars in a row."""

    kind = "regime"
    title = _("regime change")
    about = _("trend or range, narrow or wide: three hourly candles in a row say another")
    unit = ""
    defaults: ClassVar[Mapping[str, float]] = {"*": 0.5}
    low, high = 0.0, 1.0
    timeframe, count, per_coin = "1h", CANDLES, True

    def __init__(self) -> None:
        self._watches: dict[str, RegimeWatch] = {}
        self._last: dict[str, int] = {}
        self._news: deque[tuple[Instrument, RegimeChange]] = deque(maxlen=500)

    def learn(self, instrument: Instrument, candles: Sequence[Candle], now: int) -> None:
        """The whole history once; then each bar that has closed since."""
        closed = [each for each in candles if each.closed and each.ts + HOUR <= now]
        if not closed:
            return
        watch, last = self._watches.get(instrument.key), self._last.get(instrument.key, 0)
        fresh = [each for each in closed if each.ts > last]
        if watch is None:
            watch = RegimeWatch("1h", venues=(instrument.exchange,))
            watch.load(closed, now)
            self._watches[instrument.key] = watch
        else:
            for candle in fresh:
                change = watch.close(candle)
                if change is not None:
                    self._news.append((instrument, change))
        self._last[instrument.key] = closed[-1].ts

    def look(self, view: View) -> Iterable[Finding]:
        """What has changed since the last look."""
        for gone in self._watches.keys() - view.states.keys():
            self._watches.pop(gone, None)
            self._last.pop(gone, None)
        while self._news:
            instrument, change = self._news.popleft()
            if 0 <= view.now - change.as_of <= NEWS:
                yield self._finding(instrument, change)

    def _finding(self, instrument: Instrument, change: RegimeChange) -> Finding:
        venues = (instrument.exchange,)
        figures = {"regime": Reading(value=str(change.after), as_of=change.as_of, venues=venues)}
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=change.as_of, value=1.0,
            size=1.0, side=str(change.after), event=f"{change.as_of}:{change.after}", venues=venues,
            figures=figures,
            extra={"before": change.before, "after": change.after, "direction": change.direction},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC turned from range, narrow to trend (up)`."""
        extra = finding.extra
        way = {"up": _(" up"), "down": _(" down")}.get(extra["direction"], "")
        head = _("{coin} turned from {before} to {after}{way}").format(
            coin=finding.coin, before=NAMES[extra["before"]], after=NAMES[extra["after"]], way=way
        )
        return head, _("by ADX, EMA 50 and ATR of 1 h candles; three in a row")

    @classmethod
    def short(cls, value: float) -> str:  # noqa: ARG003
        """Nothing: a change has no size."""
        return ""
