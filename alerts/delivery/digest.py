"""Several alerts in one message: each in its own lines, by coin; in brief where they are too many for that."""

from collections import Counter
from collections.abc import Sequence

from alerts.delivery.lines import (
    ROOM,
    TELL_AGE,
    Payload,
    buttons,
    coin_table,
    line,
    numbers,
    size,
    written,
)
from alerts.delivery.types import QUIET
from alerts.types import OutboxRow
from market import format as fmt
from market.language import _

GLYPH = "🔔"


def digest(rows: Sequence[OutboxRow], now: int) -> tuple[str, int]:
    """The payload, and how many of the rows, from the first on, it tells."""
    body = _whole(rows, now)
    if size(body) <= ROOM:
        return written(body, rows), len(rows)
    low, high = 1, len(rows)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if size(_brief(rows[:middle], now)) <= ROOM else (low, middle - 1)
        )
    return written(_brief(rows[:low], now), rows[:low]), low


def _whole(rows: Sequence[OutboxRow], now: int) -> Payload:
    coins: dict[str, list[str]] = {}
    for row in rows:
        coins.setdefault(row.coin, []).append(line(row, now))
    blocks = []
    for coin, lines in coins.items():
        head = [f"{coin} ({len(lines)})"] if coin and len(coins) > 1 else []
        blocks.append("\n".join([*head, *lines]))
    return _body(rows, now, {"reading": "\n".join(blocks)})


def _brief(rows: Sequence[OutboxRow], now: int) -> Payload:
    coins = Counter(row.coin for row in rows)
    listed = numbers(Counter(row.alert_id for row in rows))
    reading = _("All of them: {numbers}").format(numbers=listed)
    return _body(rows, now, {"table": coin_table(coins), "reading": reading})


def _body(rows: Sequence[OutboxRow], now: int, parts: Payload) -> Payload:
    oldest = now - min(row.created_ts for row in rows)
    evidence = _("several alerts in one message: they came close together")
    if rows[0].error == QUIET:
        evidence = _("held for quiet hours, the oldest for {age}").format(age=fmt.age(oldest))
    elif oldest >= TELL_AGE:
        evidence += fmt.SEPARATOR + _("delivered {age} late").format(age=fmt.age(oldest))
    return {
        "glyph": GLYPH,
        "headline": _("{n} alerts").format(n=len(rows)),
        **parts,
        "evidence": evidence,
        "buttons": buttons(),
        "chart": None,
    }
