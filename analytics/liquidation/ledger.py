"""The liquidation map: from changes of open interest, how much would be closed by force at each price. An estimate.

Bins are 0.1 % wide in the logarithm of price and numbered alike for everyone, so maps of several venues
add up. Per candle, in this order: levels the price has crossed are emptied, all decay, falling open interest
shrinks both sides, rising open interest opens as much on both sides (a contract is one long and one short),
spread over the candle's range and over the leverage mix. The map holds what was opened inside its window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analytics.closed import closed_candles
from analytics.interest import Samples, usable
from analytics.liquidation.model import distance_ratio, table_note
from analytics.rows import Floats
from market.language import _
from market.types import DAY, HOUR, Candle, Kind, PositionSide, Reading, Status, TierTable

BIN = 0.001  # of the logarithm of price
HALF_LIFE = 10 * DAY
HOLE = 2 * HOUR  # open interest is not read across a longer silence
SIZES = ((10e3, 0.4), (200e3, 0.4), (3e6, 0.2))  # USD of a position, and its share of the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Leverage and the share of it among takers and makers; what is missing to 1 is not liquidatable."""

    name: str
    taker: tuple[tuple[float, float], ...]
    maker: tuple[tuple[float, float], ...]


DEFAULT_MIX = Mix(
    name="takers 5-125x, makers 30 % at 2-10x",
    taker=(
        (5, 0.18), (10, 0.27), (20, 0.20), (25, 0.12), (50, 0.11), (75, 0.05), (100, 0.05), (125, 0.02),
    ),
    maker=((2, 0.06), (3, 0.08), (5, 0.10), (10, 0.06)),
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Totals:
    """USD of one side: what was placed went away in one of three ways, or is still there."""

    placed: float = 0.0
    swept: float = 0.0
    decayed: float = 0.0
    closed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiquidationMap:
    """Estimated USD that would be closed by force, by price. `edges` has one entry more than the sides."""

    price: float
    first_bin: int
    edges: Floats
    long_usd: Floats
    short_usd: Floats
    venues: tuple[str, ...]
    since: int
    as_of: int
    window: int
    mix: str
    tiers: str  # which tier tables
    coverage: float  # share of the window's candles with known open interest; of the venues' interest in a sum
    long_totals: Totals = field(default_factory=Totals)
    short_totals: Totals = field(default_factory=Totals)

    def index(self) -> tuple[Floats, Floats]:
        """Both sides on a scale from 0 to 100, where 100 is the largest bin: what may be shown uncalibrated."""
        top = max(float(self.long_usd.max(initial=0.0)), float(self.short_usd.max(initial=0.0)))
        scale = 100 / top if top > 0 else 0.0
        return self.long_usd * scale, self.short_usd * scale


def build_map(
    candles: Sequence[Candle],
    timeframe: str,
    samples: Samples,
    table: TierTable,
    *,
    now: int,
    window: int,
    mix: Mix = DEFAULT_MIX,
    half_life: float = HALF_LIFE,
) -> Reading[LiquidationMap]:
    """The map of one instrument from candles (of the mark price at best) and open interest in coins."""
    used = closed_candles(candles, timeframe, now)
    part = [each for each in used.candles if each.ts >= now - window]
    known = [sample for sample in usable(samples) if sample[0] <= now]
    if not part or used.late > 2:
        status = Status.STALE if part else Status.INSUFFICIENT
        return Reading.missing(
            _("no recent candles"), status, as_of=used.as_of, kind=Kind.ESTIMATED
        )
    change, before = _changes(part, used.step, known)
    covered = ~np.isnan(change)
    if not covered.any():
        return Reading.missing(
            _("no history of open interest"),
            Status.INSUFFICIENT,
            as_of=used.as_of,
            kind=Kind.ESTIMATED,
        )
    ledger = _Ledger(part, table, mix, 0.5 ** (used.step / half_life))
    for candle, moved, held in zip(part, change.tolist(), before.tolist(), strict=True):
        ledger.update(candle, 0.0 if math.isnan(moved) else moved, held)
    coverage = float(covered.mean())
    found = ledger.map(
        part[-1].close, part[0].ts, part[-1].ts + used.step, table, mix.name, coverage
    )
    return Reading(
        value=found, as_of=found.as_of, since=found.since, window=found.window, n=len(part),
        venues=found.venues, kind=Kind.ESTIMATED, unit="USD", note=_map_note(found),
    )  # fmt: skip


def combined(
    maps: Sequence[LiquidationMap], interest: dict[str, float], price: float
) -> LiquidationMap:
    """Maps of several venues as one. `interest`: known open interest in USD by venue, also of those without a map."""
    first = min(each.first_bin for each in maps)
    last = max(each.first_bin + len(each.long_usd) for each in maps)
    long_usd, short_usd = np.zeros(last - first), np.zeros(last - first)
    for each in maps:
        place = slice(each.first_bin - first, each.first_bin - first + len(each.long_usd))
        long_usd[place] += each.long_usd
        short_usd[place] += each.short_usd
    names = tuple(dict.fromkeys(name for each in maps for name in each.venues))
    total = math.fsum(interest.values())
    included = math.fsum(
        interest.get(name, 0.0) * each.coverage for each in maps for name in each.venues
    )
    return LiquidationMap(
        price=price, first_bin=first, edges=np.exp(np.arange(first, last + 1) * BIN),
        long_usd=long_usd, short_usd=short_usd, venues=names,
        since=min(each.since for each in maps), as_of=min(each.as_of for each in maps),
        window=max(each.window for each in maps), mix=maps[0].mix,
        tiers=", ".join(dict.fromkeys(each.tiers for each in maps)),
        coverage=included / total if total > 0 else min(each.coverage for each in maps),
    )  # fmt: skip


def swept(whole: LiquidationMap) -> LiquidationMap:
    """Without the levels the price has passed since the last closed candle."""
    low, high = whole.edges[:-1], whole.edges[1:]
    return replace(
        whole,
        long_usd=np.where(high <= whole.price, whole.long_usd, 0.0),
        short_usd=np.where(low >= whole.price, whole.short_usd, 0.0),
    )


def _map_note(found: LiquidationMap) -> str:
    return _("coverage {share} %, {mix}, {tiers}").format(
        share=f"{found.coverage * 100:.0f}", mix=found.mix, tiers=found.tiers
    )


def _changes(candles: Sequence[Candle], step: int, samples: Samples) -> tuple[Floats, Floats]:
    """Change of open interest in each candle, NaN where it is not known, and the amount at its start."""
    starts = np.array([each.ts for each in candles], dtype=float)
    if len(samples) < 2:
        return np.full(len(candles), np.nan), np.full(len(candles), np.nan)
    stamps = np.array([ts for ts, _amount in samples], dtype=float)
    amounts = np.array([amount for _ts, amount in samples])
    before = np.interp(starts, stamps, amounts, left=np.nan, right=np.nan)
    after = np.interp(starts + step, stamps, amounts, left=np.nan, right=np.nan)
    place = np.searchsorted(stamps, starts + step, "left").clip(1, len(stamps) - 1)
    change = after - before
    change[stamps[place] - stamps[place - 1] > HOLE] = np.nan
    return change, before


class _Ledger:
    """Two sides of bins that are opened, closed, swept and decayed candle by candle."""

    def __init__(self, candles: Sequence[Candle], table: TierTable, mix: Mix, keep: float) -> None:
        price = candles[-1].close
        self._keep = keep
        self._kernels = {
            side: (_kernel(mix.taker, side, table, price), _kernel(mix.maker, side, table, price))
            for side in PositionSide
        }
        reach = [
            offset for pair in self._kernels.values() for offset, kernel in pair if len(kernel)
        ]
        ends = [offset + len(kernel) for pair in self._kernels.values() for offset, kernel in pair]
        self._first = _bin(min(each.low for each in candles)) + min(reach, default=0) - 2
        last = _bin(max(each.high for each in candles)) + max(ends, default=0) + 2
        self._sides = {side: np.zeros(last - self._first + 1) for side in PositionSide}
        self._totals = {side: Totals() for side in PositionSide}

    def update(self, candle: Candle, change: float, held: float) -> None:
        """One candle with its change of open interest in coins."""
        self._sweep(candle.low, candle.high)
        for side, mass in self._sides.items():
            total = float(mass.sum())
            np.multiply(mass, self._keep, out=mass)
            self._totals[side].decayed += total * (1 - self._keep)
            if change < 0 and held > 0:
                share = min(1.0, -change / held)
                self._totals[side].closed += total * self._keep * share
                np.multiply(mass, 1 - share, out=mass)
        if change > 0:
            self._open(candle, change)

    def map(
        self, price: float, since: int, as_of: int, table: TierTable, mix: str, coverage: float
    ) -> LiquidationMap:
        """What is there at `price`; levels on its wrong side are gone."""
        self._sweep(price, price)
        used = np.flatnonzero(sum(self._sides.values()))
        low, high = (
            (int(used[0]), int(used[-1]) + 1)
            if len(used)
            else (0, len(self._sides[PositionSide.LONG]))
        )
        return LiquidationMap(
            price=price, first_bin=self._first + low,
            edges=np.exp(np.arange(self._first + low, self._first + high + 1) * BIN),
            long_usd=self._sides[PositionSide.LONG][low:high].copy(),
            short_usd=self._sides[PositionSide.SHORT][low:high].copy(),
            venues=(table.exchange,), since=since, as_of=as_of, window=as_of - since, mix=mix, tiers=table_note(table),
            coverage=coverage, long_totals=self._totals[PositionSide.LONG],
            short_totals=self._totals[PositionSide.SHORT],
        )  # fmt: skip

    def _sweep(self, low: float, high: float) -> None:
        """Empty the longs down to `low` and the shorts up to `high`, the bins of both included."""
        longs = self._sides[PositionSide.LONG][max(0, _bin(low) - self._first) :]
        shorts = self._sides[PositionSide.SHORT][: max(0, _bin(high) - self._first + 1)]
        for side, swept in ((PositionSide.LONG, longs), (PositionSide.SHORT, shorts)):
            self._totals[side].swept += float(swept.sum())
            swept[:] = 0.0

    def _open(self, candle: Candle, coins: float) -> None:
        bought = candle.taker_buy_volume
        share = bought / candle.volume if bought is not None and candle.volume > 0 else 0.5
        first, entries = _entries(candle)
        prices = np.exp((np.arange(first, first + len(entries)) + 0.5) * BIN)
        usd = entries * prices * coins
        for side, weight in ((PositionSide.LONG, share), (PositionSide.SHORT, 1 - share)):
            mass = self._sides[side]
            for (offset, kernel), part in zip(
                self._kernels[side], (weight, 1 - weight), strict=True
            ):
                for i, value in enumerate((usd * part).tolist()):
                    place = first + i + offset - self._first
                    mass[place : place + len(kernel)] += value * kernel
                self._totals[side].placed += float(usd.sum()) * part * float(kernel.sum())


def _bin(price: float) -> int:
    return math.floor(math.log(price) / BIN)


def _entries(candle: Candle) -> tuple[int, Floats]:
    """Where a candle's positions were opened: a triangle from low over close to high; sums to 1."""
    first, last = _bin(candle.low), _bin(candle.high)
    if first == last:
        return first, np.ones(1)
    middle = np.exp((np.arange(first, last + 1) + 0.5) * BIN)
    low, close, high = candle.low, candle.close, candle.high
    up = (middle - low) / max(close - low, 1e-12 * close)
    down = (high - middle) / max(high - close, 1e-12 * close)
    weights = np.where(middle <= close, up, down).clip(0.0, 1.0)
    total = float(weights.sum())
    if total <= 0:
        weights[_bin(close) - first] = total = 1.0
    return first, weights / total


def _kernel(
    mix: Sequence[tuple[float, float]], side: PositionSide, table: TierTable, price: float
) -> tuple[int, Floats]:
    """Where positions opened in one bin would be liquidated: (bins from there to the first, shares)."""
    places: dict[int, float] = {}
    for leverage, weight in mix:
        for value, part in SIZES:
            ratio = distance_ratio(side, value, min(leverage, _top(value, table)), table, price)
            if ratio is not None:
                place = round(math.log(ratio) / BIN)
                places[place] = places.get(place, 0.0) + weight * part
    if not places:
        return 0, np.zeros(0)
    kernel = np.zeros(max(places) - min(places) + 1)
    for place, weight in places.items():
        kernel[place - min(places)] = weight
    return min(places), kernel


def _top(value: float, table: TierTable) -> float:
    """The leverage a position of this value may have; whoever wants more takes that."""
    if "contract_size" in table.extra:
        return max(tier[3] for tier in table.tiers)
    return next(
        (top for cap, _rate, _offset, top in table.tiers if value <= cap), table.tiers[-1][3]
    )
