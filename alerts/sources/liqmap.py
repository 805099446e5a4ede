"""How far the nearest cluster of estimated liquidations is from the price: the model and the window of /liqmap."""

import asyncio
from collections.abc import Sequence

from alerts.sources.base import Subjects
from alerts.types import Metric, Sample
from analytics.liquidation.clusters import Cluster, nearest
from analytics.liquidation.ledger import LiquidationMap, combined, swept
from exchanges.hub import Market, settle
from exchanges.liquidation_maps import venue_maps
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import DAY, HOUR, MINUTE, Instrument, Kind, PositionSide, Reading

EVERY = MINUTE
FRESH = 3 * MINUTE
REBUILT = 5 * MINUTE  # a map holds for so long; the price under it is asked for each time
WINDOW = 7 * DAY
OLD = 3 * HOUR  # of the newest candle in the map
PRICE_OLD = MINUTE


class ClusterSource:
    """Maps by subject, kept between questions."""

    names = frozenset({"liq_cluster"})
    bad = 0

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._maps: dict[str, tuple[int, list[LiquidationMap], dict[str, float]]] = {}

    def every(self, metric: Metric) -> int:
        """The price moves under the map."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """Some questions later."""
        return FRESH

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """The distance now; an estimate."""
        instruments = self._subjects.instruments(metric)
        price, as_of = await self._price(instruments, now)
        maps, sizes = await self._built(metric.subject, instruments, now)
        whole = swept(await asyncio.to_thread(combined, maps, sizes, price))
        if now - whole.as_of > OLD:
            raise SourceUnavailable(_("Liquidation map"), _("its candles are old"))
        sides = [PositionSide(metric.param)] if metric.param else list(PositionSide)
        found = [each for side in sides if (each := nearest(whole, side)) is not None]
        if not found:
            raise SourceUnavailable(_("Liquidation map"), _("no cluster stands out"))
        cluster = min(found, key=lambda each: abs(each.distance))
        return [_sample(cluster, whole, now, as_of)]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """A map of the past would know what came after it."""
        raise SourceError(_("Liquidation map"), _("maps of the past are not kept"))

    async def _price(self, instruments: Sequence[Instrument], now: int) -> tuple[float, int]:
        tickers, errors = await settle({i.key: self._market.ticker(i) for i in instruments})
        for i in instruments:
            found = tickers.get(i.key)
            if found is not None and now - found.ts <= PRICE_OLD and found.last > 0:
                return found.last, found.ts
        raise next(iter(errors.values()), SourceUnavailable(_("Markets"), _("every price is old")))

    async def _built(
        self, subject: str, instruments: Sequence[Instrument], now: int
    ) -> tuple[list[LiquidationMap], dict[str, float]]:
        """The maps of the venues that have a history of open interest, and their open interest in dollars."""
        kept = self._maps.get(subject)
        if kept is not None and 0 <= now - kept[0] < REBUILT:
            return kept[1], kept[2]
        built, reasons = await venue_maps(self._market, instruments, WINDOW, now)
        if not built:
            why = next(iter(reasons.values()), _("no map"))
            raise SourceUnavailable(_("Liquidation map"), why)
        maps = [each.map for each in built.values()]
        sizes = {name: each.interest_usd for name, each in built.items()}
        self._maps[subject] = (now, maps, sizes)
        return maps, sizes


def _sample(cluster: Cluster, whole: LiquidationMap, now: int, as_of: int) -> Sample:
    def seen(value: float, unit: str) -> Reading[float]:
        return Reading(
            value=value, as_of=min(as_of, whole.as_of), since=whole.since, window=whole.window,
            venues=whole.venues, kind=Kind.ESTIMATED, unit=unit, note=str(cluster.position),
        )  # fmt: skip

    distance = abs(cluster.distance)
    return Sample(
        ts=now, value=distance, reading=seen(distance, "fraction"),
        extra={"price": seen(cluster.near, "price"), "usd": seen(cluster.usd, "USD"),
               "share": seen(cluster.share, "fraction")},
    )  # fmt: skip
