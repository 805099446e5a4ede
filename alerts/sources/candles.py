"""Figures of closed candles: each candle gives one sample, at its close, the same one live and in a rehearsal.

A candle that comes again, revised or not, is not newer than its own close and says nothing new. Candles that
cannot be are left out and counted; a figure is never carried over a hole of more than a few bars.
"""

import asyncio
import math
from collections.abc import Sequence

from alerts.sources.base import Subjects, named, since, within
from alerts.sources.indicators import RECIPES, Recipe
from alerts.types import Metric, Sample
from analytics.closed import ClosedCandles, closed_candles, is_sound
from exchanges.hub import Market
from exchanges.types import Capability
from market.errors import SourceUnavailable
from market.language import _
from market.types import MINUTE, TIMEFRAMES, Candle, Instrument, Kind, Reading, Status

MOST = 300  # closed candles looked back for after an absence
SLACK = 4  # candles more than are needed: the running one, and some without trades
LATE = 3 * MINUTE  # a closed candle may reach us so much after its close
SOON = 5_000  # market ms between two questions at least
GRACE = 2_000  # market ms after its close that a candle is asked for
QUIET = 3  # candles without a new one after which it is asked for less often
REMEMBERED = 20_000  # metrics
PAGE = 4500  # candles of one question


class CandleSource:
    """All that can be worked out from one row of candles."""

    names = frozenset(RECIPES)

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._refused: set[tuple[str, str, int]] = set()
        self._closed: dict[Metric, int] = {}  # when the newest candle of each closed

    @property
    def bad(self) -> int:
        """Candles that were not believed."""
        return len(self._refused)

    def every(self, metric: Metric) -> int:
        """Until the next candle has closed; soon again while a venue is late with it."""
        step, now = TIMEFRAMES[metric.timeframe], self._market.clock.now()
        closed = self._closed.get(metric)
        if closed is None:
            return SOON
        behind = now - closed
        return max(SOON, step // 10 if behind > QUIET * step else closed + step + GRACE - now)

    def fresh(self, metric: Metric) -> int:
        """Until the next candle has closed, and could have come."""
        return TIMEFRAMES[metric.timeframe] + LATE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """One for each candle that closed after `since_ts`, and the newest one."""
        instrument, recipe = self._subjects.instruments(metric)[0], RECIPES[metric.name]
        step = TIMEFRAMES[metric.timeframe]
        missed = min(max(0, (now - since_ts) // step) if since_ts else 0, MOST)
        candles = await self._candles(
            instrument, metric, recipe.asked(metric) + missed + SLACK, now
        )
        if not candles:
            raise SourceUnavailable(named(instrument.exchange), _("no closed candle"))
        # The newest one is worked out too: it is what the figure is now.
        first = since_ts if recipe.event else min(since_ts, candles[-1].ts)
        made = await asyncio.to_thread(samples_of, metric, instrument, candles, now, first)
        if not made or made[-1].ts <= since_ts:
            why = await asyncio.to_thread(refusal, metric, candles, now)
            if why or not (made or recipe.event):
                raise SourceUnavailable(named(instrument.exchange), why or recipe.undefined)
        return made if recipe.event else since(made, since_ts)

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """The candles that closed in (from_ts, to_ts]."""
        instrument, recipe = self._subjects.instruments(metric)[0], RECIPES[metric.name]
        count = (to_ts - from_ts) // TIMEFRAMES[metric.timeframe] + recipe.asked(metric) + SLACK
        candles = await self._candles(instrument, metric, count, to_ts)
        made = await asyncio.to_thread(samples_of, metric, instrument, candles, to_ts, from_ts)
        found = within(made, from_ts, to_ts)
        if not found:
            why = await asyncio.to_thread(refusal, metric, candles, to_ts) if candles else ""
            if why or not recipe.event:
                raise SourceUnavailable(
                    named(instrument.exchange), why or recipe.undefined or _("no closed candle")
                )
        return found

    async def _candles(
        self, instrument: Instrument, metric: Metric, count: int, until: int
    ) -> list[Candle]:
        """The newest closed candles up to `until` that can be."""
        if RECIPES[metric.name].split:
            self._needs_split(instrument)
        step = TIMEFRAMES[metric.timeframe]
        rows: dict[int, Candle] = {}
        end = None if until >= self._market.clock.now() else until
        for asked in pages(count):
            page = await self._market.candles(instrument, metric.timeframe, asked, end)
            fresh = {each.ts: each for each in page if each.ts not in rows}
            if not fresh:
                break
            rows |= fresh
            end = min(rows)
        closed = [rows[ts] for ts in sorted(rows) if rows[ts].closed and ts + step <= until]
        if until >= self._market.clock.now():
            if len(self._closed) >= REMEMBERED:
                self._closed.clear()
            self._closed[metric] = closed[-1].ts + step if closed else 0
        return self._believed(instrument, metric.timeframe, closed)

    def _needs_split(self, instrument: Instrument) -> None:
        venue = self._market.venues.get(instrument.exchange)
        if venue is None or Capability.TAKER_VOLUME not in venue.capabilities:
            why = _("its candles do not tell who bought")
            raise SourceUnavailable(named(instrument.exchange), why)

    def _believed(
        self, instrument: Instrument, timeframe: str, candles: Sequence[Candle]
    ) -> list[Candle]:
        """Without candles that cannot be: one of them must not blind a figure for a day."""
        good = [each for each in candles if is_sound(each)]
        if len(good) != len(candles):
            kept = {each.ts for each in good}
            self._refused |= {
                (instrument.key, timeframe, each.ts) for each in candles if each.ts not in kept
            }
        return good


def samples_of(
    metric: Metric, instrument: Instrument, candles: Sequence[Candle], now: int, since_ts: int
) -> list[Sample]:
    """The samples of the candles that closed after `since_ts`; sound, closed candles, rising."""
    recipe, step = RECIPES[metric.name], TIMEFRAMES[metric.timeframe]
    needed = recipe.needed(metric)
    real = {each.ts for each in candles}
    found: list[Sample] = []
    for row in reversed(unbroken(candles, metric.timeframe, now)):
        values = recipe.series(row.candles, metric)
        for place in range(needed - 1, len(row.candles)):
            candle, value = row.candles[place], values[place]
            end = candle.ts + step
            if value is None or end <= since_ts or candle.ts not in real:
                continue
            if math.isfinite(value):
                found.append(_sample(metric, recipe, instrument, row, place, value))
    return found


def unbroken(candles: Sequence[Candle], timeframe: str, now: int) -> list[ClosedCandles]:
    """The rows without holes, the newest first."""
    rows: list[ClosedCandles] = []
    rest = list(candles)
    while rest:
        row = closed_candles(rest, timeframe, now)
        if not row.candles:
            break
        rows.append(row)
        rest = [each for each in rest if each.ts < row.candles[0].ts]
    return rows


def refusal(metric: Metric, candles: Sequence[Candle], now: int) -> str:
    """Why the newest candle gives no figure; "" where it could."""
    row = closed_candles(candles, metric.timeframe, now)
    found = row.refusal(RECIPES[metric.name].needed(metric))
    return "" if found is None else found.reason


def pages(count: int) -> list[int]:
    """So many candles in questions that a venue answers at once."""
    whole, rest = divmod(count, PAGE)
    return [PAGE] * whole + [rest] * bool(rest)


def _sample(
    metric: Metric, recipe: Recipe, instrument: Instrument, row: ClosedCandles, place: int,
    value: float,
) -> Sample:  # fmt: skip
    candle = row.candles[place]
    end = candle.ts + row.step
    n = recipe.needed(metric)
    reading = Reading(
        value=value, as_of=end, window=row.step, n=n - 1 if recipe.before else n,
        venues=(instrument.exchange,), kind=Kind.OBSERVED, unit=recipe.unit, note=row.note,
        status=Status.OK,
    )  # fmt: skip
    return Sample(
        ts=end, value=value, bar_ts=candle.ts, reading=reading, extra=_of(candle, instrument, end)
    )


def _of(candle: Candle, instrument: Instrument, end: int) -> dict[str, Reading[float]]:
    """What a message tells of the candle beside the figure."""

    def seen(value: float, unit: str) -> Reading[float]:
        return Reading(value=value, unit=unit, as_of=end, venues=(instrument.exchange,))

    extra = {
        "volume": seen(candle.volume, instrument.base),
        "price_change": seen(candle.close / candle.open - 1, "fraction"),
        "price": seen(candle.close, instrument.quote),
    }
    if candle.quote_volume is not None:
        extra["value"] = seen(candle.quote_volume, instrument.quote)
    if candle.taker_buy_volume is not None and candle.volume > 0:
        extra["buy_share"] = seen(candle.taker_buy_volume / candle.volume, "fraction")
    return extra
