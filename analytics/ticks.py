"""The newest trades of an instrument one by one, and the room that the logs of all instruments share."""

from array import array
from collections import deque
from typing import Protocol
from weakref import WeakSet, ref

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 2  # members that give something up in one call
PART = 8  # the oldest eighth is given up at a time


class Ticks:
    """Trades in the order of arrival; brought into the order of ts when they are read."""

    def __init__(self) -> None:
        self.stamps = array("q")
        self.base = array("d")  # a sale is negative
        self.value = array("d")
        self.ordered = 0  # so many from the left stand in order of ts

    def __len__(self) -> int:
        return len(self.stamps)

    def put(self, ts: int, base: float, value: float) -> None:
        """Add one trade; a sale is negative."""
        stamps = self.stamps
        if self.ordered == len(stamps) and (not stamps or ts >= stamps[-1]):
            self.ordered += 1
        stamps.append(ts)
        self.base.append(base)
        self.value.append(value)

    def between(self, since: int, until: int) -> tuple[Ints, Floats, Floats]:
        """The trades in (since, until], in order of ts; not to be kept beyond the call."""
        if not self.stamps:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self.sort()
        stamps = np.frombuffer(self.stamps, np.int64)
        low, high = np.searchsorted(stamps, (since, until), "right")
        return (
            stamps[low:high],
            np.frombuffer(self.base)[low:high],
            np.frombuffer(self.value)[low:high],
        )

    def sort(self) -> None:
        """Bring late trades to their place; only the end of the list is touched."""
        if self.ordered == len(self.stamps):
            return
        stamps = np.frombuffer(self.stamps, np.int64)
        low = np.searchsorted(stamps[: self.ordered], stamps[self.ordered :].min(), "right")
        order = np.argsort(stamps[low:], kind="stable")
        for column in (stamps, np.frombuffer(self.base), np.frombuffer(self.value)):
            column[low:] = column[low:][order]
        self.ordered = len(stamps)

    def drop(self, count: int) -> None:
        """Forget the oldest; they have to be in order."""
        for column in (self.stamps, self.base, self.value):
            del column[:count]
        self.ordered = len(self.stamps)


class Member(Protocol):
    """Who shares a room: what it holds by tier, from when to when, and how it gives some of it up."""

    def size(self, tier: int) -> int:
        """Things held."""
        ...

    def span(self, tier: int) -> tuple[int, int]:
        """Ts of the oldest and of the newest, where anything is held."""
        ...

    def shed(self, tier: int, until: int) -> None:
        """Give up what is not later than `until`, to the next tier where there is one."""
        ...


class Room:
    """A limit by tier for all members together; the oldest things give way, whosever they are.

    When a tier is full the oldest eighth of all its time is planned to go, member by member: so all reach
    back about equally far. One call takes a few members only, to be short; until they are through the limit
    may be exceeded a little. Members are held weakly.
    """

    def __init__(self, *most: int) -> None:
        self.most = most
        self._members: WeakSet[Member] = WeakSet()
        self._totals = [0] * len(
            most
        )  # at most: members that are gone are found out by the next plan
        self._plans: list[deque[ref[Member]]] = [deque() for _ in most]
        self._until = [0] * len(most)

    def join(self, member: Member) -> None:
        """Share the room from now on."""
        self._members.add(member)

    def take(self, count: int, tier: int = 0) -> None:
        """So many things were added; makes room where it is needed."""
        self._totals[tier] += count
        for each, most in enumerate(self.most):
            if self._totals[each] > most:
                self._relieve(each)

    def counts(self) -> list[int]:
        """What is held by tier."""
        members = list(self._members)
        return [sum(each.size(tier) for each in members) for tier in range(len(self.most))]

    def _relieve(self, tier: int) -> None:
        plan, planned = self._plans[tier], False
        for _ in range(STEPS):
            if not plan and not planned:
                self._plan(tier)
                planned = True
            member = plan.popleft()() if plan else None
            if member is not None:
                self._shed(member, tier)
            if self._totals[tier] <= self.most[tier]:
                return

    def _shed(self, member: Member, tier: int) -> None:
        tiers = range(tier, min(tier + 2, len(self.most)))  # what leaves one enters the next
        before = [member.size(each) for each in tiers]
        member.shed(tier, self._until[tier])
        for each, size in zip(tiers, before, strict=True):
            self._totals[each] += member.size(each) - size

    def _plan(self, tier: int) -> None:
        """Count anew, and find who holds the oldest eighth."""
        holders = [each for each in self._members if each.size(tier)]
        self._totals[tier] = sum(each.size(tier) for each in holders)
        if self._totals[tier] <= self.most[tier]:
            return
        spans = [each.span(tier) for each in holders]
        low, high = min(start for start, _end in spans), max(end for _start, end in spans)
        self._until[tier] = until = low + (high - low) // PART
        found = [(start, i) for i, (start, _end) in enumerate(spans) if start <= until]
        self._plans[tier].extend(ref(holders[i]) for _start, i in sorted(found))
