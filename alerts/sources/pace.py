"""The volume that a running candle is on pace to: an estimate, looked at again and again until the candle closes."""

from alerts.sources.base import Subjects, named
from alerts.sources.candles import SLACK
from alerts.types import Metric, Sample
from analytics import volume
from analytics.closed import is_sound
from exchanges.hub import Market
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import MINUTE, TIMEFRAMES

OFTEN, SELDOM = 10_000, 5 * MINUTE  # market ms between two questions


class PaceSource:
    """The running candle, scaled to its whole length, against the mean of the 96 before it."""

    names = frozenset({"volume_pace"})

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._refused: set[tuple[str, str, int]] = set()

    @property
    def bad(self) -> int:
        """Candles that were not believed."""
        return len(self._refused)

    def every(self, metric: Metric) -> int:
        """A hundred times in a candle, but not more often than the cache is renewed."""
        return min(SELDOM, max(OFTEN, TIMEFRAMES[metric.timeframe] // 100))

    def fresh(self, metric: Metric) -> int:
        """Some questions later."""
        return 3 * self.every(metric) + MINUTE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """How it is now."""
        instrument = self._subjects.instruments(metric)[0]
        candles = await self._market.candles(instrument, metric.timeframe, volume.LOOKBACK + SLACK)
        sound = [each for each in candles if is_sound(each)]
        good = {each.ts for each in sound}
        self._refused |= {
            (instrument.key, metric.timeframe, each.ts) for each in candles if each.ts not in good
        }
        found = volume.on_pace(sound, metric.timeframe, now)
        if found.value is None:
            raise SourceUnavailable(named(instrument.exchange), found.reason)
        return [Sample(ts=now, value=found.value, reading=found, bar_ts=sound[-1].ts)]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Nobody keeps how far a candle was at each moment."""
        raise SourceError(_("Volume pace"), _("how a candle grew is not kept"))
