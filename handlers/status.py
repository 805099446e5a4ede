"""/status: what works, what does not and since when; how old the live data is, and what of today was not seen."""

from collections.abc import Iterable, Mapping
from typing import Any

from exchanges.streams.status import StreamStatus
from exchanges.types import VenueState, VenueStatus
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.live import narrow
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, Reading, Status

STATES = {"ok": "ok", "degraded": "shaky", "down": "DOWN"}
OLD = 60_000  # market ms without a message from a venue that is watched
MIB, GIB = 1024**2, 1024**3
Streams = Mapping[str, StreamStatus]


@command("status", usage="/status", group="Desk")
async def status(args: Args, app: App) -> Reply:
    """Show the state of every venue, the streams, the alerts and the queue."""
    now, wall = app.clock.now(), app.wall.now()
    venues, streams = app.market.status(), _streams(app)
    down = [each for each in venues if each.state is not VenueState.OK]
    blind = [each.exchange for each in venues if _blind(streams.get(each.exchange))]
    figures = figures_of(app, venues, streams)
    items = [*_live_items(app, streams, figures), *_record_items(app)]
    items += [f"{key} {value}" for key, value in app.status_lines().items()]
    items.append(_("up {age}").format(age=fmt.age(wall - app.started)))
    parts = (
        _("gaps today: open/filled/not filled") if streams else "",
        _("p50/p95") if figures["fact_p50"].known or figures["message_p50"].known else "",
        _("Tidemark {version} · market time {at}").format(
            version=app.version, at=fmt.utc(now, seconds=True)
        ),
    )
    return Reply(
        card=Card(
            glyph="⚠️" if down or blind else "🟢",
            headline=_headline([each.exchange for each in down], blind),
            table=[*_table(venues, streams), *packed(items)],
            reading="\n".join(_notes(down, blind, streams, wall)),
            evidence=fmt.SEPARATOR.join(part for part in parts if part),
            updated=now,
        ),
        figures=figures,
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command="/status", edit=True),
                Button(text=_("👁 Monitors"), command="/monitor"),
            ]
        ],
    )


def _streams(app: App) -> Streams:
    """What the streams do, by exchange; nothing where there are none."""
    tell = getattr(app.market.streams, "status", None)
    found: Streams = tell() if tell is not None else {}
    return found


def _blind(stream: StreamStatus | None) -> bool:
    """Whether trades that somebody watches do not arrive now."""
    if stream is None or not stream.asked:
        return False
    return stream.watched < stream.asked or stream.age is None or stream.age > OLD


def _headline(down: list[str], blind: list[str]) -> str:
    if down:
        names = ", ".join(EXCHANGE_NAMES[name] for name in down)
        return _("{names}: trouble").format(names=names)
    if blind:
        names = ", ".join(EXCHANGE_NAMES[name] for name in blind)
        return _("{names}: not all live feeds arrive").format(names=names)
    return _("All venues answer")


def _table(venues: Iterable[VenueStatus], streams: Streams) -> list[str]:
    """A venue a line: its state, age of its newest message, messages a second, gaps of today."""
    rows = [["", _("state"), _("age"), _("msg/s"), _("gaps")]]
    for venue in venues:
        stream = streams.get(venue.exchange)
        cells = ["-", "-", "-"]
        if stream is not None:
            age = fmt.NOT_KNOWN if stream.age is None else fmt.age(stream.age).replace(" ", "")
            gaps = (stream.gaps_open, stream.gaps_filled, stream.gaps_unfilled)
            cells = [age, narrow(round(stream.rate, 1)), "/".join(map(str, gaps))]
        rows.append([EXCHANGE_NAMES[venue.exchange], _state(venue, stream), *cells])
    return fmt.table(rows)


def _state(venue: VenueStatus, stream: StreamStatus | None) -> str:
    """The worse of both: does it answer, and do its feeds arrive."""
    if venue.state is not VenueState.OK or not _blind(stream) or stream is None:
        return STATES[venue.state.value]
    if not stream.watched:
        return _("dark")
    return _("part") if stream.watched < stream.asked else _("old")


