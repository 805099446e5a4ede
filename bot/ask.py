"""`python -m bot ask "/cvd BTC 4h"`: one command, answered as a local admin, without a chat."""

import asyncio
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.app import Desk, open_desk
from bot.config import Settings, SettingsError
from bot.telegram import phrases
from bot.telegram.parse import ParsedCommand, read_command, resolve
from bot.telegram.render import plain
from handlers.base import COMMANDS, Args, Command, Reply
from handlers.types import Role
from market.errors import AssistantError, UserError
from market.symbols import parse_query
from market.types import Reading

logger = logging.getLogger(__name__)

ANSWERED, FAILED, USER_ERROR = 0, 1, 2
PATIENCE = 120.0  # seconds; a recording is read from its start


async def ask(settings: Settings, text: str, *, out: Path, as_json: bool, at: str | None) -> int:
    """Print the answer; pictures go to files in `out`. 0 answered, 2 the user's mistake, 1 a failure."""
    if at and settings.mode == "live":
        raise SettingsError(
            "--at needs a recorded or simulated market: set MARKET=recording or MARKET=sim."
        )
    async with open_desk(settings, asking=True) as desk:
        reply, status = await _answer(desk, text)
        pictures = await asyncio.to_thread(_save, reply, out)
        if as_json:
            sys.stdout.write(json.dumps(_facts(desk, text, reply, pictures), indent=1) + "\n")
        else:
            lines = [plain(reply, desk.app.mark), *(f"[{path}]" for path in pictures)]
            sys.stdout.write("\n".join(line for line in lines if line) + "\n")
    return status


async def _answer(desk: Desk, text: str) -> tuple[Reply, int]:
    parsed = read_command(text if text.startswith("/") else f"/{text}", "")
    if parsed is None:
        return phrases.hint(COMMANDS), USER_ERROR
    readings = resolve(parsed, COMMANDS, lambda word: _is_coin(desk, word))
    entry = COMMANDS.get(readings[0].name)
    if entry is None:
        return phrases.unknown_command(parsed.name, COMMANDS, readings[0], Role.ADMIN), USER_ERROR
    if len(readings) > 1:
        return phrases.which(readings), USER_ERROR
    return await _run(desk, entry, readings[0])


async def _run(desk: Desk, entry: Command, typed: ParsedCommand) -> tuple[Reply, int]:
    args = Args(words=typed.words, rest=typed.rest, command=typed.name)
    try:
        async with asyncio.timeout(PATIENCE):
            return await entry.run(args, desk.app), ANSWERED
    except UserError as error:
        return phrases.user_error(error), USER_ERROR
    except AssistantError as error:
        return phrases.known_failure(error), FAILED
    except TimeoutError:
        return phrases.timed_out(), FAILED


def _is_coin(desk: Desk, word: str) -> bool:
    query = parse_query(word)
    return query is not None and desk.market.directory.knows(query.base)


def _save(reply: Reply, out: Path) -> list[str]:
    if reply.picture is None:
        return []
    out.mkdir(parents=True, exist_ok=True)
    path = out / reply.picture.name
    path.write_bytes(reply.picture.png)
    return [str(path)]


def _facts(desk: Desk, text: str, reply: Reply, pictures: list[str]) -> dict[str, Any]:
    """The answer with every figure unrounded and its evidence."""
    return {
        "command": text,
        "market": desk.app.mark or "LIVE",
        "now": desk.clock.now(),
        "text": plain(reply, desk.app.mark),
        "error": reply.error,
        "figures": {name: _evidence(reading) for name, reading in reply.figures.items()},
        "data": dict(reply.data),
        "pictures": pictures,
        "buttons": [[button.text for button in row] for row in reply.buttons],
    }


def _evidence(reading: Reading[Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in asdict(reading).items()
        if value not in ("", ()) or key == "value"
    }
