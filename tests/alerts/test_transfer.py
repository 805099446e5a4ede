"""Alerts as text: what is written is read again as the same alerts, and a bad line holds up no other."""

from dataclasses import replace

import pytest
from alert_desk import CHAT, ME, OWNER, WALL, Desk
from alert_market import ETH
from hypothesis import given
from hypothesis import strategies as st

from alerts.making import Asker
from alerts.service import LIMIT
from alerts.transfer import MOST_LINES, line_of, lines_of
from alerts.types import AlertRule, RuleStatus, Severity
from market.errors import UserError
from market.types import DAY, HOUR, MINUTE

THERE = Asker(chat_id=CHAT + 1, user_id=OWNER)
TYPED = (
    ("price", "BTC above 95k"),
    ("price", "BTC below 90,000 once"),
    ("price", "BTC > 95k every 2h critical"),
    ("price", 'ETH above 3,500 until 3d cap 7/day note "sell a third; then wait"'),
    ("volume", "BTC 250 15m info"),
)


@pytest.fixture
async def priced(desk: Desk) -> Desk:
    desk.market.trade(93_000)
    desk.market.trade(3100, of=ETH)
    for kind, words in TYPED:
        await desk.alert(kind, words)
    await desk.service.pause([2], ME)
    return desk


def same(rule: AlertRule) -> AlertRule:
    """Without what is of the place and moment; an end is written in whole minutes."""
    end = None if rule.expires_ts is None else -(-rule.expires_ts // MINUTE)
    return replace(rule, id=0, chat_id=0, created_ts=0, text="", expires_ts=end)


async def test_what_is_exported_is_imported_as_the_same(priced: Desk) -> None:
    text = await priced.service.export(CHAT, ME)
    assert len(text.splitlines()) == len(TYPED)
    assert sum(line.endswith("# paused") for line in text.splitlines()) == 1
    priced.wall.advance(HOUR)
    taken = await priced.service.take(text, THERE, exchange="okx")
    assert (len(taken.made), taken.existed, taken.problems) == (len(TYPED), [], [])
    rules = await priced.store.rules()
    ours, theirs = ([same(r) for r in rules if r.chat_id == chat] for chat in (CHAT, CHAT + 1))
    assert sorted(map(repr, ours)) == sorted(map(repr, theirs))
    assert await priced.service.export(CHAT + 1) == text
    again = await priced.service.take(text, THERE, exchange="okx")
    assert len(again.existed) == len(TYPED) - 1, "a paused one is made anew, the others are there"


async def test_a_line_that_is_wrong_does_not_hold_up_the_others(priced: Desk) -> None:
    text = """
    # my alerts
    /alert ETH above 4k
    /alert-volume BTC 300 1h   # paused
    /alert ETH sideways
    /nothing BTC 5
    /alert@tidemark_bot ETH above 4,000
    /alert NOTACOIN above 4
    """
    found = await priced.service.take(text, THERE, exchange="binance")
    assert [(each.coin, each.status) for each in found.made] == [
        ("ETH", RuleStatus.ACTIVE),
        ("BTC", RuleStatus.PAUSED),
    ]
    assert [each.id for each in found.existed] == [found.made[0].id]
    assert [each.number for each in found.problems] == [5, 6, 8]
    assert all(each.reason for each in found.problems)


async def test_an_import_ends_where_the_room_does_and_loses_nothing_before(priced: Desk) -> None:
    text = "\n".join(f"/alert BTC above {96_000 + n}" for n in range(LIMIT + 3))
    found = await priced.service.take(text, THERE, exchange="binance")
    assert len(found.made) == LIMIT
    assert [each.number for each in found.problems] == [LIMIT + 1, LIMIT + 2, LIMIT + 3]
    assert "most" in found.problems[0].reason


async def test_nobody_elses_alerts_are_exported_with_ones_own(priced: Desk) -> None:
    await priced.alert("price", "BTC above 99k", Asker(chat_id=CHAT, user_id=99))
    assert "99000" not in await priced.service.export(CHAT, ME)
    assert "99000" in await priced.service.export(CHAT)
    only = await priced.service.export(CHAT, ME, [1])
    assert only == (await priced.service.view(1, ME)).rule.text


async def test_an_end_is_written_as_a_moment_of_the_chats_zone(priced: Desk) -> None:
    rule = await priced.store.rule(4)
    assert rule is not None
    assert rule.expires_ts == WALL + 3 * DAY
    assert "until 2026-09-24 14:14" in line_of(rule), "never earlier than it was"
    assert "until 2026-09-24 16:14" in line_of(rule, "Europe/Berlin")
    done = replace(rule, severity=Severity.INFO, expires_ts=None, note="", daily_cap=0)
    assert "info" in line_of(done)


def test_a_text_is_bounded() -> None:
    with pytest.raises(UserError, match="At most 500"):
        lines_of("/alert BTC above 1\n" * (MOST_LINES + 1))
    lines, problems = lines_of("/alert " + "x" * 1000 + "\n/alert BTC above 1")
    assert ([each.number for each in lines], [each.number for each in problems]) == ([2], [1])


@given(st.text(max_size=300))
def test_any_text_is_split_without_an_accident(text: str) -> None:
    lines, problems = lines_of(text)
    numbers = [each.number for each in (*lines, *problems)]
    assert len(set(numbers)) == len(numbers)
    for line in lines:
        assert line.text
        assert "-" not in line.command
        assert isinstance(line.words, tuple)
