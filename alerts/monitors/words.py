"""Facts as messages: one coin's on one card, or a summary where there would be too many."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from alerts.monitors.kinds import KINDS
from alerts.monitors.types import Fact, Severity
from market import format as fmt
from market.language import _

GLYPHS = {Severity.NOTICE: "👁", Severity.HIGH: "👁", Severity.EXTREME: "⚠️"}
ORDER = (Severity.EXTREME, Severity.HIGH, Severity.NOTICE)
LEADING = ("crash", "cascade")  # before others that are as grave
LINES = 8  # of facts on one card
TITLES = {each.kind: each.title for each in KINDS}
WHOLE_MARKET = {each.kind for each in KINDS if each.whole_market}
Payload = dict[str, Any]


def level(unit: str, value: float) -> str:
    """A threshold as it is typed and read: `250 %`, `$500.0k`, `0.05 %/8h`."""
    if not unit:
        return _("on")
    return fmt.money(value) if unit == "$" else f"{value:g} {unit}"


def message(facts: Sequence[Fact], now: int, *, more: int = 0) -> str:
    """The JSON of an outbox row about one coin; `more` facts were left out. `now` is the market's."""
    ordered = sorted(facts, key=_gravity)
    first, *others = ordered
    lines = [first.detail] if first.detail else []
    lines += [_line(each) for each in others[:LINES]]
    left = max(0, len(others) - LINES) + more
    if left:
        lines.append(_("and {n} more").format(n=left))
    body: Payload = {
        "glyph": GLYPHS[first.severity],
        "headline": first.text,
        "reading": "\n".join(lines),
        "evidence": evidence(first, now),
        "buttons": _buttons(first),
        "chart": None,
        "tick": min((each.tick_wall for each in facts if each.tick_wall), default=0),
    }
    return json.dumps(body, ensure_ascii=False)


def summary(facts: Sequence[Fact], now: int, *, more: int = 0) -> str:
    """One message for many: how many of what, coin by coin, the gravest ones in words."""
    coins = Counter(fact.coin for fact in facts)
    kinds = Counter(TITLES.get(fact.kind, fact.kind) for fact in facts)
    grave = sorted(facts, key=lambda f: (ORDER.index(f.severity), -f.ts, -f.id))[:LINES]
    lines = [_line(each) for each in sorted(grave, key=lambda f: (f.ts, f.id))]
    left = len(facts) - len(grave) + more
    if left > 0:
        lines.append(_("and {n} more").format(n=left))
    total = len(facts) + more
    newest = max(facts, key=lambda f: (f.ts, f.id))
    body: Payload = {
        "glyph": "👁",
        "headline": _("{n} findings on {coins}").format(n=total, coins=_named(coins)),
        "table": [f"{count:>3}  {title}"[: fmt.COLUMNS] for title, count in kinds.most_common(LINES)],
        "reading": "\n".join(lines),
        "evidence": fmt.SEPARATOR.join(
            [
                _("put together: more than a chat can read"),
                fmt.utc(newest.ts, now, seconds=True),
                fmt.age(max(0, now - newest.ts)),
            ]
        ),
        "buttons": [[{"text": _("👁 Monitors"), "command": "/monitor"}]],
        "chart": None,
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False)


def evidence(fact: Fact, now: int) -> str:
    """`Binance · 14:15:03 UTC · 0.8 s · above 250 % · observed`."""
    unit = next((each.unit for each in KINDS if each.kind == fact.kind), "")
    kinds = [reading.kind for reading in fact.evidence.values() if reading.known]
    weakest = max(kinds, key=_RANK.index) if kinds else "observed"
    parts = [
        fmt.venues(fact.venues) if fact.venues else "",
        fmt.utc(fact.ts, now, seconds=True),
        fmt.age(max(0, now - fact.ts)),
        _("above {level}").format(level=level(unit, fact.threshold)) if unit else "",
        *dict.fromkeys(r.note for r in fact.evidence.values() if r.known and r.note),
        _(str(weakest)),
    ]
    return fmt.SEPARATOR.join(part for part in parts if part)


_RANK = ("observed", "estimated", "approx")


def _gravity(fact: Fact) -> tuple[int, bool, int, int]:
    return ORDER.index(fact.severity), fact.kind not in LEADING, fact.ts, fact.id


def _line(fact: Fact) -> str:
    where = f" ({fmt.venues(fact.venues)})" if fact.venues else ""
    return f"{fact.text}{where}"


def _named(coins: Counter[str]) -> str:
    names = [coin for coin, _count in coins.most_common(4)]
    rest = len(coins) - len(names)
    return ", ".join(names) + (_(" and {n} more coins").format(n=rest) if rest > 0 else "")


def _buttons(fact: Fact) -> list[list[Payload]]:
    chart = fact.key if ":" in fact.key else fact.coin
    rows: list[list[Payload]] = [
        [
            {"text": _("Flow"), "command": f"/flow {fact.coin}"},
            {"text": _("📈 Chart"), "command": f"/chart {chart} 5m"},
        ],
        [
            {"text": _("🔕 {coin} off").format(coin=fact.coin), "action": "monitor:off",
             "value": fact.coin},
            {"text": _("👁 Monitors"), "command": "/monitor"},
        ],
    ]  # fmt: skip
    if fact.kind in WHOLE_MARKET:
        return [rows[0], rows[1][1:]]
    return rows
