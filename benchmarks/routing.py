"""From a message to its command: one lookup, whatever the number of commands, against a handler for each."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from telegram import Chat, Message, MessageEntity, Update, User
from telegram.ext import ApplicationBuilder, CommandHandler

from benchmarks.row import Row, faster, seconds
from bot.telegram.parse import read_command, resolve

SIZES = (10, 60, 200)
UPDATES = 2000
ROUNDS = 6


def rows() -> list[Row]:
    """Ours and python-telegram-bot's, for the command that was registered last."""
    mine = dict.fromkeys(SIZES, float("inf"))
    for _ in range(ROUNDS):  # in turns, so that a busy machine hits all sizes alike
        mine = {size: min(best, _ours(size)) for size, best in mine.items()}
    peer = {size: asyncio.run(_theirs(size)) for size in SIZES}
    flat = mine[200] / mine[10]
    return [
        *(
            faster(
                f"routing a message among {size} commands", mine[size], peer[size],
                f"PTB, {size} CommandHandlers", goal=1,
            )
            for size in SIZES
        ),
        _growth("routing cost, 200 commands over 10", flat, peer[200] / peer[10]),
    ]  # fmt: skip


def _growth(name: str, found: float, peer: float) -> Row:
    """Growth of a cost that should not grow."""
    return Row(
        name=name, measured=f"{found:.2f}x", against=f"PTB {peer:.2f}x", ratio=peer / found,
        goal="<= 1.2x", met=found <= 1.2,
    )  # fmt: skip


def _ours(size: int) -> float:
    names: dict[str, Any] = {f"command_{i}": i for i in range(size)}
    text = f"/command-{size - 1}@tidemark_bot BTC 4h"

    def route() -> object:
        parsed = read_command(text, "tidemark_bot")
        assert parsed is not None
        return names[resolve(parsed, names)[0].name]

    return seconds(route, least=0.03)


async def _theirs(size: int) -> float:
    """Seconds from Update to the called handler, of the last of `size` handlers in one group."""
    called = 0

    async def run(_update: object, _context: object) -> None:
        nonlocal called
        called += 1

    app = ApplicationBuilder().token("1:bench").updater(None).build()
    for i in range(size):
        app.add_handler(CommandHandler(f"command_{i}", run))
    app._initialized = True  # no getMe: nothing here talks to Telegram
    app.bot._bot_user = User(1, "Tidemark", is_bot=True, username="tidemark_bot")
    updates = [_update(i, f"/command_{size - 1}") for i in range(UPDATES)]
    for each in updates:
        each.message.set_bot(app.bot)  # type: ignore[union-attr]
        await app.process_update(each)
    best = float("inf")
    for _ in range(3):
        called = 0
        began = time.process_time()
        for each in updates:
            await app.process_update(each)
        best = min(best, (time.process_time() - began) / UPDATES)
        assert called == UPDATES
    return best


def _update(number: int, text: str) -> Update:
    entity = MessageEntity(MessageEntity.BOT_COMMAND, 0, len(text))
    message = Message(
        number, datetime.now(UTC), Chat(1, "private"), from_user=User(1, "Ada", False),
        text=f"{text} BTC 4h", entities=[entity],
    )  # fmt: skip
    return Update(number, message=message)
