"""What a firing says: the finding, each part, where it is from, the person's own words, and plain fields."""

import json
from typing import Any

import pytest
from alert_market import BTC, ETH, START
from alert_rules import FIGURE, LISTED, fired, leaf_of, level_of, metric_of, rise, rule
from hypothesis import given
from hypothesis import strategies as st

from alerts.describe import Words
from alerts.figures import Figure, How, Unit
from alerts.kinds import FIGURES, KINDS
from alerts.message import Message
from alerts.shown import SIGMA
from alerts.types import (
    EACH,
    AllOf,
    Cross,
    Event,
    For,
    Leg,
    Metric,
    Op,
    OutboxRow,
    Rise,
    Sample,
    Severity,
    Signal,
    State,
    Then,
)
from bot.telegram.channel import _reply
from bot.telegram.render import render
from market.types import MINUTE, Kind, Reading

MESSAGE = Message(Words(LISTED))
UNITS = {
    Unit.MONEY: "$", Unit.AMOUNT: "BTC", Unit.FRACTION: "%", Unit.RATIO: "%", Unit.RATE: "%",
    Unit.SIGMA: SIGMA,
}  # fmt: skip
PRICE = Metric(subject=BTC.key, name="price")
ABOVE = Cross(metric=PRICE, op=Op.ABOVE, level=95_000.0, touch=True)
RISE = rise("open_interest", 0.03)
FIELDS = {
    "severity", "symbol", "subject", "kind", "rule_id", "transition", "ts", "value", "threshold", "venues",
    "late", "test",
}  # fmt: skip


