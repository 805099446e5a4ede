"""The price of one instrument: from its trades where they are streamed, else from one-minute candles.

A price on its own is a tape of looks with their extremes. A price with a window is what changes are measured on:
the same looks, thinned out with age, so that a window of a week is remembered in a thousand samples.
"""

from collections import defaultdict
from collections.abc import Sequence

from alerts.sources.base import Subjects, named
from alerts.tape import FINE, PriceTape, gap_candles
from alerts.types import Metric, Sample
from exchanges.hub import Market
from market.errors import SourceUnavailable
from market.language import _
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES, Candle, Instrument, Reading

STALE = 15 * MINUTE  # without a trade a price is not known any more
OFTEN, SELDOM = 5_000, 30_000  # market ms between two questions
LOOKS = 120  # questions within one window, as far as `OFTEN` and `SELDOM` let it
COARSE = 15 * MINUTE
EDGE = 2 * COARSE  # more than the window that is remembered: its start may be in a coarse candle
PAST_FINE = 3 * DAY  # a rehearsal of so long goes minute by minute, a longer one by coarser candles


class PriceSource:
    """Looks at candles, kept between questions."""

    names = frozenset({"price"})

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._tapes: dict[str, PriceTape] = defaultdict(PriceTape)
        self._windows: dict[Metric, Thinned] = {}

    @property
    def bad(self) -> int:
        """Prices that were not believed."""
        tapes = [*self._tapes.values(), *(each.tape for each in self._windows.values())]
        return sum(tape.bad for tape in tapes)

    def every(self, metric: Metric) -> int:
        """Of a change the more seldom the longer its window is."""
        return min(SELDOM, max(OFTEN, metric.window // LOOKS))

    def fresh(self, metric: Metric) -> int:
        """As long as a last trade is a price."""
        return STALE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """Looks since then; with a window also those a window back."""
        instrument = self._subjects.instruments(metric)[0]
        if not metric.window:
            tape = self._tapes[instrument.key]
            await self._look(tape, instrument, since_ts or now, now)
            self._check(tape, instrument, now)
            newest = tape.newest.ts if tape.newest is not None else now
            return [_evident(s, instrument) for s in tape.after(min(since_ts, newest - 1))]
        kept = self._windows.setdefault(metric, Thinned(instrument, metric.window))
        start = min(since_ts or now, now) - metric.window - EDGE
        if kept.start is None or start < kept.start - DAY:
            kept.begin(start)
        await self._look(kept.tape, instrument, start, now)
        self._check(kept.tape, instrument, now)
        return kept.rows(now)

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """One for each candle of (from_ts, to_ts], and of a change those a window back."""
        instrument = self._subjects.instruments(metric)[0]
        start = from_ts - metric.window - (EDGE if metric.window else 0)
        timeframe = "1m" if to_ts - start <= PAST_FINE else "5m"
        step = TIMEFRAMES[timeframe]
        candles = await self._market.candles(
            instrument, timeframe, (to_ts - start) // step + 2, to_ts
        )
        tape = PriceTape(kept=len(candles) + 1)
        tape.update([c for c in candles if start < c.ts + step <= to_ts], to_ts, step)
        found = [_evident(each, instrument) for each in tape.after(start)]
        if not found:
            raise SourceUnavailable(named(instrument.exchange), _("no candles so far back"))
        return found

    async def _look(self, tape: PriceTape, instrument: Instrument, start: int, now: int) -> None:
        fine = (now // MINUTE - FINE) * MINUTE  # from here on minute by minute
        for timeframe, count in gap_candles(tape.until or start, now):
            step = TIMEFRAMES[timeframe]
            candles: Sequence[Candle] = await self._market.candles(instrument, timeframe, count)
            whole = [c for c in candles if timeframe == "1m" or c.ts + step <= fine]
            tape.update(whole, now, step)

    def _check(self, tape: PriceTape, instrument: Instrument, now: int) -> None:
        if tape.newest is None or now - tape.until > STALE:
            raise SourceUnavailable(
                named(instrument.exchange),
                _("no trade of {symbol} for a while").format(symbol=instrument.symbol),
            )


class Thinned:
    """Looks of one window: all of the last hour, one a minute of half a day, one of 15 minutes before that."""

    def __init__(self, instrument: Instrument, window: int) -> None:
        self.tape = PriceTape()
        self.start: int | None = None
        self._instrument, self._window = instrument, window
        self._rows: list[Sample] = []

    def begin(self, start: int) -> None:
        """From here on it has to reach back to `start`."""
        self.start, self.tape, self._rows = start, PriceTape(), []

    def rows(self, now: int) -> list[Sample]:
        """What is remembered, rising."""
        last = self._rows[-1].ts if self._rows else 0
        fresh = [_evident(each, self._instrument) for each in self.tape.after(last)]
        places: dict[tuple[int, int], Sample] = {}
        for each in (*self._rows, *fresh):
            age = now - each.ts
            if age <= self._window + EDGE:
                step = 1 if age <= HOUR else MINUTE if age <= DAY // 2 else COARSE
                places[step, each.ts // step] = each
        self._rows = sorted(places.values(), key=lambda each: each.ts)
        return list(self._rows)


def _evident(sample: Sample, instrument: Instrument) -> Sample:
    """With where it is from."""
    if sample.reading is not None:
        return sample
    reading = Reading(
        value=sample.value, as_of=sample.ts, venues=(instrument.exchange,), unit=instrument.quote
    )
    return Sample(
        ts=sample.ts, value=sample.value, low=sample.low, high=sample.high, since=sample.since,
        reading=reading,
    )  # fmt: skip
