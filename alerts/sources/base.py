"""What every source of figures does, and which instruments a metric is about."""

from collections.abc import Sequence
from typing import Protocol

from alerts.types import Metric, Sample
from exchanges.hub import Market
from market.errors import SourceError, SourceUnavailable, UserError
from market.language import _
from market.symbols import Query
from market.types import EXCHANGE_NAMES, Instrument

EVERYWHERE = "*:"  # before a coin: all venues together
MARKET = "*"  # the subject of a figure of the whole market
STABLE = ("USD", "USDT", "USDC")  # count as dollars where no rate is known


class Delisted(SourceError):
    """What a metric is about is not traded any more."""


class Source(Protocol):
    """Samples of some figures. What cannot be had is a SourceError with its reason; nothing is made up."""

    names: frozenset[str]  # of the figures it knows

    @property
    def bad(self) -> int:
        """Data that were not believed since the start."""
        ...

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """Newer than `since_ts`, rising, and the newest known one even where it is older."""
        ...

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Those of (from_ts, to_ts], for a rehearsal; SourceError where no history is kept."""
        ...

    def every(self, metric: Metric) -> int:
        """Market ms between two questions."""
        ...

    def fresh(self, metric: Metric) -> int:
        """Market ms after which a sample does not count as known any more."""
        ...


class Subjects:
    """The instruments of a subject, as the venues list them now."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def instruments(self, metric: Metric) -> list[Instrument]:
        """What a metric is made of; Delisted where nothing of it trades, SourceError while that is not known."""
        if metric.subject == MARKET:
            return []
        if metric.subject.startswith(EVERYWHERE):
            return self.perps(metric.subject.removeprefix(EVERYWHERE))
        return [self.one(metric.subject)]

    def one(self, key: str) -> Instrument:
        """The instrument of a key."""
        found = self._market.directory.by_key(key)
        exchange = key.partition(":")[0]
        if found is None and exchange in self._market.missing():
            raise SourceUnavailable(EXCHANGE_NAMES.get(exchange, exchange), _("markets not loaded"))
        if found is None or not found.active:
            raise Delisted(EXCHANGE_NAMES.get(exchange, exchange), _("not listed any more"))
        return found

    def perps(self, name: str) -> list[Instrument]:
        """The perps of `BTC`, or of `BTC/USDT`: one of each venue."""
        coin, _slash, quote = name.partition("/")
        known = self._market.directory.knows(coin)
        if not known and (self._market.missing() or not self._market.directory.all):
            raise SourceUnavailable(_("Markets"), _("not all markets are loaded"))
        query = Query(base=coin, quote=quote or None, perp=True, text=name)
        try:
            found = self._market.instruments_for(query, perp=True)
        except UserError:
            found = []
        active = [each for each in found if each.active]
        if not active:
            raise Delisted(coin, _("no perp is listed any more"))
        return active


def named(exchange: str) -> str:
    """The name of an exchange as people write it."""
    return EXCHANGE_NAMES.get(exchange, exchange)


def within(samples: Sequence[Sample], from_ts: int, to_ts: int) -> list[Sample]:
    """Those of (from_ts, to_ts]."""
    return [each for each in samples if from_ts < each.ts <= to_ts]


def since(samples: Sequence[Sample], since_ts: int) -> list[Sample]:
    """Those newer than `since_ts`; the newest one where none is."""
    return [each for each in samples if each.ts > since_ts] or list(samples[-1:])
