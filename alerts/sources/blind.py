"""How long nothing was heard of the trades of an instrument: a market that says nothing looks like a quiet one."""

from alerts.sources.base import Subjects, named
from alerts.types import Metric, Sample
from exchanges.hub import Market
from exchanges.streams.supervisor import Streams
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import MINUTE, Reading

OFTEN = 2_000  # market ms between two questions


class BlindSource:
    """Seconds since a feed was last heard of, with or without a trade."""

    names = frozenset({"blind"})
    bad = 0

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._asked: dict[str, int] = {}  # since when somebody waits for a feed that never came

    def every(self, metric: Metric) -> int:
        """Every few seconds: silence is counted in seconds."""
        return OFTEN

    def fresh(self, metric: Metric) -> int:
        """Some questions later."""
        return MINUTE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """How long it is silent now."""
        instrument = self._subjects.instruments(metric)[0]
        streams: Streams | None = self._market.streams
        if streams is None:
            raise SourceUnavailable(named(instrument.exchange), _("the live streams are off here"))
        await streams.watch([instrument])
        state = streams.state(instrument)
        heard = state.heard() if state is not None else None
        if heard is None:
            heard = self._asked.setdefault(instrument.key, now)
        else:
            self._asked.pop(instrument.key, None)
        silent = max(0, now - heard) / 1000
        reading = Reading(
            value=silent, as_of=now, since=heard, venues=(instrument.exchange,), unit="seconds"
        )
        return [Sample(ts=now, value=silent, reading=reading)]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """The ledger keeps gaps, not how they felt at each moment."""
        raise SourceError(_("Feed silence"), _("it is not kept"))
