"""The ledger of leveraged positions of one coin: coins per exchange, side and liquidation price."""

import numpy as np

from exchanges.local.simulator.noise import Floats

BIN = 0.001  # log price
_SPAN = 400  # bins on each side of the reference price
# Share of opened interest, and distance of the isolated liquidation price (1/leverage less 0.5 % maintenance).
# The rest is hedged, or held with too little leverage to be liquidated within the ledger's span.
_MIX = ((100, 0.012), (75, 0.012), (50, 0.035), (25, 0.05), (20, 0.06), (10, 0.10), (5, 0.07))


class Ledger:
    """Open positions with a liquidation price near enough to matter; rows are exchanges."""

    def __init__(self, rows: int, log_price: float, leverage: int) -> None:
        self._origin = int(np.floor(log_price / BIN)) - _SPAN
        size = 2 * _SPAN + 1
        self.long: Floats = np.zeros((rows, size))
        self.short: Floats = np.zeros((rows, size))
        mix = [(n, share) for n, share in _MIX if n <= leverage]
        self._share = np.array([share for _, share in mix])
        self._below = np.array([np.log(1 - 1 / n + 0.005) for n, _ in mix])
        self._above = np.array([np.log(1 + 1 / n - 0.005) for n, _ in mix])
        self.next_long, self.next_short = -np.inf, np.inf

    def copy(self) -> "Ledger":
        """A ledger of its own with the same positions."""
        twin = object.__new__(Ledger)
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if name in ("long", "short") else value)
        return twin

    def open(self, log_price: float, amount: Floats) -> None:
        """Enter `amount` coins per exchange on both sides at one price."""
        for book, offsets in ((self.long, self._below), (self.short, self._above)):
            bins = np.floor((log_price + offsets) / BIN).astype(np.int64) - self._origin
            inside = (bins >= 0) & (bins < book.shape[1])
            book[:, bins[inside]] += amount[:, None] * self._share[inside]

    def fill(self, log_prices: Floats, amounts: Floats, low: Floats, high: Floats) -> None:
        """Enter `amounts` (exchange, entry) at several prices; `low` and `high` are the extremes of log price since.

        Positions that those prices have liquidated are left out.
        """
        for book, offsets, sign in ((self.long, self._below, 1), (self.short, self._above, -1)):
            levels = log_prices[:, None] + offsets
            alive = levels < low[:, None] if sign > 0 else levels > high[:, None]
            bins = np.floor(levels / BIN).astype(np.int64) - self._origin
            alive &= (bins >= 0) & (bins < book.shape[1])
            for row, amount in enumerate(amounts):
                mass = (amount[:, None] * self._share)[alive]
                book[row] += np.bincount(bins[alive], mass, book.shape[1])
        self.find_edges()

    def close(self, share: float) -> None:
        """Close this share of everything, by choice."""
        self.long *= 1 - share
        self.short *= 1 - share

    def find_edges(self) -> None:
        """Note the nearest liquidation price on each side."""
        longs, shorts = (
            np.flatnonzero(self.long.any(axis=0)),
            np.flatnonzero(self.short.any(axis=0)),
        )
        self.next_long = (longs[-1] + self._origin + 1) * BIN if len(longs) else -np.inf
        self.next_short = (shorts[0] + self._origin) * BIN if len(shorts) else np.inf

    def sweep(self, log_price: float) -> tuple[Floats, Floats]:
        """Take out every position whose liquidation price has been passed; coins (longs, shorts) per exchange."""
        here = min(max(int(np.floor(log_price / BIN)) - self._origin, 0), self.long.shape[1] - 1)
        longs, shorts = self.long[:, here:].sum(axis=1), self.short[:, : here + 1].sum(axis=1)
        self.long[:, here:] = 0.0
        self.short[:, : here + 1] = 0.0
        self.find_edges()
        return longs, shorts

    def densest_long(
        self, log_price: float, nearest: float, farthest: float
    ) -> tuple[float, float]:
        """Log distance down to where most longs would be liquidated, and coins of longs between these distances."""
        here = int(np.floor(log_price / BIN)) - self._origin
        first, last = max(here - int(farthest / BIN), 0), max(here - int(nearest / BIN), 0)
        mass = self.long[:, first:last].sum(axis=0)
        if not len(mass) or mass.max() <= 0:
            return 0.0, 0.0
        blurred = np.convolve(mass, np.ones(3), "same")
        return (here - first - int(blurred.argmax())) * BIN, float(mass.sum())
