"""The only way out to Telegram: one queue per chat, in order, as fast as allowed, with a definite outcome.

Nothing is sent twice on a guess: a send whose answer was lost is `Unknown`, and the caller decides.
Edits have no second effect and are repeated.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from telegram import Bot, Message
from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from bot.telegram.build import Sleep, pause_after, seconds
from bot.telegram.calls import delete_message, edit_message, send_message
from bot.telegram.limits import ChatLimit, Priority, Turnstile
from bot.telegram.redact import Redactor
from bot.telegram.render import OutMessage
from bot.telegram.verdict import Verdict, judge
from market.clock import Clock

logger = logging.getLogger(__name__)

QUEUE = 200  # messages waiting for one chat
PATIENCE = 90.0  # seconds one message may hold up its chat
TOAST = 200  # characters of the answer to a press
LANES = 2000  # chats whose pace is remembered
Attempt = Callable[["Job"], Awaitable[Message | bool]]


@dataclass(slots=True, kw_only=True)
class Job:
    """One call on its way out."""

    chat_id: int
    attempt: Attempt
    done: asyncio.Future[Outcome]
    priority: Priority
    repeatable: bool = False  # an edit: the same again does no harm
    thread_id: int | None = None
    html: bool = True
    moved: bool = False
    flying: bool = False  # a request is under way: stopping now leaves its fate open


@dataclass(slots=True, kw_only=True)
class Lane:
    """One chat's queue, by priority, and its pace."""

    limit: ChatLimit
    jobs: dict[Priority, deque[Job]] = field(default_factory=lambda: {p: deque() for p in Priority})
    task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.jobs.values())

    def next(self) -> Job | None:
        """The first job of the highest priority."""
        return next((queue.popleft() for queue in self.jobs.values() if queue), None)


def _delivered(_reason: str) -> Outcome:
    return Sent()


OUTCOMES: dict[Verdict, Callable[[str], Outcome]] = {  # what is not here is refused
    Verdict.GONE: Gone,
    Verdict.SAME: _delivered,
    Verdict.DELIVERED: _delivered,
    Verdict.LATER: NotSent,
    Verdict.UNKNOWN: Unknown,
}


async def _nothing(*_args: int) -> None:
    """What happens to a lost chat where nobody asked to hear of it."""


