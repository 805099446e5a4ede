"""The setup score, 0 to 10: how much is unusual at once, line by line, so that the lines add up to the score.

It measures activity, not a chance of profit. Each signal has fixed points (below) and a ramp from nothing to all of
them; points are whole tenths. A signal whose input is not known gives no points, is named, and lowers the coverage;
nothing is scaled up for it. Below 60 % coverage there is no score. Weights after section 15 of the analytics
reference, with liquidations and flash crashes in the place of volatility.

    volume 1.5        200 % -> 500 % of what is usual
    delta 1.5         |z| 2 -> 4; without a z the net share of volume, 20 % -> 60 %
    cluster 2.0       distance 1 % -> 0.2 %, times its share of its side, 0 -> 10 %
    book 1.0          |2 x bid share - 1| 0.2 -> 0.6
    funding 1.0       0.7: |8 h rate| 0.02 % -> 0.08 %; 0.3: |momentum| 0.01 % -> 0.03 %
    interest 1.5      |change of coins in 30 min| 0.5 % -> 3 %
    correlation 0.5   Fisher |z| 2 -> 4
    liquidations 0.5  5 min sum over the coin's cascade threshold, 0.5 -> 2
    crash 0.5         a confirmed flash crash in the last 5 min
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics.correlation import Correlation
from analytics.liqflow import cascade_threshold
from analytics.liquidation.clusters import Cluster
from analytics.setup_words import interpret
from market import format as fmt
from market.language import _
from market.types import Kind, PositionSide, Reading, Status

LEAST_COVERAGE = 0.6
BANDS = ((4.0, "low"), (7.0, "elevated"), (math.inf, "high"))
BIAS_SHARE, BIAS_POINTS = 0.5, 1.0  # of the points that have a direction, net
POINTS = {
    "volume": 1.5, "delta": 1.5, "cluster": 2.0, "book": 1.0, "funding": 1.0,
    "interest": 1.5, "correlation": 0.5, "liquidations": 0.5, "crash": 0.5,
}  # fmt: skip
_KINDS = (Kind.OBSERVED, Kind.ESTIMATED, Kind.APPROX)

Readings = Mapping[str, Reading[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One signal. `known`: points whose inputs are known, at most `max_points`; `sign`: 1 points up, -1 down.

    `text` is the evidence in words, `note` what else to know of it, or why it is not known.
    """

    name: str
    title: str
    points: float
    max_points: float
    known: float
    text: str
    reading: Reading[Any]
    note: str = ""
    sign: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The score and what it is made of. `bias` is where the signals with a direction point: no forecast."""

    score: Reading[float]
    lines: tuple[Line, ...]
    coverage: float  # part of the points whose inputs are known
    bias: str  # "up", "down", "mixed"
    level: Reading[float] | None  # a price to watch
    interpretation: str

    @property
    def points(self) -> float:
        """Sum of the lines, also where coverage is too small for a score."""
        return _sum(self.lines)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Titles of the signals that are not (or not wholly) known."""
        return tuple(line.title for line in self.lines if line.known < line.max_points)

    @property
    def band(self) -> str:
        """ "low" below 4, "elevated" up to 7, "high" above; "" without a score."""
        value = self.score.value
        return "" if value is None else next(name for top, name in BANDS if value <= top)

    @property
    def headline(self) -> str:
        """`6.5/10 from 80 % of the signals`, or why there is none."""
        share = fmt.percent(self.coverage, 0, signed=False)
        if self.score.value is None:
            return f"{fmt.NOT_KNOWN} ({self.score.reason})"
        text = _("{score}/10 from {share} of the signals")
        return text.format(score=f"{self.score.value:.1f}", share=share)


def assess(  # noqa: PLR0913 - what the snapshot of one instrument cannot tell
    readings: Readings,
    *,
    base: str,
    cluster: Reading[Cluster] | None = None,
    volume: Reading[float] | None = None,
    delta_z: Reading[float] | None = None,
    link: Reading[Correlation] | None = None,
    crash: Reading[str] | None = None,
    quadrant: Reading[str] | None = None,
    level: Reading[float] | None = None,
) -> Setup:
    """Judge the snapshot of one instrument, or the sums over its venues under the same names.

    `cluster` is the nearest estimated one, `volume` recent volume over what is usual (else the 15 m candle of the
    snapshot), `link` the correlation to the market, `crash` as `FlashCrash.reading` has it, `quadrant` price with
    interest, `level` a price to watch where no cluster is known.
    """
    lines = (
        _volume(volume or _first(readings, "volume_pace_15m", "volume_ratio_15m")),
        _delta(_of(readings, "delta_5m"), _of(readings, "volume_5m"), delta_z),
        _cluster(cluster or _nothing()),
        _book(_of(readings, "bid_share")),
        _funding(_of(readings, "funding_8h"), _of(readings, "funding_momentum")),
        _interest(_of(readings, "oi_change_30m"), _of(readings, "oi_delta_usd_30m")),
        _link(link or _nothing()),
        _liquidations(_of(readings, "liq_long_5m"), _of(readings, "liq_short_5m"), base),
        _crash(crash or _nothing()),
    )
    coverage = math.fsum(line.known for line in lines) / math.fsum(POINTS.values())
    bias = _bias(lines)
    watch = _watch(cluster, level)
    return Setup(
        score=_score(lines, coverage), lines=lines, coverage=coverage, bias=bias, level=watch,
        interpretation=interpret({line.name: line for line in lines}, quadrant),
    )  # fmt: skip


