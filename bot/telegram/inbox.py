"""Updates: stored under their id, then acknowledged, then handled; in order within a chat, chats side by side.

What was stored and not handled when the process died is handled at the next start. An update whose
handling killed the process again and again is set aside. That it was interrupted says little: a process that
is killed for other reasons dies in the middle of something as well, most of all soon after its start, when it
has just taken up what was left. So it is tried often, and the last times by a process that was well until then.
"""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram import Update
from telegram.error import Conflict, InvalidToken, TelegramError

from bot.telegram.build import DeskBot, Sleep, TelegramFatal, pause_after
from bot.telegram.redact import Redactor
from handlers.types import InboxStore, StoredUpdate
from market.clock import Clock
from market.language import _

logger = logging.getLogger(__name__)

ALLOWED = ("message", "edited_message", "callback_query", "my_chat_member")
LONG_POLL = 20  # seconds
BATCH = 100
CONFLICT_LIMIT = 60_000  # ms another poller is borne with
# Seconds that a process has to have lived before an update is tried for the first time, the second, ...
PROOF = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 20.0)
ATTEMPTS = len(PROOF)
PER_CHAT = 200  # waiting in memory; what is beyond waits in the store
BACKLOG = 10_000  # stored updates looked through at once
REMEMBERED = 5000
AT_ONCE = 64  # chats handled at the same time


