"""Readings of taker flow: over venues from their `FlowLog`s, from candles with a taker split, or from candle signs."""

import math
from collections.abc import Mapping, Sequence

from analytics.cvd import FlowLog, FlowSum
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Candle, Gap, Kind, Reading, Status


def flow_windows(flows: Mapping[str, FlowLog], since: int, until: int) -> dict[str, FlowSum]:
    """What every venue traded in one window with the same edges, but for venues that started later."""
    started = {name: flow for name, flow in flows.items() if flow.started_ts is not None}
    edges = [flow.edge(since) for flow in started.values()]
    edge = min((each for each in edges if each <= since), default=since)
    return {name: flow.window(edge, until) for name, flow in started.items()}


def cvd_reading(
    sums: Mapping[str, FlowSum],
    *,
    since: int,
    now: int,
    unit: str = "",
    gaps: Sequence[Gap] = (),
    missing: Mapping[str, str] | None = None,
    as_of: int | None = None,
) -> dict[str, Reading[float]]:
    """CVD over all venues and for each: `cvd` and `value` in USD, `cvd_base` and `volume` in coins, `buy_share`.

    `since` is what was asked for; a venue that started later is named in the note. `missing` says by
    venue why it has no flow. `as_of`: when the feeds were last known to live, where that is later than
    the newest trade. The same by venue stands under `cvd.binance`, `buy_share.binance`.
    """
    used = {name: each for name, each in sums.items() if each.until > each.since}
    absent = {
        **{name: _("no trades collected yet") for name in sums if name not in used},
        **(missing or {}),
    }
    if not used:
        reason = "; ".join(dict.fromkeys(absent.values())) or _("no trades collected yet")
        nothing: Reading[float] = Reading.missing(reason, Status.INSUFFICIENT, venues=tuple(absent))
        return dict.fromkeys(("cvd", "cvd_base", "value", "volume", "buy_share"), nothing)
    edge = min(each.since for each in used.values())
    note = _note(used, since, edge, gaps, absent)
    found = _figures(list(used.values()), edge, tuple(used), unit, note, as_of)
    for name, each in used.items():
        by_venue = _figures(
            [each],
            each.since,
            (name,),
            unit,
            blind_text([g for g in gaps if g.exchange == name]),
            as_of,
        )
        found |= {f"{figure}.{name}": reading for figure, reading in by_venue.items()}
    for name, reason in absent.items():
        found[f"cvd.{name}"] = Reading.missing(reason, venues=(name,))
    return found


def _figures(
    sums: Sequence[FlowSum],
    edge: int,
    venues: tuple[str, ...],
    unit: str,
    note: str,
    as_of: int | None,
) -> dict[str, Reading[float]]:
    bought = math.fsum(each.buy_value for each in sums)
    sold = math.fsum(each.sell_value for each in sums)
    until = max(each.until for each in sums)
    newest = max((each.last_ts for each in sums if each.last_ts is not None), default=None)
    if as_of is not None:
        newest = max(newest or 0, as_of)
    values = {
        "cvd": (bought - sold, "USD"),
        "value": (bought + sold, "USD"),
        "cvd_base": (math.fsum(each.delta_base for each in sums), unit),
        "volume": (math.fsum(each.volume for each in sums), unit),
    }
    evidence: dict[str, object] = {
        "as_of": newest, "since": edge, "window": until - edge, "n": sum(each.n for each in sums),
        "venues": venues, "note": note,
    }  # fmt: skip
    found = {name: _known(value, of, evidence) for name, (value, of) in values.items()}
    if bought + sold > 0:
        found["buy_share"] = _known(bought / (bought + sold), "fraction", evidence)
    else:
        found["buy_share"] = Reading.missing(_("nothing traded"), Status.UNDEFINED, **evidence)
    return found


def _known(value: float, unit: str, evidence: Mapping[str, object]) -> Reading[float]:
    return Reading(value=value, unit=unit, **evidence)  # type: ignore[arg-type]


def _note(
    used: Mapping[str, FlowSum],
    since: int,
    edge: int,
    gaps: Sequence[Gap],
    absent: Mapping[str, str],
) -> str:
    """Who is not in it, who came late, and where the feeds were blind."""
    parts = []
    if edge >= since + 1000:
        parts.append(_("collected since {clock}").format(clock=_clock(edge)))
    late = [name for name, each in used.items() if each.since >= edge + 1000]
    parts += [
        _("{venue} since {clock}").format(
            venue=EXCHANGE_NAMES.get(name, name), clock=_clock(used[name].since)
        )
        for name in late
    ]
    if absent:
        names = ", ".join(EXCHANGE_NAMES.get(name, name) for name in absent)
        parts.append(_("without {venues}").format(venues=names))
    parts.append(blind_text(gaps))
    return ", ".join(parts)


def blind_text(gaps: Sequence[Gap]) -> str:
    """When the feeds were blind, or that they were not."""
    if not gaps:
        return _("no gaps")
    first = gaps[0]
    text = _("blind {start} to {end}").format(start=_clock(first.from_ts), end=_clock(first.to_ts))
    more = _(" and {n} more").format(n=len(gaps) - 1) if len(gaps) > 1 else ""
    return text + more


def _clock(ts: int) -> str:
    minutes = ts // MINUTE % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d} UTC"


def cvd_from_candles(candles: Sequence[Candle]) -> list[float | None]:
    """Running CVD in coins by taker volume, 2 x bought - traded; None from the first candle without the split on."""
    values: list[float | None] = []
    total = 0.0
    broken = False
    for candle in candles:
        if candle.taker_buy_volume is None:
            broken = True
        else:
            total += 2 * candle.taker_buy_volume - candle.volume
        values.append(None if broken else total)
    return values


def cvd_approx(candles: Sequence[Candle]) -> list[float]:
    """Running CVD by the sign of each candle. Its direction is right in two of three bars, its size far too large."""
    values = []
    total = 0.0
    for candle in candles:
        if candle.close != candle.open:
            total += candle.volume if candle.close > candle.open else -candle.volume
        values.append(total)
    return values


def candle_cvd_reading(
    candles: Sequence[Candle], *, step: int, venue: str = "", unit: str = ""
) -> Reading[float]:
    """CVD in coins over closed candles of `step` ms: observed where all have the taker split, else approx by sign."""
    if not candles:
        return Reading.missing(
            _("no candles"), Status.INSUFFICIENT, venues=(venue,) if venue else ()
        )
    by_taker = cvd_from_candles(candles)[-1]
    evidence = {
        "as_of": candles[-1].ts + step, "since": candles[0].ts, "window": candles[-1].ts + step - candles[0].ts,
        "n": len(candles), "venues": (venue,) if venue else (), "unit": unit,
    }  # fmt: skip
    if by_taker is not None:
        return Reading(value=by_taker, note=_("from candles' taker volume"), **evidence)  # type: ignore[arg-type]
    note = _("by the sign of candles: the direction may hold, the size does not")
    return Reading(value=cvd_approx(candles)[-1], kind=Kind.APPROX, note=note, **evidence)  # type: ignore[arg-type]
