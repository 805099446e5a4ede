"""Delivery of what was committed: in order per chat, each message until it is sent or given up.

No channel tells whether it has seen a message before. So one that may have been delivered is sent once more with
a mark, and then given up; one that was certainly not delivered is tried again for a day.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from alerts.channel import Channel
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import AlertStore, OutboxRow
from market import format as fmt
from market.clock import Clock
from market.errors import AssistantError
from market.language import _
from market.types import DAY, MINUTE

logger = logging.getLogger(__name__)

BATCH = 100  # rows read at a time
AT_ONCE = 20  # chats written to at the same time
POLL = 5.0  # seconds between looks when nothing wakes us
PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds before another try, doubled each time
DOUBTS = 6  # deliveries whose answer was lost before a message is given up
GIVEN_UP = DAY
TELL_AGE = 2 * MINUTE  # a message that leaves later than this says so
NOT_SENT, UNKNOWN = "not sent", "unknown"
NOTED = re.compile(rf"{NOT_SENT} \((\d+)\)")

Sleep = Callable[[float], Awaitable[None]]


async def _nothing(_chat_id: int, _alive: bool) -> None:
    """What happens to a lost chat where nobody asked to hear of it."""


class Outbox:
    """Empties the outbox into the channels, named as in the rows."""

    def __init__(
        self,
        store: AlertStore,
        channels: Mapping[str, Channel],
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        *,
        wake: asyncio.Event | None = None,
        on_gone: Callable[[int, bool], Awaitable[None]] = _nothing,
    ) -> None:
        self._store, self._channels, self._wall, self._sleep = store, channels, wall, sleep
        self._wake = wake if wake is not None else asyncio.Event()
        self._on_gone = on_gone
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._unnoted: list[tuple[OutboxRow, Outcome]] = []  # what the database could not take

    async def run(self) -> None:
        """Deliver until cancelled; what a process before was sending when it died is sent again, marked."""
        recovered = await self._store.recover()
        if recovered:
            logger.info("messages in doubt count=%d", recovered)
        while True:
            self._wake.clear()
            try:
                busy = await self.deliver()
            except AssistantError as error:
                logger.warning("outbox not read reason=%s", error)
                busy = 0
                await self._sleep(POLL)
            if not busy:
                await self._rest()

    async def _rest(self) -> None:
        """Wait until something new is there, or until something old may be due."""
        waits = [
            asyncio.ensure_future(self._wake.wait()),
            asyncio.ensure_future(self._sleep(POLL)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def deliver(self) -> int:
        """One batch: chats side by side, the messages of each in order. Returns how many were finished."""
        await self._note()
        rows = await self._store.due(self._wall.now(), BATCH)
        chats: dict[tuple[str, int], list[OutboxRow]] = {}
        for row in rows:
            chats.setdefault((row.channel, row.chat_id), []).append(row)
        finished = await asyncio.gather(*(self._chat(each) for each in chats.values()))
        return sum(finished)

    async def _note(self) -> None:
        """Note outcomes that the database could not take when they came: until then their chats wait."""
        while self._unnoted:
            await self._settle(*self._unnoted[0])
            del self._unnoted[0]

    async def _chat(self, rows: Sequence[OutboxRow]) -> int:
        """Deliver rows of one chat; the first that has to wait holds up the ones behind it."""
        finished = 0
        async with self._turn:
            for row in rows:
                try:
                    done = await self._one(row)
                except (
                    AssistantError
                ) as error:  # the database: nothing more of this chat until it is back
                    logger.warning("message held up row=%d reason=%s", row.id, error)
                    return finished
                if not done:
                    return finished
                finished += 1
        return finished

    async def _one(self, row: OutboxRow) -> bool:
        """Whether the row is finished: sent, or given up."""
        channel = self._channels.get(row.channel)
        if channel is None:
            await self._store.dead(row.id, f"no channel {row.channel}")
            return True
        try:
            # Drawing takes seconds: a process that dies in it has sent nothing, and the row shall say so.
            send = await channel.prepare(self._dated(row), repeat=_in_doubt(row))
        except Exception:  # a fault of ours must not hold up every other message
            logger.exception("message not made row=%d", row.id)
            await self._store.sending(row.id)
            return await self._settle(replace(row, attempts=row.attempts + 1), Refused("not made"))
        await self._store.sending(row.id)
        row = replace(row, attempts=row.attempts + 1)
        try:
            outcome = await send()
        except Exception:  # as above
            logger.exception("delivery failed row=%d", row.id)
            outcome = Unknown("failed")
        try:
            return await self._settle(row, outcome)
        except AssistantError:
            self._unnoted.append((row, outcome))
            raise

    async def _settle(self, row: OutboxRow, outcome: Outcome) -> bool:
        now = self._wall.now()
        match outcome:
            case Sent(message_id=message_id):
                await self._store.sent(row.id, message_id, now)
            case Gone(reason=reason):
                await self._store.dead(row.id, f"chat gone: {reason}")
                await self._on_gone(row.chat_id, False)
            case Refused(reason=reason):
                logger.error("message refused row=%d reason=%s", row.id, reason)
                await self._store.dead(row.id, f"refused: {reason}")
            case Unknown(reason=reason) if row.attempts >= DOUBTS:
                logger.error("message in doubt given up row=%d attempts=%d", row.id, row.attempts)
                await self._store.dead(row.id, f"perhaps delivered: {reason}")
            case Unknown(reason=reason):
                await self._later(
                    row, f"{UNKNOWN}: {reason}", PAUSE * 2 ** min(row.attempts - 1, 10)
                )
                return False
            case NotSent(reason=reason, retry_after=after):
                if now - row.created_ts > GIVEN_UP:
                    await self._store.dead(row.id, f"given up: {reason}")
                    return True
                pause = (
                    after
                    if after is not None
                    else min(LONGEST_PAUSE, PAUSE * 2 ** min(row.attempts - 1, 10))
                )
                await self._later(row, _noted(row, reason), pause)
                return False
        return True

    async def _later(self, row: OutboxRow, error: str, seconds: float) -> None:
        next_ts = self._wall.now() + round(seconds * 1000)
        await self._store.retry(row.id, next_ts=next_ts, error=error)

    def _dated(self, row: OutboxRow) -> OutboxRow:
        """A message that leaves late says how late."""
        age = self._wall.now() - row.created_ts
        if age < TELL_AGE:
            return row
        try:
            payload = json.loads(row.payload)
            late = _("delivered {age} late").format(age=fmt.age(age))
            payload["evidence"] = fmt.SEPARATOR.join(
                p for p in (payload.get("evidence"), late) if p
            )
        except (ValueError, TypeError, AttributeError):  # the channel says what is wrong with it
            return row
        return replace(row, payload=json.dumps(payload, ensure_ascii=False))


def _in_doubt(row: OutboxRow) -> bool:
    """Whether an attempt was made of which it is not certain that it failed."""
    noted = NOTED.match(row.error)
    return row.attempts > (int(noted[1]) if noted else 0)


def _noted(row: OutboxRow, reason: str) -> str:
    """Up to which attempt it is certain that nothing was delivered; an older doubt stays one."""
    if row.error.startswith(UNKNOWN):
        return row.error
    noted = NOTED.match(row.error)
    certain = int(noted[1]) if noted else 0
    attempts = row.attempts if row.attempts == certain + 1 else certain
    return f"{NOT_SENT} ({attempts}): {reason}"
