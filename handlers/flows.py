"""Taker flow of several venues over one window: from trades where they were all seen, else from taker volume."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from analytics.cvd import FlowLog, FlowSum
from analytics.cvd_figures import cvd_reading
from exchanges.hub import settle
from exchanges.types import Capability
from handlers.app import App
from handlers.dollars import Dollars, dollars
from handlers.outages import short
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Candle, Gap, Instrument, Kind, Reading

SLACK = 1000  # ms by which a log may have begun after the window and still count as whole
RECENT = 15 * MINUTE
SIGNS = "signs of candles"
LATE = 3 * MINUTE  # the newest candle may have ended so long ago


@dataclass(slots=True, kw_only=True)
class Flows:
    """What is known of each venue's flow over (since, until]; in dollars."""

    since: int
    until: int
    sums: dict[str, FlowSum] = field(default_factory=dict)
    minutes: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # (open ts, delta)
    recent: dict[str, FlowSum] = field(default_factory=dict)  # of the last 15 minutes, whole ones
    sources: dict[str, str] = field(default_factory=dict)  # "trades" or "taker volume"
    missing: dict[str, str] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    approx: dict[str, tuple[Instrument, list[Candle]]] = field(default_factory=dict)
    note: str = ""

    @property
    def guessed(self) -> bool:
        """Whether it rests on the signs of candles, because there is nothing better."""
        return SIGNS in self.sources.values()

    def readings(self, base: str) -> dict[str, Reading[float]]:
        """`cvd`, `cvd_base`, `value`, `volume`, `buy_share`, and the same by venue; `cvd_15m`."""
        found = self._readings(base)
        if not self.guessed:
            return found
        note = _("by the sign of candles: the direction may hold, the size does not")
        return {name: replace(each, kind=Kind.APPROX, note=note) for name, each in found.items()}

    def _readings(self, base: str) -> dict[str, Reading[float]]:
        found = cvd_reading(
            self.sums,
            since=self.since,
            now=self.until,
            unit=base,
            gaps=self.gaps,
            missing=self.missing,
        )
        found |= self._recent(base)
        return found

    def _recent(self, base: str) -> dict[str, Reading[float]]:
        """The end of the window, over the same venues as the whole; a part of them would mislead."""
        if not self.sums or self.recent.keys() != self.sums.keys():
            why = _("not 15 minutes of every venue")
            return dict.fromkeys(("cvd_15m", "cvd_base_15m"), Reading[float].missing(why))
        gaps = [g for g in self.gaps if g.to_ts > self.until - RECENT]
        found = cvd_reading(
            self.recent, since=self.until - RECENT, now=self.until, unit=base, gaps=gaps
        )
        return {"cvd_15m": found["cvd"], "cvd_base_15m": found["cvd_base"]}


