"""The rounds of delivery: what waits in one lane is read, planned, sent and accounted for until nothing may leave."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from alerts.channel import Channel, Sending
from alerts.delivery.digest import digest
from alerts.delivery.hearing import hear
from alerts.delivery.lines import TELL_AGE, body_of
from alerts.delivery.living import LivingMessage, Page
from alerts.delivery.plan import (
    MANY_WITHIN,
    Close,
    Digest,
    Living,
    Memory,
    Nothing,
    Single,
    Wait,
    plan,
    together,
)
from alerts.delivery.scribe import Scribe
from alerts.delivery.settle import in_doubt, settle, tried
from alerts.delivery.types import (
    TELEGRAM,
    Lane,
    Loudness,
    LoudnessStore,
    Mute,
    OutboxStore,
    Waiting,
)
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import OutboxRow
from market import format as fmt
from market.clock import Clock
from market.errors import AssistantError
from market.language import _

logger = logging.getLogger(__name__)

ROWS = 200  # of a lane, read at a time
DRAWING, SENDING = 60.0, 180.0  # seconds a channel may take; its own limits are far below
CHATS = 5_000  # remembered

Lost = Callable[[int, bool], Awaitable[None]]


class Courier:
    """Delivers lanes. One lane is never in two rounds at once: whoever calls sees to that."""

    def __init__(
        self,
        store: OutboxStore,
        channels: Mapping[str, Channel],
        wall: Clock,
        scribe: Scribe,
        *,
        loudness: LoudnessStore | None = None,
        on_gone: Lost,
    ) -> None:
        self._store, self._channels, self._wall, self._scribe = store, channels, wall, scribe
        self._loudness, self._on_gone = loudness, on_gone
        self._living = LivingMessage(store, scribe, wall, self._attempt)
        self._memory: dict[tuple[str, int], Memory] = {}
        self.stopping = False

    async def remember(self) -> None:
        """What chats were told before this process began."""
        now = self._wall.now()
        for told in await self._store.lately(now - MANY_WITHIN):
            memory = self._of(told.channel, told.chat_id)
            memory.accept([told.coin], told.ts, counts=not told.merged)

    async def round(self, lane: Lane) -> tuple[int, int]:
        """Deliver what may leave; how many rows were finished, and until when the lane has to wait (0: no)."""
        finished = 0
        now = self._wall.now()
        chosen, first = await asyncio.gather(
            self._chosen(lane), self._store.waiting(lane, now, ROWS)
        )
        found: Waiting | None = first
        while not self.stopping:
            waiting = found or await self._store.waiting(lane, (now := self._wall.now()), ROWS)
            found = None
            heard = hear(waiting.rows, chosen, await self._muted(lane, waiting.rows, now), now)
            if heard.changes:
                await self._scribe.settle(heard.changes)
                finished += sum(change.status == "muted" for change in heard.changes)
                continue
            waiting = replace(waiting, rows=heard.rows)
            done, until = await self._step(lane, waiting, heard.silent, now)
            finished += done
            if until is None and done == waiting.total:
                until = 0  # that was all; whoever called looks for what has come since
            if until is not None:
                return finished, until
        return finished, 0

    async def _step(
        self, lane: Lane, waiting: Waiting, silent: set[int], now: int
    ) -> tuple[int, int | None]:
        """One message: how many rows it finished; a time where the round is over."""
        memory = self._of(lane.channel, lane.chat_id)
        match plan(waiting, memory, now, grouped=lane.channel == TELEGRAM):
            case Nothing():
                return 0, 0
            case Wait(until=until):
                return 0, until
            case Close(living=living):
                await self._living.close(living)
                return 0, None
            case Living(rows=rows, living=living):
                page = await self._living.write(rows, living, silent=_all(rows, silent))
                return await self._written(lane, page, memory), None
            case Digest(rows=rows):
                body, told = digest(rows, now)
                return await self._message(lane, rows[:told], body, silent, memory), None
            case Single(row=row):
                body = self._dated(row)
                return await self._message(lane, [row], body, silent, memory), None

    async def _message(
        self, lane: Lane, rows: Sequence[OutboxRow], body: str, silent: set[int], memory: Memory
    ) -> int:
        """Send one message that tells these rows; how many are finished."""
        payload = _silenced(body) if _all(rows, silent) else body
        message = replace(rows[0], payload=payload)
        repeat = len(rows) == 1 and in_doubt(rows[0])
        tried_rows, outcome = await self._attempt(message, rows, repeat=repeat)
        if not tried_rows:
            return 0
        changes = settle(tried_rows, outcome, self._wall.now())
        await self._scribe.settle(changes)
        if isinstance(outcome, Sent):
            coins = {row.coin for row in tried_rows}
            memory.accept(coins, self._wall.now(), counts=together(tried_rows[0]))
        elif isinstance(outcome, Refused):
            logger.error("message refused row=%d reason=%s", message.id, outcome.reason)
        elif isinstance(outcome, Gone):
            await self._bury(lane, outcome.reason)
        return sum(change.status != "queued" for change in changes)

    async def _written(self, lane: Lane, page: Page, memory: Memory) -> int:
        """After a living message was written."""
        if isinstance(page.outcome, Gone):
            await self._bury(lane, page.outcome.reason)
        if not isinstance(page.outcome, Sent):
            return 0
        memory.accept((), self._wall.now())
        return len(page.rows)

    async def _attempt(
        self, message: OutboxRow, rows: Sequence[OutboxRow], *, repeat: bool
    ) -> tuple[list[OutboxRow], Outcome]:
        """Make the message and send it: the rows with this attempt, and what became of it.

        Without rows where none of them may be sent any more. That they leave is noted when the channel says so: a
        process that dies while a picture is drawn, or while they wait for their turn, has sent nothing.
        """
        made = await self._made(message, repeat=repeat)
        if not callable(made):
            return list(rows), made
        leaving = _Leaving(self._scribe, rows)
        outcome = await self._sent(message, made, leaving)
        if leaving.error is not None:
            raise leaving.error
        return leaving.found(), outcome

    async def _sent(self, message: OutboxRow, made: Sending, leaving: "_Leaving") -> Outcome:
        try:
            async with asyncio.timeout(SENDING):
                return await made(leaving.begin)
        except TimeoutError:
            reason = "no answer in time"
        except Exception:  # a fault of ours must not hold up every other message
            logger.exception("delivery failed row=%d", message.id)
            reason = "failed"
        return NotSent(reason) if leaving.marked is None else Unknown(reason)

    async def _made(self, message: OutboxRow, *, repeat: bool) -> Sending | Outcome:
        """The message, ready to leave; an outcome where it cannot be made."""
        channel = self._channels.get(message.channel)
        if channel is None:
            return Refused(f"no channel {message.channel}")
        try:
            async with asyncio.timeout(DRAWING):
                return await channel.prepare(message, repeat=repeat)
        except TimeoutError:
            return NotSent("not made in time")
        except Exception:  # as above
            logger.exception("message not made row=%d", message.id)
            return Refused("not made")

    async def _bury(self, lane: Lane, reason: str) -> None:
        """The chat cannot be reached: what waits for it is given up."""
        await self._store.bury(lane.channel, lane.chat_id, f"chat gone: {reason}", self._wall.now())
        if lane.channel == TELEGRAM:
            await self._on_gone(lane.chat_id, False)

    async def _chosen(self, lane: Lane) -> Loudness:
        if self._loudness is None or lane.channel != TELEGRAM:
            return Loudness(chat_id=lane.chat_id)
        return await self._loudness.loudness(lane.chat_id)

    async def _muted(self, lane: Lane, rows: Sequence[OutboxRow], now: int) -> Mapping[int, Mute]:
        """Alerts whose owner the group does not want to hear; in a private chat there is nobody else."""
        if self._loudness is None or lane.channel != TELEGRAM or lane.chat_id > 0 or not rows:
            return {}
        ids = sorted({row.alert_id for row in rows})
        return await self._loudness.muted(lane.chat_id, ids, now)

    def _dated(self, row: OutboxRow) -> str:
        """The payload; a message that leaves late says how late."""
        age = self._wall.now() - row.created_ts
        body = body_of(row)
        if age < TELL_AGE or not body:  # of one that cannot be read the channel says what is wrong
            return row.payload
        late = _("delivered {age} late").format(age=fmt.age(age))
        evidence = fmt.SEPARATOR.join(part for part in (body.get("evidence"), late) if part)
        return json.dumps({**body, "evidence": evidence}, ensure_ascii=False)

    def _of(self, channel: str, chat_id: int) -> Memory:
        if len(self._memory) > CHATS:
            now = self._wall.now()
            self._memory = {k: m for k, m in self._memory.items() if not m.idle(now)}
        return self._memory.setdefault((channel, chat_id), Memory())


class _Leaving:
    """Notes that rows leave, when their turn has come."""

    def __init__(self, scribe: Scribe, rows: Sequence[OutboxRow]) -> None:
        self._scribe, self._rows = scribe, rows
        self.marked: set[int] | None = None  # ids; None: their turn has not come
        self.error: AssistantError | None = None

    async def begin(self) -> bool:
        """Whether all of them may leave."""
        try:
            self.marked = await self._scribe.begin(self._rows)
        except AssistantError as error:
            self.error = error
            return False
        return len(self.marked) == len(self._rows)

    def found(self) -> list[OutboxRow]:
        """Those that an outcome is about, with this attempt where one was made."""
        if self.marked is None:
            return list(self._rows)
        return [tried(row) for row in self._rows if row.id in self.marked]


def _all(rows: Sequence[OutboxRow], silent: set[int]) -> bool:
    """Whether none of them makes a sound."""
    return all(row.id in silent for row in rows)


def _silenced(payload: str) -> str:
    try:
        return json.dumps({**json.loads(payload), "silent": True}, ensure_ascii=False)
    except (ValueError, TypeError):
        return payload
