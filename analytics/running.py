"""Indicators that are kept up bar by bar: `update` commits a closed bar, `provisional` looks at a running one.

Seeded as TA-Lib and TradingView do it: a Wilder mean and an EMA begin with the plain mean of their first n
values. `get` is None until then.
"""

import math
from collections import deque


class Ema:
    """Exponential mean with weight 2 / (n + 1)."""

    def __init__(self, n: int, weight: float | None = None) -> None:
        self._n = n
        self._weight = 2 / (n + 1) if weight is None else weight
        self._seed: list[float] = []
        self._value: float | None = None

    def update(self, x: float) -> None:
        """Commit one value."""
        if self._value is None:
            self._seed.append(x)
            if len(self._seed) == self._n:
                self._value = math.fsum(self._seed) / self._n
        else:
            self._value += self._weight * (x - self._value)

    def get(self) -> float | None:
        """The mean so far; None before n values."""
        return self._value

    def provisional(self, x: float) -> float | None:
        """What the mean would be with `x`; nothing is kept."""
        if self._value is not None:
            return self._value + self._weight * (x - self._value)
        return (math.fsum(self._seed) + x) / self._n if len(self._seed) == self._n - 1 else None


def wilder(n: int) -> Ema:
    """Wilder's mean: weight 1 / n."""
    return Ema(n, 1 / n)


class Rsi:
    """Relative strength, 0 to 100. `flat` is True where no price changed at all: then 50 is a convention."""

    def __init__(self, n: int = 14) -> None:
        self._up, self._down = wilder(n), wilder(n)
        self._close: float | None = None

    def update(self, close: float) -> None:
        """Commit one close."""
        if self._close is not None:
            self._up.update(max(close - self._close, 0.0))
            self._down.update(max(self._close - close, 0.0))
        self._close = close

    def get(self) -> float | None:
        """None before n changes."""
        return _strength(self._up.get(), self._down.get())

    @property
    def flat(self) -> bool:
        """Neither a gain nor a loss in all its memory."""
        return self._up.get() == 0 and self._down.get() == 0

    def provisional(self, close: float) -> float | None:
        """The value with a running close."""
        if self._close is None:
            return None
        up = self._up.provisional(max(close - self._close, 0.0))
        return _strength(up, self._down.provisional(max(self._close - close, 0.0)))


def _strength(up: float | None, down: float | None) -> float | None:
    if up is None or down is None:
        return None
    return 50.0 if up == 0 and down == 0 else 100.0 * up / (up + down)


class Atr:
    """Average true range in price units; the first bar's range is high minus low (TradingView)."""

    def __init__(self, n: int = 14) -> None:
        self._mean = wilder(n)
        self._close: float | None = None

    def update(self, high: float, low: float, close: float) -> None:
        """Commit one bar."""
        self._mean.update(self._range(high, low))
        self._close = close

    def get(self) -> float | None:
        """None before n bars."""
        return self._mean.get()

    def provisional(self, high: float, low: float) -> float | None:
        """The value with a running bar."""
        return self._mean.provisional(self._range(high, low))

    def _range(self, high: float, low: float) -> float:
        if self._close is None:
            return high - low
        return max(high, self._close) - min(low, self._close)


class Macd:
    """Fast EMA minus slow EMA, its signal EMA and their difference."""

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast, self._slow, self._signal = Ema(fast), Ema(slow), Ema(signal)

    def update(self, close: float) -> None:
        """Commit one close."""
        self._fast.update(close)
        self._slow.update(close)
        line = _minus(self._fast.get(), self._slow.get())
        if line is not None:
            self._signal.update(line)

    def get(self) -> tuple[float | None, float | None, float | None]:
        """(macd, signal, histogram)."""
        line, signal = _minus(self._fast.get(), self._slow.get()), self._signal.get()
        return line, signal, _minus(line, signal)

    def provisional(self, close: float) -> tuple[float | None, float | None, float | None]:
        """The three with a running close."""
        line = _minus(self._fast.provisional(close), self._slow.provisional(close))
        signal = None if line is None else self._signal.provisional(line)
        return line, signal, _minus(line, signal)


class Bollinger:
    """Mean of n closes and k population standard deviations either side."""

    def __init__(self, n: int = 20, k: float = 2.0) -> None:
        self._n, self._k = n, k
        self._closes: deque[float] = deque(maxlen=n)

    def update(self, close: float) -> None:
        """Commit one close."""
        self._closes.append(close)

    def get(self) -> tuple[float, float, float] | None:
        """(low, mid, high); None before n closes."""
        return self._bands(list(self._closes))

    def provisional(self, close: float) -> tuple[float, float, float] | None:
        """The bands with a running close in place of the oldest one."""
        return self._bands([*self._closes, close][-self._n :])

    def _bands(self, closes: list[float]) -> tuple[float, float, float] | None:
        if len(closes) < self._n:
            return None
        mid = math.fsum(closes) / self._n
        spread = self._k * math.sqrt(math.fsum((x - mid) ** 2 for x in closes) / self._n)
        return mid - spread, mid, mid + spread


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