class Inbox:
    """Receives updates by long polling, or through `accept` from a webhook."""

    def __init__(
        self,
        bot: DeskBot,
        store: InboxStore,
        on_update: Callable[[Update], Awaitable[None]],
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        *,
        long_poll: int = LONG_POLL,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._bot, self._store, self._on_update = bot, store, on_update
        self._wall, self._sleep, self._jitter = wall, sleep, jitter
        self._long_poll = long_poll
        self._queues: dict[int, deque[StoredUpdate]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._began = wall.now()
        self._known: set[int] = set()  # ids waiting, being handled, or handled lately
        self._finished: deque[int] = deque()
        self._spilled: set[int] = set()  # chats that have more in the store
        self._room = asyncio.Semaphore(AT_ONCE)
        self._stopping = asyncio.Event()
        self._failed: BaseException | None = None
        self._redactor = Redactor((bot.token,))
        self.last_ok: int | None = None  # wall ms of the last good answer to getUpdates

    async def recover(self) -> int:
        """Hand out what an earlier process stored and did not finish; returns how many that is."""
        pending = await self._store.pending(BACKLOG)
        for update in pending:
            self._enqueue(update)
        return len(pending)

    async def accept(self, raw: Sequence[dict[str, Any]]) -> int:
        """Store updates durably and queue those that are new; returns how many were."""
        now = self._wall.now()
        updates = [
            StoredUpdate(update_id=item["update_id"], payload=json.dumps(item), received_ts=now)
            for item in raw
        ]
        new = set(await self._store.store(updates))
        for update in updates:
            if update.update_id in new:
                self._enqueue(update)
        return len(new)

    async def run(self, *, poll: bool = True) -> None:
        """Receive until `stop`; raises `TelegramFatal` when Telegram will not talk to us any more."""
        poller = asyncio.create_task(self._poll(), name="telegram poll") if poll else None
        stopped = asyncio.create_task(self._stopping.wait(), name="telegram stop")
        waiting = {stopped, poller} if poller else {stopped}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            results = await asyncio.gather(*waiting, return_exceptions=True)
        if self._failed is not None:
            raise self._failed
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def stop(self, deadline: float = 5.0) -> None:
        """Take in nothing more, let what is being handled finish until `deadline` seconds are over."""
        self._stopping.set()
        tasks = list(self._workers.values())
        if tasks:
            await asyncio.wait(tasks, timeout=deadline)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        offset: int | None = None
        failures, conflict_since = 0, None
        ready = False
        while not self._stopping.is_set():
            try:
                if not ready:
                    ready = await self._bot.delete_webhook()
                raw = await self._bot.fetch_updates(
                    offset, wait=self._long_poll, limit=BATCH, allowed=ALLOWED
                )
            except TelegramError as error:
                if isinstance(error, Conflict):
                    ready = ready and "webhook" not in str(error).lower()
                    conflict_since = conflict_since or self._wall.now()
                self._give_up_on(error, conflict_since)
                pause = pause_after(failures, error, self._jitter)
                failures += 1
                reason = self._redactor.text(str(error))
                logger.warning("poll failed reason=%s next_try_s=%.1f", reason, pause)
                await self._sleep(pause)
                continue
            failures, conflict_since, self.last_ok = 0, None, self._wall.now()
            if raw:
                await self.accept(raw)
            # Once an empty answer has confirmed the offset it is dropped: after a quiet week Telegram's
            # ids start anew, perhaps lower, and an old offset would throw those away.
            offset = max(item["update_id"] for item in raw) + 1 if raw else None

    def _give_up_on(self, error: TelegramError, conflict_since: int | None) -> None:
        """Raise where waiting cannot help."""
        if isinstance(error, InvalidToken):
            raise TelegramFatal(
                _("Telegram refuses TELEGRAM_BOT_TOKEN; ask @BotFather for the right one.")
            ) from error
        if conflict_since is not None and self._wall.now() - conflict_since > CONFLICT_LIMIT:
            raise TelegramFatal(
                _("Another process polls Telegram with this token; stop it, then start me again.")
            ) from error

    def _enqueue(self, update: StoredUpdate) -> None:
        chat_id = chat_of(update.payload)
        if update.update_id in self._known:
            return
        queue = self._queues.setdefault(chat_id, deque())
        if len(queue) >= PER_CHAT or chat_id in self._spilled:
            self._spilled.add(chat_id)
            return
        queue.append(update)
        self._known.add(update.update_id)
        if chat_id not in self._workers and not self._stopping.is_set():
            task = asyncio.create_task(self._work(chat_id), name=f"telegram inbox {chat_id}")
            self._workers[chat_id] = task
            task.add_done_callback(self._ended)

    async def _work(self, chat_id: int) -> None:
        """Handle one chat's updates in order, then those of its that were left in the store."""
        queue = self._queues[chat_id]
        try:
            while not self._stopping.is_set():
                while queue and not self._stopping.is_set():
                    update = queue.popleft()
                    if not await self._proved(update):
                        return
                    async with self._room:
                        await self._handle(update)
                    self._forget(update.update_id)
                if chat_id not in self._spilled:
                    return
                await self._refill(chat_id)
        finally:
            del self._workers[chat_id]
            if not queue:
                del self._queues[chat_id]

    async def _refill(self, chat_id: int) -> None:
        """Take up what was left in the store; until then new updates of the chat queue behind it there."""
        pending = await self._store.pending(BACKLOG)
        self._spilled.discard(chat_id)
        for update in pending:
            if chat_of(update.payload) == chat_id:
                self._enqueue(update)

    def _forget(self, update_id: int) -> None:
        """A handled id is remembered a little longer: it may be on its way here a second time."""
        self._finished.append(update_id)
        if len(self._finished) > REMEMBERED:
            self._known.discard(self._finished.popleft())

    async def _proved(self, stored: StoredUpdate) -> bool:
        """Wait until this process has lived long enough to try it; False where it ends before that."""
        needed = PROOF[stored.attempts] if stored.attempts < ATTEMPTS else 0.0
        left = needed - max(0, self._wall.now() - self._began) / 1000
        if left <= 0:
            return True
        waits = {
            asyncio.ensure_future(self._sleep(left)), asyncio.ensure_future(self._stopping.wait()),
        }  # fmt: skip
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return not self._stopping.is_set()

    async def _handle(self, stored: StoredUpdate) -> None:
        before = await self._store.claim(stored.update_id, self._wall.now())
        if before >= ATTEMPTS:
            logger.error("update set aside id=%s attempts=%s", stored.update_id, before)
        else:
            update = self._read(stored)
            if update is not None:
                await self._on_update(update)
        await self._store.done(stored.update_id, self._wall.now())

    def _read(self, stored: StoredUpdate) -> Update | None:
        try:
            return Update.de_json(json.loads(stored.payload), self._bot)
        except (TypeError, ValueError, KeyError, AttributeError):
            logger.exception("update not understood id=%s", stored.update_id)
            return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The store failed: stop everything rather than answer without a record of it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed = self._failed or error
            self._stopping.set()


def chat_of(payload: str) -> int:
    """The chat an update belongs to; of a press without a message the presser, else 0."""
    update = json.loads(payload)
    for kind in ALLOWED:
        item = update.get(kind)
        if isinstance(item, dict):
            chat = item.get("chat") or (item.get("message") or {}).get("chat") or item.get("from")
            return int((chat or {}).get("id", 0))
    return 0
