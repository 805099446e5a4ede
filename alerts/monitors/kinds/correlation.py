"""Correlation break: a coin moves with Bitcoin much more, or much less, than it used to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Learner
from alerts.monitors.view import View
from analytics.correlation import BREAK, DECOUPLING_Z, WINDOW, Correlation, aligned, correlation
from market import format as fmt
from market.language import _
from market.types import HOUR, Candle, Instrument, Reading

AGAINST = "BTC"
CLOSES = 300  # hours
LATE = 2 * HOUR  # after the last close: what is known then is not the present any more


class Link(Learner):
    """|correlation of 50 hourly returns with BTC, minus what it was before|."""

    kind = "correlation"
    title = _("correlation break")
    about = _("change of a coin's correlation with BTC: 50 hourly returns against those before")
    unit = "points"
    defaults: ClassVar[Mapping[str, float]] = {"*": BREAK}
    low, high = 0.1, 2.0
    cooldown = 24 * HOUR
    timeframe, count, per_coin = "1h", CLOSES, True

    def __init__(self) -> None:
        self._closes: dict[str, dict[int, float]] = {}
        self._links: dict[str, tuple[int, Correlation, str, str]] = {}

    def learn(self, instrument: Instrument, candles: Sequence[Candle], now: int) -> None:
        """The closed hours of a coin; its link is worked out once, when they are new."""
        closes = {c.ts: c.close for c in candles if c.closed and c.close > 0}
        self._closes[instrument.base] = closes
        against = self._closes.get(AGAINST)
        if instrument.base == AGAINST or not against or not closes:
            return
        a, b = aligned(closes, against)
        last = max(closes.keys() & against.keys(), default=0) + HOUR
        self._links[instrument.base] = (
            last,
            correlation(a, b),
            instrument.key,
            instrument.exchange,
        )

    def look(self, view: View) -> Iterable[Finding]:
        """Each coin whose newest hour is here."""
        coins = {state.instrument.base for state in view.states.values()} | {AGAINST}
        for gone in (self._links.keys() | self._closes.keys()) - coins:
            self._links.pop(gone, None)
            self._closes.pop(gone, None)
        for coin, (ts, link, key, exchange) in list(self._links.items()):
            change, current, usual = link.change, link.current, link.baseline
            if change is None or current is None or usual is None:
                continue
            if not 0 <= view.now - ts <= LATE or key not in view.states:
                view.refused["stale"] += 1
                continue
            z = link.fisher_z
            figures = {
                "correlation": Reading(value=current, as_of=ts, n=WINDOW, venues=(exchange,)),
                "usual": Reading(value=usual, as_of=ts, venues=(exchange,)),
            }
            for side, size in (("up", change), ("down", -change)):
                yield Finding(
                    kind=self.kind, key=coin, coin=coin, ts=view.now, value=change,
                    size=max(0.0, size), side=side, venues=(exchange,), figures=figures,
                    ripe=size > BREAK or (z is not None and abs(z) > DECOUPLING_Z),
                )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`SOL correlation with BTC 0.41, usually 0.87`."""
        now: float = finding.figures["correlation"].value or 0.0
        usual: float = finding.figures["usual"].value or 0.0
        head = _("{coin} correlation with BTC {now}, usually {usual}").format(
            coin=finding.coin, now=fmt.significant(now, 2), usual=fmt.significant(usual, 2)
        )
        return head, _("hourly log returns of 50 h against the hours before")
