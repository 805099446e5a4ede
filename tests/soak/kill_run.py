"""One run: a bot that is killed again and again, people who do not care, and the account of it afterwards."""

import asyncio
import contextlib
import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from desk_process import TOKEN, BotProcess, bot_process, sim_in, telegram_at
from kill_people import FIRST_LEVEL, LAST_LEVEL, PEOPLE, Typist, first_text

from bot.playground.botapi import BotApiServer
from market.clock import WallClock
from market.types import MINUTE

SPEED = 60  # market seconds in one
SIM_START = 1_790_000_040_000 // MINUTE * MINUTE
SENDS = ("sendmessage", "sendphoto")
ANSWER = 0.15  # seconds to the answer of a message that has arrived
DRAIN = 240.0  # seconds to the last message
MOMENTS = ("sending", "running", "starting", "sending", "running")
LATE = re.compile(r"·\s*delivered [^·\n]*? late")


@dataclass(slots=True, kw_only=True)
class Account:
    """What was found afterwards: counts, and everything that should not be."""

    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def table(self, seed: int) -> str:
        """For whoever looks at the run."""
        lines = [f"seed {seed}"] + [f"{name:<34}{value:>7}" for name, value in self.counts.items()]
        return "\n".join(lines + [f"WRONG {line}" for line in self.wrong])


