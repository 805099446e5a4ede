"""What monitors need of the past: candles, fetched one instrument after the other so that nobody else waits."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.monitors.kinds.base import Learner
from exchanges.hub import Market
from market.clock import Clock
from market.errors import SourceError
from market.types import MINUTE, TIMEFRAMES, Instrument

logger = logging.getLogger(__name__)

PACE = 0.3  # wall seconds between fetches
IDLE = 1.0
PATIENCE = 20.0  # wall seconds for one
CLOSED = 4_000  # market ms after a close: the venue has it then
AGAIN = 2 * MINUTE  # market ms after a failure, doubled up to an hour


@dataclass(slots=True)
class Errand:
    """One thing to fetch."""

    learner: Learner
    instrument: Instrument
    due: int  # market ms
    failures: int = 0
    done: bool = False


class History:
    """Runs the errands of all learners. `want` says of which instruments."""

    def __init__(self, market: Market, learners: Sequence[Learner], clock: Clock) -> None:
        self._market, self._learners, self._clock = market, learners, clock
        self._errands: dict[tuple[str, str], Errand] = {}
        self.fetched = 0
        self.problems = 0

    def want(self, instruments: Sequence[Instrument]) -> None:
        """Fetch for these from now on; what others have learnt is theirs to forget."""
        now = self._clock.now()
        coins: dict[str, Instrument] = {}
        for each in instruments:
            if each.perp:
                coins.setdefault(each.base, each)
        wanted: dict[tuple[str, str], Errand] = {}
        for learner in self._learners:
            for each in coins.values() if learner.per_coin else instruments:
                place = (learner.kind, each.key)
                wanted[place] = self._errands.get(place) or Errand(learner, each, now)
        self._errands = wanted

    @property
    def waiting(self) -> int:
        """Errands that were never done."""
        return sum(not each.done for each in self._errands.values())

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        while True:  # noqa: ASYNC110 - the market's time passes, nobody tells
            await asyncio.sleep(PACE if await self.step() else IDLE)

    async def step(self) -> bool:
        """Do the most urgent errand that is due; False where there is none."""
        now = self._clock.now()
        due = [each for each in self._errands.values() if each.due <= now]
        if not due:
            return False
        # Kinds that need the same candles of an instrument come one after the other: the second has them cached.
        errand = min(due, key=lambda e: (e.done, e.due, e.instrument.key, e.learner.timeframe))
        learner, instrument = errand.learner, errand.instrument
        try:
            async with asyncio.timeout(PATIENCE):
                count = learner.wanted(instrument, now)
                candles = await self._market.candles(instrument, learner.timeframe, count)
        except (SourceError, TimeoutError) as error:
            errand.failures += 1
            self.problems += 1
            errand.due = now + min(AGAIN * 2 ** min(errand.failures - 1, 5), 60 * MINUTE)
            logger.info("history not fetched key=%s reason=%s", instrument.key, error)
            return True
        await asyncio.to_thread(learner.learn, instrument, candles, self._clock.now())
        self.fetched += 1
        errand.failures, errand.done = 0, True
        step = TIMEFRAMES[learner.timeframe]
        errand.due = now // step * step + max(step, learner.every) + CLOSED
        return True
