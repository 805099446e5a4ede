"""Sleepers in order of the key that wakes them: packed, 12 bytes each, the least key first."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 512  # entries; one is split when it has twice as many
INF = math.inf

Floats = NDArray[np.float64]
Slots = NDArray[np.int32]


class Shelf:
    """Pairs (key, slot), each at most once, sorted. Whoever has to wake at falling values stores `-key`."""

    __slots__ = ("_keys", "_slots", "_tops", "least")

    def __init__(self) -> None:
        self._keys: list[array[float]] = []
        self._slots: list[array[int]] = []
        self._tops: list[float] = []  # the last key of each chunk
        self.least = INF

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def __iter__(self) -> Iterator[int]:
        for chunk in self._slots:
            yield from chunk

    def put(self, key: float, slot: int) -> None:
        """Add one."""
        if not self._tops:
            self._keys.append(array("d", (key,)))
            self._slots.append(array("i", (slot,)))
            self._tops.append(key)
            self.least = key
            return
        at = self._chunk(key, slot)
        keys, slots = self._keys[at], self._slots[at]
        low = bisect_left(keys, key)
        place = bisect_left(slots, slot, low, bisect_right(keys, key, low))
        keys.insert(place, key)
        slots.insert(place, slot)
        if len(keys) > 2 * CHUNK:
            self._split(at)
        else:
            self._tops[at] = keys[-1]
        self.least = self._keys[0][0]

    def drop(self, key: float, slot: int) -> bool:
        """Take one out; False where it is not there."""
        at = self._chunk(key, slot) if self._tops else 0
        if at >= len(self._tops):
            return False
        keys, slots = self._keys[at], self._slots[at]
        low = bisect_left(keys, key)
        high = bisect_right(keys, key, low)
        place = bisect_left(slots, slot, low, high)
        if place >= high or slots[place] != slot:
            return False
        del keys[place], slots[place]
        if keys:
            self._tops[at] = keys[-1]
        else:
            del self._keys[at], self._slots[at], self._tops[at]
        self.least = self._keys[0][0] if self._tops else INF
        return True

    def pop(self, limit: float) -> tuple[Sequence[float], Sequence[int]]:
        """Take out all whose key is not above `limit`: their keys and slots."""
        keys, slots = array("d"), array("i")
        whole = bisect_right(self._tops, limit)
        for n in range(whole):
            keys.extend(self._keys[n])
            slots.extend(self._slots[n])
        del self._keys[:whole], self._slots[:whole], self._tops[:whole]
        if self._tops and self._keys[0][0] <= limit:
            count = bisect_right(self._keys[0], limit)
            keys.extend(self._keys[0][:count])
            slots.extend(self._slots[0][:count])
            del self._keys[0][:count], self._slots[0][:count]
        self.least = self._keys[0][0] if self._tops else INF
        return keys, slots

    def fill(self, keys: Floats, slots: Slots) -> None:
        """Add many at once."""
        if len(keys) < len(self) // 16:
            for key, slot in zip(keys.tolist(), slots.tolist(), strict=True):
                self.put(key, slot)
            return
        old_keys = [np.frombuffer(each) for each in self._keys]
        old_slots = [np.frombuffer(each, np.int32) for each in self._slots]
        keys = np.concatenate([*old_keys, keys])
        slots = np.concatenate([*old_slots, slots.astype(np.int32)])
        order = np.lexsort((slots, keys))
        keys, slots = keys[order], slots[order]
        cuts = range(0, len(keys), CHUNK + CHUNK // 2)
        self._keys = [array("d", keys[n : n + cuts.step].tobytes())[:] for n in cuts]
        self._slots = [array("i", slots[n : n + cuts.step].tobytes())[:] for n in cuts]
        self._tops = [chunk[-1] for chunk in self._keys]  # slices, so none has room to grow
        self.least = self._keys[0][0] if self._tops else INF

    def find(self, slot: int) -> float | None:
        """The key of a slot whose key nobody else remembers: looks through all."""
        for keys, slots in zip(self._keys, self._slots, strict=True):
            found = np.flatnonzero(np.frombuffer(slots, np.int32) == slot)
            if len(found):
                return keys[int(found[0])]
        return None

    def _chunk(self, key: float, slot: int) -> int:
        """Where a pair belongs."""
        at = bisect_left(self._tops, key)
        last = len(self._tops) - 1
        while at < last and self._tops[at] == key and self._slots[at][-1] < slot:
            at += 1
        return min(at, last)

    def _split(self, at: int) -> None:
        keys, slots = self._keys[at], self._slots[at]
        self._keys[at : at + 1] = [keys[:CHUNK], keys[CHUNK:]]
        self._slots[at : at + 1] = [slots[:CHUNK], slots[CHUNK:]]
        self._tops[at : at + 1] = [keys[CHUNK - 1], keys[-1]]
