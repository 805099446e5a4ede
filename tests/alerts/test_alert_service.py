"""Making, changing and listing alerts: whose they are, how many, and what can be taken back."""

from collections.abc import Sequence

import pytest
from alert_desk import CHAT, ME, OWNER, WALL, Desk
from alert_market import ETH

from alerts.service import LIMIT, Asker
from alerts.types import AlertState, RuleStatus
from market.errors import UserError

OTHER = Asker(chat_id=CHAT, user_id=99)
ADMIN = Asker(chat_id=CHAT, user_id=1, admin=True)
ELSEWHERE = Asker(chat_id=CHAT + 1, user_id=OWNER)


@pytest.fixture
async def priced(desk: Desk) -> Desk:
    desk.market.trade(93_000)
    desk.market.trade(3100, of=ETH)
    return desk


async def test_an_update_that_comes_twice_makes_one_alert(priced: Desk) -> None:
    first = await priced.alert("price", "BTC above 95k", update_id=9)
    await priced.start()
    again = await priced.alert("price", "BTC above 95k", update_id=9)
    assert again.rule.id == first.rule.id
    assert len(await priced.store.rules()) == 1


async def test_the_same_alert_again_is_the_one_that_is_there(priced: Desk) -> None:
    first = await priced.alert("price", "BTC above 95k")
    again = await priced.alert("price", "$btc perp above 95,000")
    assert (again.rule.id, again.existed) == (first.rule.id, True)


async def test_a_chat_has_at_most_fifty_active_alerts(priced: Desk) -> None:
    for n in range(LIMIT):
        await priced.alert("price", f"BTC above {95_000 + n}")
    with pytest.raises(UserError, match="50 active"):
        await priced.alert("price", "BTC above 99k")
    made = await priced.service.adjust(5, ME, tighter=True, exchange="binance", update_id=None)
    assert made.rule.id == LIMIT + 1, "another threshold takes the place of the old one"
    await priced.service.pause([7], ME)
    await priced.alert("price", "BTC above 99k")
    with pytest.raises(UserError, match="50 active"):
        await priced.service.resume([7], ME)
    await priced.alert("price", "BTC above 99k", ELSEWHERE)


async def test_only_the_owner_and_admins_change_an_alert_and_only_in_its_chat(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    for change in (priced.service.pause, priced.service.delete, priced.service.resume):
        with pytest.raises(UserError, match="belongs to somebody else"):
            await change([1], OTHER)
        with pytest.raises(UserError, match="no alert #1 here"):
            await change([1], ELSEWHERE)
    with pytest.raises(UserError, match="no alert #1 here"):
        await priced.service.view(1, ELSEWHERE)
    assert await priced.service.delete([], OTHER) == []
    assert [r.id for r in await priced.service.pause([1], ADMIN)] == [1]


async def test_what_happened_while_paused_is_not_told(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.service.pause([1], ME)
    assert await priced.at(60, 95_500) == []
    await priced.at(60, 93_000)
    priced.market.trade(95_700, ts=priced.clock.now() + 20_000)
    priced.clock.advance(30_000)
    await priced.service.resume([1], ME)
    assert await priced.at(15, 93_000) == []
    assert await priced.at(15, 93_000) == []
    assert len(await priced.at(60, 95_500)) == 1


async def test_a_deletion_is_undone_within_a_minute(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.alert("price", "BTC above 96k")
    await priced.service.pause([2], ME)
    assert [r.id for r in await priced.service.delete([], ME)] == [1, 2]
    assert await priced.service.of_chat(CHAT) == []
    await priced.start()
    priced.wall.advance(59_000)
    assert [r.id for r in await priced.service.undo(WALL, [1, 2], ME)] == [1, 2]
    statuses = {r.id: r.status for r in await priced.store.rules()}
    assert statuses == {1: RuleStatus.ACTIVE, 2: RuleStatus.PAUSED}
    await priced.service.delete([1], ME)
    priced.wall.advance(2_000)
    with pytest.raises(UserError, match="Too late"):
        await priced.service.undo(WALL, [1], ME)
    assert await priced.service.undo(WALL + 59_000, [1], OTHER) == []


async def test_an_alert_that_is_deleted_during_a_look_does_not_fire(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    inner = priced.market.candles

    async def candles(*args: object, **more: object) -> object:
        found = await inner(*args, **more)  # type: ignore[arg-type]
        await priced.service.delete([1], ME)
        return found

    priced.market.candles = candles  # type: ignore[method-assign, assignment]
    assert await priced.at(15, 95_500) == []
    assert await priced.rows() == []


async def test_the_list_has_the_closest_first_and_paused_ones_last(priced: Desk) -> None:
    await priced.alert("price", "BTC above 99k")
    await priced.alert("price", "BTC above 93,100")
    await priced.alert("price", "ETH above 3200")
    await priced.alert("price", "BTC above 93,050")
    await priced.service.pause([4], ME)
    assert [v.rule.id for v in await priced.service.of_chat(CHAT)] == [2, 3, 1, 4]


async def test_once_is_done_after_one_firing_and_may_be_resumed(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k once")
    assert len(await priced.at(60, 95_500)) == 1
    (rule,) = await priced.store.rules()
    assert rule.status is RuleStatus.DONE
    await priced.at(600, 93_000)
    assert await priced.at(600, 95_500) == []
    await priced.at(600, 93_000)
    await priced.service.resume([1], ME)
    await priced.at(600, 93_000)
    assert len(await priced.at(600, 95_500)) == 1
    assert [row.transition for row in await priced.rows()] == [1, 2]


async def test_tighter_and_looser_make_it_again_under_another_number(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    made = await priced.service.adjust(1, ME, tighter=True, exchange="okx", update_id=3)
    assert made.rule.text.endswith("above 95950")
    made = await priced.service.adjust(2, ME, tighter=False, exchange="okx", update_id=4)
    assert (made.rule.id, [r.id for r in await priced.store.rules()]) == (3, [3])


async def test_a_blocked_chat_pauses_what_was_active_and_gets_just_that_back(priced: Desk) -> None:
    for n in range(3):
        await priced.alert("price", f"BTC above {95_000 + n}")
    await priced.service.pause([2], ME)
    await priced.service.chat_changed(CHAT, False)
    assert all(r.status is RuleStatus.PAUSED for r in await priced.store.rules())
    await priced.service.chat_changed(CHAT, True)
    active = {r.id for r in await priced.store.rules() if r.status is RuleStatus.ACTIVE}
    assert active == {1, 3}


async def test_alerts_of_many_chats_on_one_market_cost_one_request(priced: Desk) -> None:
    for chat in range(3):
        for n in range(20):
            await priced.alert("price", f"BTC above {95_000 + n}", Asker(chat_id=chat, user_id=1))
    priced.market.calls.clear()
    assert len(await priced.at(60, 95_010)) == 3 * 11
    assert len(priced.market.calls) == 1
    assert len(await priced.rows()) == 3 * 11


async def test_a_rule_dropped_while_states_are_read_still_has_its_state(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.market.trade(93_000)
    kept, other = [(await desk.alert("price", f"BTC above {n}k")).rule for n in (95, 96)]
    watch = desk.service._watch
    await watch.states([kept])
    watch.forget([other.id])
    read = desk.store.states

    async def slow(rule_ids: Sequence[int] | None = None) -> dict[int, AlertState]:
        found = await read(rule_ids)
        watch.forget([kept.id])  # paused meanwhile
        return found

    monkeypatch.setattr(desk.store, "states", slow)
    assert set(await watch.states([kept, other])) == {kept.id, other.id}
