"""What alerts and monitors missed while a feed was blind: one message for each chat and outage, marked late.

An outage is made of the blind intervals of the ledger that are longer than a minute and touch each other. A chat is
told once it is over, of what concerns it: which feeds, which of its alerts were looked at afterwards and which of
these were true then, and of which coins the monitors saw nothing. The row's key is the beginning of the outage, so
that a process that dies in between cannot tell twice.
"""

import json
import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alerts.conditions import about, metrics_of
from alerts.monitors.postman import CHANNEL
from alerts.monitors.subscriptions import Subscriptions
from alerts.monitors.types import EVERY, LEFT_OUT, MonitorStore
from alerts.protocols import AlertStore
from alerts.types import ANYTHING, EACH, WATCHED, AlertRule, Firing, Metric, OutboxRow, RuleStatus
from market import format as fmt
from market.clock import Clock
from market.language import _
from market.types import DAY, MINUTE, Gap

logger = logging.getLogger(__name__)

LONG = MINUTE  # market ms: what is shorter is not told
APART = MINUTE  # intervals this close are one outage
SETTLED = (
    20_000  # wall ms after the end: alerts have been looked at again, what can be fetched has been
)
ALERT_ID = -1  # of a row that is a digest
SWITCH = "digest"
LINES = 6
MOST = 5_000  # intervals remembered
FEEDS = {
    "trades": _("trades"),
    "liquidations": _("liquidations"),
    "context": _("funding and OI"),
    "books": _("books"),
}
NEEDS = {  # of the figures that are not made of trades: the feed they come by
    "context": {"open_interest", "open_interest_usd", "funding", "funding_apr", "funding_momentum", "premium"},
    "liquidations": {"liquidation", "liquidations", "cascade"},
    "books": {"imbalance", "wall"},
}  # fmt: skip

Place = tuple[str, str, str, int]  # feed, exchange, symbol, from


class Sight(Protocol):
    """What is watched, and what was not seen of it."""

    def blind(self, since: int, until: int) -> Sequence[Gap]: ...
    def coins(self) -> set[str]:
        """Of the watch list."""
        ...

    def coin_of(self, key: str) -> str:
        """The coin of an instrument key; "" where it is not listed."""
        ...


@dataclass(slots=True, kw_only=True)
class Outage:
    """Blind intervals that touch each other."""

    from_ts: int
    to_ts: int
    gaps: list[Gap] = field(default_factory=list)


