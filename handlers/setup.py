"""/setup: how much is unusual at once, line by line: a score whose lines add up, from the signals that are known."""

from collections.abc import Sequence
from typing import Any

from analytics.liquidation.clusters import Cluster
from analytics.setup import Line, Setup, assess
from charts.types import Pane, ScoreBar, SetupChart
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.cvd import cvd_line
from handlers.flows import source_text
from handlers.liqs import SAMPLED
from handlers.outages import named, short, silent
from handlers.setup_inputs import DRAWN, MAP, Inputs, inputs, interest_line
from handlers.words import at_most, perps, symbol
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Kind, PositionSide, Reading

USAGE = "/setup BTC"
CAPTION = 940  # characters of a card, so that a mark and the time still fit Telegram's 1,024
OLD = MINUTE  # of a price
BIAS = {"up": _("leaning up"), "down": _("leaning down"), "mixed": _("no clear side")}
NAMES = {"cluster": _("Liq. levels")}  # of bars, where the title is too long
GLYPHS = {"up": "🟢", "down": "🔴", "mixed": "⚪"}


@command("setup", usage=USAGE)
async def setup(args: Args, app: App) -> Reply:
    """Score how much is unusual at once: volume, delta, liquidations, book, funding, open interest."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query, instruments, _note = perps(app, text, "/setup {}")
    found = await inputs(app, query.base, instruments, args.preferences.exchange)
    told = assess(
        found.readings, base=found.base, cluster=found.cluster, volume=found.volume,
        link=found.link, crash=found.crash, quadrant=found.quadrant, level=found.level,
    )  # fmt: skip
    headline = _("{base} setup {score}").format(base=found.base, score=told.headline)
    trouble = silent(app, dict.fromkeys(i.exchange for i in instruments))
    old = found.now - found.head.ts > OLD
    evidence = evidence_of(found, told)
    return Reply(
        card=Card(
            glyph="⚠️" if trouble or old or not told.score.known else GLYPHS[told.bias],
            headline=headline,
            reading=fitted(found, told, trouble, CAPTION - len(headline) - len(evidence)),
            evidence=evidence,
            updated=found.now,
        ),
        picture=await _picture(app, found, told, headline),
        figures=figures_of(found, told),
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/setup {text}", edit=True),
                Button(text=_("🌊 Flow"), command=f"/flow {text}"),
                Button(text=_("💥 Map"), command=f"/liqmap {text}"),
            ],
            [
                Button(text=_("Book"), command=f"/book {text}"),
                Button(text=_("Liquidations"), command=f"/liqs {text}"),
            ],
        ],
        data={
            "lines": [_fact(each) for each in told.lines], "bias": told.bias,
            "coverage": told.coverage, "interpretation": told.interpretation,
        },
    )  # fmt: skip


def _fact(line: Line) -> dict[str, Any]:
    return {
        "name": line.name, "points": line.points, "most": line.max_points, "known": line.known,
        "text": words(line), "note": line.note,
    }  # fmt: skip


def words(line: Line) -> str:
    """The evidence of a line. Estimated liquidations are told by their share: their dollars are not calibrated."""
    cluster = line.reading.value
    if not isinstance(cluster, Cluster):
        return line.text
    longs = cluster.position is PositionSide.LONG
    return _("est. {share} of the {side} at {price}, {distance} {where}").format(
        share=fmt.percent(cluster.share, 0, signed=False), side=_("longs") if longs else _("shorts"),
        price=fmt.price(cluster.near), where=_("below") if longs else _("above"),
        distance=fmt.percent(abs(cluster.distance), signed=False),
    )  # fmt: skip


def fitted(found: Inputs, told: Setup, trouble: str, room: int) -> str:
    """Lines, level, interpretation; with less beside them until it fits a caption. No line of the score is left out."""
    text = ""
    for spare in range(6):
        text = _reading(found, told, trouble, spare)
        if len(text) <= room:
            break
    return text


def _reading(found: Inputs, told: Setup, trouble: str, spare: int) -> str:
    """`spare`: 0 says everything; from 1 on no venues, 2 no notes, 3 no reasons, 4 one sentence, 5 none."""
    known = [line for line in told.lines if line.known > 0]
    rows = [_line(found, line, spare) for line in known]
    unknown = [line for line in told.lines if not line.known]
    if unknown:
        parts = [
            f"{line.title} ({short(line.note)})" if line.note and spare < 3 else line.title
            for line in unknown
        ]
        rows.append(_("Not known: {what}").format(what=", ".join(parts)))
    if not told.score.known and known:
        rows.append(_("Sum of the known: {points}").format(points=f"{told.points:.1f}"))
    meaning = told.interpretation
    if spare == 4:
        meaning = meaning.partition(". ")[0].rstrip(".") + "."
    text = _("{bias}. {meaning}").format(bias=_capital(_(BIAS[told.bias])), meaning=meaning)
    rows += [_watch(found, told), text if spare < 5 else _capital(_(BIAS[told.bias])) + "."]
    return "\n".join(row for row in [*rows, trouble if spare < 5 else ""] if row)


def _line(found: Inputs, line: Line, spare: int) -> str:
    """`1.2 Volume: 340 % of usual (Binance)`."""
    text = f"{line.points:.1f} {line.title}: {words(line)}"
    if line.name == "correlation":
        text += _(" with {coin}").format(coin=found.against)
    if line.name == "liquidations" and any(name in SAMPLED for name in line.reading.venues):
        text += _(", a floor")
    if line.name == "delta" and line.note and spare < 2:
        text += f", {short(line.note)}"
    venues = line.reading.venues
    return f"{text} ({fmt.venues(venues)})" if venues and spare < 1 else text


def _watch(found: Inputs, told: Setup) -> str:
    """The level to watch and how far it is."""
    level = told.level
    if level is None or level.value is None:
        return ""
    step = found.head.instrument.price_step
    return _("Level to watch: {price} ({distance}), {what}").format(
        price=fmt.price(level.value, step), distance=fmt.percent(level.value / found.head.last - 1),
        what=level.note,
    )  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def evidence_of(found: Inputs, told: Setup) -> str:
    """Whose figures, how old the price and the map are, and what the score is not."""
    cluster = found.cluster
    mapped = cluster is not None and cluster.as_of is not None
    parts = (
        fmt.venues(told.score.venues),
        _("price {age}").format(age=fmt.age(max(0, found.now - found.head.ts))),
        _("map {length}, {age} old").format(
            length=fmt.duration(MAP), age=fmt.age(max(0, found.now - (cluster.as_of or 0)))
        )
        if mapped and cluster is not None
        else "",
        _("counts what is unusual, no forecast"),
        _("observed and estimated") if mapped else _("observed"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def figures_of(found: Inputs, told: Setup) -> dict[str, Reading[Any]]:
    """`score`, `coverage`, `points.volume` and so on, `level`, and the readings the lines rest on."""
    out: dict[str, Reading[Any]] = {
        "score": told.score,
        "coverage": Reading(value=told.coverage, as_of=found.now, unit="fraction"),
        "price": Reading(
            value=found.head.last, as_of=found.head.ts, unit=found.head.instrument.quote,
            venues=(found.head.instrument.exchange,),
        ),
        **found.readings,
    }  # fmt: skip
    for line in told.lines:
        out[f"points.{line.name}"] = (
            Reading(value=line.points, as_of=line.reading.as_of, venues=line.reading.venues,
                    kind=line.reading.kind, unit="points", note=words(line))
            if line.known
            else Reading.missing(line.note, line.reading.status, unit="points")
        )  # fmt: skip
    if found.volume is not None:
        out["volume_ratio"] = found.volume
    if told.level is not None:
        out["level"] = told.level
    return out


async def _picture(app: App, found: Inputs, told: Setup, headline: str) -> Picture | None:
    data = setup_chart(found, told, headline, app.mark)
    png = await app.draw("setup", data) if data is not None else None
    return Picture(name=f"{found.base}-setup.png", png=png) if png else None


def setup_chart(found: Inputs, told: Setup, headline: str, mark: str = "") -> SetupChart | None:
    """Four hours of price, CVD and open interest, the levels, and the lines of the score."""
    start, i = found.now - DRAWN, found.head.instrument
    prices = [
        (min(c.ts + 5 * MINUTE, found.now), c.close)
        for c in found.candles
        if c.ts >= start - 5 * MINUTE
    ]
    if not prices:
        return None
    prices = [(ts, price) for ts, price in prices if ts < found.now]
    prices.append((found.now, found.head.last))
    length = _("last {length}").format(length=fmt.duration(DRAWN))
    bars = [
        ScoreBar(name=NAMES.get(e.name, e.title), points=e.points, most=e.max_points, known=e.known)
        for e in told.lines
    ]
    return SetupChart(
        title=headline,
        subtitle=f"{named(i.exchange)} {_('price')} · {length} · UTC · {_('levels estimated')}",
        start=start, end=found.now, prices=tuple(prices), panes=tuple(_panes(found, start)),
        bars=tuple(bars),
        score=f"{told.score.value:.1f}/10" if told.score.value is not None else fmt.NOT_KNOWN,
        levels=tuple(_levels(found)), price_step=i.price_step, none=_("not known"), mark=mark,
    )  # fmt: skip


def _panes(found: Inputs, start: int) -> list[Pane]:
    """CVD in dollars and open interest in coins, each over the venues that have all of the time."""
    flow, line, source = found.flow, [], ""
    if flow is not None and not flow.guessed:
        line = cvd_line(flow, 5 * MINUTE)
        source = f"{fmt.venues(tuple(flow.sums))} {source_text(flow)}" if line else ""
    rows, venues = interest_line(found.samples, start, found.now)
    return [
        Pane(name=f"CVD {source}".strip(), unit="USD", points=tuple(line), zero=True),
        Pane(
            name=_("open interest {venues}").format(venues=fmt.venues(tuple(venues))).strip(),
            unit=found.base, points=tuple(rows),
        ),
    ]  # fmt: skip


def _levels(found: Inputs) -> Sequence[tuple[float, str, bool]]:
    """The nearest estimated cluster of each side, and the largest wall."""
    out, step = [], found.head.instrument.price_step
    for each in found.sides:
        text = _("est. longs") if each.position is PositionSide.LONG else _("est. shorts")
        out.append((each.near, f"{text} {fmt.price(each.near, step)}", True))
    wall = found.level
    if wall is not None and wall.value is not None:
        where = EXCHANGE_NAMES[wall.venues[0]]
        estimated = wall.kind is not Kind.OBSERVED
        text = _("wall {venue} {price}").format(venue=where, price=fmt.price(wall.value, step))
        out.append((wall.value, text, estimated))
    return out
