"""An outbox over a real SQLite file and a channel that remembers what a chat would show."""

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alerts.channel import HELD_BACK, Leave, Sending
from alerts.outbox import Outbox
from alerts.outcome import Outcome, Sent
from alerts.types import AlertRule, AlertState, Cross, Metric, Op, OutboxRow, Priority
from market.clock import FixedClock
from storage.alerts import Alerts
from storage.db import Database
from storage.ledger import Ledger
from storage.loudness import LoudnessRows

CHAT, GROUP, OWNER = 500, -100_500, 70
WALL = 1_790_000_000_000
PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")
NUMBER = re.compile(r"#(\d+)(?:x(\d+))?")


class Kill(BaseException):
    """The process dies here."""


def listed(body: dict[str, Any]) -> Counter[int]:
    """How often a message tells each rule."""
    text = "\n".join(str(body.get(name) or "") for name in ("headline", "reading"))
    found: Counter[int] = Counter()
    for rule, count in NUMBER.findall(text.rpartition("All of them:")[2]):
        found[int(rule)] += int(count or 1)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One message, or edit, that arrived."""

    row: OutboxRow
    repeat: bool
    at: int
    message_id: int

    @property
    def body(self) -> dict[str, Any]:
        found = json.loads(self.row.payload)
        assert isinstance(found, dict)
        return found

    @property
    def edit(self) -> bool:
        return self.row.message_id is not None

    @property
    def told(self) -> Counter[int]:
        return listed(self.body)


class FakeChannel:
    """Answers as told; an answer that is an exception is raised after the message arrived, but for `NotSent`."""

    name = "telegram"

    def __init__(self, wall: FixedClock, *answers: Outcome | BaseException) -> None:
        self.wall, self.answers = wall, list(answers)
        self.of_chat: dict[int, list[Outcome | BaseException]] = {}  # before `answers`
        self.delivered: list[Delivered] = []
        self.prepared = 0
        self.first, self.asked = asyncio.Event(), asyncio.Event()
        self._ids = 1000

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        self.prepared += 1
        self.asked.set()

        async def send(leave: Leave) -> Outcome:
            if not await leave():
                return HELD_BACK
            self._ids += 1
            answers = self.of_chat.get(row.chat_id) or self.answers
            answer = answers.pop(0) if answers else Sent(row.message_id or self._ids)
            if type(answer).__name__ not in ("NotSent", "Refused", "Gone"):
                message_id = row.message_id or self._ids
                self.delivered.append(
                    Delivered(row=row, repeat=repeat, at=self.wall.now(), message_id=message_id)
                )
                self.first.set()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return send

    def screen(self, chat_id: int = CHAT) -> dict[int, dict[str, Any]]:
        """What a chat shows: the last body of each message, in order."""
        return {e.message_id: e.body for e in self.delivered if e.row.chat_id == chat_id}

    def rules(self, chat_id: int = CHAT) -> Counter[int]:
        """How often each rule is told by what the chat shows."""
        return sum((listed(body) for body in self.screen(chat_id).values()), Counter())


@dataclass
class Office:
    """A store, a clock, a channel; `box` is a process on them."""

    folder: Path
    wall: FixedClock = field(default_factory=lambda: FixedClock(WALL))

    async def open(self) -> "Office":
        self.database = Database.open(f"sqlite:///{self.folder}/desk.db")
        await self.database.start()
        self.store, self.ledger = Alerts(self.database), Ledger(self.database)
        self.loudness = LoudnessRows(self.database)
        self.channel = FakeChannel(self.wall)
        self._transition = 0
        return self

    def box(self, **more: Any) -> Outbox:
        channels = more.pop("channels", {"telegram": self.channel})
        sleep = more.pop("sleep", _at_once)
        return Outbox(self.store, channels, self.wall, sleep, loudness=self.loudness, **more)

    def row(self, alert_id: int, **fields: Any) -> OutboxRow:
        """A firing of a rule."""
        self._transition += 1
        whole: dict[str, Any] = {
            "id": 0, "alert_id": alert_id, "transition": self._transition, "channel": "telegram",
            "chat_id": CHAT, "created_ts": self.wall.now(),
            "payload": json.dumps({"headline": f"BTC above {alert_id}  #{alert_id}", "evidence": "x"}),
        }  # fmt: skip
        return OutboxRow(**(whole | fields))

    async def fire(self, *alert_ids: int, **fields: Any) -> None:
        """Firings of these rules, in one commit."""
        await self.store.fire([], [], [self.row(each, **fields) for each in alert_ids])

    async def rule(self, owner_id: int = OWNER, chat_id: int = GROUP) -> int:
        """A stored rule of a person."""
        made = await self.store.add(
            AlertRule(
                id=0, chat_id=chat_id, owner_id=owner_id, kind="price", text=f"/x {owner_id}",
                condition=Cross(metric=PRICE, op=Op.ABOVE, level=1.0), coin="BTC",
            ),
            AlertState(rule_id=0),
        )  # fmt: skip
        return made.id

    async def drain(self, box: Outbox, rounds: int = 30, pause: int = 400_000) -> int:
        """Deliver with time passing; how many rows were finished."""
        finished = 0
        for _round in range(rounds):
            finished += await box.deliver()
            self.wall.advance(pause)
        return finished

    async def rows(self) -> list[dict[str, Any]]:
        """The whole table."""
        from sqlalchemy import select

        from storage.tables import outbox

        async with self.database.main.read() as connection:
            found = await connection.execute(select(outbox).order_by(outbox.c.id))
            return [dict(row._mapping) for row in found]

    async def events(self, row_id: int) -> list[str]:
        """What the ledger says of a row."""
        return [line.event for line in await self.ledger.of_row(row_id)]


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


PANIC, CRITICAL = int(Priority.PANIC), int(Priority.CRITICAL)
