"""The command line: `python -m bot` runs everything; `ask`, `check`, `market`, `backup` do one thing."""

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from bot.children import ChildFailed
from bot.config import Settings, SettingsError, load
from storage.errors import StorageError


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 done, 1 failure, 2 the user has to change something."""
    options = _parser().parse_args(argv)
    try:
        settings = load(**_overrides(options))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a skipped look at 60x is no news
    try:
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(_command(options, settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (ChildFailed, StorageError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    at = getattr(options, "at", None)
    return {"recording_at": at, "sim_start": at} if at else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    ask = commands.add_parser("ask", help="answer one command as a local admin")
    ask.add_argument("text", help='for example "/cvd BTC 4h"')
    ask.add_argument("--out", type=Path, default=Path(), help="folder for pictures")
    ask.add_argument(
        "--json", action="store_true", help="print every figure unrounded, with its evidence"
    )
    ask.add_argument("--at", help="the moment to ask about: ms, ISO time, start or end")
    commands.add_parser("check", help="test settings, database, venues and Telegram")
    market = commands.add_parser("market", help="run the local exchange server alone")
    market.add_argument("--port", type=int, default=0)
    market.add_argument("--start", type=int, help=argparse.SUPPRESS)
    market.add_argument("--anchor", type=int, help=argparse.SUPPRESS)
    market.add_argument("--speed", type=float, help=argparse.SUPPRESS)
    page = commands.add_parser("playground", help="run the local chat page alone")
    page.add_argument("--port", type=int, default=0)
    page.add_argument("--token", required=True)
    page.add_argument("--market", default="")
    backup = commands.add_parser("backup", help="write a copy of the database to FILE")
    backup.add_argument("file", type=Path)
    return parser


def _command(options: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, int]:
    if options.command == "ask":
        from bot.ask import ask

        return ask(settings, options.text, out=options.out, as_json=options.json, at=options.at)
    if options.command == "check":
        from bot.check import check

        return check(settings)
    if options.command == "market":
        return _market(options, settings)
    if options.command == "playground":
        return _playground(options)
    if options.command == "backup":
        from bot.check import backup

        return backup(settings, options.file)
    from bot.run import run

    return run(settings)


async def _market(options: argparse.Namespace, settings: Settings) -> int:
    from bot.local_market import ClockStart, serve

    as_child = options.start is not None
    if settings.mode == "live":
        raise SettingsError("The local exchange server needs MARKET=sim or MARKET=recording.")
    at = None
    if as_child:
        at = ClockStart(start=options.start, anchor=options.anchor, speed=options.speed)
    await serve(settings, port=options.port, at=at, as_child=as_child)
    return 0


async def _playground(options: argparse.Namespace) -> int:
    from bot.children import announce, parent_gone
    from bot.playground.web import serve

    server = asyncio.create_task(
        serve(
            options.port,
            options.token,
            options.market,
            lambda port: announce(port=port, url=f"http://127.0.0.1:{port}"),
        )
    )
    parent = asyncio.create_task(parent_gone())
    done, _ = await asyncio.wait({server, parent}, return_when=asyncio.FIRST_COMPLETED)
    server.cancel()
    (ended,) = await asyncio.gather(server, return_exceptions=True)
    if server in done and isinstance(ended, OSError):
        announce(
            error=f"Port {options.port} is taken; set PLAYGROUND_PORT to another one, or to 0."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