def _notes(
    down: Iterable[VenueStatus], blind: Iterable[str], streams: Streams, wall: int
) -> list[str]:
    """Who is in trouble and why; and for how long of today each venue was not wholly seen."""
    notes = []
    for venue in down:
        since = (
            "" if venue.since is None else _(" since {at}").format(at=fmt.utc(venue.since, wall))
        )
        notes.append(f"{EXCHANGE_NAMES[venue.exchange]}: {venue.reason[:80]}{since}")
    for name in blind:
        stream = streams[name]
        text = _("{venue} streams {n} of {all} markets")
        if stream.watched == stream.asked:
            text = _("{venue}: no message for {age}")
        why = f" ({stream.reason[:60]})" if stream.reason else ""
        notes.append(
            text.format(
                venue=EXCHANGE_NAMES[name], n=stream.watched, all=stream.asked,
                age=fmt.NOT_KNOWN if stream.age is None else fmt.age(stream.age),
            )
            + why
        )  # fmt: skip
    missed = [
        f"{EXCHANGE_NAMES[name]} {fmt.age(each.blind_ms)}"
        for name, each in streams.items()
        if each.blind_ms > 0
    ]
    if missed:
        notes.append(_("A feed was blind today: {venues}").format(venues=", ".join(missed)))
    return notes


def _live_items(app: App, streams: Streams, figures: Mapping[str, Reading[float]]) -> list[str]:
    """Queues, what was lost, how fast facts and messages are, and what is watched."""
    items = []
    if streams:
        total = figures["dropped"].value or 0.0
        waiting = figures["waiting"].value or 0.0
        items += [
            _("events waiting {n}").format(n=f"{waiting:.0f}"),
            _("dropped {n}").format(n=f"{total:.0f}"),
        ]
    for name, text in (("fact", _("tick to fact {ms}")), ("message", _("to message {ms}"))):
        half, most = figures[f"{name}_p50"], figures[f"{name}_p95"]
        if half.value is not None and most.value is not None:
            items.append(text.format(ms=f"{_ms(half.value)}/{_ms(most.value)}"))
    if app.monitors is not None:
        found = app.monitors.status()
        items.append(
            _("watching {n} markets").format(n=found.watched)
            if found.running
            else _("monitors off")
        )
    return items


def _ms(value: float) -> str:
    return f"{value:.0f}ms" if value < 1000 else f"{value / 1000:.1f}s"


def _record_items(app: App) -> list[str]:
    if app.recordings is None:
        return []
    found = app.recordings.status()
    if found is None:
        return [_("recorder off")]
    if found.stopped:
        return [_("recorder ENDED")]
    size = found.size
    written = f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
    lost = _(" lost {n}").format(n=found.dropped) if found.dropped else ""
    return [_("recorder {size}").format(size=written) + lost]


def packed(items: Iterable[str]) -> list[str]:
    """Short items side by side in lines of 32 columns."""
    lines: list[str] = []
    for item in items:
        text = fmt.clipped(item, fmt.COLUMNS)
        joined = f"{lines[-1]}{fmt.SEPARATOR}{text}" if lines else text
        if lines and fmt.columns_of(joined) <= fmt.COLUMNS:
            lines[-1] = joined
        else:
            lines.append(text)
    return lines


def figures_of(
    app: App, venues: Iterable[VenueStatus], streams: Streams
) -> dict[str, Reading[float]]:
    """By venue `instruments`, `age` (ms), `messages` (a second), gaps and `blind` (ms); queues; latencies (ms)."""
    now = app.clock.now()
    found: dict[str, Reading[float]] = {}

    def put(name: str, exchange: str, value: float | None, unit: str = "") -> None:
        found[f"{name}.{exchange}"] = (
            Reading.missing(_("no message yet"), Status.INSUFFICIENT, venues=(exchange,))
            if value is None
            else Reading(value=float(value), unit=unit, venues=(exchange,), as_of=now)
        )

    for venue in venues:
        put("instruments", venue.exchange, venue.instruments)
    for name, each in streams.items():
        put("age", name, each.age, "ms")
        put("messages", name, each.rate, "1/s")
        put("watched", name, each.watched)
        put("gaps_open", name, each.gaps_open)
        put("gaps_filled", name, each.gaps_filled)
        put("gaps_unfilled", name, each.gaps_unfilled)
        put("blind", name, each.blind_ms, "ms")
    first = next(iter(streams.values()), None)
    if first is not None:  # all exchanges share the bus
        found["dropped"] = Reading(value=float(first.dropped), as_of=now)
        waiting = max((queue.waiting for queue in first.queues), default=0)
        found["waiting"] = Reading(value=float(waiting), as_of=now)
    return found | _latency(app)


def _latency(app: App) -> dict[str, Reading[Any]]:
    if app.monitors is not None:
        return app.monitors.latency.figures()
    names = ("fact_p50", "fact_p95", "message_p50", "message_p95")
    return dict.fromkeys(names, Reading.missing(_("monitors do not run here"), unit="ms"))
