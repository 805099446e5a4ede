"""Rules as the store hands them over at the start: crossings side by side, all others one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from alerts.types import AlertRule, AlertState, Cross, Metric, Op, Repeat

OPS, REPEATS = tuple(Op), tuple(Repeat)

LATEST = np.iinfo(np.int64).max

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Row = tuple[int, Cross, Repeat, int, Sequence[AlertState], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Rules of one crossing and one subject each, by rising id, with their states; arrays of one length.

    `metrics`: what is crossed, each once; the same list in all that one reading of the store gives.
    """

    metrics: Sequence[Metric]
    ids: Ints
    about: Ints  # which of `metrics`
    ops: Ints  # which of `OPS`
    levels: Floats
    rearms: Floats  # NaN: none
    touch: Flags
    repeats: Ints  # which of `REPEATS`
    cooldowns: Ints  # ms
    created: Ints  # ms, as all that follow but counts
    armed: Flags
    sides: Ints
    looked: Ints
    fired: Ints
    counts: Ints
    transitions: Ints
    bars: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def since(self) -> Ints:
        """Up to when each had looked; when it was made where it never has (ms)."""
        return np.where(self.looked != 0, self.looked, self.created)

    def part(self, start: int, end: int) -> "Crossings":
        """Those from place `start` on, before `end`."""
        cut = {name: getattr(self, name)[start:end] for name in COLUMNS}
        return Crossings(metrics=self.metrics, **cut)

    def rows(self) -> Iterator[Row]:
        """One by one, as the engine takes up single rules."""
        columns = [getattr(self, name).tolist() for name in COLUMNS]
        for (
            rule_id, about, op, level, rearm, touch, repeat, cooldown, _created, armed, side, looked, fired,
            count, transition, bar,
        ) in zip(*columns, strict=True):  # fmt: skip
            back = None if np.isnan(rearm) else rearm
            state = AlertState(
                rule_id=rule_id, armed=armed, side=side, last_ts=looked, fired_ts=fired,
                fired_count=count, transition=transition, bar_ts=bar,
            )  # fmt: skip
            crossing = Cross(
                metric=self.metrics[about], op=OPS[op], level=level, rearm=back, touch=touch
            )
            yield rule_id, crossing, REPEATS[repeat], cooldown, (state,), ()


COLUMNS = tuple(field.name for field in fields(Crossings) if field.name != "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stretch of the active rules, by id: `crossings`, and the `rules` among them that are no such thing.

    A condition of several parts, a rule over several subjects, and what could not be read side by side is
    among `rules`, with its `states` by rule id.
    """

    crossings: Crossings | None
    rules: Sequence[AlertRule] = ()
    states: Mapping[int, Sequence[AlertState]]

    def __len__(self) -> int:
        return len(self.rules) + (0 if self.crossings is None else len(self.crossings))


class Earliest:
    """Of each metric of one reading of the store the earliest moment that a crossing of it wants to know of."""

    def __init__(self) -> None:
        self._metrics: Sequence[Metric] = ()
        self._since = np.zeros(0, np.int64)

    def add(self, many: Crossings) -> None:
        """These as well."""
        self._metrics = many.metrics
        new = len(many.metrics) - len(self._since)
        self._since = np.append(self._since, np.full(new, LATEST))
        np.minimum.at(self._since, many.about, many.since)

    def found(self) -> Iterator[tuple[Metric, int]]:
        """Each metric with its moment (market ms)."""
        for metric, since in zip(self._metrics, self._since.tolist(), strict=True):
            if since < LATEST:
                yield metric, since
