"""The connection to Telegram: time-outs, raw updates, and a start that outlives an outage."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram import Bot
from telegram.error import InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.telegram.redact import Redactor
from market.errors import AssistantError
from market.language import _

logger = logging.getLogger(__name__)

CONNECT, READ, WRITE, POOL, MEDIA_WRITE = 5.0, 20.0, 10.0, 5.0, 30.0  # seconds
POLL_GRACE = 10.0  # seconds a long poll may answer late
LONGEST_PAUSE = 30.0
Sleep = Callable[[float], Awaitable[None]]


class TelegramFatal(AssistantError):
    """Telegram will never work with these settings; the text says what to change."""


class DeskBot(Bot):
    """A bot that hands out updates as Telegram sent them, so that they can be stored before they are read."""

    async def fetch_updates(
        self, offset: int | None, *, wait: int, limit: int, allowed: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The next updates as raw JSON; everything below `offset` is acknowledged by this call."""
        data = {"offset": offset, "timeout": wait, "limit": limit, "allowed_updates": list(allowed)}
        raw: list[dict[str, Any]] = await self._post(
            "getUpdates", data, read_timeout=wait + POLL_GRACE
        )
        return raw


def build_bot(token: str, base_url: str, base_file_url: str) -> DeskBot:
    """A bot that has not spoken to Telegram yet."""

    def request(size: int) -> HTTPXRequest:
        return HTTPXRequest(
            connection_pool_size=size, connect_timeout=CONNECT, read_timeout=READ,
            write_timeout=WRITE, pool_timeout=POOL, media_write_timeout=MEDIA_WRITE,
        )  # fmt: skip

    return DeskBot(
        token,
        base_url=base_url,
        base_file_url=base_file_url,
        request=request(64),
        get_updates_request=request(1),
    )


async def connect(
    bot: Bot, *, sleep: Sleep = asyncio.sleep, jitter: Callable[[], float] = random.random
) -> str:
    """Ask who we are until Telegram answers; returns the user name of the bot."""
    failures = 0
    while True:
        try:
            await bot.initialize()
        except InvalidToken as error:
            raise TelegramFatal(
                _("Telegram refuses TELEGRAM_BOT_TOKEN; ask @BotFather for the right one.")
            ) from error
        except TelegramError as error:
            pause = pause_after(failures, error, jitter)
            failures += 1
            reason = Redactor((bot.token,)).text(str(error))
            logger.warning("telegram away reason=%s next_try_s=%.1f", reason, pause)
            await sleep(pause)
        else:
            return bot.username


def pause_after(failures: int, error: TelegramError, jitter: Callable[[], float]) -> float:
    """Seconds to wait after the `failures`-th failure in a row: rising, spread, capped, or as told."""
    if isinstance(error, RetryAfter):
        return seconds(error) + jitter()
    return float(min(LONGEST_PAUSE, 2.0 ** min(failures, 6)) * (0.5 + jitter() / 2))


def seconds(error: RetryAfter) -> float:
    """How long Telegram wants to be left alone; the library gives a number or a timedelta."""
    wait = error.retry_after
    return float(wait) if isinstance(wait, int | float) else wait.total_seconds()