class Gateway:
    """Sends, edits and answers for all chats."""

    def __init__(
        self,
        bot: Bot,
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        *,
        on_gone: Callable[[int], Awaitable[None]] = _nothing,
        on_migrated: Callable[[int, int], Awaitable[None]] = _nothing,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.bot = bot
        self.on_gone, self.on_migrated = on_gone, on_migrated
        self._wall, self._sleep, self._jitter = wall, sleep, jitter
        self._turnstile = Turnstile(wall, sleep)
        self._lanes: dict[int, Lane] = {}
        self._moved: dict[int, int] = {}
        self._redactor = Redactor((bot.token,))
        self._closed = False

    async def send(
        self,
        chat_id: int,
        message: OutMessage,
        *,
        thread_id: int | None = None,
        priority: Priority = Priority.INTERACTIVE,
        reply_to: int | None = None,
    ) -> Outcome:
        """Send one message after those of the same chat and priority that were there before."""

        async def attempt(job: Job) -> Message | bool:
            return await send_message(
                self.bot, job.chat_id, message, thread_id=job.thread_id,
                reply_to=None if job.moved else reply_to, html=job.html,
            )  # fmt: skip

        return await self._queue(chat_id, attempt, priority=priority, thread_id=thread_id)

    async def edit(
        self,
        chat_id: int,
        message_id: int,
        message: OutMessage,
        *,
        media: bool = False,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Outcome:
        """Replace a message in place, its keyboard included. `media`: the one on screen is a picture."""

        async def attempt(job: Job) -> Message | bool:
            return await edit_message(
                self.bot, job.chat_id, message_id, message, media=media, html=job.html
            )

        return await self._queue(chat_id, attempt, priority=priority, repeatable=True)

    async def delete(self, chat_id: int, message_id: int) -> Outcome:
        """Remove a message."""

        async def attempt(job: Job) -> Message | bool:
            return await delete_message(self.bot, job.chat_id, message_id)

        return await self._queue(chat_id, attempt, priority=Priority.INTERACTIVE, repeatable=True)

    async def answer(self, query_id: str, text: str = "", *, alert: bool = False) -> bool:
        """Answer a button press at once, past all queues; False when it was too late for that."""
        try:
            await self.bot.answer_callback_query(query_id, text[:TOAST] or None, show_alert=alert)
        except BadRequest as error:
            late = "query is too old" in str(error).lower() or "query id" in str(error).lower()
            if not late:
                logger.warning("answer refused reason=%s", self._text(error))
            return not late
        except TelegramError as error:
            logger.warning("answer lost reason=%s", self._text(error))
        return True

    async def typing(self, chat_id: int, thread_id: int | None = None) -> None:
        """Show that an answer is being written; of no importance, so never repeated."""
        try:
            await self.bot.send_chat_action(chat_id, "typing", message_thread_id=thread_id)
        except TelegramError as error:
            logger.debug("typing lost reason=%s", self._text(error))

    def waiting(self) -> int:
        """How many messages have not left yet."""
        return sum(len(lane) for lane in self._lanes.values())

    async def close(self, deadline: float = 4.0) -> None:
        """Let what is queued leave until `deadline` seconds are over; the rest is `NotSent`."""
        self._closed = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task and not lane.task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._turnstile.close()
        for lane in self._lanes.values():
            while (job := lane.next()) is not None:
                _finish(job, NotSent("stopping"))

    async def _queue(
        self,
        chat_id: int,
        attempt: Attempt,
        *,
        priority: Priority,
        repeatable: bool = False,
        thread_id: int | None = None,
    ) -> Outcome:
        if self._closed:
            return NotSent("stopping")
        chat_id = self._moved.get(chat_id, chat_id)
        lane = self._lane(chat_id)
        if len(lane) >= QUEUE:
            return NotSent("too many messages are waiting for this chat")
        job = Job(
            chat_id=chat_id, attempt=attempt, priority=priority, repeatable=repeatable,
            thread_id=thread_id, done=asyncio.get_running_loop().create_future(),
        )  # fmt: skip
        lane.jobs[priority].append(job)
        if lane.task is None or lane.task.done():
            self._start(lane)
        return await job.done

    def _start(self, lane: Lane) -> None:
        lane.task = asyncio.create_task(self._work(lane), name="telegram lane")
        lane.task.add_done_callback(lambda task: self._ended(lane, task))

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        """A fault while one message was sent does not hold up the ones behind it."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("sending failed", exc_info=error)
        if len(lane) and not self._closed:
            self._start(lane)

    def _lane(self, chat_id: int) -> Lane:
        if chat_id not in self._lanes:
            if len(self._lanes) >= LANES:
                self._forget()
            self._lanes[chat_id] = Lane(limit=ChatLimit(chat_id, self._now()))
        return self._lanes[chat_id]

    def _forget(self) -> None:
        """Drop the lanes that wait for nothing: nobody is in them and they could send at once."""
        now = self._now()
        for chat_id, lane in list(self._lanes.items()):
            idle = lane.task is None or lane.task.done()
            if idle and not len(lane) and lane.limit.delay(now - 60.0) == 0.0:
                del self._lanes[chat_id]

    async def _work(self, lane: Lane) -> None:
        """Deliver a lane's jobs one after another until it is empty."""
        while (job := lane.next()) is not None:
            if job.done.done():  # whoever asked has gone away
                continue
            try:
                _finish(job, await self._deliver(lane, job))
            finally:  # stopped, or a fault of ours: nobody may wait for ever
                _finish(job, Unknown("stopped in flight") if job.flying else NotSent("stopped"))

    async def _deliver(self, lane: Lane, job: Job) -> Outcome:
        started, failures = self._now(), 0
        while True:
            if outcome := await self._turn(lane, job, started):
                return outcome
            job.chat_id = self._moved.get(job.chat_id, job.chat_id)
            job.flying = True
            try:
                sent = await job.attempt(job)
            except TelegramError as error:
                job.flying = False
                settled = await self._settle(lane, job, error)
                if settled is None:
                    continue
                if isinstance(settled, NotSent) or (
                    isinstance(settled, Unknown) and job.repeatable
                ):
                    pause = pause_after(failures, error, self._jitter)
                    failures += 1
                    if self._now() + pause - started < PATIENCE and not self._closed:
                        await self._sleep(pause)
                        continue
                return settled
            return Sent(sent.message_id if isinstance(sent, Message) else None)

    async def _turn(self, lane: Lane, job: Job, started: float) -> Outcome | None:
        """Wait until this chat, and then all of them together, may send; an outcome when that takes too long."""
        while (delay := lane.limit.delay(self._now())) > 0:
            if self._now() + delay - started > PATIENCE:
                return NotSent("Telegram wants a pause", retry_after=delay)
            await self._sleep(delay)
        await self._turnstile.pass_(job.priority)
        lane.limit.take(self._now())
        return None

    async def _settle(self, lane: Lane, job: Job, error: TelegramError) -> Outcome | None:
        """The outcome of a failed attempt; None when it goes out again, as it was or changed."""
        verdict, reason = judge(error), self._text(error)
        if await self._mended(lane, job, error, verdict):
            return None
        if verdict is Verdict.GONE:
            await self.on_gone(job.chat_id)
        elif verdict not in OUTCOMES:
            logger.warning("message refused chat=%s reason=%s", job.chat_id, reason)
        return OUTCOMES.get(verdict, Refused)(reason)

    async def _mended(self, lane: Lane, job: Job, error: TelegramError, verdict: Verdict) -> bool:
        """Whether waiting, or a change of the job, makes another attempt worth while at once."""
        match verdict:
            case Verdict.WAIT if isinstance(error, RetryAfter):
                wait = seconds(error) + self._jitter() / 2
                lane.limit.parked_until = self._now() + wait
                logger.info("chat parked chat=%s seconds=%.1f", job.chat_id, wait)
            case Verdict.PLAIN if job.html:
                logger.error("html refused, sent plain chat=%s error=%s", job.chat_id, error)
                job.html = False
            case Verdict.GENERAL if job.thread_id is not None:
                logger.warning("topic gone chat=%s thread=%s", job.chat_id, job.thread_id)
                job.thread_id = None
            case Verdict.MIGRATED if isinstance(error, ChatMigrated) and not job.moved:
                await self._migrate(job, error.new_chat_id)
            case _:
                return False
        return True

    async def _migrate(self, job: Job, new: int) -> None:
        """The group became a supergroup: this message and all later ones go there."""
        old, job.chat_id, job.moved = job.chat_id, new, True
        if old not in self._moved:
            self._moved[old] = new
            await self.on_migrated(old, new)

    def _now(self) -> float:
        return self._wall.now() / 1000

    def _text(self, error: TelegramError) -> str:
        return self._redactor.text(str(error))[:300]


def _finish(job: Job, outcome: Outcome) -> None:
    if not job.done.done():
        job.done.set_result(outcome)
