"""One chat's queue on its way to Telegram: what waits, in which order, and how long it still has to."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from telegram import Message

from alerts.channel import Leave
from alerts.outcome import Outcome
from bot.telegram.limits import ChatLimit, Priority

PATIENCE = 90.0  # seconds one message may hold up its chat

Attempt = Callable[["Job"], Awaitable[Message | bool]]


@dataclass(slots=True, kw_only=True)
class Job:
    """One call on its way out."""

    chat_id: int
    attempt: Attempt
    done: asyncio.Future[Outcome]
    priority: Priority
    event: str  # what the ledger says when it was taken
    patience: float = PATIENCE
    repeatable: bool = False  # an edit: the same again does no harm
    leave: Leave | None = None  # asked when its turn has come; whoever gives it keeps the account
    left: bool = False  # it was asked, and said yes
    thread_id: int | None = None
    html: bool = True
    moved: bool = False
    flying: bool = False  # a request is under way: stopping now leaves its fate open
    started: float | None = None  # when it came to be the first of its chat
    failures: int = 0
    after: float = 0.0  # not before


@dataclass(slots=True, kw_only=True)
class Lane:
    """One chat's queue, by priority, and its pace."""

    limit: ChatLimit
    jobs: dict[Priority, deque[Job]] = field(default_factory=lambda: {p: deque() for p in Priority})
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.jobs.values())

    def add(self, job: Job) -> None:
        """Behind those of the same priority."""
        self.jobs[job.priority].append(job)
        self.changed.set()

    def put_back(self, job: Job) -> None:
        """Before those of the same priority: it has been their turn already."""
        self.jobs[job.priority].appendleft(job)

    def first(self) -> Job | None:
        """The oldest job of the highest priority; those whose asker has gone away are dropped."""
        for queue in self.jobs.values():
            while queue and queue[0].done.done():
                queue.popleft()
            if queue:
                return queue[0]
        return None

    def take(self) -> Job | None:
        """The first job, out of the queue."""
        job = self.first()
        if job is not None:
            self.jobs[job.priority].popleft()
        return job

    def delay(self, job: Job, now: float) -> float:
        """Seconds until `job` may leave, as far as this chat is concerned."""
        return max(self.limit.delay(now, job.priority), job.after - now)
