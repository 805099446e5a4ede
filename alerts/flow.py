"""CVD over a window as a share of what was traded, minute by minute and over venues known for the whole window.

From trades where they were all seen, else from candles with a taker split. When a venue comes or goes the sum
changes without anybody having traded; `rebased` then makes the rule look at both moments with the new venues.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from alerts.types import Metric, Sample
from analytics.cvd import FlowLog
from exchanges.hub import Market, settle
from exchanges.types import Capability
from market.errors import SourceUnavailable
from market.language import _
from market.types import DAY, MINUTE, Candle, Instrument, Reading

SLACK = 1000  # ms a log may have begun after the window and still count as whole
LATE_FEED = 5 * MINUTE  # trades so old mean that the feed stands still
BLIND = MINUTE  # of gaps in a window that are put up with
MOST = 720  # minutes looked back for after an absence
HOLE = 10 * MINUTE  # without candles at the start of an answer: a quiet market
KEPT = 2 * DAY
DOLLAR_LIKE = ("USD", "USDT", "USDC")

Sums = tuple[float, float]  # (delta, traded) in dollars


@dataclass(slots=True, kw_only=True)
class Minutes:
    """One-minute candles of an instrument as (bought, traded) in quote currency, kept between looks.

    They are known in [since, until); a minute in there without a candle had no trades.
    """

    since: int = 0
    until: int = 0
    rows: dict[int, Sums] = field(default_factory=dict)

    def add(self, candles: Sequence[Candle], start: int, end: int) -> None:
        """Take the closed candles of [start, end); a venue may not reach back to `start`."""
        found = {c.ts: bought(c) for c in candles if c.closed and c.taker_buy_volume is not None}
        if not found:
            return
        reached = start if min(found) <= start + HOLE else min(found)
        if not self.since <= reached <= self.until:
            self.since, self.rows = reached, {}
        self.rows |= found
        self.until = end
        for ts in [ts for ts in self.rows if ts < end - KEPT]:
            del self.rows[ts]
        self.since = max(self.since, end - KEPT)

    def sum(self, since: int, until: int) -> Sums | None:
        """(delta, traded) of the minutes in [since, until); None where they are not all known."""
        if since < self.since or until > self.until:
            return None
        found = [self.rows[ts] for ts in range(since, until, MINUTE) if ts in self.rows]
        buys, traded = sum(b for b, _t in found), sum(t for _b, t in found)
        return 2 * buys - traded, traded


class FlowSamples:
    """Samples of windowed CVD at whole minutes."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._minutes: dict[str, Minutes] = {}

    async def samples(
        self, metric: Metric, instruments: Sequence[Instrument], since_ts: int, now: int
    ) -> list[Sample]:
        """One sample for each whole minute after `since_ts`, and the one at it."""
        end = now // MINUTE * MINUTE
        first = min(max((since_ts or now) // MINUTE * MINUTE, end - MOST * MINUTE), end)
        if self._market.streams is not None:
            await self._market.streams.watch(list(instruments))
        whole = await self._whole(metric, instruments, first, end)
        if not whole:
            raise SourceUnavailable(_("Order flow"), _("not collected for the whole window yet"))
        rates = await self._rates(whole)
        found = [
            sample
            for ts in range(first, end + 1, MINUTE)
            if (sample := self._sample(metric, whole, rates, ts)) is not None
        ]
        if not found:
            raise SourceUnavailable(_("Order flow"), _("no candles of the last minutes"))
        return found

    async def _whole(
        self, metric: Metric, instruments: Sequence[Instrument], first: int, end: int
    ) -> list[Instrument]:
        """The instruments whose flow is known over every window that is asked for."""
        since = first - metric.window
        by_trades = [i for i in instruments if self._log(i, since, end) is not None]
        asked = [
            i
            for i in instruments
            if i not in by_trades and self._has_split(i) and metric.window <= DAY
        ]
        await self._load(asked, since, end)
        by_candles = [
            i for i in asked if self._minutes[i.key].sum(end - metric.window, end) is not None
        ]
        return [i for i in instruments if i in by_trades or i in by_candles]

    def _has_split(self, instrument: Instrument) -> bool:
        venue = self._market.venues.get(instrument.exchange)
        return venue is not None and Capability.TAKER_VOLUME in venue.capabilities

    def _log(self, instrument: Instrument, since: int, end: int) -> FlowLog | None:
        """The trades of an instrument, if they are all there."""
        if self._market.streams is None:
            return None
        log: FlowLog | None = self._market.streams.flow(instrument)
        if log is None or log.started_ts is None or log.started_ts > since + SLACK:
            return None
        if log.last_ts is None or log.last_ts < end - LATE_FEED:
            return None
        gaps = log.gaps(since, end)
        blind = sum(min(g.to_ts, end) - max(g.from_ts, since) for g in gaps)
        return log if blind <= BLIND else None

    async def _load(self, instruments: Sequence[Instrument], since: int, end: int) -> None:
        """Fetch the minutes that are not known yet, and forget those that no window reaches."""
        starts: dict[str, int] = {}
        for i in instruments:
            known = self._minutes.setdefault(i.key, Minutes())
            start = known.until if known.since <= since <= known.until else since
            if start < end:
                starts[i.key] = start
        calls = {
            i.key: self._market.candles(i, "1m", (end - starts[i.key]) // MINUTE, end)
            for i in instruments
            if i.key in starts
        }
        found, _errors = await settle(calls)
        for key, candles in found.items():
            self._minutes[key].add(candles, starts[key], end)

    async def _rates(self, instruments: Sequence[Instrument]) -> dict[str, float]:
        """Dollars for each quote currency; one currency alone needs no rate."""
        quotes = {i.quote for i in instruments}
        if len(quotes) == 1:
            return dict.fromkeys(quotes, 1.0)
        rates: dict[str, float] = {}
        for quote in quotes:
            rate = (await self._market.usd_rate(quote)).value
            if rate is None and quote not in DOLLAR_LIKE:
                raise SourceUnavailable(
                    _("Order flow"), _("no rate of {quote}").format(quote=quote)
                )
            rates[quote] = rate if rate is not None else 1.0
        return rates

    def _sample(
        self, metric: Metric, instruments: Sequence[Instrument], rates: dict[str, float], ts: int
    ) -> Sample | None:
        delta = traded = 0.0
        for i in instruments:
            part = self._sum(i, ts - metric.window, ts)
            if part is None:
                return None
            delta += part[0] * rates[i.quote]
            traded += part[1] * rates[i.quote]
        if traded <= 0:
            return None
        names = tuple(i.exchange for i in instruments)

        def seen(value: float) -> Reading[float]:
            return Reading(
                value=value, unit="USD", as_of=ts, since=ts - metric.window, window=metric.window,
                venues=names, n=len(names),
            )  # fmt: skip

        return Sample(
            ts=ts,
            value=delta / traded,
            reading=seen(delta),
            extra={"cvd": seen(delta), "traded": seen(traded)},
        )

    def _sum(self, instrument: Instrument, since: int, until: int) -> Sums | None:
        log = self._log(instrument, since, until)
        if log is not None:
            part = log.window(since, until)
            return part.delta_value, part.value
        known = self._minutes.get(instrument.key)
        return known.sum(since, until) if known is not None else None


def bought(candle: Candle) -> Sums:
    """(taker buys, traded) in quote currency; at the candle's mean price where only coins are told."""
    middle = (candle.high + candle.low + candle.close) / 3
    traded = candle.quote_volume if candle.quote_volume is not None else candle.volume * middle
    if candle.taker_buy_quote is not None:
        return candle.taker_buy_quote, traded
    return (candle.taker_buy_volume or 0.0) * middle, traded


def rebased(samples: Sequence[Sample], last_ts: int) -> list[Sample]:
    """The samples for a rule whose venues have changed: it learns its side anew from the one it saw last."""
    known = [each for each in samples if each.ts <= last_ts]
    later = [each for each in samples if each.ts > last_ts]
    if known:
        return [replace(known[-1], ts=last_ts, rebased=True), *later]
    return [replace(later[0], rebased=True), *later[1:]] if later else []
