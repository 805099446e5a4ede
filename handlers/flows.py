"""Taker flow of several venues over one window: from trades where they were all seen, else from taker volume."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from analytics.cvd import FlowLog, FlowSum
from analytics.cvd_figures import cvd_reading
from exchanges.hub import settle
from exchanges.types import Capability
from handlers.app import App
from handlers.dollars import Dollars, dollars
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Candle, Gap, Instrument, Reading

SLACK = 1000  # ms by which a log may have begun after the window and still count as whole


@dataclass(slots=True, kw_only=True)
class Flows:
    """What is known of each venue's flow over (since, until]."""

    since: int
    until: int
    sums: dict[str, FlowSum] = field(default_factory=dict)  # in dollars
    minutes: dict[str, list[tuple[int, float]]] = field(
        default_factory=dict
    )  # (open ts, delta in dollars)
    last_15m: dict[str, float] = field(default_factory=dict)  # delta in dollars
    sources: dict[str, str] = field(default_factory=dict)  # "trades" or "taker volume"
    missing: dict[str, str] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    note: str = ""

    def readings(self, base: str) -> dict[str, Reading[float]]:
        """`cvd`, `cvd_base`, `value`, `volume`, `buy_share`, and the same by venue."""
        return cvd_reading(
            self.sums,
            since=self.since,
            now=self.until,
            unit=base,
            gaps=self.gaps,
            missing=self.missing,
        )


async def flows(app: App, instruments: Sequence[Instrument], window: int, now: int) -> Flows:
    """The flow of the last `window` ms of each instrument (one a venue)."""
    await app.market.streams.watch(instruments)
    rates = await dollars(app, {i.quote for i in instruments})
    found = Flows(since=now - window, until=now, note=rates.note)
    late: dict[str, tuple[Instrument, FlowLog]] = {}
    asked: list[Instrument] = []
    for i in instruments:
        flow = app.market.streams.flow(i)
        if (
            flow is not None
            and flow.started_ts is not None
            and flow.started_ts <= found.since + SLACK
        ):
            _add_trades(found, i, flow, rates)
        elif Capability.TAKER_VOLUME in app.market.venues[i.exchange].capabilities:
            asked.append(i)
        elif flow is not None and flow.started_ts is not None:
            late[i.exchange] = (i, flow)
        else:
            found.missing[i.exchange] = _("no trades collected yet")
    await _add_candles(app, found, asked, rates)
    _add_late(found, late, rates)
    return found


def _add_trades(found: Flows, i: Instrument, flow: FlowLog, rates: Dollars) -> None:
    part = flow.window(found.since, found.until)
    rate = rates.of(1.0, i.quote)
    found.sums[i.exchange] = _in_dollars(part, rate)
    found.minutes[i.exchange] = [
        (ts, v * rate) for ts, _b, v, _n in flow.minutes(found.since, found.until)
    ]
    found.last_15m[i.exchange] = (
        flow.window(found.until - 15 * MINUTE, found.until).delta_value * rate
    )
    found.sources[i.exchange] = "trades"
    found.gaps += flow.gaps(found.since, found.until)


def _add_late(found: Flows, late: dict[str, tuple[Instrument, FlowLog]], rates: Dollars) -> None:
    """Venues watched for less than the window: left out of a sum, used when there is nothing else."""
    for exchange, (i, flow) in late.items():
        if found.sums and not all(name in late for name in found.sums):
            at = fmt.utc(flow.started_ts or found.until, found.until)
            found.missing[exchange] = _("collecting since {at}").format(at=at)
        else:
            _add_trades(found, i, flow, rates)


async def _add_candles(app: App, found: Flows, asked: Sequence[Instrument], rates: Dollars) -> None:
    count = (found.until - found.since) // MINUTE + 2
    calls = {i.exchange: app.market.candles(i, "1m", count) for i in asked}
    candles, errors = await settle(calls)
    for i in asked:
        if i.exchange in errors:
            found.missing[i.exchange] = errors[i.exchange].reason
            continue
        inside = [
            c for c in candles[i.exchange] if found.since // MINUTE * MINUTE <= c.ts < found.until
        ]
        if not inside or any(c.taker_buy_volume is None for c in inside):
            found.missing[i.exchange] = _("candles without taker volume")
            continue
        rate = rates.of(1.0, i.quote)
        found.sums[i.exchange] = _in_dollars(_sum(inside, found.until), rate)
        found.minutes[i.exchange] = [(c.ts, _delta(c) * rate) for c in inside]
        recent = [c for c in inside if c.ts >= found.until // MINUTE * MINUTE - 15 * MINUTE]
        found.last_15m[i.exchange] = sum(_delta(c) for c in recent) * rate
        found.sources[i.exchange] = "taker volume"


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
    return (candle.taker_buy_volume or 0.0) * mid, value


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
    kinds = {"trades": _("trades"), "taker volume": _("taker volume")}
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