async def flows(app: App, instruments: Sequence[Instrument], window: int, now: int) -> Flows:
    """The flow of the last `window` ms of each instrument (one a venue).

    Where a venue has trades for all of it they are used, to the ms; else its candles. A sum with candles in
    it begins on the whole minute for every venue, so that all have the same edge.
    """
    await app.market.streams.watch(instruments)
    rates = await dollars(app, {i.quote for i in instruments})
    found = Flows(since=now - window, until=now, note=rates.note)
    logs, asked, late = _sorted(app, found, instruments, rates)
    if asked:
        candles, errors = await settle(
            {i.exchange: app.market.candles(i, "1m", window // MINUTE + 2) for i in asked}
        )
        found.since = found.since // MINUTE * MINUTE
        found.missing |= {name: short(error.reason) for name, error in errors.items()}
        for i in (i for i in asked if i.exchange in candles):
            _add_candles(found, i, candles[i.exchange], rates)
        if not found.sums and not found.approx:
            found.since = now - window
    with_candles = bool(found.sources)
    for i, flow in logs:
        _add_trades(found, i, flow, rates, whole_minutes=with_candles)
    _add_late(found, late, rates)
    if not found.sums:
        _add_signs(found, rates)
    return found


Log = tuple[Instrument, FlowLog]


def _sorted(
    app: App, found: Flows, instruments: Sequence[Instrument], rates: Dollars
) -> tuple[list[Log], list[Instrument], list[Log]]:
    """Those with trades for the whole window, those whose candles are asked for, those with trades for a part."""
    logs: list[Log] = []
    asked: list[Instrument] = []
    late: list[Log] = []
    for i in instruments:
        flow = app.market.streams.flow(i)
        started = flow.started_ts if flow is not None else None
        if rates.of(1.0, i.quote) is None:
            found.missing[i.exchange] = _("no rate of {quote} in USD").format(quote=i.quote)
        elif flow is not None and started is not None and started <= found.since + SLACK:
            logs.append((i, flow))
        elif Capability.TAKER_VOLUME in app.market.venues[i.exchange].capabilities:
            asked.append(i)
        elif flow is not None and started is not None:
            late.append((i, flow))
        else:
            asked.append(i)
    return logs, asked, late


def _add_trades(
    found: Flows, i: Instrument, flow: FlowLog, rates: Dollars, *, whole_minutes: bool
) -> None:
    """The trades of one venue; a window is (since, until], a candle holds its first ms: hence the 1 ms."""
    since = found.since - 1 if whole_minutes else found.since
    rate = rates.of(1.0, i.quote) or 0.0
    whole = _in_dollars(flow.window(since, found.until), rate)
    if whole.since == since and whole_minutes:
        whole = replace(whole, since=found.since)
    found.sums[i.exchange] = whole
    rows = [(ts, value * rate) for ts, _coins, value, _n in flow.minutes(since, found.until)]
    if rows:  # the first minute counts only from the left edge on
        rows[0] = (rows[0][0], whole.delta_value - sum(value for _ts, value in rows[1:]))
    found.minutes[i.exchange] = rows
    start = found.until - RECENT
    start = start // MINUTE * MINUTE - 1 if whole_minutes else start
    if start >= since and (flow.started_ts or 0) <= start + SLACK:
        found.recent[i.exchange] = _in_dollars(flow.window(start, found.until), rate)
    found.sources[i.exchange] = "trades"
    found.gaps += flow.gaps(since, found.until)


def _add_late(found: Flows, late: Sequence[Log], rates: Dollars) -> None:
    """Venues watched for less than the window: left out of a sum, used when there is nothing else."""
    alone = not found.sums
    for i, flow in late:
        if alone:
            _add_trades(found, i, flow, rates, whole_minutes=False)
        else:
            at = fmt.utc(flow.started_ts or found.until, found.until)
            found.missing[i.exchange] = _("collecting since {at}").format(at=at)


def _add_candles(found: Flows, i: Instrument, candles: Sequence[Candle], rates: Dollars) -> None:
    inside = [c for c in candles if found.since <= c.ts < found.until]
    if not inside:
        found.missing[i.exchange] = _("no trades collected yet")
        return
    end = inside[-1].ts + MINUTE
    if found.until - end > LATE:
        found.missing[i.exchange] = _("candles end at {at}").format(at=fmt.utc(end, found.until))
        return
    if any(c.taker_buy_volume is None for c in inside):
        found.missing[i.exchange] = _("candles without taker volume")
        found.approx[i.exchange] = (i, inside)
        return
    _count(found, i, inside, rates)
    found.sources[i.exchange] = "taker volume"


def _count(found: Flows, i: Instrument, inside: Sequence[Candle], rates: Dollars) -> None:
    rate = rates.of(1.0, i.quote) or 0.0
    found.sums[i.exchange] = _in_dollars(_sum(inside, found.until), rate)
    found.minutes[i.exchange] = [(c.ts, _delta(c) * rate) for c in inside]
    start = (found.until - RECENT) // MINUTE * MINUTE
    recent = [c for c in inside if c.ts >= start]
    if found.since <= start and recent and recent[0].ts <= start:
        found.recent[i.exchange] = _in_dollars(_sum(recent, found.until), rate)


def _add_signs(found: Flows, rates: Dollars) -> None:
    """The last resort: each candle's volume counts for the side it closed on; half each where it did not move."""
    for exchange, (i, candles) in found.approx.items():
        signed = [
            structs.replace(c, taker_buy_volume=c.volume * _side(c), taker_buy_quote=None)
            for c in candles
        ]
        _count(found, i, signed, rates)
        found.sources[exchange] = SIGNS
        del found.missing[exchange]


def _side(candle: Candle) -> float:
    return 1.0 if candle.close > candle.open else 0.0 if candle.close < candle.open else 0.5


def _delta(candle: Candle) -> float:
    """Taker buys minus taker sells in quote currency."""
    bought, value = _bought(candle)
    return 2 * bought - value


def _bought(candle: Candle) -> tuple[float, float]:
    """(bought, traded) in quote currency; at the candle's mean price where the venue tells coins only."""
    mid = (candle.high + candle.low + candle.close) / 3
    value = candle.quote_volume if candle.quote_volume is not None else candle.volume * mid
    if candle.taker_buy_quote is not None:
        return candle.taker_buy_quote, value
    share = (candle.taker_buy_volume or 0.0) / candle.volume if candle.volume > 0 else 0.0
    return share * value, value


def _sum(candles: Sequence[Candle], until: int) -> FlowSum:
    buys = [c.taker_buy_volume or 0.0 for c in candles]
    values = [_bought(c) for c in candles]
    return FlowSum(
        since=candles[0].ts,
        until=until,
        buy_base=sum(buys),
        sell_base=sum(c.volume for c in candles) - sum(buys),
        buy_value=sum(b for b, _v in values),
        sell_value=sum(v - b for b, v in values),
        n=len(candles),
        last_ts=min(until, candles[-1].ts + MINUTE),
        exact=False,
    )


def _in_dollars(part: FlowSum, rate: float) -> FlowSum:
    return (
        part
        if rate == 1.0
        else replace(part, buy_value=part.buy_value * rate, sell_value=part.sell_value * rate)
    )


def source_text(found: Flows) -> str:
    """Which venues were summed from what: `from trades`, `from taker volume`, or both by name."""
    kinds = {
        "trades": _("trades"),
        "taker volume": _("taker volume"),
        SIGNS: _("signs of candles"),
    }
    used = dict.fromkeys(found.sources.values())
    if len(used) == 1:
        return _("from {what}").format(what=kinds[next(iter(used))])
    parts = []
    for kind in used:
        names = "+".join(EXCHANGE_NAMES[n] for n, s in found.sources.items() if s == kind)
        parts.append(f"{names} {_('from {what}').format(what=kinds[kind])}")
    return ", ".join(parts)


async def reference_candles(
    app: App, instruments: Sequence[Instrument], timeframe: str, limit: int, default: str
) -> tuple[Instrument, list[Candle]]:
    """Candles of the default venue, or of the first other one that answers."""
    last: SourceError | None = None
    for i in sorted(instruments, key=lambda i: i.exchange != default):
        try:
            candles = await app.market.candles(i, timeframe, limit)
        except SourceError as error:
            last = error
            continue
        if candles:
            return i, candles
    raise last or SourceError(_("Markets"), _("no candles"))
