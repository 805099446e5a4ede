"""The newest trades of an instrument one by one, and the room that the logs of all instruments share."""

from array import array
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 4  # times that something is given up at once, so that no call takes long
PART = 8  # an eighth of what a log holds is given up at a time


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
    """Who shares a room: what it holds by tier, how old that is, and how it gives some of it up."""

    def size(self, tier: int) -> int:
        """Things held."""
        ...

    def oldest(self, tier: int) -> int:
        """Ts of the oldest."""
        ...

    def shed(self, tier: int) -> int:
        """Give the oldest eighth up, to the next tier where there is one; returns how many fewer are held."""
        ...


class Room:
    """A limit by tier for all members together; the oldest things give way, whosever they are.

    Members are held weakly. A limit may be exceeded for a moment: one call gives up little, to be short.
    """

    def __init__(self, *most: int) -> None:
        self.most = most
        self._members: WeakSet[Member] = WeakSet()
        self._taken = 0  # of tier 0, at most: what was given up is found out by counting

    def join(self, member: Member) -> None:
        """Share the room from now on."""
        self._members.add(member)

    def take(self, count: int) -> None:
        """So many things were added in tier 0; makes room where it is needed."""
        self._taken += count
        if self._taken > self.most[0]:
            self.tidy()

    def tidy(self) -> None:
        """Make room where there is too little."""
        members = list(self._members)
        for tier, most in enumerate(self.most):
            self._relieve(members, tier, most)
        self._taken = sum(each.size(0) for each in members)

    def counts(self) -> list[int]:
        """What is held by tier."""
        members = list(self._members)
        return [sum(each.size(tier) for each in members) for tier in range(len(self.most))]

    @staticmethod
    def _relieve(members: Iterable[Member], tier: int, most: int) -> None:
        holders = [
            (each.oldest(tier), i, each) for i, each in enumerate(members) if each.size(tier)
        ]
        total = sum(each.size(tier) for _ts, _i, each in holders)
        if total <= most:
            return
        for _ts, _i, each in sorted(holders, key=lambda holder: holder[:2])[:STEPS]:
            total -= each.shed(tier)
            if total <= most:
                return
