"""/status: what works, what does not, and since when."""

from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, Reading

STATES = {"ok": "ok", "degraded": "shaky", "down": "DOWN"}


@command("status", usage="/status", group="Desk")
async def status(args: Args, app: App) -> Reply:
    """Show the state of every venue, the streams, the alerts and the queue."""
    now, wall = app.clock.now(), app.wall.now()
    rows = [["", _("state"), _("answer"), _("trades")]]
    figures: dict[str, Reading[float]] = {}
    notes: list[str] = []
    down: list[str] = []
    for venue in app.market.status():
        name = EXCHANGE_NAMES[venue.exchange]
        answered = fmt.NOT_KNOWN if venue.last_ok is None else fmt.age(wall - venue.last_ok)
        trade = "-" if venue.last_trade_ts is None else fmt.age(now - venue.last_trade_ts)
        rows.append([name, STATES[venue.state.value], answered, trade])
        figures[f"instruments.{venue.exchange}"] = Reading(
            value=float(venue.instruments), venues=(venue.exchange,), as_of=now
        )
        if venue.state.value != "ok":
            down.append(name)
            since = (
                ""
                if venue.since is None
                else _(" since {at}").format(at=fmt.utc(venue.since, wall))
            )
            notes.append(f"{name}: {venue.reason}{since}")
    lines = dict(app.status_lines())
    lines[_("up")] = fmt.age(wall - app.started)
    table = fmt.table(rows) + [f"{key:<9} {value}"[: fmt.COLUMNS] for key, value in lines.items()]
    return Reply(
        card=Card(
            glyph="⚠️" if down else "🟢",
            headline=_("{names}: trouble").format(names=", ".join(down))
            if down
            else _("All venues answer"),
            table=table,
            reading="\n".join(notes),
            evidence=_("Tidemark {version} · market time {at}").format(
                version=app.version, at=fmt.utc(now, seconds=True)
            ),
            updated=now,
        ),
        figures=figures,
        buttons=[[Button(text=_("🔄 Refresh"), command="/status", edit=True)]],
    )
