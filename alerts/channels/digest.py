"""The daily mail: what fired since the one before, by coin, at an hour of the owner's day, once per local date.

It is a row of the outbox like any other; its transition is the local date, so that a date has one.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from alerts.channels.book import AddressBook, Post
from alerts.channels.daily import day_name, due_day
from alerts.channels.types import DIGEST_ID, EMAIL, NO_DIGEST, Destination, DestinationStore, Status
from alerts.types import Firing, OutboxRow, Priority, Severity
from market import format as fmt
from market.clock import Clock
from market.errors import AssistantError
from market.language import _, plural
from market.types import DAY

logger = logging.getLogger(__name__)

LISTED = 200  # firings in one mail
PER_COIN = 30
OLDEST = 7 * DAY  # market ms a digest reaches back, after days in which none was made


class Digests:
    """Puts each digest into the outbox when its hour has come; to be asked every minute or so."""

    def __init__(
        self,
        book: AddressBook,
        store: DestinationStore,
        post: Post,
        wall: Clock,
        clock: Clock,
        zone_of: Callable[[int], Awaitable[str]],
    ) -> None:
        self._book, self._store, self._post = book, store, post
        self._wall, self._clock, self._zone_of = wall, clock, zone_of

    async def check(self) -> int:
        """Make what is due; returns how many. One that fails does not keep the others back."""
        made = 0
        for to in self._book.all():
            if to.channel != EMAIL or to.digest_at == NO_DIGEST or to.status is not Status.VERIFIED:
                continue
            try:
                made += await self._one(to)
            except AssistantError as error:
                logger.warning("digest not made destination=%d reason=%s", to.id, error)
        return made

    async def _one(self, to: Destination) -> bool:
        now, market = self._wall.now(), self._clock.now()
        zone = await self._zone_of(to.owner_id)
        day = due_day(now, zone, to.digest_at, to.digest_day)
        if day is None:
            return False
        since = max(to.digest_ts, market - OLDEST)
        fired = await self._store.firings_of(to.owner_id, since, market, LISTED + 1)
        row = OutboxRow(
            id=0, alert_id=DIGEST_ID, transition=day, channel=EMAIL, chat_id=to.id,
            payload=json.dumps(payload(fired, day, since, market), ensure_ascii=False),
            created_ts=now, priority=int(Priority.REPORT), severity=Severity.INFO,
        )  # fmt: skip
        await self._post([row])
        await self._book.digested(to.id, day, market)
        return True


def payload(fired: Sequence[Firing], day: int, since: int, until: int) -> dict[str, Any]:
    """What the mail says; `fired` is newest first."""
    listed = fired[:LISTED]
    coins: dict[str, list[Firing]] = {}
    for each in listed:
        coins.setdefault(_coin(each), []).append(each)
    n = len(listed)
    more = len(fired) > LISTED
    count = f"{n}+" if more else str(n)
    head = plural("{n} alert fired", "{n} alerts fired", n) if n else _("No alert fired")
    left = sum(max(0, len(each) - PER_COIN) for each in coins.values())
    return {
        "headline": _("{day}: {what}").format(day=day_name(day), what=head.format(n=count)),
        "reading": _("{n} of these are not listed.").format(n=left) if left else "",
        "evidence": _("{since} to {until}").format(since=fmt.utc(since), until=fmt.utc(until)),
        "kind": "digest",
        "ts": until,
        "digest": {
            "coins": [
                {"name": name, "count": len(rows), "lines": [_line(r, until) for r in rows[:PER_COIN]]}
                for name, rows in sorted(coins.items(), key=lambda each: -len(each[1]))
            ]
        },
    }  # fmt: skip


def _line(firing: Firing, now: int) -> dict[str, Any]:
    return {"at": fmt.utc(firing.ts, now), "text": firing.text, "told": firing.told}


def _coin(firing: Firing) -> str:
    """`BTC` of `binance:BTC/USDT:USDT` and of `*:BTC`; the rest under one heading."""
    symbol = (firing.subject or firing.chart).partition(":")[2]
    return symbol.partition("/")[0] or _("Other")
