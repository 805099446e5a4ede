"""Delivery of updates to a webhook on this machine, in order, again and again until it answers 2xx."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.playground.errors import bad
from bot.playground.params import Params
from bot.playground.state import Json, World

SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT = aiohttp.ClientTimeout(total=10.0)
LONGEST_PAUSE = 60.0  # s


class Webhooks:
    """setWebhook, deleteWebhook, getWebhookInfo, and the task that delivers."""

    def __init__(self, world: World, retry: float) -> None:
        self._world, self._retry = world, retry
        self._secret = ""
        self._most = 40
        self._error: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    async def set(self, params: Params) -> bool:
        """setWebhook. The local server delivers to loopback only, by http too."""
        url, secret = params.text("url"), params.text("secret_token")
        if not url:
            return await self.delete(params)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.hostname not in LOOPBACK:
            raise bad("bad webhook: the local server delivers to this machine only")
        if secret and not SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters")
        await self.close()
        self._secret, self._error = secret, None
        self._most = params.integer("max_connections", 40)
        updates = self._world.updates
        if "allowed_updates" in params:
            updates.allowed = tuple(map(str, params.rows("allowed_updates")))
        if params.flag("drop_pending_updates"):
            updates.drop()
        updates.webhook = url
        updates.wake()
        self._task = asyncio.create_task(self._run(url, secret))
        return True

    async def delete(self, params: Params) -> bool:
        """deleteWebhook."""
        await self.close()
        self._world.updates.webhook = ""
        if params.flag("drop_pending_updates"):
            self._world.updates.drop()
        return True

    def info(self) -> Json:
        """getWebhookInfo."""
        updates = self._world.updates
        shown: Json = {
            "url": updates.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(updates),
        }
        if updates.webhook:
            shown |= {"max_connections": self._most, "ip_address": "127.0.0.1"}
        if updates.webhook and self._error:
            shown |= {"last_error_date": self._error[0], "last_error_message": self._error[1]}
        if updates.allowed:
            shown["allowed_updates"] = list(updates.allowed)
        return shown

    async def close(self) -> None:
        """Stop delivering."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self, url: str, secret: str) -> None:
        updates = self._world.updates
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        pause = self._retry
        async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
            while True:
                update = updates.first()
                if update is None:
                    await updates.changed()
                    continue
                problem = await _deliver(session, url, update)
                if problem is None:
                    updates.drop(update["update_id"] + 1)
                    self._world.touch()
                    pause = self._retry
                    continue
                self._error = (self._world.seconds(), problem)
                self._world.touch()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)


async def _deliver(session: aiohttp.ClientSession, url: str, update: dict[str, Any]) -> str | None:
    """Why it failed, or None."""
    try:
        async with session.post(url, json=update) as answer:
            if 200 <= answer.status < 300:
                return None
            return f"Wrong response from the webhook: {answer.status} {answer.reason}"
    except TimeoutError:
        return "Read timeout expired"
    except aiohttp.ClientConnectorError:
        return "Connection refused"
    except aiohttp.ClientError:
        return "Connection closed"