def _volume(ratio: Reading[float]) -> Line:
    value = _number(ratio)
    if value is None:
        return _unknown("volume", _("Volume"), ratio)
    text = _("{percent} of usual").format(percent=fmt.percent(value, 0, signed=False))
    return _line("volume", _("Volume"), _ramp(value, 2.0, 5.0), text, ratio)


def _delta(delta: Reading[float], volume: Reading[float], z: Reading[float] | None) -> Line:
    value, deviations = _number(delta), None if z is None else _number(z)
    whole = _number(volume)
    if value is None or (deviations is None and not whole):
        return _unknown("delta", _("Delta"), delta if value is None else volume)
    side = _("buys") if value > 0 else _("sells")
    text = _("{money} net {side} (5 m)").format(money=fmt.money(abs(value)), side=side)
    if value == 0:
        text = _("even (5 m)")
    if deviations is not None:
        part, note = _ramp(abs(deviations), 2.0, 4.0), f"z {abs(deviations):.1f}"
    else:
        share = abs(value) / (whole or math.inf)
        part = _ramp(share, 0.2, 0.6)
        note = _("{share} of volume").format(share=fmt.percent(share, 0, signed=False))
    return _line("delta", _("Delta"), part, text, delta, _joined(note, delta.note), _sign(value))


def _cluster(cluster: Reading[Cluster]) -> Line:
    title, found = _("Liquidations near"), cluster.value
    if found is None or not all(map(math.isfinite, (found.distance, found.share, found.usd))):
        return _unknown("cluster", title, cluster)
    part = _ramp(-abs(found.distance), -0.01, -0.002) * _ramp(found.share, 0.0, 0.1)
    longs = found.position is PositionSide.LONG
    text = _("est. {money} {side} at {price}, {distance} {where}").format(
        money=fmt.money(found.usd), side=_("longs") if longs else _("shorts"),
        price=fmt.price(found.near), distance=fmt.percent(abs(found.distance), signed=False),
        where=_("below") if longs else _("above"),
    )  # fmt: skip
    reading = replace(cluster, kind=Kind.ESTIMATED)
    return _line("cluster", title, part, text, reading, cluster.note, -1 if longs else 1)


def _book(share: Reading[float]) -> Line:
    value = _number(share)
    if value is None:
        return _unknown("book", _("Book"), share)
    heavier = max(value, 1 - value)
    side = _("bids") if value >= 0.5 else _("asks")
    text = f"{fmt.percent(heavier, 0, signed=False)} {side}"
    return _line(
        "book", _("Book"), _ramp(abs(2 * value - 1), 0.2, 0.6), text, share, share.note,
        _sign(value - 0.5),
    )  # fmt: skip


def _funding(rate: Reading[float], momentum: Reading[float]) -> Line:
    title, value, change = _("Funding"), _number(rate), _number(momentum)
    if value is None:
        return _unknown("funding", title, rate)
    part = 0.7 * _ramp(abs(value), 0.0002, 0.0008)
    text = f"{fmt.percent(value, 4)}/8h"
    line = _line("funding", title, part, text, rate)
    if change is None:
        known = 0.7 * POINTS["funding"]
        return replace(line, known=known, note=_("without momentum: ") + momentum.reason)
    part += 0.3 * _ramp(abs(change), 0.0001, 0.0003)
    if abs(change) > 0.00001:
        text += ", " + (_("rising") if change > 0 else _("falling"))
    return _line("funding", title, part, text, rate, momentum.note)


def _interest(change: Reading[float], value: Reading[float]) -> Line:
    title, moved = _("Open interest"), _number(change)
    if moved is None:
        return _unknown("interest", title, change)
    usd = _number(value)
    text = _("{percent} in 30 m").format(percent=fmt.percent(moved))
    if usd is not None:
        text = f"{fmt.money(usd, signed=True)} ({text})"
    return _line("interest", title, _ramp(abs(moved), 0.005, 0.03), text, change, change.note)