class KillRun:
    """Kills, restarts and finally looks at what arrived and what is stored."""

    def __init__(self, folder: Path, server: BotApiServer, bot: BotProcess, seed: int) -> None:
        self.folder, self.server, self.bot, self.seed = folder, server, bot, seed
        self.rng = Random(seed)
        self.typist = Typist(server=server, rng=Random(seed + 1))
        self.flying: Counter[int] = Counter()  # outbox row -> kills while it was in flight
        self.kinds: Counter[str] = Counter()
        self.orphans: list[str] = []
        self._began = time.monotonic()

    async def run(self, kills: int, pause: float = 1.0) -> Account:
        """All of it; a smaller `pause` makes people and kills come faster."""
        await self._start()
        await self.bot.ready()
        await self.typist.begin()
        await self._some_sent()
        typing = asyncio.create_task(self.typist.go_on(pause))
        try:
            for number in range(kills):
                if number:
                    await self._start()
                await self._moment(MOMENTS[number % len(MOMENTS)], pause)
                await self._kill()
                await asyncio.sleep(self.rng.uniform(0.0, 0.6))
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
        await self._drain()
        return self.account()

    async def _start(self, speed: float = SPEED) -> None:
        """The market goes on where it has got to: it is not the thing that dies here."""
        passed = (time.monotonic() - self._began) * SPEED * 1000
        at = SIM_START + (int(passed) // MINUTE + 1) * MINUTE
        await self.bot.start(SIM_START=str(at), MARKET_SPEED=str(speed))

    async def _moment(self, kind: str, pause: float) -> None:
        """Let a random time pass: within the start, while it works, or right at a message on its way."""
        self.kinds[kind] += 1
        if kind == "starting":
            await asyncio.sleep(self.rng.uniform(0.1, 3.0))
            return
        await self.bot.ready()
        await asyncio.sleep(self.rng.uniform(0.0, 3.0) * pause)
        if kind == "sending":
            before = self._sends()
            with contextlib.suppress(TimeoutError):
                await self.server.wait_for(lambda: self._sends() > before, 5.0)
            await asyncio.sleep(self.rng.uniform(0.0, 1.2) * ANSWER)

    async def _some_sent(self) -> None:
        """Wait for the first messages that are finished: they must never come again."""
        async with asyncio.timeout(60):
            while len(self.read("SELECT id FROM outbox WHERE status = 'sent'")) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def _sends(self) -> int:
        return sum(call.method.lower() in SENDS for call in self.server.calls)

    async def _kill(self) -> None:
        assert self.bot.running, f"the bot ended by itself:\n{self.bot.log[-3000:]}"
        await self.bot.kill()
        for (row_id,) in self.read("SELECT id FROM outbox WHERE status = 'sending'"):
            self.flying[row_id] += 1
        self.orphans += await self.bot.orphans()

    async def _drain(self) -> None:
        """A last start over a market that hardly moves: everything that waits has to leave."""
        await self._start(speed=0.01)
        await self.bot.ready()
        calm = 0
        async with asyncio.timeout(DRAIN):
            while calm < 20:
                await asyncio.sleep(0.1)
                calm = 0 if self._waiting() or len(self.server.world.updates) > 0 else calm + 1
        await self.bot.terminate(10.0)

    def _waiting(self) -> int:
        queued = self.read("SELECT count(*) FROM outbox WHERE status IN ('queued', 'sending')")
        unread = self.read("SELECT count(*) FROM inbox WHERE done_ts IS NULL")
        return int(queued[0][0] + unread[0][0])

    def read(self, query: str) -> list[Any]:
        """Rows of the bot's database, without touching it; none before it exists."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.folder}/t.db?mode=ro", uri=True, timeout=5.0)
        ) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def account(self) -> Account:
        """Compare what was asked for, what is stored and what arrived."""
        found = Account()
        found.counts["kills"] = self.kinds.total()
        for kind in ("starting", "running", "sending"):
            found.counts[f"kills {kind}"] = self.kinds[kind]
        self._rules(found)
        self._answers(found)
        self._firings(found)
        self._arrivals(found)
        self._logs(found)
        return found

    def _rules(self, found: Account) -> None:
        """Each command for a level is one rule, in the state its last press left it."""
        stored: dict[int, list[tuple[int, str]]] = {}
        for chat_id, condition, status in self.read(
            "SELECT chat_id, condition, status FROM alerts"
        ):
            level = json.loads(condition).get("level", 0)
            if FIRST_LEVEL < level <= LAST_LEVEL:
                stored.setdefault(int(level), []).append((chat_id, status))
        wishes = self.typist.wishes
        for level, wish in wishes.items():
            rules = stored.get(level, [])
            if rules != [(wish.chat_id, wish.status)]:
                found.wrong.append(f"level {level}: wanted {wish.status}, stored {rules}")
        found.wrong += [f"level {level}: nobody asked" for level in stored.keys() - wishes.keys()]
        found.counts["commands that make a rule"] = len(wishes)
        found.counts["rules stored"] = sum(map(len, stored.values()))
        found.counts["buttons pressed"] = sum(w.presses for w in wishes.values())
        for status in ("active", "paused", "deleted"):
            found.counts[f"rules {status}"] = sum(w.status == status for w in wishes.values())

    def _answers(self, found: Account) -> None:
        """Whoever typed was answered."""
        said = {chat_id: [first_text(m) for m in self.typist.own(chat_id)] for chat_id in PEOPLE}
        for level, wish in self.typist.wishes.items():
            if not any(f"{level:,}" in text for text in said[wish.chat_id]):
                found.wrong.append(f"level {level}: no answer")
        for name, asked, is_it in (
            ("/alerts", self.typist.lists, _is_list),
            ("/price", self.typist.prices, _is_price),
        ):
            for chat_id in PEOPLE:
                got = sum(is_it(text) for text in said[chat_id])
                if got < asked[chat_id]:
                    other = [t[:160] for t in said[chat_id] if not (_is_list(t) or _is_price(t))]
                    found.wrong.append(
                        f"{name}: {asked[chat_id]} asked in {chat_id}, {got} answers; else {other[-6:]}"
                    )
            found.counts[f"{name} asked"] = asked.total()
            found.counts[f"{name} answered"] = sum(is_it(t) for c in said.values() for t in c)

    def _firings(self, found: Account) -> None:
        """Firings and outbox rows are the same set, all sent, none twice for the same thing."""
        fired = self.read(
            "SELECT rule_id, transition, ts FROM firings ORDER BY rule_id, transition"
        )
        silent = self.read("SELECT rule_id, transition FROM firings WHERE told = 0")
        rows = self.read(
            "SELECT alert_id, transition, status, error FROM outbox WHERE alert_id > 0"
        )
        pairs = Counter((rule, transition) for rule, transition, _ts in fired) - Counter(silent)
        told = Counter((rule, transition) for rule, transition, _status, _error in rows)
        found.wrong += [f"firing {pair}: no message" for pair in pairs - told]
        found.wrong += [f"message {pair}: no firing" for pair in told - pairs if pair[1] > 0]
        found.wrong += [
            f"outbox {row}: not sent" for row in rows if row[2] not in ("sent", "merged")
        ]
        by_rule: dict[int, list[tuple[int, int]]] = {}
        for rule, transition, ts in fired:
            by_rule.setdefault(rule, []).append((transition, ts))
        cooldowns = dict(self.read("SELECT id, cooldown FROM alerts"))
        for rule, list_ in by_rule.items():
            if [transition for transition, _ts in list_] != list(range(1, len(list_) + 1)):
                found.wrong.append(f"rule {rule}: transitions {list_}")
            for (_one, before), (two, after) in pairwise(list_):
                if after <= before or after - before < cooldowns[rule]:
                    found.wrong.append(f"rule {rule}: transition {two} {after - before} ms after")
        found.counts["rules that fired"] = len(by_rule)
        found.counts["firings"] = len(fired)
        found.counts["outbox rows"] = len(rows)
        found.counts["not told, with the reason"] = len(silent)

    def _arrivals(self, found: Account) -> None:
        """Every message arrived, and again only if a kill came while it was in flight."""
        arrived: Counter[tuple[int, str]] = Counter()
        for chat_id in PEOPLE:
            arrived.update((chat_id, _bare(first_text(m))) for m in self.typist.own(chat_id))
        least: Counter[tuple[int, str]] = Counter()
        most: Counter[tuple[int, str]] = Counter()
        names: dict[tuple[int, str], str] = {}
        rows = self.read("SELECT id, chat_id, payload, alert_id, transition, attempts FROM outbox")
        together = self._together()
        for row_id, chat_id, payload, alert_id, transition, attempts in rows:
            if row_id in together:  # in a message that tells several: by its number there
                texts = [text for (chat, text), n in arrived.items() if chat == chat_id and n]
                if alert_id > 0 and not any(f"#{alert_id}" in text for text in texts):
                    found.wrong.append(
                        f"alert {alert_id} transition {transition}: LOST in a digest"
                    )
                continue
            key = (chat_id, _words(json.loads(payload)))
            least[key] += 1
            most[key] += 1 + self.flying[row_id]
            names[key] = f"alert {alert_id} transition {transition} ({attempts} attempts)"
        lost = {key for key in least if arrived[key] < least[key]}
        many = {key for key in most if arrived[key] > most[key]}
        found.wrong += [f"{names[key]}: LOST {key[1]!r}" for key in lost]
        found.wrong += [f"{names[key]}: {arrived[key]} times, {most[key]} allowed" for key in many]
        found.counts["kills with a message in flight"] = self.flying.total()
        found.counts["messages arrived"] = sum(arrived[key] for key in least)
        found.counts["doubles (in flight at a kill)"] = sum(
            max(0, arrived[key] - least[key]) for key in least
        )
        found.counts["lost"] = sum(least[key] - arrived[key] for key in lost)

    def _together(self) -> set[int]:
        """Rows whose message tells of several: those that were merged, what they went into, living messages."""
        merged = self.read("SELECT id, merged_into FROM outbox WHERE merged_into IS NOT NULL")
        living = self.read("SELECT id FROM outbox WHERE alert_id = -2")
        return {row_id for pair in merged for row_id in pair} | {row_id for (row_id,) in living}

    def _logs(self, found: Account) -> None:
        """No trace of a fault, nothing set aside, nobody left behind."""
        for path in sorted(self.folder.glob("bot-*.log")):
            text = path.read_text(errors="replace")
            for sign in ("Traceback (most recent call last)", "update set aside"):
                if sign in text:
                    at = text.index(sign)
                    found.wrong.append(f"{path.name}: {text[max(0, at - 300) : at + 1500]}")
        found.wrong += [f"left behind: {line}" for line in self.orphans]
        found.counts["starts"] = self.bot.starts


@contextlib.asynccontextmanager
async def kill_run(folder: Path, seed: int) -> AsyncIterator[KillRun]:
    """A server with three people and a bot that is not started yet."""
    server = BotApiServer(token=TOKEN, username="TideBot", wall=WallClock(time.time))
    for user_id, name in PEOPLE.items():
        server.add_user(user_id, name, name.lower())
    port = await server.start()
    for method in SENDS:  # as slow as the real one: long enough to die between arrival and answer
        server.fault(method, "slow", count=None, delay=ANSWER)
    settings = sim_in(
        folder,
        **telegram_at(port),
        ADMIN_IDS=",".join(map(str, PEOPLE)),
        SIM_SCENARIO="volume-spike:BTC@60",
    )
    try:
        async with bot_process(folder, settings) as bot:
            yield KillRun(folder, server, bot, seed)
    finally:
        await server.close()


def _words(payload: dict[str, Any]) -> str:
    """What the message of an outbox row says."""
    parts = [f"{payload.get('glyph') or ''} {payload['headline']}".strip()]
    parts += [str(line).rstrip() for line in payload.get("table") or ()]
    parts += [str(payload.get(name) or "") for name in ("reading", "evidence")]
    return _bare("\n".join(parts))


def _bare(text: str) -> str:
    """Words without the mark of the market and of a repetition, whatever the white space."""
    text = LATE.sub("", text.replace("🧪 SIMULATED", "").replace("(repeat?)", ""))
    return " ".join(text.split())


def _is_list(text: str) -> bool:
    return "alerts" in text.partition("\n")[0].lower()


def _is_price(text: str) -> bool:
    first = text.partition("\n")[0]
    return "headline" in text and ("24h" in first or first.endswith("old"))  # or said to be old
