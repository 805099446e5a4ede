"""Updates by webhook: the secret is checked, the update stored, and only then is Telegram told so."""

import asyncio
import hmac
import json
import logging
import random
import re
from collections.abc import Callable

from aiohttp import web
from telegram import Bot
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot.telegram.build import Sleep, TelegramFatal, pause_after
from bot.telegram.inbox import ALLOWED, Inbox
from bot.telegram.redact import Redactor
from market.language import _

logger = logging.getLogger(__name__)

HEADER = "X-Telegram-Bot-Api-Secret-Token"
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
LARGEST = 1 << 20  # bytes of one update


class Webhook:
    """An HTTP server for Telegram's deliveries."""

    def __init__(self, bot: Bot, inbox: Inbox, *, url: str, secret: str) -> None:
        if not SECRET.fullmatch(secret):
            raise ValueError("TELEGRAM_WEBHOOK_SECRET must be 1-256 of A-Z a-z 0-9 _ -")
        self._bot, self._inbox, self._url, self._secret = bot, inbox, url, secret
        self._runner: web.AppRunner | None = None

    async def start(self, port: int, host: str = "0.0.0.0") -> int:  # noqa: S104 - has to be reached
        """Listen; returns the port. Any path is taken, the secret is what counts."""
        app = web.Application(client_max_size=LARGEST)
        app.router.add_post("/{path:.*}", self._deliver)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def register(
        self, *, sleep: Sleep = asyncio.sleep, jitter: Callable[[], float] = random.random
    ) -> None:
        """Tell Telegram the address, once the port is open; tried until Telegram answers."""
        failures = 0
        while True:
            try:
                await self._bot.set_webhook(
                    self._url, secret_token=self._secret, allowed_updates=list(ALLOWED)
                )
            except (BadRequest, InvalidToken) as error:
                reason = Redactor((self._bot.token,)).text(str(error))
                raise TelegramFatal(
                    _("Telegram refuses TELEGRAM_WEBHOOK_URL: {reason}").format(reason=reason)
                ) from error
            except TelegramError as error:
                pause = pause_after(failures, error, jitter)
                failures += 1
                logger.warning("webhook not set next_try_s=%.1f", pause)
                await sleep(pause)
            else:
                return

    async def close(self) -> None:
        """Stop listening; Telegram keeps what it cannot deliver for a day."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _deliver(self, request: web.Request) -> web.Response:
        given = request.headers.get(HEADER, "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return web.Response(status=403)
        try:
            update = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.Response(status=400)
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            return web.Response(status=400)
        await self._inbox.accept([update])
        return web.Response()
