"""The parts of a condition as a tree: whether each holds at a moment, and what it has to remember for that.

Truths are known ones or None; what is remembered (since when a part holds, when the first of a sequence came
about) changes with them alone and not with their age.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Protocol

from alerts.types import AllOf, AnyOf, Condition, For, Not, Then

Truth = bool | None


class Node(Protocol):
    """A part of a condition."""

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        """Whether it holds; remembers what it has to."""
        ...

    def glance(self, truths: Sequence[Truth], now: int) -> Truth:
        """The same for other truths of the same moment, and nothing is remembered."""
        ...

    def due(self, now: int) -> int:
        """When it changes by itself; 0: never."""
        ...

    def is_fleeting(self) -> bool:
        """Whether what it said last was true for the moment only."""
        ...

    def memory(self) -> Iterator[int | Truth]: ...
    def recall(self, memory: Iterator[Any]) -> None: ...


class Single:
    """One leaf."""

    def __init__(self, number: int) -> None:
        self._number = number

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        return truths[self._number]

    glance = value

    def is_fleeting(self) -> bool:
        return False  # leaves are given as they are at the moment

    def due(self, now: int) -> int:
        return 0

    def memory(self) -> Iterator[int | Truth]:
        yield from ()

    def recall(self, memory: Iterator[Any]) -> None:
        pass


class Joined:
    """All parts, or any of them: decided by one part that is `decider`, known when all are."""

    def __init__(self, parts: Sequence[Node], *, decider: bool) -> None:
        self._parts, self._decider = parts, decider

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        return self._join([part.value(truths, now) for part in self._parts])

    def glance(self, truths: Sequence[Truth], now: int) -> Truth:
        return self._join([part.glance(truths, now) for part in self._parts])

    def _join(self, found: list[Truth]) -> Truth:
        if self._decider in found:
            return self._decider
        return None if None in found else not self._decider

    def is_fleeting(self) -> bool:
        return any(part.is_fleeting() for part in self._parts)

    def due(self, now: int) -> int:
        return min(filter(None, (part.due(now) for part in self._parts)), default=0)

    def memory(self) -> Iterator[int | Truth]:
        for part in self._parts:
            yield from part.memory()

    def recall(self, memory: Iterator[Any]) -> None:
        for part in self._parts:
            part.recall(memory)


class Negation:
    """The part is known not to hold."""

    def __init__(self, part: Node) -> None:
        self._part = part
        self.due, self.memory, self.recall = part.due, part.memory, part.recall
        self.is_fleeting = part.is_fleeting

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        return _opposite(self._part.value(truths, now))

    def glance(self, truths: Sequence[Truth], now: int) -> Truth:
        return _opposite(self._part.glance(truths, now))


def _opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


class Held:
    """The part holds since `duration` ms or longer, without a break."""

    def __init__(self, part: Node, duration: int) -> None:
        self._part, self._duration = part, duration
        self._since = 0

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        found = self._part.value(truths, now)
        self._since = (self._since or now) if found else 0
        return self._long_enough(found, now)

    def glance(self, truths: Sequence[Truth], now: int) -> Truth:
        return self._long_enough(self._part.glance(truths, now), now)

    def _long_enough(self, found: Truth, now: int) -> Truth:
        return found and self._since > 0 and now - self._since >= self._duration

    def is_fleeting(self) -> bool:
        return self._part.is_fleeting()

    def due(self, now: int) -> int:
        own = self._since + self._duration if self._since else 0
        return min((each for each in (own, self._part.due(now)) if each > now), default=0)

    def memory(self) -> Iterator[int | Truth]:
        yield self._since
        yield from self._part.memory()

    def recall(self, memory: Iterator[Any]) -> None:
        self._since = int(next(memory))
        self._part.recall(memory)


class Followed:
    """`second` becomes true within `within` ms after `first` did; true at that moment only."""

    def __init__(self, first: Node, second: Node, within: int) -> None:
        self._first, self._second, self._within = first, second, within
        self._began = 0
        self._was: list[Truth] = [None, None]  # what was last known of each
        self._now = False

    def value(self, truths: Sequence[Truth], now: int) -> Truth:
        second = self._second.value(truths, now)
        follows = self._became(1, second)
        self._now = follows and self._began > 0 and now - self._began <= self._within
        if self._became(0, self._first.value(truths, now)):
            self._began = now
        return self._now or (None if second is None else False)

    def glance(self, truths: Sequence[Truth], now: int) -> Truth:
        second = self._second.glance(truths, now)
        return None if second is None else second and self._now

    def is_fleeting(self) -> bool:
        return self._now or self._first.is_fleeting() or self._second.is_fleeting()

    def _became(self, which: int, found: Truth) -> bool:
        """Whether it holds now and was last known not to."""
        was = self._was[which]
        if found is not None:
            self._was[which] = found
        return found is True and was is False

    def due(self, now: int) -> int:
        found = (self._first.due(now), self._second.due(now))
        return min(filter(None, found), default=0)

    def memory(self) -> Iterator[int | Truth]:
        yield self._began
        yield from self._was
        yield from self._first.memory()
        yield from self._second.memory()

    def recall(self, memory: Iterator[Any]) -> None:
        self._began = int(next(memory))
        self._was = [next(memory), next(memory)]
        self._first.recall(memory)
        self._second.recall(memory)


def tree(condition: Condition, numbers: Iterator[int] | None = None) -> Node:
    """The nodes of a condition; leaves are numbered from left to right."""
    numbers = count() if numbers is None else numbers
    match condition:
        case AllOf():
            return Joined([tree(part, numbers) for part in condition.parts], decider=False)
        case AnyOf():
            return Joined([tree(part, numbers) for part in condition.parts], decider=True)
        case Not():
            return Negation(tree(condition.part, numbers))
        case For():
            return Held(tree(condition.part, numbers), condition.duration)
        case Then():
            first = tree(condition.first, numbers)
            return Followed(first, tree(condition.second, numbers), condition.within)
    return Single(next(numbers))
