"""The correlation of two instruments, closed bar by closed bar, and when it breaks.

The same figures as `correlation.py` gives of the whole history it holds. A bar counts when both have it; nothing is
filled forward.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from analytics.correlation import BASELINE, WINDOW, Correlation
from market.language import _
from market.types import HOUR, Reading, Status

HISTORY = 1000  # returns: the baseline rests on up to 901 rolling values
PENDING = 200  # closes of one that wait for the other
LATE_BARS = 2
_Pair = tuple[float, float]


class CorrelationWatch:
    """Log returns of a pair over closed bars of `step` ms: the last 50 against the windows before them.

    `pair` names the two, e.g. ("ETH", "BTC"). O(50) per closed bar.
    """

    def __init__(self, pair: tuple[str, str], step: int = HOUR, history: int = HISTORY) -> None:
        self.pair = pair
        self.refused = 0  # closes that were no prices, or came after their bar was passed
        self._step = step
        self._waiting: tuple[dict[int, float], dict[int, float]] = ({}, {})
        self._last: tuple[int, float, float] | None = (
            None  # ts and log closes of the newest common bar
        )
        self._returns: deque[_Pair] = deque(maxlen=WINDOW)
        self._recent: deque[float | None] = (
            deque()
        )  # rolling values that overlap the current window
        self._older: deque[float | None] = deque(maxlen=history - 2 * WINDOW + 1)
        self._found = Correlation(current=None, baseline=None)

    def close(self, leg: Literal[0, 1], ts: int, price: float) -> Correlation | None:
        """The close of one leg's bar, `ts` its open. The new figures once both legs have it."""
        late = self._last is not None and ts <= self._last[0]
        if late or not (math.isfinite(price) and price > 0) or ts % self._step:
            self.refused += 1
            return None
        mine, other = self._waiting[leg], self._waiting[1 - leg]
        mine[ts] = price
        if len(mine) > PENDING:
            del mine[min(mine)]
        if ts not in other:
            return None
        found = self._commit(ts, self._waiting[0][ts], self._waiting[1][ts])
        for each in self._waiting:
            for old in [key for key in each if key <= ts]:
                del each[old]
        return found

    def load(self, a: Mapping[int, float], b: Mapping[int, float]) -> Correlation:
        """Closes of both by the open of their bar, closed bars only."""
        for ts in sorted(a.keys() & b.keys()):
            if self._last is None or ts > self._last[0]:
                self.close(0, ts, a[ts])
                self.close(1, ts, b[ts])
        return self._found

    def state(self, now: int) -> Correlation | None:
        """The figures of now: `.broken`, `.decoupling`; None where they are too old or not known."""
        return None if self._refusal(now) is not None else self._found

    def readings(self, now: int) -> dict[str, Reading[float]]:
        """`correlation`, `correlation_base`, `correlation_change` and `correlation_z` (Fisher)."""
        names = ("correlation", "correlation_base", "correlation_change", "correlation_z")
        refusal = self._refusal(now)
        if refusal is not None:
            return dict.fromkeys(names, refusal)
        found = self._found
        values = (found.current, found.baseline, found.change, found.fisher_z)
        return {name: self._reading(value, name) for name, value in zip(names, values, strict=True)}

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "last": None if self._last is None else list(self._last),
            "returns": [list(row) for row in self._returns],
            "recent": list(self._recent),
            "older": list(self._older),
            "found": [self._found.current, self._found.baseline],
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """From a dump of the same pair."""
        last = body["last"]
        self._last = None if last is None else (last[0], last[1], last[2])
        self._returns = deque(((a, b) for a, b in body["returns"]), maxlen=WINDOW)
        self._recent = deque(body["recent"])
        self._older = deque(body["older"], maxlen=self._older.maxlen)
        self._found = Correlation(current=body["found"][0], baseline=body["found"][1])

    def _commit(self, ts: int, a: float, b: float) -> Correlation:
        log_a, log_b = math.log(a), math.log(b)
        if self._last is not None:
            self._returns.append((log_a - self._last[1], log_b - self._last[2]))
            self._roll()
        self._last = (ts, log_a, log_b)
        return self._found

    def _roll(self) -> None:
        """One more rolling value; the one whose window has just parted from this one joins the baseline."""
        if len(self._returns) < WINDOW:
            return
        current = _pearson(self._returns)
        self._recent.append(current)
        if len(self._recent) > WINDOW:
            self._older.append(self._recent.popleft())
        known = [value for value in self._older if value is not None]
        baseline = math.fsum(known) / len(known) if len(known) >= BASELINE else None
        self._found = Correlation(current=current, baseline=baseline)

    def _refusal(self, now: int) -> Reading[float] | None:
        if self._last is None or len(self._returns) < WINDOW:
            text = _("needs {needed} common bars, has {count}")
            count = len(self._returns) + (self._last is not None)
            return Reading.missing(
                text.format(needed=WINDOW + 1, count=count), Status.INSUFFICIENT, n=count
            )
        closed = self._last[0] + self._step
        if (now - closed) // self._step > LATE_BARS:
            old = _("the last common bar is old")
            return Reading.missing(old, Status.STALE, as_of=closed)
        return None

    def _reading(self, value: float | None, name: str) -> Reading[float]:
        as_of = (self._last[0] if self._last else 0) + self._step
        if value is not None:
            n = WINDOW if name == "correlation" else sum(v is not None for v in self._older)
            unit = "deviations" if name == "correlation_z" else ""
            return Reading(value=value, as_of=as_of, window=WINDOW * self._step, n=n, unit=unit)
        if self._found.current is None:
            flat = _("the price did not move")
            return Reading.missing(flat, Status.UNDEFINED, as_of=as_of)
        known = sum(v is not None for v in self._older)
        if known < BASELINE:
            text = _("the baseline needs {needed} windows, has {count}")
            reason = text.format(needed=BASELINE, count=known)
            return Reading.missing(reason, Status.INSUFFICIENT, as_of=as_of)
        return Reading.missing(_("they move as one"), Status.UNDEFINED, as_of=as_of)


def _pearson(returns: "deque[_Pair]") -> float | None:
    """None where one of them did not move."""
    rows = np.array(returns)
    if (rows == rows[0]).all(axis=0).any():
        return None
    rows = rows - rows.mean(axis=0)
    scale = math.sqrt(float(rows[:, 0] @ rows[:, 0]) * float(rows[:, 1] @ rows[:, 1]))
    return float(rows[:, 0] @ rows[:, 1]) / scale if scale > 0 else None
