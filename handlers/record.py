"""/record: write the live feeds to a folder that can be played back."""

from collections.abc import Sequence

from exchanges.recorder import RecorderStatus
from exchanges.recordings import Recordings
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.types import Role
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import Reading

USAGE = "/record on monday"
MIB = 1024 * 1024


@command("record", usage=USAGE, role=Role.ADMIN, changes=True, group="Desk")
async def record(args: Args, app: App) -> Reply:
    """Record the live feeds into a folder, or stop; alone it shows what is written."""
    if app.recordings is None:
        raise UserError(_("Nothing can be recorded here: the streams are off."))
    word = args.word(0).lower()
    if word == "on" and len(args.words) <= 2:
        await app.recordings.on(args.word(1))
        await _note(args, app, f"on {args.word(1)}".strip())
    elif word == "off" and len(args.words) == 1:
        await app.recordings.off()
        await _note(args, app, "off")
    elif args.words:
        raise UserError(_("Write /record, {usage} or /record off.").format(usage=USAGE))
    return _reply(app.recordings, app.clock.now())


async def _note(args: Args, app: App, detail: str) -> None:
    await app.people.audit(
        actor=args.person.user_id, action="record", detail=detail, now=app.wall.now()
    )


def _reply(recordings: Recordings, now: int) -> Reply:
    status, prints = recordings.status(), recordings.prints()
    running = recordings.recording
    figures: dict[str, Reading[float]] = {}
    table: Sequence[str] = ()
    if status is not None:
        table = fmt.table(
            [["", _("rows")], *([k, f"{v:,}"] for k, v in sorted(status.rows.items()))]
        )
        for name, value in status.rows.items():
            figures[f"rows.{name}"] = Reading(value=float(value), as_of=now, since=status.since)
        figures["size"] = Reading(value=float(status.size), unit="bytes", as_of=now)
        figures["dropped"] = Reading(value=float(status.dropped), as_of=now, since=status.since)
    word = "off" if running else "on"
    return Reply(
        card=Card(
            glyph="⏺️" if running else "⚠️" if status and status.stopped else "⏹️",
            headline=_headline(status, running=running, reason=recordings.reason),
            table=table if running else (),
            reading="" if prints is None else _prints(prints),
            evidence="" if status is None else _evidence(status, now),
            updated=now,
        ),
        figures=figures,
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command="/record", edit=True),
                Button(
                    text=_("Stop") if running else _("Record"), command=f"/record {word}", edit=True
                ),
            ]
        ],
    )


def _headline(status: RecorderStatus | None, *, running: bool, reason: str) -> str:
    if status is not None and running:
        return _("Recording into {name}").format(name=status.folder.name)
    if status is not None and status.stopped:
        return _("The recording ended by itself: {why}").format(why=status.stopped)
    if reason:
        return _("Nothing is recorded: {why}").format(why=reason)
    return _("Nothing is recorded")


def _prints(status: RecorderStatus) -> str:
    if status.stopped:
        return _("liquidation prints are not kept: {why}").format(why=status.stopped)
    return _("liquidation prints are always kept: {n} so far").format(
        n=f"{status.rows.get('liquidations', 0):,}"
    )


def _evidence(status: RecorderStatus, now: int) -> str:
    dropped = (
        _("nothing dropped")
        if not status.dropped
        else _("{n} events dropped, marked as gaps").format(n=f"{status.dropped:,}")
    )
    sealed = (
        _("not sealed yet")
        if status.sealed_ts is None
        else _("sealed {at}").format(at=fmt.utc(status.sealed_ts, now))
    )
    since = _("since {at}").format(at=fmt.utc(status.since, now))
    return fmt.SEPARATOR.join((since, f"{status.size / MIB:.1f} MiB", dropped, sealed))
