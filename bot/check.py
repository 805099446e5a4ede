"""`python -m bot check` and `backup`: does everything work, and a copy of the database."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.app import Desk, open_desk
from bot.config import Settings, SettingsError
from bot.telegram.build import build_bot
from market.errors import AssistantError
from market.types import EXCHANGE_NAMES
from storage.backup import backup as write_backup
from storage.db import Database

TELEGRAM = 15.0  # seconds


async def check(settings: Settings) -> int:
    """One line for each part; 0 when all work, 1 when one does not."""
    good = [
        _line(True, "settings", f"market {settings.mode}, exchanges {' '.join(settings.exchanges)}")
    ]
    try:
        async with open_desk(settings, asking=True) as desk:
            good.append(await _tried("database", desk.database.check))
            for name, venue in desk.market.venues.items():
                count = len(venue.instruments)
                state = next(s for s in desk.market.status() if s.exchange == name)
                text = f"{count} instruments" if count else state.reason or "no instruments"
                good.append(_line(count > 0, EXCHANGE_NAMES[name], text))
            good.append(await _prices(desk))
    except (AssistantError, SettingsError, OSError) as error:
        good.append(_line(False, "start", str(error)))
    good.append(await _telegram(settings))
    return 0 if all(good) else 1


async def _prices(desk: Desk) -> bool:
    async def one() -> str:
        instrument = desk.market.one("BTC", default_exchange=desk.settings.exchanges[0])
        ticker = await desk.market.ticker(instrument)
        return f"BTC {ticker.last} on {instrument.exchange}"

    return await _tried("prices", one)


async def _telegram(settings: Settings) -> bool:
    if settings.playground:
        return _line(True, "telegram", "no token: the playground will be served")
    bot = build_bot(
        settings.telegram_bot_token, settings.telegram_base_url, settings.telegram_base_file_url
    )

    async def who() -> str:
        async with asyncio.timeout(TELEGRAM):
            await bot.initialize()
        return f"@{bot.username}"

    try:
        return await _tried("telegram", who, hide=settings.telegram_bot_token)
    finally:
        with contextlib.suppress(RuntimeError):
            await bot.shutdown()


async def _tried(name: str, call: Callable[[], Awaitable[str]], hide: str = "") -> bool:
    """Run one check; any failure is a line, never a trace, and never shows a secret."""
    try:
        return _line(True, name, await call())
    except TimeoutError:
        return _line(False, name, "no answer in time")
    except Exception as error:  # the point of a check is to say what failed
        text = str(error) or type(error).__name__
        return _line(False, name, text.replace(hide, "…") if hide else text)


def _line(good: bool, name: str, text: str) -> bool:
    sys.stdout.write(f"{'ok  ' if good else 'FAIL'} {name:<12} {text}\n")
    return good


async def backup(settings: Settings, path: Path) -> int:
    """Write a copy of the database to `path`."""
    try:
        database = Database.open(settings.database)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from None
    try:
        await database.start()
        written = await write_backup(database, path)
    finally:
        await database.close()
    sys.stdout.write(f"{written}\n")
    return 0
