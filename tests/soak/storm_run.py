"""One storm: thousands of alerts at once, a server that refuses and loses answers, a process that dies."""

import asyncio
import contextlib
import re
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from storm_process import GROUPS, PANIC, TOKEN, USERS

from bot.playground.botapi import BotApiServer
from market.clock import WallClock

NUMBER = re.compile(r"#(\d+)")
PANICKED = re.compile(r"Panic #(\d+) at (\d+)")
DRAIN = 400.0  # seconds to the last message
ANSWER = 0.08  # seconds to the answer of a message that has arrived
DOUBTS = ("unknown", "the process ended")
CALLS = ("sendMessage", "editMessageText")


def numbers(text: str) -> Counter[int]:
    """What a message lists."""
    return Counter(int(n) for n in NUMBER.findall(text.rpartition("All of them:")[2]))


@dataclass(slots=True, kw_only=True)
class Account:
    """What was found afterwards: figures, and everything that should not be."""

    figures: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def table(self, seed: int) -> str:
        """For whoever looks at the run."""
        lines = [f"seed {seed}"] + [f"{name:<38}{n:>10,.6g}" for name, n in self.figures.items()]
        return "\n".join(lines + [f"WRONG {line}" for line in self.wrong[:40]])


@dataclass(slots=True, kw_only=True)
class Arrival:
    """A message as it was at one time."""

    chat_id: int
    message_id: int
    text: str
    at: int


