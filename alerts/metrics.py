"""Figures over time as the engine wants them: one call gives the samples of one metric since a moment.

Where a figure cannot be had that is a SourceError; nothing is made up, and nothing unsound is handed on.
"""

import math
from collections import defaultdict

from alerts.flow import FlowSamples
from alerts.interest import InterestSamples
from alerts.tape import FINE, PriceTape, gap_candles
from alerts.types import Metric, Sample
from analytics import volume
from exchanges.hub import Market
from market.errors import SourceError, SourceUnavailable, UserError
from market.language import _
from market.symbols import Query
from market.types import EXCHANGE_NAMES, MINUTE, TIMEFRAMES, Candle, Instrument, Reading

EVERYWHERE = "*:"  # before a coin: all venues together
PRICE, VOLUME, CVD = "price", "volume_ratio", "cvd_share"
INTEREST, INTEREST_USD = "open_interest", "open_interest_usd"
STALE = 15 * MINUTE  # without a trade a price is not known any more
HISTORY = {"5m": 4100, "15m": 1400, "1h": 400}  # candles that hold 14 days of the same slot
MOST = 300  # closed candles looked back for after an absence


class Delisted(SourceError):
    """What a metric is about is not traded any more."""


class Metrics:
    """Samples by metric; keeps between calls what makes them exact."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._tapes: dict[str, PriceTape] = defaultdict(PriceTape)
        self._interest = InterestSamples(market)
        self._flow = FlowSamples(market)
        self._bad_candles: set[tuple[str, int]] = set()

    @property
    def bad(self) -> int:
        """Data that were not believed since the start."""
        tapes = sum(tape.bad for tape in self._tapes.values())
        return tapes + self._interest.bad + len(self._bad_candles)

    def instruments(self, metric: Metric) -> list[Instrument]:
        """What a metric is made of; Delisted where nothing of it trades, SourceError while that is not known."""
        if metric.subject.startswith(EVERYWHERE):
            return self._perps(metric.subject.removeprefix(EVERYWHERE))
        found = self._market.directory.by_key(metric.subject)
        exchange = metric.subject.partition(":")[0]
        if found is None and exchange in self._market.missing():
            raise SourceUnavailable(EXCHANGE_NAMES.get(exchange, exchange), _("markets not loaded"))
        if found is None or not found.active:
            raise Delisted(EXCHANGE_NAMES.get(exchange, exchange), _("not listed any more"))
        return [found]

    def _perps(self, name: str) -> list[Instrument]:
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

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """Samples newer than `since_ts`, rising, and the newest known one even where it is older."""
        instruments = self.instruments(metric)
        if metric.name == PRICE:
            return await self._price(instruments[0], since_ts, now)
        if metric.name == VOLUME:
            return await self._volume(instruments[0], metric.timeframe, since_ts, now)
        if metric.name == CVD:
            return await self._flow.samples(metric, instruments, since_ts, now)
        if metric.name in (INTEREST, INTEREST_USD):
            dollars = metric.name == INTEREST_USD
            return await self._interest.samples(metric, instruments, since_ts, now, dollars=dollars)
        raise ValueError(f"no such metric: {metric.name}")

    async def _price(self, instrument: Instrument, since_ts: int, now: int) -> list[Sample]:
        tape = self._tapes[instrument.key]
        fine = (now // MINUTE - FINE) * MINUTE  # from here on minute by minute
        for timeframe, count in gap_candles(tape.until or since_ts or now, now):
            step = TIMEFRAMES[timeframe]
            candles = await self._market.candles(instrument, timeframe, count)
            whole = [c for c in candles if timeframe == "1m" or c.ts + step <= fine]
            tape.update(whole, now, step)
        newest = tape.newest
        if newest is None or now - tape.until > STALE:
            raise SourceUnavailable(
                EXCHANGE_NAMES[instrument.exchange],
                _("no trade of {symbol} for a while").format(symbol=instrument.symbol),
            )
        return tape.after(min(since_ts, newest.ts - 1))

    async def _volume(
        self, instrument: Instrument, timeframe: str, since_ts: int, now: int
    ) -> list[Sample]:
        step = TIMEFRAMES[timeframe]
        missed = min(max(0, (now - since_ts) // step) if since_ts else 0, MOST)
        candles = await self._market.candles(instrument, timeframe, volume.LOOKBACK + missed + 4)
        closed = self._sound(instrument, [c for c in candles if c.closed and c.ts + step <= now])
        if not closed:
            raise SourceUnavailable(EXCHANGE_NAMES[instrument.exchange], _("no closed candle"))
        first = next((i for i, c in enumerate(closed) if c.ts + step > since_ts), len(closed) - 1)
        samples = [
            sample
            for i in range(first, len(closed))
            if (sample := self._volume_sample(instrument, closed[: i + 1], timeframe)) is not None
        ]
        if not samples:
            end = closed[-1].ts + step
            reading = volume.percent_of_average(closed, timeframe, end)
            raise SourceUnavailable(EXCHANGE_NAMES[instrument.exchange], reading.reason)
        return samples

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
        """Candles to rehearse a volume alert on."""
        return await self._market.candles(self.instruments(metric)[0], metric.timeframe, count)

    def _sound(self, instrument: Instrument, candles: list[Candle]) -> list[Candle]:
        """Without candles that cannot be: one of them must not blind the average for a day."""
        bad = [
            c for c in candles
            if not (math.isfinite(c.volume) and c.volume >= 0)
            or not all(math.isfinite(p) and p > 0 for p in (c.open, c.high, c.low, c.close))
        ]  # fmt: skip
        self._bad_candles |= {(instrument.key, c.ts) for c in bad}
        return [c for c in candles if c not in bad] if bad else candles

    def _volume_sample(
        self, instrument: Instrument, closed: list[Candle], timeframe: str
    ) -> Sample | None:
        """The newest of `closed` against the average before it."""
        last = closed[-1]
        end = last.ts + TIMEFRAMES[timeframe]
        ratio = volume.percent_of_average(closed, timeframe, end)
        if ratio.value is None:
            return None
        return Sample(
            ts=end,
            value=ratio.value,
            bar_ts=last.ts,
            reading=ratio,
            extra=_candle(last, instrument, end),
        )


def _candle(candle: Candle, instrument: Instrument, end: int) -> dict[str, Reading[float]]:
    """What a message tells of the candle beside its volume."""

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