def _link(link: Reading[Correlation]) -> Line:
    title, found = _("Correlation"), link.value
    if found is None or found.current is None or found.baseline is None:
        return _unknown("correlation", title, link)
    z = found.fisher_z
    text = _("{now} against {usual}").format(
        now=f"{found.current:.2f}", usual=f"{found.baseline:.2f}"
    )
    if z is None:
        return _unknown("correlation", title, link)
    return _line("correlation", title, _ramp(abs(z), 2.0, 4.0), text, link, link.note)


def _liquidations(longs: Reading[float], shorts: Reading[float], base: str) -> Line:
    title, long, short = _("Liquidated"), _number(longs), _number(shorts)
    if long is None or short is None:
        return _unknown("liquidations", title, longs if long is None else shorts)
    limit = cascade_threshold(base)
    text = _("{longs} longs, {shorts} shorts (5 m)").format(
        longs=fmt.money(long), shorts=fmt.money(short)
    )
    part = _ramp((long + short) / limit, 0.5, 2.0)
    return _line("liquidations", title, part, text, longs, longs.note, _sign(short - long))


def _crash(crash: Reading[str]) -> Line:
    title, value = _("Flash move"), crash.value
    if value is None:
        return _unknown("crash", title, crash)
    texts = {"down": _("a fall, seen by two sources"), "up": _("a rise, seen by two sources")}
    sign = {"down": -1, "up": 1}.get(value, 0)
    return _line(
        "crash", title, float(sign != 0), texts.get(value, _("none")), crash, crash.note, sign
    )


def _line(
    name: str, title: str, part: float, text: str, reading: Reading[Any],
    note: str | None = None, sign: int = 0,
) -> Line:  # fmt: skip
    most = POINTS[name]
    return Line(
        name=name, title=title, points=round(10 * most * part) / 10, max_points=most, known=most,
        text=text, reading=reading, note=reading.note if note is None else note, sign=sign,
    )  # fmt: skip


def _unknown(name: str, title: str, reading: Reading[Any]) -> Line:
    reason = reading.reason or _("not known")
    if reading.value is not None:
        reading = Reading.missing(reason, Status.UNDEFINED, as_of=reading.as_of)
    return Line(
        name=name, title=title, points=0.0, max_points=POINTS[name], known=0.0, text=fmt.NOT_KNOWN,
        reading=reading, note=reason,
    )  # fmt: skip


def _score(lines: Sequence[Line], coverage: float) -> Reading[float]:
    used = [line.reading for line in lines if line.known > 0]
    venues = tuple(dict.fromkeys(name for each in used for name in each.venues))
    stamps = [each.as_of for each in used if each.as_of is not None]
    as_of = min(stamps, default=None)
    share = fmt.percent(coverage, 0, signed=False)
    if coverage < LEAST_COVERAGE - 1e-9:
        reason = _("only {share} of the signals are known").format(share=share)
        return Reading.missing(reason, Status.INSUFFICIENT, as_of=as_of, venues=venues)
    return Reading(
        value=_sum(lines), as_of=as_of, n=len(used), venues=venues, unit="points",
        kind=max((each.kind for each in used), key=_KINDS.index),
        note=_("from {share} of the signals").format(share=share),
    )  # fmt: skip


def _sum(lines: Sequence[Line]) -> float:
    """In whole tenths: what the lines show adds up to what the score shows."""
    return sum(round(10 * line.points) for line in lines) / 10


def _bias(lines: Sequence[Line]) -> str:
    total = math.fsum(line.points for line in lines if line.sign)
    net = math.fsum(line.points * line.sign for line in lines)
    if abs(net) < BIAS_POINTS - 1e-9 or abs(net) <= BIAS_SHARE * total:
        return "mixed"
    return "up" if net > 0 else "down"


def _watch(cluster: Reading[Cluster] | None, level: Reading[float] | None) -> Reading[float] | None:
    if cluster is None or cluster.value is None:
        return level
    return Reading(
        value=cluster.value.near, as_of=cluster.as_of, venues=cluster.venues, kind=Kind.ESTIMATED,
        unit="price", note=_("near edge of estimated liquidations"),
    )  # fmt: skip


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, a line in between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _number(reading: Reading[float]) -> float | None:
    value = reading.value
    return value if value is not None and math.isfinite(value) else None


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _of(readings: Readings, name: str) -> Reading[Any]:
    return readings.get(name) or _nothing()


def _first(readings: Readings, *names: str) -> Reading[Any]:
    """The first that is known; else the last."""
    found = [_of(readings, name) for name in names]
    return next((each for each in found if each.known), found[-1])


def _nothing() -> Reading[Any]:
    return Reading.missing(_("not measured"), Status.UNAVAILABLE)


def _joined(*texts: str) -> str:
    return ", ".join(text for text in texts if text)