class StormRun:
    """Starts and kills the process, and looks at what arrived and what is stored."""

    def __init__(
        self, folder: Path, server: BotApiServer, port: int, *, seed: int, chats: int, groups: int
    ) -> None:
        self.folder, self.server, self.port, self.seed = folder, server, port, seed
        self.chats, self.groups = chats, groups
        self.rng = Random(seed)
        self.kills = self.flying = 0
        self.arrivals: list[Arrival] = []
        self.gone: set[int] = set()
        self.moved: dict[int, int] = {}  # new -> old
        self._process: asyncio.subprocess.Process | None = None
        self._log = b""
        server.world.listeners.append(self._arrived)

    def trouble(self, times: int) -> None:
        """Everything a server does to its clients, a few times each; a blocked user, a group that moves."""
        for method in CALLS:
            for kind in ("429", "lost", "5xx", "drop", "broken", "html"):
                self.server.fault(method, kind, count=times, retry_after=2)
            self.server.fault(method, "slow", count=None, delay=ANSWER)
        self.gone.add(USERS + 3)
        self.server.world.private(self.server.world.users[USERS + 3])
        self.server.block(USERS + 3)

    def migrate(self) -> None:
        """The first group becomes a supergroup."""
        self.moved[self.server.migrate(GROUPS)] = GROUPS

    async def start(self, upto: int) -> None:
        """Run the process until it has begun."""
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(Path(__file__).with_name("storm_process.py")), str(self.folder),
                *map(str, (self.port, upto, self.chats, self.groups)),
                stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        await self.said(b"READY")

    async def said(self, word: bytes) -> None:
        """Wait until the process said so."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(90):
            while (line := await self._process.stdout.readline()).strip() != word:
                assert line, (self.folder / "log").read_text()[-3000:]

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        assert self._process.returncode is None, (self.folder / "log").read_text()[-3000:]
        self._process.kill()
        await self._process.wait()
        self.kills += 1
        self.flying += self.read("SELECT count(*) FROM outbox WHERE status = 'sending'")[0][0]

    async def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def drained(self, *, closed: bool = True) -> None:
        """Wait until nothing is left to be told; panics go on meanwhile. `closed`: the storms are over too."""
        query = (
            "SELECT count(*) FROM outbox WHERE status IN ('queued', 'sending') "
            f"AND alert_id < {PANIC} AND alert_id > {-3 if closed else 0}"
        )
        async with asyncio.timeout(DRAIN):
            while self.read(query)[0][0]:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.2)

    def read(self, query: str) -> list[Any]:
        """Rows of the process's database, without touching it."""
        path = f"file:{self.folder}/t.db?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=10.0)) as connection:
            return connection.execute(query).fetchall()

    def account(self, upto: int) -> Account:
        """Compare what was fired, what is stored and what arrived."""
        found = Account()
        rows = self.read(
            "SELECT id, alert_id, chat_id, status, error, priority, merged_into FROM outbox"
        )
        alerts = [row for row in rows if 0 < row[1] < PANIC]
        if sorted(row[1] for row in alerts) != list(range(1, upto + 1)):
            found.wrong.append("not every alert has its row")
        self._counts(found, alerts)
        self._arrivals(found, [row for row in rows if row[1] > 0])
        self._order(found, alerts)
        self._ledger(found, rows)
        self._panics(found)
        return found

    def _arrived(self, event: dict[str, Any]) -> None:
        if event["type"] in ("message", "edit"):
            message = self.server.world.chats[event["chat_id"]].messages[event["message_id"]]
            if message.own:
                self.arrivals.append(
                    Arrival(
                        chat_id=self.moved.get(event["chat_id"], event["chat_id"]),
                        message_id=message.id, text=message.body["text"],
                        at=self.server.world.wall.now(),
                    )
                )  # fmt: skip

    def _counts(self, found: Account, alerts: list[Any]) -> None:
        calls = Counter((call.code, call.fault) for call in self.server.calls)
        found.figures |= {
            "alerts": len(alerts),
            "kills": self.kills,
            "rows in flight at a kill": self.flying,
            "messages": len({(a.chat_id, a.message_id) for a in self.arrivals}),
            "edits": len(self.arrivals) - len({(a.chat_id, a.message_id) for a in self.arrivals}),
            "refused for the pace": calls[429, ""],
            "other trouble": sum(
                n for (_c, fault), n in calls.items() if fault not in ("", "slow")
            ),
        }
        for status in ("sent", "merged", "dead"):
            found.figures[status] = sum(row[3] == status for row in alerts)

    def _arrivals(self, found: Account, rows: list[Any]) -> None:
        """Each arrived, and again only after a doubt that the ledger knows of."""
        shown = {(a.chat_id, a.message_id): a.text for a in self.arrivals}
        told: defaultdict[int, int] = defaultdict(int)
        for text in shown.values():
            for number, times in numbers(text).items():
                told[number] += times
        doubts: Counter[int] = Counter()
        for row_id, detail in self.read(
            "SELECT row_id, detail FROM deliveries WHERE event IN ('retried', 'failed')"
        ):
            doubts[row_id] += any(word in detail for word in DOUBTS)
        lost, doubles = 0, 0
        for row_id, number, chat_id, status, error, _priority, _into in rows:
            if chat_id in self.gone:
                if status != "dead" or "chat gone" not in error:
                    found.wrong.append(f"row {row_id} to a blocked person is {status}: {error}")
                continue
            if status in ("queued", "sending") and number >= PANIC:
                continue
            lost += told[number] < 1
            doubles += max(0, told[number] - 1)
            if status not in ("sent", "merged"):
                found.wrong.append(f"row {row_id} is {status}: {error}")
            if not 1 <= told[number] <= 1 + doubts[row_id]:
                found.wrong.append(
                    f"row {row_id} #{number} in {chat_id}: {told[number]} times, {doubts[row_id]} doubts"
                )
        found.figures |= {"lost": lost, "told again after a doubt": doubles}

    def _order(self, found: Account, alerts: list[Any]) -> None:
        """What is not critical arrives in the order in which it was committed."""
        ordinary = {row[1] for row in alerts if row[5] == 4}
        first: dict[int, dict[int, None]] = defaultdict(dict)
        for arrival in self.arrivals:
            for number in sorted(numbers(arrival.text)):
                if number in ordinary:
                    first[arrival.chat_id].setdefault(number)
        for chat_id, seen in first.items():
            if list(seen) != sorted(seen):
                found.wrong.append(f"chat {chat_id} out of order: {list(seen)[:40]}")

    def _ledger(self, found: Account, rows: list[Any]) -> None:
        """Every row has its beginning and its end in the ledger, as its status says."""
        last: dict[int, str] = {}
        queued: Counter[int] = Counter()
        for row_id, event in self.read(
            "SELECT row_id, event FROM deliveries WHERE row_id IS NOT NULL ORDER BY id"
        ):
            last[row_id] = event
            queued[row_id] += event == "queued"
        ends = {"sent": ("sent", "edited", "failed"), "merged": ("merged",), "dead": ("failed",)}
        for row_id, number, _chat, status, *_rest in rows:
            if status in ends and last.get(row_id) not in ends[status]:
                found.wrong.append(
                    f"row {row_id} is {status}, the ledger ends in {last.get(row_id)}"
                )
            if status in ends and number > 0 and queued[row_id] != 1:
                found.wrong.append(f"row {row_id} was queued {queued[row_id]} times")
        into = {row[6] for row in rows if row[3] == "merged"}
        carried = {row[0] for row in rows if row[3] in ("sent", "dead", "queued")}
        found.wrong += [f"row {n} tells others and was not sent" for n in into - carried]
        found.figures["lines of the ledger"] = sum(
            n for (n,) in self.read("SELECT count(*) FROM deliveries")
        )

    def _panics(self, found: Account) -> None:
        waits = sorted(
            (arrival.at - int(match[2])) / 1000
            for arrival in self.arrivals
            if (match := PANICKED.search(arrival.text))
        )
        if waits:
            found.figures |= {
                "panic messages": len(waits),
                "panic p50 s": waits[len(waits) // 2],
                "panic p99 s": waits[min(len(waits) - 1, int(len(waits) * 0.99))],
            }


@contextlib.asynccontextmanager
async def storm_run(folder: Path, seed: int, *, chats: int, groups: int) -> AsyncIterator[StormRun]:
    """A server with everybody in it, that holds its callers to Telegram's pace."""
    server = BotApiServer(token=TOKEN, wall=WallClock(time.time), limits=True)
    for n in range(chats):
        server.add_user(USERS + n, f"U{n}")
    for n in range(groups):
        server.add_chat(GROUPS - n, "group", f"G{n}", members=[USERS])
    run = StormRun(folder, server, await server.start(), seed=seed, chats=chats, groups=groups)
    try:
        yield run
    finally:
        await run.close()
        await server.close()
