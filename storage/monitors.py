"""What monitors noticed, which chats want to hear of it, and what was chosen in place of the defaults."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, exists, select, update

from alerts.monitors.types import Fact, Severity, Subscription, Threshold
from storage.db import Database
from storage.errors import StorageError
from storage.finite import finite
from storage.tables import facts, monitors, switches, thresholds


class Monitors:
    """`alerts.monitors.types.MonitorStore`: facts on the market half, choices on the main half.

    `mark` keeps the facts of different markets apart, as in `Samples`.
    """

    def __init__(self, database: Database, mark: str = "") -> None:
        self._main, self._market, self._mark = database.main, database.market, mark

    async def subscriptions(self) -> list[Subscription]:
        """All of them, by chat and coin."""
        query = select(monitors).order_by(monitors.c.chat_id, monitors.c.coin)
        async with self._main.read() as connection:
            return [Subscription(**row._mapping) for row in await connection.execute(query)]

    async def subscribe(self, wanted: Sequence[Subscription]) -> None:
        """Keep them; one that is there already hears in the newer thread."""
        if not wanted:
            return
        insert = self._main.insert(monitors)
        upsert = insert.on_conflict_do_update(
            index_elements=list(monitors.primary_key),
            set_={"thread_id": insert.excluded.thread_id},
        )
        rows = [
            {
                "chat_id": each.chat_id,
                "coin": each.coin,
                "created_ts": each.created_ts,
                "thread_id": each.thread_id,
            }
            for each in wanted
        ]
        async with self._main.write() as connection:
            await connection.execute(upsert, rows)

    async def unsubscribe(self, chat_id: int, coins: Sequence[str]) -> int:
        """Forget these, or all of the chat where none is named; how many there were."""
        gone = delete(monitors).where(monitors.c.chat_id == chat_id)
        if coins:
            gone = gone.where(monitors.c.coin.in_(coins))
        async with self._main.write() as connection:
            return int((await connection.execute(gone)).rowcount)

    async def move_chat(self, old: int, new: int) -> None:
        """What `new` has already stays as it is there; repeatable."""
        async with self._main.write() as connection:
            for table in (monitors, thresholds):
                there = table.alias("there")
                same = [
                    there.c[column.name] == column
                    for column in table.primary_key
                    if column.name != "chat_id"
                ]
                double = exists().where(there.c.chat_id == new, *same)
                mine = table.c.chat_id == old
                await connection.execute(update(table).where(mine, ~double).values(chat_id=new))
                await connection.execute(delete(table).where(mine))

    async def thresholds(self) -> list[Threshold]:
        """All of them."""
        columns = (thresholds.c.chat_id, thresholds.c.kind, thresholds.c.coin, thresholds.c.value)
        query = select(*columns).order_by(*columns[:3])
        async with self._main.read() as connection:
            return [Threshold(**row._mapping) for row in await connection.execute(query)]

    async def set_threshold(self, threshold: Threshold, now: int) -> None:
        """Keep it, whatever it was before."""
        named = f"Threshold {threshold.kind} of {threshold.coin}"
        values = {"value": finite(threshold.value, named), "updated_ts": now}
        insert = self._main.insert(thresholds).values(
            chat_id=threshold.chat_id, kind=threshold.kind, coin=threshold.coin, **values
        )
        async with self._main.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=list(thresholds.primary_key), set_=values
                )
            )

    async def drop_threshold(self, chat_id: int, kind: str, coin: str) -> int:
        """Back to the default; how many there were."""
        gone = delete(thresholds).where(
            thresholds.c.chat_id == chat_id,
            thresholds.c.kind == kind,
            thresholds.c.coin == coin,
        )
        async with self._main.write() as connection:
            return int((await connection.execute(gone)).rowcount)

    async def save_facts(self, noticed: Sequence[Fact]) -> None:
        """Keep them; one that is kept already stays as it is."""
        if not noticed:
            return
        rows = [self._values(each) for each in noticed]
        insert = self._market.insert(facts).on_conflict_do_nothing(index_elements=[facts.c.id])
        async with self._market.write() as connection:
            await connection.execute(insert, rows)

    async def facts(
        self, *, since: int = 0, until: int | None = None, coin: str = "", limit: int = 100
    ) -> list[Fact]:
        """Facts of `since`..`until`, both included, newest first; their evidence is not kept whole."""
        query = select(facts).where(facts.c.mark == self._mark, facts.c.ts >= since)
        if until is not None:
            query = query.where(facts.c.ts <= until)
        if coin:
            query = query.where(facts.c.coin == coin)
        query = query.order_by(facts.c.ts.desc(), facts.c.id.desc()).limit(limit)
        async with self._market.read() as connection:
            return [_fact(row) for row in await connection.execute(query)]

    async def switch(self, name: str) -> str | None:
        """What was chosen for the whole desk, if anything."""
        query = select(switches.c.value).where(switches.c.name == name)
        async with self._main.read() as connection:
            value: str | None = await connection.scalar(query)
            return value

    async def set_switch(self, name: str, value: str, now: int) -> None:
        """Choose it."""
        values = {"value": value, "updated_ts": now}
        insert = self._main.insert(switches).values(name=name, **values)
        async with self._main.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=[switches.c.name], set_=values)
            )

    def _values(self, fact: Fact) -> dict[str, Any]:
        named = f"A fact {fact.kind} of {fact.key}"
        return {
            "id": fact.id,
            "mark": self._mark,
            "ts": fact.ts,
            "kind": fact.kind,
            "key": fact.key,
            "coin": fact.coin,
            "severity": str(fact.severity),
            "value": finite(fact.value, named),
            "threshold": finite(fact.threshold, named),
            "text": fact.text,
            "detail": _detail(fact),
        }


def _detail(fact: Fact) -> str:
    """The rest as JSON: the figures it rests on, where, and when they came and were noticed."""
    figures = {
        name: {
            "value": reading.value if not isinstance(reading.value, float) else finite(reading.value, name),
            "as_of": reading.as_of,
            "unit": reading.unit,
            "n": reading.n,
        }
        for name, reading in fact.evidence.items()
    }  # fmt: skip
    body = {
        "detail": fact.detail,
        "venues": list(fact.venues),
        "side": fact.side,
        "tick_wall": fact.tick_wall,
        "seen_wall": fact.seen_wall,
        "evidence": figures,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _fact(row: Row[Any]) -> Fact:
    try:
        more = json.loads(row.detail)
        return Fact(
            id=row.id, ts=row.ts, kind=row.kind, key=row.key, coin=row.coin, severity=Severity(row.severity),
            value=row.value, threshold=row.threshold, text=row.text, detail=str(more["detail"]),
            venues=tuple(more["venues"]), side=str(more["side"]), tick_wall=int(more["tick_wall"]),
            seen_wall=int(more["seen_wall"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"Fact {row.id} cannot be read: {error}") from error
