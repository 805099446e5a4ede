"""What the life of an alert stands on: whoever looks at the figures, and whoever keeps the rules."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol

from alerts.stored_types import Stored
from alerts.types import (
    AlertRule,
    AlertState,
    Expiry,
    Firing,
    Look,
    Metric,
    OutboxRow,
    RuleStatus,
)
from market.types import Instrument


class Runner(Protocol):
    """Whoever looks at the figures: what is armed fires, what is dropped does not.

    Hold `lock` from the moment a rule is changed in the store until it was armed or dropped, and while firings
    are committed: then no rule fires that was changed meanwhile. Neither `arm` nor `drop` takes it.
    """

    lock: asyncio.Lock
    checked: int  # market ms of the last round; 0 before the first

    async def arm(self, rules: Sequence[AlertRule]) -> None:
        """Watch these from the states that are stored; a rule that is watched already is taken up anew."""
        ...

    async def drop(self, rule_ids: Iterable[int]) -> None:
        """Do not watch these any more. What was learnt of them is stored first (an undone deletion goes on from it);
        what of them waits to be committed is dropped."""
        ...

    async def look(self, rule: AlertRule) -> Look:
        """Every leaf of a rule with its figure now; the rule need not be armed, or stored."""
        ...

    def states(self, rule_id: int) -> Sequence[AlertState]:
        """Where a rule that is armed stands at this moment: what is stored may be a minute old."""
        ...

    def problem(self, metric: Metric) -> str:
        """Why a figure is not known now; "" where it is."""
        ...

    def watched(self, names: Sequence[str] = ()) -> list[Instrument]:
        """The instruments that rules are about, of all figures or of these."""
        ...


class AlertStore(Protocol):
    """Rules, their state, their firings and the outbox; every method is one durable transaction.

    Of each rule there is a state with the subject "", and no transition of a rule is ever given twice, whatever
    its subject and however often it was edited.
    """

    async def add(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None, now: int = 0
    ) -> AlertRule:
        """Store a new rule (its `id` is ignored and given here). The same `update_id` again returns the first one."""
        ...

    async def replace(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None, now: int = 0
    ) -> AlertRule:
        """Edit in place: what was asked for is new, id and count of transitions stay, states start from `state`."""
        ...

    async def rule(self, rule_id: int) -> AlertRule | None: ...
    async def made_by(self, update_id: int) -> AlertRule | None:
        """The rule that an update made, or changed last."""
        ...

    async def chosen(self, rule_ids: Sequence[int]) -> dict[int, AlertRule]:
        """Rules by id, deleted ones too."""
        ...

    async def rules(
        self, *, chat_id: int | None = None, statuses: Sequence[RuleStatus] = ()
    ) -> list[AlertRule]: ...
    async def count(self, chat_id: int, owner_id: int | None = None) -> int:
        """Active rules of a chat, or of one person in it."""
        ...

    def stream(self) -> AsyncIterator[Stored]:
        """All active rules with their states, a stretch at a time, by id: however many there are."""
        ...

    async def states(self, rule_ids: Sequence[int] | None = None) -> dict[int, AlertState]:
        """The states with the subject ""."""
        ...

    async def all_states(
        self, rule_ids: Sequence[int] | None = None
    ) -> dict[int, list[AlertState]]:
        """The states of every subject, "" first."""
        ...

    async def set_status(
        self, rule_ids: Sequence[int], status: RuleStatus, reason: str = "", now: int = 0
    ) -> int: ...
    async def activate(
        self, rule_ids: Sequence[int], states: Sequence[AlertState], now: int = 0
    ) -> int:
        """Rules are active again, from these states, in one commit; how many were not before."""
        ...

    async def snooze(self, rule_ids: Sequence[int], until: int) -> int:
        """Until when (wall ms) they are not told; 0 ends it. How many changed."""
        ...

    async def renew(self, rule_ids: Sequence[int], expires_ts: int | None, now: int) -> int:
        """Another end, or none; how many changed."""
        ...

    async def due_expiry(self, now: int, ahead: int = 0) -> list[Expiry]:
        """Rules, active or paused, that end up to `ahead` ms after `now`, the first to end first."""
        ...

    async def expire(self, notices: Mapping[int, OutboxRow], now: int) -> list[int]:
        """Rules, by id, are expired if their time is over, with the message that says so, in one commit; which."""
        ...

    async def save_states(self, states: Sequence[AlertState]) -> None: ...
    async def marks(self) -> dict[Metric, tuple[int, float | None]]:
        """Up to when (market ms) each metric was looked at, and what it was."""
        ...

    async def save_marks(
        self, marks: Mapping[Metric, tuple[int, float | None]], states: Sequence[AlertState]
    ) -> None:
        """Marks and the states as of them in ONE commit. A value that is no number is none."""
        ...

    async def fire(
        self,
        firings: Sequence[Firing],
        states: Sequence[AlertState],
        rows: Sequence[OutboxRow],
        *,
        paused: Mapping[int, str] | None = None,
        now: int = 0,
    ) -> int:
        """Firings, new states and outbox rows in ONE commit; existing rows are skipped. Returns rows added.

        `paused`: rules that are paused in the same commit, with the reason.
        """
        ...

    async def told_times(self, rule_ids: Sequence[int], since: int) -> dict[int, list[int]]:
        """The moments (wall ms) since `since` at which firings of these rules were told, rising."""
        ...

    async def history(
        self,
        chat_id: int,
        limit: int = 20,
        *,
        rule_id: int | None = None,
        before: int | None = None,
    ) -> list[Firing]:
        """What fired, newest first, with what became of its message; `before` is market ms."""
        ...

    async def due(self, now: int, limit: int = 100) -> list[OutboxRow]:
        """Queued rows whose time has come, oldest first, and rows left 'sending' by a process that died."""
        ...

    async def sending(self, row_id: int) -> None: ...
    async def sent(self, row_id: int, message_id: int | None, now: int) -> None: ...
    async def retry(self, row_id: int, *, next_ts: int, error: str) -> None: ...
    async def dead(self, row_id: int, error: str) -> None: ...
    async def recover(self, now: int = 0) -> int:
        """At start: rows left 'sending' go back to the queue (a duplicate is possible only for them)."""
        ...