def said(signal: Signal, chart: str = BTC.key, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(MESSAGE.payload(signal, START + 800, {}, chart, **more))
    return body


def html(body: dict[str, Any]) -> str:
    return render(_reply(body, repeat=False))[0].html


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_figure_is_told_with_its_unit_its_age_and_how_it_is_known(figure: Figure) -> None:
    leaf = leaf_of(figure, level_of(figure))
    kind = next((k.name for k in KINDS if figure in getattr(k, "figures", ())), "price")
    body = said(fired(rule(leaf, kind=kind), level_of(figure) * 1.01))
    assert UNITS.get(figure.unit, "") in body["headline"], body["headline"]
    assert body["headline"].endswith("  #412")
    assert "observed" in body["evidence"]
    assert "0.8 s" in body["evidence"]
    assert "None" not in body["headline"] + body["reading"] + body["evidence"]
    assert body.keys() >= FIELDS
    assert html(body)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_firing_says_what_it_was_against(figure: Figure) -> None:
    words = Words(LISTED)
    asked: list[Cross | State | Event | Rise] = [leaf_of(figure, level_of(figure))]
    if How.CHANGE in figure.hows:
        asked.append(rise(figure.name, 0.03))
    for leaf in asked:
        body = said(fired(rule(leaf), level_of(figure) * 1.01))
        plain = isinstance(leaf, Cross | State) and figure.unit is not Unit.RATIO
        if plain:
            assert words.level(leaf) in body["headline"]
        assert (f"rule {words.short(rule(leaf))}" in body["evidence"]) is not plain


def test_a_composite_tells_the_value_of_each_part_the_tipping_one_first() -> None:
    near = State(metric=metric_of(FIGURE["cvd_share"]), op=Op.BELOW, level=0.0)
    legs = (
        Leg(leaf=RISE, value=0.031, ts=START, met=True),
        Leg(leaf=near, value=-0.12, ts=START, met=True),
        Leg(leaf=ABOVE, value=None, ts=START, met=False),
    )
    body = said(fired(rule(AllOf(parts=(near, RISE, ABOVE))), 0.031, legs=legs))
    assert body["headline"] == "BTC open interest +3.10 % within 15 m; all 3 parts hold  #412"
    lines = body["reading"].splitlines()
    assert "✓ BTC open interest +3.10 % in 15 m (rises by 3.00 %)" in lines
    assert any(line.startswith("✓ BTC CVD") and "-12.0 %" in line for line in lines)
    assert "? BTC perp price n/a (crosses above 95,000.0)" in lines
    assert "rule cvd" in body["evidence"]


def test_sequences_and_durations_say_so() -> None:
    legs = (Leg(leaf=ABOVE, value=95_010.0, ts=START, met=True),)
    then = rule(Then(first=RISE, second=ABOVE, within=MINUTE))
    assert "after the first step" in said(fired(then, 95_010.0, legs=legs))["headline"]
    lasting = rule(For(part=ABOVE, duration=3 * MINUTE))
    assert "for 3 m by now" in said(fired(lasting, 95_010.0, legs=legs))["headline"]


def test_a_rule_over_several_names_the_one_that_fired() -> None:
    each = Cross(metric=Metric(subject=EACH, name="price"), op=Op.ABOVE, level=3_000.0)
    body = said(fired(rule(each, subjects=(BTC.key, ETH.key)), 3_001.0, subject=ETH.key))
    assert body["headline"].startswith("ETH perp 3,001.0, crossed above 3,000.0")
    assert (body["subject"], body["symbol"]) == (ETH.key, "ETH/USDT:USDT")


def test_an_event_says_what_happened_and_what_else_is_known_of_it() -> None:
    extra = {
        "price": Reading(value=93_310.04), "value": Reading(value=2.3e6, unit="USD"),
        "lost": Reading[float].missing("no trade"),
    }  # fmt: skip
    reading = Reading(value=2.3e6, note="12 prints", venues=("binance",))
    sample = Sample(ts=START, value=2.3e6, reading=reading, extra=extra)
    whale = Event(metric=metric_of(FIGURE["open_interest_usd"]), level=1e6)
    body = said(fired(rule(whale), 2.3e6, sample=sample))
    assert body["reading"] == "12 prints · price 93,310 · value $2.30M"


def test_an_estimate_is_called_one() -> None:
    sample = Sample(ts=START, value=96e3, reading=Reading(value=96e3, kind=Kind.ESTIMATED))
    assert "estimated" in said(fired(rule(ABOVE), 96e3, sample=sample))["evidence"]


def test_the_plain_fields_say_the_same_without_sentences() -> None:
    body = said(fired(rule(ABOVE, severity=Severity.CRITICAL), 95_010.0, late=True), transition=7)
    assert {name: body[name] for name in FIELDS} == {
        "severity": "critical", "symbol": "BTC/USDT:USDT", "subject": BTC.key, "kind": "price",
        "rule_id": 412, "transition": 7, "ts": START, "value": 95_010.0, "threshold": 1.0,
        "venues": ["binance"], "late": True, "test": False,
    }  # fmt: skip
    assert body["reading"].startswith("Late:")
    assert said(fired(rule(ABOVE), 95_010.0), test=True)["headline"].startswith("TEST ")


def test_critical_is_marked_and_info_is_named() -> None:
    critical = said(fired(rule(ABOVE, severity=Severity.CRITICAL), 95_010.0))
    assert critical["glyph"] == "🚨"
    assert critical["evidence"].endswith("critical")
    info = said(fired(rule(ABOVE, severity=Severity.INFO), 95_010.0))
    assert info["glyph"] == "🔔"
    assert info["evidence"].endswith("info")
    assert "warning" not in said(fired(rule(ABOVE), 95_010.0))["evidence"]


def test_the_places_of_a_note_are_filled_once_and_other_braces_stay() -> None:
    note = "{symbol} at {value} ({price}) {time} {unknown} {0} {value.__class__} {{value}}"
    body = said(fired(rule(ABOVE, note=note), 95_010.0))
    assert body["reading"].splitlines()[-1] == (
        "BTC perp at 95,010.0 (95,010.0) 00:00 UTC {unknown} {0} {value.__class__} {95,010.0}"
    )


def test_a_note_of_a_figure_without_a_price_says_that_it_is_not_known() -> None:
    body = said(fired(rule(RISE, note="{value} {price}"), 0.031))
    assert body["reading"].splitlines()[-1] == "+3.10 % n/a"


@pytest.mark.parametrize(
    "note", ["<b>x</b> & <a href='x'>", "</pre><script>", "a" * 5000, "{" * 400]
)
def test_a_hostile_or_endless_note_stays_text(note: str) -> None:
    body = said(fired(rule(ABOVE, note=note), 95_010.0))
    shown = html(body)
    assert "<script" not in shown
    assert "<a " not in shown
    assert shown.count("<b>") == 1
    assert len(body["reading"]) < 400


@given(st.text(max_size=300))
def test_any_note_makes_a_message_that_telegram_takes(note: str) -> None:
    body = said(fired(rule(ABOVE, note=note), 95_010.0))
    (message,) = render(_reply(body, repeat=False))
    assert len(message.plain) <= 4096


def test_buttons_snooze_edit_mute_and_draw() -> None:
    body = said(fired(rule(ABOVE), 95_010.0))
    rows = body["buttons"]
    assert all(len(row) <= 3 for row in rows)
    acts = [(b.get("action"), b.get("value")) for row in rows for b in row if b.get("action")]
    assert acts == [
        ("alert:show", "412"), ("alert:mute", "412"), ("alert:snooze", "412 15m"),
        ("alert:snooze", "412 1h"), ("alert:snooze", "412 tomorrow"),
    ]  # fmt: skip
    assert {"text": "📈 Chart", "command": f"/chart {BTC.key} 5m"} in rows[0]
    assert all(len(f"a:{act}:{value}".encode()) <= 64 for act, value in acts)


def test_the_picture_is_of_that_symbol_and_candle_and_none_where_there_is_no_market() -> None:
    body = said(fired(rule(ABOVE), 95_010.0))
    assert body["chart"]["data"] == {
        "instrument": BTC.key, "timeframe": "5m", "bar_ts": START - 300_000, "alert_id": 412,
        "level": 95_000.0, "headline": "BTC perp 95,010.0, crossed above 95,000.0",
    }  # fmt: skip
    assert said(fired(rule(ABOVE), 95_010.0), chart="")["chart"] is None


def test_what_telegram_reads_of_it_is_a_card() -> None:
    body = said(fired(rule(ABOVE), 95_010.0))
    row = OutboxRow(
        id=1, alert_id=412, transition=1, channel="telegram", chat_id=1, payload=json.dumps(body),
        created_ts=0,
    )  # fmt: skip
    reply = _reply(json.loads(row.payload), repeat=True)
    assert reply.card is not None
    assert reply.card.evidence.endswith("(repeat?)")
