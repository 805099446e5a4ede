"""Where a rule is in its life, and how its time ends."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from alert_desk import CHAT, ME, OWNER, WALL, Desk
from alert_market import START

from alerts.engine import evaluate
from alerts.lifecycle import Phase, Standing, phase_words, snooze_end, standing
from alerts.making import Asker
from alerts.states import first_state
from alerts.types import (
    AlertRule,
    AlertState,
    Cross,
    Event,
    For,
    Metric,
    Notice,
    Op,
    RuleStatus,
    Sample,
    State,
)
from market.errors import UserError
from market.types import DAY, HOUR, MINUTE

PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")
RULE = AlertRule(
    id=1, chat_id=CHAT, owner_id=OWNER, kind="price", text="/alert", coin="BTC", cooldown=5 * MINUTE,
    condition=Cross(metric=PRICE, op=Op.ABOVE, level=100.0),
)  # fmt: skip
KNOWN = AlertState(rule_id=1, side=-1, last_value=90.0, last_ts=START)
FIRED = replace(KNOWN, fired_ts=START, fired_count=1, armed=False, side=1)


def phase(rule: AlertRule, *states: AlertState, **more: Any) -> Standing:
    return standing(rule, states, **({"now": START, "wall": WALL} | more))


@pytest.mark.parametrize(
    ("fields", "state", "expected"),
    [
        ({}, AlertState(rule_id=1), Phase.INACTIVE),
        ({}, KNOWN, Phase.ARMED),
        ({}, FIRED, Phase.COOLDOWN),
        ({"cooldown": 0}, FIRED, Phase.WAITING),
        ({"cooldown": 0}, replace(FIRED, armed=True), Phase.ARMED),
        ({"status": RuleStatus.PAUSED}, KNOWN, Phase.PAUSED),
        ({"status": RuleStatus.PAUSED, "paused_reason": "storm"}, KNOWN, Phase.STORMED),
        ({"status": RuleStatus.EXPIRED, "snoozed_until": WALL + 1}, KNOWN, Phase.EXPIRED),
        ({"status": RuleStatus.DONE}, FIRED, Phase.DONE),
        ({"status": RuleStatus.DELETED}, KNOWN, Phase.DELETED),
        ({"snoozed_until": WALL + 1}, FIRED, Phase.SNOOZED),
        ({"snoozed_until": WALL}, KNOWN, Phase.ARMED),
        (
            {"condition": State(metric=PRICE, op=Op.ABOVE, level=1.0), "cooldown": 0},
            FIRED,
            Phase.ARMED,
        ),
    ],
)
def test_each_rule_is_in_one_phase(
    fields: dict[str, Any], state: AlertState, expected: Phase
) -> None:
    assert phase(replace(RULE, **fields), state).phase is expected


def test_a_cooldown_ends_by_the_clock_of_the_market() -> None:
    assert phase(RULE, FIRED, now=START + MINUTE).left == 4 * MINUTE
    assert phase(RULE, FIRED, now=START + 5 * MINUTE).phase is Phase.WAITING


def test_a_rule_over_several_is_as_lively_as_its_liveliest_subject() -> None:
    base = AlertState(rule_id=1)
    cold = replace(FIRED, subject="a")
    assert phase(RULE, base, cold).phase is Phase.COOLDOWN, (
        "the state without a subject only counts"
    )
    assert phase(RULE, base, cold, replace(KNOWN, subject="b")).phase is Phase.ARMED
    held = replace(
        RULE, condition=For(part=State(metric=PRICE, op=Op.ABOVE, level=1.0), duration=180_000)
    )
    memory = json.dumps({"legs": [[True]], "tree": [START - MINUTE], "told": False})
    found = phase(held, base, cold, AlertState(rule_id=1, subject="b", memory=memory, side=-1))
    assert (found.phase, found.left) == (Phase.PENDING, 2 * MINUTE)
    assert phase_words(found, wall=WALL) == "pending 1 m of 3 m"
    assert phase(RULE, base, cold, unsent=True).phase is Phase.FIRING


def test_every_phase_has_its_words_and_says_how_long() -> None:
    words = {phase_words(Standing(phase=each), wall=WALL) for each in Phase}
    assert len(words) == len(Phase)
    found = phase(replace(RULE, snoozed_until=WALL + HOUR), KNOWN)
    assert phase_words(found, wall=WALL, zone="Europe/Berlin") == "snoozed until 17:13"
    assert phase_words(found, wall=WALL) == "snoozed until 15:13 UTC"
    assert phase_words(phase(RULE, FIRED), wall=WALL) == "cooldown, 5 m left"


def test_a_snooze_is_short_or_until_the_morning() -> None:
    assert snooze_end("15m", WALL) == WALL + 15 * MINUTE
    assert snooze_end("tomorrow", WALL) == WALL // DAY * DAY + DAY + 8 * HOUR
    with pytest.raises(UserError, match="how long"):
        snooze_end("3 weeks", WALL)


@pytest.fixture
async def priced(desk: Desk) -> Desk:
    desk.market.trade(93_000)
    return desk


async def told(desk: Desk, kind: Notice) -> list[dict[str, Any]]:
    rows = await desk.store.due(10**15, 1000)
    return [json.loads(row.payload) for row in rows if row.alert_id == kind]


async def test_an_alert_that_ends_says_so_an_hour_before_and_then_once(priced: Desk) -> None:
    made = await priced.alert("price", "BTC above 95k until 2d")
    assert made.rule.expires_ts == WALL + 2 * DAY
    for passed in (0, DAY, 2 * DAY - HOUR - 1):
        priced.wall.set(WALL + passed)
        assert await priced.service.expire_due() == []
    assert await priced.rows() == []
    for passed in (2 * DAY - HOUR, 2 * DAY - HOUR + MINUTE, 2 * DAY - 1):
        priced.wall.set(WALL + passed)
        await priced.service.expire_due()
        await priced.start()
    (soon,) = await told(priced, Notice.HEADS_UP)
    assert soon["headline"] == "Alert expires at 14:13 UTC  #1"
    priced.wall.set(WALL + 2 * DAY)
    first, second = await asyncio.gather(priced.service.expire_due(), priced.service.expire_due())
    assert [rule.id for rule in (*first, *second)] == [1]
    await priced.start()
    assert await priced.service.expire_due() == []
    (over,) = await told(priced, Notice.EXPIRED)
    assert over["buttons"][0][0]["action"] == "alert:renew"
    rule = await priced.store.rule(1)
    assert rule is not None
    assert rule.status is RuleStatus.EXPIRED
    assert await priced.at(60, 95_500) == [], "nobody watches it any more"


async def test_an_alert_of_a_few_hours_ends_without_a_warning(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k until 3h")
    priced.wall.advance(2 * HOUR + MINUTE)
    await priced.service.expire_due()
    assert await priced.rows() == []
    priced.wall.advance(HOUR)
    assert len(await priced.service.expire_due()) == 1


async def test_a_paused_alert_ends_too_and_a_renewed_one_lives_on(priced: Desk) -> None:
    for n in range(3):
        await priced.alert("price", f"BTC above {95_000 + n} until 2d")
    await priced.service.pause([2], ME)
    priced.wall.advance(DAY)
    assert (await priced.service.renew(3, ME)).expires_ts == WALL + 8 * DAY
    priced.wall.advance(DAY)
    assert [rule.id for rule in await priced.service.expire_due()] == [1, 2]
    assert await priced.service.resume([], ME) == [], "what has expired is renewed, not resumed"
    back = await priced.service.renew(2, ME, HOUR)
    assert (back.status, back.expires_ts) == (RuleStatus.ACTIVE, WALL + 2 * DAY + HOUR)
    priced.wall.advance(HOUR)
    assert [rule.id for rule in await priced.service.expire_due()] == [2]
    assert len(await told(priced, Notice.EXPIRED)) == 3, "another end is another message"


async def test_a_paused_alert_whose_time_is_over_is_not_resumed(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k until 3h")
    await priced.service.pause([1], ME)
    priced.wall.advance(4 * HOUR)
    assert await priced.service.resume([1], ME) == []


async def test_alerts_of_a_market_that_is_gone_are_paused_with_one_message(priced: Desk) -> None:
    for n in range(3):
        await priced.alert("price", f"BTC above {95_000 + n}")
    await priced.service.pause([2], ME)
    assert await priced.service.care.gone([1, 2, 3, 1, 99], "not listed any more") == 2
    assert await priced.service.care.gone([1, 2, 3], "not listed any more") == 0
    messages = await told(priced, Notice.DELISTED)
    assert len(messages) == 2
    assert "not listed any more" in messages[0]["reading"]
    reasons = {rule.id: rule.paused_reason for rule in await priced.store.rules()}
    assert reasons == {1: "delisted", 2: "", 3: "delisted"}


async def test_a_snoozed_alert_says_until_when_and_can_be_woken(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.alert("price", "BTC above 96k")
    await priced.service.pause([2], ME)
    (rule,) = await priced.service.snooze([], ME, "1h")
    assert (rule.id, rule.snoozed_until) == (1, WALL + HOUR)
    view = await priced.service.view(1, ME)
    assert view.standing == Standing(phase=Phase.SNOOZED, left=HOUR, until=WALL + HOUR)
    await priced.service.snooze([1], ME, "off")
    assert (await priced.service.view(1, ME)).standing.phase is Phase.ARMED
    other = Asker(chat_id=CHAT, user_id=99)
    with pytest.raises(UserError, match="somebody else"):
        await priced.service.snooze([1], other, "1h")


def test_a_notice_is_told_apart_by_rule_and_moment() -> None:
    found = {Notice.about(rule_id, mark) for rule_id in range(1, 50) for mark in range(50)}
    assert len(found) == 49 * 50
    assert Notice.about(2**40, 29_833_333) < 2**63
    assert all(each < -2 for each in Notice), "no firing, and no living message, has such a number"


def test_what_happened_before_an_event_rule_was_made_is_no_news() -> None:
    rule = replace(RULE, condition=Event(metric=PRICE, level=100.0))
    seen = Sample(ts=START, value=500.0)
    first = first_state(rule, [seen])
    assert (first.fired_count, first.transition) == (0, 0)
    new = Sample(ts=START + 5, value=500.0)
    assert [each.sample for each in evaluate(rule, first, [seen, new], START + 5)[1]] == [new]