class Digest:
    """Looks at the ledger every few seconds. Intervals that are filled vanish from it, so all are remembered here."""

    def __init__(
        self,
        store: MonitorStore,
        alerts: AlertStore,
        subscriptions: Subscriptions,
        sight: Sight,
        clock: Clock,
        wall: Clock,
        mark: str = "",
    ) -> None:
        self._store, self._alerts, self._subscriptions = store, alerts, subscriptions
        self._sight, self._clock, self._wall, self._mark = sight, clock, wall, mark
        self._switch = f"{SWITCH} {mark}".strip()
        self._known: dict[Place, Gap] = {}
        self._over: dict[int, int] = {}  # outage -> wall ms at which it was first seen to be over
        self._told = 0  # market ms: outages that began up to here are done

    async def start(self) -> None:
        """Where the process before left off; at the very first start nothing from before is told."""
        stored = await self._store.switch(self._switch)
        now = self._clock.now()
        known = stored is not None and stored.lstrip("-").isdecimal()
        self._told = min(int(stored), now) if stored is not None and known else now - MINUTE
        if not known:
            await self._store.set_switch(self._switch, str(self._told), self._wall.now())

    async def look(self) -> int:
        """Tell what is over; how many messages were added."""
        now, wall = self._clock.now(), self._wall.now()
        self.note()
        added = 0
        for outage in outages(self._known.values()):
            if outage.to_ts > now - SETTLED // 4 or outage.from_ts <= self._told:
                self._over.pop(outage.from_ts, None)
                continue
            since = self._over.setdefault(outage.from_ts, wall)
            if wall - since < SETTLED:
                continue
            added += await self._tell(outage)
            self._told = max(self._told, outage.from_ts)
            await self._store.set_switch(self._switch, str(self._told), wall)
            del self._over[outage.from_ts]
        self._forget(now)
        return added

    def note(self) -> None:
        """Remember what is blind now, or was."""
        now = self._clock.now()
        for gap in self._sight.blind(max(self._told, now - DAY), now):
            if gap.to_ts - gap.from_ts > LONG:
                self._known[gap.table, gap.exchange, gap.symbol, gap.from_ts] = gap

    def _forget(self, now: int) -> None:
        old = [
            p
            for p, gap in self._known.items()
            if gap.from_ts <= self._told or gap.to_ts < now - DAY
        ]
        for place in [*old, *list(self._known)[:-MOST]]:
            self._known.pop(place, None)

    async def _tell(self, outage: Outage) -> int:
        rules = await self._alerts.rules(statuses=(RuleStatus.ACTIVE, RuleStatus.DONE))
        by_chat: dict[int, list[AlertRule]] = {}
        for rule in rules:
            if _touched(rule, outage.gaps, self._sight.coin_of):
                by_chat.setdefault(rule.chat_id, []).append(rule)
        unseen = {chat: self._unseen(chat, outage) for chat in self._subscriptions.chats()}
        rows = []
        for chat_id in sorted({*by_chat, *(chat for chat, coins in unseen.items() if coins)}):
            mine = by_chat.get(chat_id, [])
            fired = [
                each
                for each in await self._alerts.history(chat_id, 200)
                if outage.from_ts <= each.ts <= outage.to_ts + MINUTE
            ]
            states = await self._alerts.states([rule.id for rule in mine])
            seen = {each for each, state in states.items() if state.last_ts >= outage.to_ts}
            body = self._body(outage, mine, fired, seen, unseen.get(chat_id, []))
            rows.append(
                OutboxRow(
                    id=0, alert_id=ALERT_ID, transition=self._key(outage), channel=CHANNEL,
                    chat_id=chat_id, payload=json.dumps(body, ensure_ascii=False),
                    created_ts=self._wall.now(), thread_id=self._thread(chat_id, mine),
                )
            )  # fmt: skip
        added = await self._alerts.fire([], [], rows) if rows else 0
        logger.info("digest of an outage chats=%d feeds=%d", added, len(outage.gaps))
        return added

    def _key(self, outage: Outage) -> int:
        """A number of this outage of this market."""
        return (outage.from_ts << 10) + zlib.crc32(self._mark.encode()) % 1024

    def _thread(self, chat_id: int, rules: Sequence[AlertRule]) -> int | None:
        for coin in self._subscriptions.of_chat(chat_id):
            found = self._subscriptions.hears(chat_id, coin)
            if found is not None:
                return found.thread_id
        return rules[0].thread_id if rules else None

    def _unseen(self, chat_id: int, outage: Outage) -> list[str]:
        """Coins the chat hears of, of which some feed was blind."""
        mine = {c for c in self._subscriptions.of_chat(chat_id) if not c.startswith(LEFT_OUT)}
        wanted = mine | self._sight.coins() if EVERY in mine else mine
        heard = {c for c in wanted if self._subscriptions.hears(chat_id, c) is not None}
        blind = {self._sight.coin_of(f"{g.exchange}:{g.symbol}") for g in outage.gaps if g.symbol}
        whole = any(not gap.symbol for gap in outage.gaps)
        return sorted(c for c in heard if c != EVERY and (whole or c in blind))

    def _body(
        self,
        outage: Outage,
        rules: Sequence[AlertRule],
        fired: Sequence[Firing],
        seen: set[int],
        coins: Sequence[str],
    ) -> dict[str, object]:
        now = self._clock.now()
        concerned = {*coins, *(rule.coin for rule in rules)}
        gaps = [
            gap
            for gap in outage.gaps
            if not gap.symbol or self._sight.coin_of(f"{gap.exchange}:{gap.symbol}") in concerned
        ]
        start, end = min(g.from_ts for g in gaps), max(g.to_ts for g in gaps)
        lines = _feeds(gaps, now)
        if fired:
            lines.append(_("{n} of your alerts were true then:").format(n=len(fired)))
            for each in sorted(fired, key=lambda f: f.ts)[:LINES]:
                at = fmt.utc(each.ts, now)
                lines.append(f"#{each.rule_id} {each.text} {_('at {at}').format(at=at)}")
            if len(fired) > LINES:
                lines.append(_("and {n} more").format(n=len(fired) - LINES))
        lines += _caught_up(rules, {each.rule_id for each in fired}, seen)
        if coins:
            named = ", ".join(coins[:LINES]) + (
                f" +{len(coins) - LINES}" if len(coins) > LINES else ""
            )
            lines.append(_("Monitors noticed nothing of it: {coins}.").format(coins=named))
        return {
            "glyph": "⚠️",
            "headline": _("Blind {start} to {end} ({length})").format(
                start=fmt.utc(start, now), end=fmt.utc(end, now), length=fmt.age(end - start),
            ),
            "reading": "\n".join(lines),
            "evidence": _("late by design · what alerts saw of it is from candles and venues' history"),
            "buttons": [
                [
                    {"text": _("🔔 My alerts"), "command": "/alerts"},
                    {"text": _("👁 Monitors"), "command": "/monitor"},
                ]
            ],
            "chart": None,
        }  # fmt: skip


