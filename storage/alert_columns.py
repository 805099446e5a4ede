"""Rules of one crossing, read side by side: a million of them in the time that a tenth takes as objects.

A condition was dumped with its numbers last: what stands before them is the same text for all crossings of one
figure in one direction, and is understood once. What is not exactly of that form is left to `rule_of`.
"""

from array import array
from collections.abc import Sequence
from math import nan
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, func, select

from alerts.stored_types import OPS, REPEATS, Crossings, Ints
from alerts.types import Cross, Metric, RuleStatus
from storage.alert_rows import NO_SUBJECTS, SEVERITIES
from storage.conditions import NAMES, load_condition
from storage.errors import StorageError
from storage.tables import alert_states, alerts

START = f'{{"is":"{NAMES[Cross]}",'
NUMBERS = ',"level":'  # cannot stand within a string of JSON, where quotes are escaped
MOST = 2**31  # firings that the engine counts

# NULL where a rule is anything but one crossing of one subject that can be read.
_REPEAT: ColumnElement[int] = case(
    (
        and_(
            alerts.c.subjects == NO_SUBJECTS,
            alerts.c.severity.in_(list(SEVERITIES)),
            func.substr(alerts.c.condition, 1, len(START)) == START,
        ),
        case({str(each): n for n, each in enumerate(REPEATS)}, value=alerts.c.repeat),
    )
)
READ = (
    select(
        alerts.c.id, _REPEAT, alerts.c.condition, alerts.c.cooldown, alerts.c.created_ts,
        alert_states.c.armed, alert_states.c.side, alert_states.c.last_ts, alert_states.c.fired_ts,
        alert_states.c.fired_count, alert_states.c.transition, alert_states.c.bar_ts,
    )
    .outerjoin(
        alert_states, and_(alert_states.c.rule_id == alerts.c.id, alert_states.c.subject == "")
    )
    .where(
        alerts.c.id > bindparam("last"), alerts.c.id <= bindparam("end"),
        func.coalesce(alerts.c.status, "") == str(RuleStatus.ACTIVE),  # not by its index
    )
    .order_by(alerts.c.id)
)  # fmt: skip
# Where a stretch ends, in rules of any status. With both ends, and nothing else to go by, PostgreSQL reads no more
# than the stretch, also while it has not counted yet how many rules there are.
END = (
    select(alerts.c.id)
    .where(alerts.c.id > bindparam("last"))
    .order_by(alerts.c.id)
    .limit(1)
    .offset(bindparam("most", type_=Integer))
)
NO_END = 2**63 - 1  # of the last stretch
Read = Sequence[Any]  # a row of it


class Numbers(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The end of a crossing's JSON."""

    level: float
    rearm: float | None
    touch: bool


DECODER = msgspec.json.Decoder(list[Numbers])


class Columns:
    """Puts crossings side by side; knows the beginnings of their JSON from one stretch to the next."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []
        self._places: dict[Metric, int] = {}
        self._heads: dict[str, int] = {}  # place of the metric, and of the op

    def crossings(self, rows: Sequence[Read]) -> Crossings | None:
        """Rows of `READ` that have a repeat, side by side; None where one of them is not as it was dumped."""
        try:
            return self._crossings(rows)
        except (msgspec.MsgspecError, StorageError, TypeError, ValueError, OverflowError):
            return None

    def _crossings(self, rows: Sequence[Read]) -> Crossings:
        ids, repeats, conditions, cooldowns, created, armed, *kept = zip(*rows, strict=True)
        heads, numbers = self._apart(conditions)
        sides, looked, fired, counts, transitions, bars = map(_ints, kept)
        if abs(counts).max() >= MOST or abs(sides).max() > 1:
            raise ValueError("no state of a rule")
        rearms = [nan if each.rearm is None else each.rearm for each in numbers]
        return Crossings(
            metrics=self._metrics, ids=_ints(ids), about=heads // len(OPS), ops=heads % len(OPS),
            levels=np.frombuffer(array("d", [each.level for each in numbers])),
            rearms=np.frombuffer(array("d", rearms)),
            touch=np.frombuffer(bytes([each.touch for each in numbers]), np.bool_),
            repeats=_ints(repeats), cooldowns=_ints(cooldowns), created=_ints(created),
            armed=np.frombuffer(bytes(armed), np.uint8) != 0, sides=sides, looked=looked, fired=fired,
            counts=counts, transitions=transitions, bars=bars,
        )  # fmt: skip

    def _apart(self, conditions: Sequence[str]) -> tuple[Ints, list[Numbers]]:
        """What each is about, in which direction, and its numbers."""
        parts = [each.partition(NUMBERS) for each in conditions]
        numbers = DECODER.decode('[{"level":' + ',{"level":'.join([p[2] for p in parts]) + "]")
        if len(numbers) != len(parts):
            raise ValueError("no crossings")
        heads = [part[0] for part in parts]
        for head in set(heads) - self._heads.keys():
            self._heads[head] = self._understood(head)
        return _ints([self._heads[head] for head in heads]), numbers

    def _understood(self, head: str) -> int:
        whole = load_condition(head + ',"level":0}')
        if not isinstance(whole, Cross):
            raise TypeError("no crossing")
        place = self._places.setdefault(whole.metric, len(self._metrics))
        if place == len(self._metrics):
            self._metrics.append(whole.metric)
        return place * len(OPS) + OPS.index(whole.op)


def _ints(values: Sequence[Any]) -> Ints:
    """As an array; TypeError where one is no whole number."""
    found = np.array(values)
    if found.dtype != np.int64:
        raise TypeError("no whole numbers")
    return found
