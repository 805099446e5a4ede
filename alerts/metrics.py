"""Figures over time as the engine wants them: which source knows a metric, and what it knows.

Where a figure cannot be had that is a SourceError; nothing is made up, and nothing unsound is handed on.
"""

from collections.abc import Iterator, Sequence

from alerts.figures import Figure
from alerts.kinds import FIGURES
from alerts.sources.base import EVERYWHERE as EVERYWHERE  # noqa: PLC0414 - part of what a metric is
from alerts.sources.base import Delisted as Delisted  # noqa: PLC0414
from alerts.sources.base import Source, Subjects
from alerts.sources.blind import BlindSource
from alerts.sources.candles import CandleSource
from alerts.sources.clock import ClockSource
from alerts.sources.correlation import CorrelationSource
from alerts.sources.events import EventSource
from alerts.sources.flow import FlowSource
from alerts.sources.interest import InterestSource
from alerts.sources.liqmap import ClusterSource
from alerts.sources.listing import ListingSource
from alerts.sources.live import Answer, LiveSource
from alerts.sources.pace import PaceSource
from alerts.sources.price import PriceSource
from alerts.types import Metric, Sample
from analytics import volume
from exchanges.hub import Market
from market.errors import SourceError
from market.types import Candle, Instrument, Reading

PRICE, VOLUME, CVD = "price", "volume_ratio", "cvd_share"
INTEREST, INTEREST_USD = "open_interest", "open_interest_usd"
HISTORY = {"5m": 4100, "15m": 1400, "1h": 400}  # candles that hold 14 days of the same slot


class Metrics:
    """Every source, by the names of the figures it knows."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._figures = {each.name: each for each in FIGURES}
        self._subjects = subjects = Subjects(market)
        self._live = LiveSource(market, subjects, FIGURES)
        self.sources: tuple[Source, ...] = (
            PriceSource(market, subjects), CandleSource(market, subjects),
            PaceSource(market, subjects), FlowSource(market, subjects),
            InterestSource(market, subjects), CorrelationSource(market, subjects),
            ClusterSource(market, subjects), ListingSource(market), BlindSource(market, subjects),
            ClockSource(), EventSource(market, subjects), self._live,
        )  # fmt: skip
        self._by_name = {name: source for source in self.sources for name in source.names}

    @property
    def bad(self) -> int:
        """Data that were not believed since the start."""
        return sum(source.bad for source in self.sources)

    def figure(self, metric: Metric) -> Figure:
        """What a metric is a case of."""
        return self._figures[metric.name]

    def instruments(self, metric: Metric) -> list[Instrument]:
        """What a metric is made of; Delisted where nothing of it trades, SourceError while that is not known."""
        return self._subjects.instruments(metric)

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """Samples newer than `since_ts`, rising, and the newest known one even where it is older."""
        return await self._source(metric).samples(metric, since_ts, now)

    async def past_samples(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """The samples of (from_ts, to_ts], of a change also those a window back; SourceError where none are kept."""
        return await self._source(metric).past(metric, from_ts, to_ts)

    def every(self, metric: Metric) -> int:
        """Market ms between two questions."""
        return self._source(metric).every(metric)

    def fresh(self, metric: Metric) -> int:
        """Market ms after which a sample does not count as known any more."""
        return self._source(metric).fresh(metric)

    def is_live(self, metric: Metric, now: int) -> bool:
        """Whether the streams carry it now, so that nobody has to ask for it."""
        return self._live.is_live(metric, now)

    def live(self, metrics: frozenset[Metric], now: int) -> Iterator[tuple[Metric, Answer]]:
        """Each of these that the streams carry: its sample of this moment, or why there is none.

        The plain price is left out: its trades are told one by one.
        """
        return self._live.live(metrics, now)

    def snapshot(
        self, instrument: Instrument, metrics: Sequence[Metric], now: int
    ) -> dict[Metric, Answer]:
        """Several live figures of one instrument at one moment."""
        return self._live.snapshot(instrument, metrics, now)

    async def detail(self, metric: Metric, sample: Sample) -> dict[str, Reading[float]]:
        """What a message tells beside the finding: for volume, how unusual it is at this time of day."""
        if metric.name != VOLUME or metric.timeframe not in HISTORY:
            return {}
        instrument = self.instruments(metric)[0]
        end = sample.ts
        try:
            candles = await self._market.candles(
                instrument, metric.timeframe, HISTORY[metric.timeframe], end
            )
        except SourceError:
            return {}
        closed = [c for c in candles if c.ts <= sample.bar_ts]
        return {"z": volume.same_slot_z(closed, metric.timeframe, end)}

    async def past(self, metric: Metric, count: int) -> list[Candle]:
        """Candles of the instrument of a metric."""
        timeframe = metric.timeframe or "1m"
        return await self._market.candles(self.instruments(metric)[0], timeframe, count)

    def _source(self, metric: Metric) -> Source:
        found = self._by_name.get(metric.name)
        if found is None:
            raise ValueError(f"no such metric: {metric.name}")
        return found