def outages(gaps: Iterable[Gap]) -> list[Outage]:
    """Gaps that touch, or are less than a minute apart, put together; rising."""
    out: list[Outage] = []
    for gap in sorted(gaps, key=lambda g: (g.from_ts, g.to_ts)):
        if out and gap.from_ts <= out[-1].to_ts + APART:
            out[-1].to_ts = max(out[-1].to_ts, gap.to_ts)
            out[-1].gaps.append(gap)
        else:
            out.append(Outage(from_ts=gap.from_ts, to_ts=gap.to_ts, gaps=[gap]))
    return out


def _touched(rule: AlertRule, gaps: Iterable[Gap], coin_of: Callable[[str], str]) -> bool:
    """Whether one of the gaps is in a feed that the rule looks at."""
    subjects = rule.subjects or (EACH,)
    metrics = [m for each in subjects for m in metrics_of(about(rule.condition, each))]
    return any(_within(metric, gap, rule.coin, coin_of) for gap in gaps for metric in metrics)


def _within(metric: Metric, gap: Gap, coin: str, coin_of: Callable[[str], str]) -> bool:
    """Whether a gap is in the feed of a metric."""
    if gap.table != next((feed for feed, names in NEEDS.items() if metric.name in names), "trades"):
        return False
    key, subject = f"{gap.exchange}:{gap.symbol}", metric.subject
    if subject.startswith("*"):
        return not gap.symbol or coin_of(key) == coin
    if subject in (WATCHED, ANYTHING):
        return True
    return subject == key or (not gap.symbol and subject.startswith(key))


def _feeds(gaps: Sequence[Gap], now: int) -> list[str]:
    """`OKX trades 12:03 UTC to 12:09 UTC (4 markets)`, the longest first."""
    feeds: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps:
        feeds.setdefault((gap.exchange, gap.table), []).append(gap)
    lines = []
    for (exchange, table), found in feeds.items():
        start, end = min(g.from_ts for g in found), max(g.to_ts for g in found)
        symbols = {g.symbol for g in found if g.symbol}
        count = _(" ({n} markets)").format(n=len(symbols)) if len(symbols) > 1 else ""
        text = _("{venue} {feed}: {start} to {end}").format(
            venue=fmt.venues((exchange,)), feed=FEEDS.get(table, table),
            start=fmt.utc(start, now), end=fmt.utc(end, now),
        )  # fmt: skip
        lines.append((start - end, text + count))
    shown = [text for _length, text in sorted(lines)]
    more = len(shown) - LINES
    return shown[:LINES] + ([_("and {n} more feeds").format(n=more)] if more > 0 else [])


def _caught_up(rules: Sequence[AlertRule], fired: set[int], seen: set[int]) -> list[str]:
    """What is known of the alerts that did not fire: which were looked at past the end, and by what."""
    quiet = [rule for rule in rules if rule.id not in fired]
    candles = [r.id for r in quiet if r.id in seen and r.kind in ("price", "volume")]
    history = [r.id for r in quiet if r.id in seen and r.kind not in ("price", "volume")]
    waiting = [r.id for r in quiet if r.id not in seen]
    return [
        text.format(ids=_numbers(ids))
        for ids, text in (
            (candles, _("Not true then, by the candles: {ids}.")),
            (history, _("Looked at again, as far as venues keep history: {ids}.")),
            (waiting, _("Not looked at again yet: {ids}.")),
        )
        if ids
    ]


def _numbers(ids: Sequence[int]) -> str:
    named = " ".join(f"#{each}" for each in sorted(ids)[:12])
    return named + (f" +{len(ids) - 12}" if len(ids) > 12 else "")
