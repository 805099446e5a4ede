"""Domain objects for the storage tests, with only the fields a test is about spelt out."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alerts.types import AlertRule, AlertState, Cross, Firing, Metric, Op, OutboxRow
from handlers.types import StoredUpdate
from market.types import Instrument, OpenInterest

ROOT = Path(__file__).parents[2]
GROUP = -1001234567890123  # beyond 32 and beyond 48 bits of a float32
USER = 7_000_000_001
NOW = 1_780_000_000_000
PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")
BTC = Instrument(exchange="binance", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True)


@dataclass(frozen=True)
class Place:
    """Where a database is."""

    url: str
    schemas: tuple[str, str]

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path:
        """The main SQLite file."""
        return Path(self.url.removeprefix("sqlite:///"))


def rule(**fields: Any) -> AlertRule:
    whole = AlertRule(
        id=0,
        chat_id=GROUP,
        owner_id=USER,
        kind="price",
        text="/alert_price BTC above 70000",
        condition=Cross(metric=PRICE, op=Op.ABOVE, level=70_000.1),
        coin="BTC",
        created_ts=NOW,
    )
    return replace(whole, **fields)


def state(rule_id: int = 0, **fields: Any) -> AlertState:
    return AlertState(rule_id=rule_id, **fields)


def firing(rule_id: int, transition: int = 1, **fields: Any) -> Firing:
    whole = Firing(
        rule_id=rule_id,
        transition=transition,
        ts=NOW,
        value=70_001.5,
        threshold=70_000.1,
        text="up",
    )
    return replace(whole, **fields)


def row(alert_id: int, transition: int = 1, **fields: Any) -> OutboxRow:
    whole = OutboxRow(
        id=0,
        alert_id=alert_id,
        transition=transition,
        channel="telegram",
        chat_id=GROUP,
        payload='{"headline": "up"}',
        created_ts=NOW,
    )
    return replace(whole, **fields)


def stored(update_id: int, **fields: Any) -> StoredUpdate:
    whole = StoredUpdate(
        update_id=update_id, payload=f'{{"update_id": {update_id}}}', received_ts=NOW
    )
    return replace(whole, **fields)


def interest(
    ts: int, amount: float = 1.5, value: float | None = 2.5, **fields: Any
) -> OpenInterest:
    return OpenInterest(instrument=replace(BTC, **fields), ts=ts, amount=amount, value=value)


async def child(code: str, *arguments: str) -> asyncio.subprocess.Process:
    """Another Python process over this code."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
