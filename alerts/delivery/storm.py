"""The living message of a storm: how often each rule fired, the newest findings, everything accounted for.

It is a row of its own whose payload holds what its message lists as it was last accepted, so that it outlives the
process, and an edit can be repeated as often as wanted: it always lists the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerts.delivery.lines import (
    ROOM,
    Payload,
    body_of,
    buttons,
    coin_table,
    line,
    numbers,
    size,
    written,
)
from alerts.types import OutboxRow
from market import format as fmt
from market.language import _

GLYPH, OVER = "⛈", "🌤"
NEWEST = 5
KEY = "storm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What a living message lists."""

    since: int  # wall ms of the first alert
    edited: int = 0  # wall ms of the last accepted message or edit
    rules: Counter[int] = field(default_factory=Counter)
    coins: Counter[str] = field(default_factory=Counter)
    newest: tuple[str, ...] = ()  # lines, the newest first

    @property
    def total(self) -> int:
        """How many alerts."""
        return self.rules.total()

    def grown(self, rows: Sequence[OutboxRow], now: int) -> tuple["Storm", int]:
        """With as many of the rows, from the first on, as there is room for; and how many these are."""
        low, high = 0, len(rows)
        while low < high:
            middle = (low + high + 1) // 2
            fits = size(self._with(rows[:middle], now).body(now)) <= ROOM
            low, high = (middle, high) if fits else (low, middle - 1)
        return self._with(rows[:low], now), low

    def _with(self, rows: Sequence[OutboxRow], now: int) -> "Storm":
        newest = [line(row, now) for row in reversed(rows[-NEWEST:])]
        return Storm(
            since=min([self.since, *(row.created_ts for row in rows)]),
            edited=now,
            rules=self.rules + Counter(row.alert_id for row in rows),
            coins=self.coins + Counter(row.coin for row in rows),
            newest=(*newest, *self.newest)[:NEWEST],
        )

    def body(self, now: int) -> Payload:
        """The message while the storm lasts."""
        listed = _("All of them: {numbers}").format(numbers=numbers(self.rules))
        return {
            "glyph": GLYPH,
            "headline": _("Storm: {n} alerts in {length}").format(
                n=self.total, length=fmt.age(now - self.since)
            ),
            "table": coin_table(self.coins),
            "reading": "\n".join([_("The newest:"), *self.newest, listed]),
            "evidence": _("one message for all of them, edited while more come · updated {at}").format(
                at=fmt.utc(now, now, seconds=True)
            ),
            "buttons": buttons(),
            "chart": None,
            KEY: self._stored(),
        }  # fmt: skip

    def closing(self, now: int, *, full: bool = False) -> Payload:
        """The message when it is over, or when it is `full` and goes on in another one."""
        headline = _("Storm, goes on below: {n} alerts") if full else _("Storm over: {n} alerts")
        listed = _("All of them: {numbers}").format(numbers=numbers(self.rules))
        return {
            "glyph": GLYPH if full else OVER,
            "headline": headline.format(n=self.total),
            "table": coin_table(self.coins),
            "reading": listed,
            "evidence": _("from {start} to {end}").format(
                start=fmt.utc(self.since, now, seconds=True),
                end=fmt.utc(self.edited, now, seconds=True),
            ),
            "buttons": buttons(),
            "chart": None,
            KEY: self._stored(),
        }

    def _stored(self) -> Payload:
        return {
            "since": self.since,
            "edited": self.edited,
            "rules": {str(rule): count for rule, count in self.rules.items()},
            "coins": dict(self.coins),
            "newest": list(self.newest),
        }


def storm_of(row: OutboxRow) -> Storm:
    """What a living message lists; nothing where its row was never accepted."""
    stored = body_of(row).get(KEY)
    if not isinstance(stored, Mapping):
        return Storm(since=row.created_ts)
    return _read(stored)


def edited_ts(row: OutboxRow) -> int:
    """When a living message was last accepted."""
    return storm_of(row).edited


def payload(body: Payload, rows: Sequence[OutboxRow] = ()) -> str:
    """The message as an outbox row has it."""
    return written(body, rows)


def _read(stored: Mapping[str, Any]) -> Storm:
    return Storm(
        since=int(stored["since"]),
        edited=int(stored["edited"]),
        rules=Counter({int(rule): int(n) for rule, n in stored["rules"].items()}),
        coins=Counter({str(coin): int(n) for coin, n in stored["coins"].items()}),
        newest=tuple(map(str, stored["newest"])),
    )
