"""The only way out to Telegram: one queue per chat, in order, as fast as allowed, with a definite outcome.

Nothing is sent twice on a guess: a send whose answer was lost is `Unknown`, and the caller decides.
Edits have no second effect and are repeated. Whatever waits, for its chat, its turn or another try, lets a more
urgent message of the same chat go first.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from telegram import Bot, Message
from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from alerts.channel import HELD_BACK, Leave
from alerts.delivery.types import TELEGRAM, Delivery, Event
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from bot.telegram.build import Sleep, pause_after, seconds
from bot.telegram.calls import delete_message, edit_message, send_message
from bot.telegram.lane import PATIENCE, Attempt, Job, Lane
from bot.telegram.limits import ChatLimit, Priority, Turnstile
from bot.telegram.redact import Redactor
from bot.telegram.render import OutMessage
from bot.telegram.verdict import Verdict, judge
from market.clock import Clock

logger = logging.getLogger(__name__)

QUEUE = 200  # messages waiting for one chat
TOAST = 200  # characters of the answer to a press
LANES = 2000  # chats whose pace is remembered


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


def _unwritten(_line: Delivery) -> None:
    """Where nobody keeps a ledger."""


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
        ledger: Callable[[Delivery], None] = _unwritten,
    ) -> None:
        self.bot = bot
        self.on_gone, self.on_migrated = on_gone, on_migrated
        self.ledger = ledger
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
        silent: bool = False,
        patience: float = PATIENCE,
        leave: Leave | None = None,
    ) -> Outcome:
        """Send one message after those of the same chat and priority that were there before.

        After `patience` seconds it is `NotSent`, with the pause that is left. `leave` is asked when it is the
        message's turn; who gives it writes the ledger.
        """

        async def attempt(job: Job) -> Message | bool:
            return await send_message(
                self.bot, job.chat_id, message, thread_id=job.thread_id,
                reply_to=None if job.moved else reply_to, html=job.html, silent=silent,
            )  # fmt: skip

        job = self._job(chat_id, attempt, priority, Event.SENT)
        job.thread_id, job.patience, job.leave = thread_id, patience, leave
        return await self._queue(job)

    async def edit(
        self,
        chat_id: int,
        message_id: int,
        message: OutMessage,
        *,
        media: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        patience: float = PATIENCE,
        leave: Leave | None = None,
    ) -> Outcome:
        """Replace a message in place, its keyboard included. `media`: the one on screen is a picture."""

        async def attempt(job: Job) -> Message | bool:
            return await edit_message(
                self.bot, job.chat_id, message_id, message, media=media, html=job.html
            )

        job = self._job(chat_id, attempt, priority, Event.EDITED)
        job.repeatable, job.patience, job.leave = True, patience, leave
        return await self._queue(job)

    async def delete(self, chat_id: int, message_id: int) -> Outcome:
        """Remove a message."""

        async def attempt(job: Job) -> Message | bool:
            return await delete_message(self.bot, job.chat_id, message_id)

        job = self._job(chat_id, attempt, Priority.INTERACTIVE, Event.DELETED)
        job.repeatable = True
        return await self._queue(job)

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
            while (job := lane.take()) is not None:
                self._finish(job, NotSent("stopping"))

    def _job(self, chat_id: int, attempt: Attempt, priority: Priority, event: Event) -> Job:
        return Job(
            chat_id=self._moved.get(chat_id, chat_id), attempt=attempt, priority=priority,
            event=event, done=asyncio.get_running_loop().create_future(),
        )  # fmt: skip

    async def _queue(self, job: Job) -> Outcome:
        lane = self._lane(job.chat_id)
        if self._closed:
            self._finish(job, NotSent("stopping"))
        elif len(lane) >= QUEUE:
            self._finish(job, NotSent("too many messages are waiting for this chat"))
        else:
            lane.add(job)
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
        while (job := lane.first()) is not None:
            now = self._now()
            job.started = now if job.started is None else job.started
            delay = lane.delay(job, now)
            if delay > 0:
                if now + delay - job.started > job.patience:
                    lane.take()
                    self._finish(job, NotSent("Telegram wants a pause", retry_after=delay))
                else:
                    await self._look_again(lane, self._sleep(delay))
            elif await self._pass(lane, job):
                await self._send(lane)

    async def _pass(self, lane: Lane, job: Job) -> bool:
        """Whether the lane may send now; False when something more urgent came while it waited."""
        turn = self._turnstile.turn(job.priority)
        try:
            while not turn.done():
                await self._look_again(lane, turn)
                if lane.first() is not job and not turn.done():
                    break
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._turnstile.left()
            raise
        finally:
            turn.cancel()
        return not turn.cancelled()

    async def _look_again(self, lane: Lane, until: Awaitable[None]) -> None:
        """Wait for `until`, or for a message that comes into the lane."""
        lane.changed.clear()
        waiting = asyncio.ensure_future(until)
        changed = asyncio.ensure_future(lane.changed.wait())
        mine = [changed] if waiting is until else [changed, waiting]
        try:
            await asyncio.wait((waiting, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in mine:
                each.cancel()
            await asyncio.gather(*mine, return_exceptions=True)

    async def _send(self, lane: Lane) -> None:
        """One attempt for the first job: the turn is ours."""
        job = lane.take()
        try:
            if job is None:
                return
            lane.limit.take(self._now())
            job.chat_id = self._moved.get(job.chat_id, job.chat_id)
            again = False
            try:
                outcome = await self._attempt(lane, job)
                again = outcome is None
                if outcome is not None:
                    self._finish(job, outcome)
            finally:  # stopped, or a fault of ours: nobody may wait for ever
                if again:
                    lane.put_back(job)
                else:
                    self._finish(
                        job, Unknown("stopped in flight") if job.flying else NotSent("stopped")
                    )
        finally:
            self._turnstile.left()

    async def _attempt(self, lane: Lane, job: Job) -> Outcome | None:
        """The outcome; None when the job has to be tried again, later or at once."""
        if job.leave is not None and not job.left:
            job.left = await job.leave()
            if not job.left:
                return HELD_BACK
        job.flying = True
        try:
            sent = await job.attempt(job)
        except TelegramError as error:
            job.flying = False
            return await self._settle(lane, job, error)
        return Sent(sent.message_id if isinstance(sent, Message) else None)

    async def _settle(self, lane: Lane, job: Job, error: TelegramError) -> Outcome | None:
        """The outcome of a failed attempt; None when it goes out again, as it was or changed."""
        verdict, reason = judge(error), self._text(error)
        if await self._mended(lane, job, error, verdict):
            return self._later(lane, job, verdict)
        if verdict is Verdict.GONE:
            await self.on_gone(job.chat_id)
        elif verdict not in OUTCOMES:
            logger.warning("message refused chat=%s reason=%s", job.chat_id, reason)
        outcome = OUTCOMES.get(verdict, Refused)(reason)
        if isinstance(outcome, NotSent) or (isinstance(outcome, Unknown) and job.repeatable):
            pause = pause_after(job.failures, error, self._jitter)
            job.failures += 1
            job.after = self._now() + pause
            if job.after - (job.started or 0.0) < job.patience and not self._closed:
                return None
        return outcome

    def _later(self, lane: Lane, job: Job, verdict: Verdict) -> Outcome | None:
        """A message that Telegram wants later waits where it came from: so long it is not on its way."""
        if verdict is not Verdict.WAIT or job.leave is None:
            return None
        return NotSent("Telegram wants a pause", max(0.0, lane.limit.parked_until - self._now()))

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
                await self._migrate(lane, job, error.new_chat_id)
            case _:
                return False
        return True

    async def _migrate(self, lane: Lane, job: Job, new: int) -> None:
        """The group became a supergroup: this message and all later ones go there, behind those that wait."""
        old, job.chat_id, job.moved = job.chat_id, new, True
        if old not in self._moved:
            self._moved[old] = new
            self._lanes.setdefault(new, lane)
            await self.on_migrated(old, new)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        """Tell whoever waits, and the ledger, what became of a job."""
        if job.done.done():
            return
        job.done.set_result(outcome)
        if job.leave is not None:
            return
        taken = isinstance(outcome, Sent)
        reason = "" if isinstance(outcome, Sent) else f"{_name(outcome)}: {outcome.reason}"
        self.ledger(
            Delivery(
                ts=self._wall.now(), channel=TELEGRAM, chat_id=job.chat_id, priority=job.priority,
                event=job.event if taken else Event.FAILED, detail=reason,
                message_id=outcome.message_id if isinstance(outcome, Sent) else None,
            )
        )  # fmt: skip

    def _now(self) -> float:
        return self._wall.now() / 1000

    def _text(self, error: TelegramError) -> str:
        return self._redactor.text(str(error))[:300]


def _name(outcome: Outcome) -> str:
    """`NotSent` as people write it."""
    return {NotSent: "not sent", Unknown: "unknown", Gone: "chat gone"}.get(
        type(outcome), type(outcome).__name__.lower()
    )
