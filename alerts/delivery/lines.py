"""Rows as lines of a message that lists several."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from alerts.delivery.settle import in_doubt
from alerts.types import OutboxRow
from market import format as fmt
from market.language import _
from market.types import MINUTE

TELL_AGE = 2 * MINUTE  # a message that leaves later than this says so
ROOM = 3_800  # visible characters of 4,096: the mark of a simulated market and of a repetition come on top
HEADLINE, NOTES = 140, 120  # characters of one row
COINS = 10  # named in a table
REPEAT = _("(repeat?)")

Payload = dict[str, Any]


def body_of(row: OutboxRow) -> Payload:
    """The payload, {} where it cannot be read."""
    try:
        found = json.loads(row.payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def line(row: OutboxRow, now: int) -> str:
    """One row in two lines: the finding, and below it what it rests on."""
    body = body_of(row)
    number = f"#{row.alert_id}"
    text = _one_line(str(body.get("headline") or ""))[:HEADLINE]
    if number not in text.split():
        text = f"{text}  {number}".strip()
    notes = [_one_line(str(body.get("evidence") or ""))[:NOTES]]
    if now - row.created_ts >= TELL_AGE:
        notes.append(_("{age} ago").format(age=fmt.age(now - row.created_ts)))
    if in_doubt(row):
        notes.append(REPEAT)
    below = fmt.SEPARATOR.join(note for note in notes if note)
    return f"• {text}\n  {below}" if below else f"• {text}"


def numbers(rules: Counter[int]) -> str:
    """Every rule with how often it fired: `#12 #15x3`."""
    return " ".join(
        f"#{rule}" if count == 1 else f"#{rule}x{count}" for rule, count in sorted(rules.items())
    )


def coin_table(coins: Counter[str]) -> list[str]:
    """The coins with most alerts, the rest in one line."""
    ordered = sorted(coins.items(), key=lambda item: (-item[1], item[0]))
    rows = [(coin or _("other"), str(count)) for coin, count in ordered[:COINS]]
    if len(ordered) > COINS:
        rest = sum(count for _coin, count in ordered[COINS:])
        rows.append((_("{n} more").format(n=len(ordered) - COINS), str(rest)))
    return fmt.table(rows, "lr")


def buttons() -> list[list[Payload]]:
    """The ways on from a message that lists several."""
    return [
        [
            {"text": _("🔔 My alerts"), "command": "/alerts"},
            {"text": _("🕓 History"), "command": "/alerts history"},
        ]
    ]


def size(body: Payload) -> int:
    """Visible characters of the message."""
    parts = [
        body.get("headline"),
        *body.get("table", ()),
        body.get("reading"),
        body.get("evidence"),
    ]
    return sum(len(part) + 1 for part in parts if part) + 4


def written(body: Payload, rows: Sequence[OutboxRow] = ()) -> str:
    """The body as JSON, with the oldest datum behind its rows, which the delivery is timed from."""
    ticks = [tick for row in rows if isinstance(tick := body_of(row).get("tick"), int) and tick]
    more = {"tick": min(ticks)} if ticks else {}
    return json.dumps({**body, **more}, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())
