"""Making, changing and listing alerts: whose they are, how many, and what can be taken back."""

import asyncio
import json
from dataclasses import replace

import pytest
from alert_desk import CHAT, ME, OWNER, WALL, Desk
from alert_market import ETH

from alerts.conditions import leaves
from alerts.copying import CoinLevels
from alerts.service import LIMIT, Asker, View
from alerts.types import Priority, Repeat, RuleStatus, State
from market.errors import UserError
from market.types import MINUTE

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


async def test_an_edit_keeps_the_number_and_starts_anew(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k always")
    await priced.at(60, 95_500)
    edited = await priced.service.edit(
        1, "price", ["BTC", "above", "96k", "once"], ME, exchange="binance", update_id=4
    )
    assert (edited.rule.id, edited.rule.text.split()[2:4]) == (1, ["above", "96000"])
    assert (edited.rule.repeat, edited.active) == (Repeat.ONCE, 1)
    assert await priced.at(60, 95_800) == []
    assert len(await priced.at(60, 96_500)) == 1
    assert [row.transition for row in await priced.rows()] == [1, 2], "no number is given twice"
    again = await priced.service.edit(
        1, "price", ["BTC", "above", "97k"], ME, exchange="binance", update_id=4
    )
    assert again.rule.text == edited.rule.text, "the same update edits once"
    assert again.rule.status is RuleStatus.DONE


async def test_an_edit_takes_nothing_that_is_there_already_or_belongs_to_others(
    priced: Desk,
) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.alert("price", "BTC above 96k")

    async def edit(words: str, asker: Asker = ME) -> View:
        return await priced.service.edit(2, "price", words.split(), asker, exchange="binance")

    with pytest.raises(UserError, match="alert #1 already"):
        await edit("BTC above 95k")
    with pytest.raises(UserError, match="somebody else"):
        await edit("BTC above 97k", OTHER)
    assert (await edit("BTC above 96k")).rule.id == 2, "the same again is no other alert"
    await priced.service.pause([2], ME)
    assert (await edit("BTC above 97k")).rule.status is RuleStatus.PAUSED


async def test_an_edited_alert_that_was_beyond_its_level_waits_for_the_next_crossing(
    priced: Desk,
) -> None:
    await priced.alert("price", "BTC above 95k")
    view = await priced.service.edit(1, "price", ["BTC", "above", "92k"], ME, exchange="binance")
    assert view.already_true
    assert await priced.at(60, 93_100) == []
    await priced.at(60, 91_000)
    assert len(await priced.at(60, 92_500)) == 1


async def test_a_draft_is_looked_at_and_not_stored(priced: Desk) -> None:
    view = await priced.service.draft("price", ["BTC", "above", "90k"], ME, exchange="binance")
    assert (view.rule.id, view.already_true, view.active, view.limit) == (0, True, 0, LIMIT)
    assert [leg.value for leg in view.legs] == [93_000]
    assert await priced.store.rules() == []
    made = await priced.alert("price", "BTC above 90k")
    assert made.already_true
    again = await priced.service.draft("price", ["BTC", "above", "90k"], ME, exchange="binance")
    assert (again.rule.id, again.existed) == (1, True)


async def test_two_that_come_together_are_one_and_no_more_than_there_is_room_for(
    priced: Desk,
) -> None:
    both = await asyncio.gather(*(priced.alert("price", "BTC above 95k") for _n in range(4)))
    assert {view.rule.id for view in both} == {1}
    levels = range(96_000, 96_000 + LIMIT + 5)
    made = await asyncio.gather(
        *(priced.alert("price", f"BTC above {n}") for n in levels), return_exceptions=True
    )
    assert sum(isinstance(each, UserError) for each in made) == 6
    assert await priced.store.count(CHAT) == LIMIT


@pytest.mark.parametrize(
    ("role", "limit"), [("viewer", 0), ("alerter", 50), ("trader", 200), ("admin", 500), ("", 50)]
)
async def test_how_many_alerts_there_may_be_is_a_matter_of_the_role(
    priced: Desk, role: str, limit: int
) -> None:
    asker = Asker(chat_id=CHAT, user_id=OWNER, role=role)
    assert await priced.service.usage(asker) == (0, limit)
    if limit:
        view = await priced.alert("price", "BTC above 95k", asker)
        assert (view.active, view.limit) == (1, limit)
    else:
        with pytest.raises(UserError, match="reads alerts"):
            await priced.alert("price", "BTC above 95k", asker)


async def test_everybody_in_a_group_has_their_own_room(priced: Desk) -> None:
    for n in range(LIMIT):
        await priced.alert("price", f"BTC above {95_000 + n}")
    await priced.alert("price", "BTC above 99k", OTHER)
    assert await priced.service.usage(OTHER) == (1, LIMIT)


async def test_undoing_a_deletion_of_all_brings_back_reasons_and_states(priced: Desk) -> None:
    for n in range(4):
        await priced.alert("price", f"BTC above {95_000 + n * 1000}")
    await priced.at(60, 95_500)
    await priced.service.pause([2], ME)
    await priced.store.set_status([3], RuleStatus.PAUSED, "storm")
    await priced.store.set_status([4], RuleStatus.EXPIRED)
    await priced.runner.drop([3, 4])
    before = await priced.store.rules(), await priced.store.all_states()
    await priced.service.delete([], ME)
    assert await priced.store.rules() == []
    assert await priced.at(20, 93_000) == []
    await priced.service.undo(WALL, [1, 2, 3, 4], ME)
    assert (await priced.store.rules(), await priced.store.all_states()) == before


async def test_what_crossed_while_a_rule_was_deleted_is_not_missed(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.service.delete([1], ME)
    await priced.at(20, 95_500)
    await priced.service.undo(WALL, [1], ME)
    assert len(await priced.at(5, 95_500)) == 1


async def test_whether_it_would_fire_is_answered_part_by_part(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    await priced.alert("price", "BTC > 90k")
    await priced.alert("price", "BTC above 90k")
    await priced.alert("price", "OI above 90k")
    trials = [await priced.service.would_fire(n, ME) for n in (1, 2, 3, 4)]
    assert [each.holds for each in trials] == [False, True, True, False]
    assert trials[0].reasons == ("the condition does not hold",)
    assert [leg.value for leg in trials[0].missing] == [93_000]
    assert (trials[1].reasons, trials[1].missing) == ((), ())
    assert "next crossing" in trials[2].reasons[0]
    assert "no trade" in trials[3].reasons[0]
    await priced.service.pause([2], ME)
    assert (await priced.service.would_fire(2, ME)).reasons == ("paused",)


async def test_what_is_missing_of_a_rule_with_not_is_what_holds(priced: Desk) -> None:
    await priced.alert("when", "BTC price > 90k and not BTC price > 91k")
    found = await priced.service.would_fire(1, ME)
    assert [leg.leaf.level for leg in found.missing if isinstance(leg.leaf, State)] == [91_000]
    await priced.alert("when", "BTC price > 90k and not BTC price > 95k")
    found = await priced.service.would_fire(2, ME)
    assert (found.holds, found.missing) == (True, ())


async def test_a_test_goes_the_way_of_a_firing_and_is_none(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k critical")
    await priced.alert("price", "OI above 90k")
    assert await priced.service.send_test(1, ME, update_id=7)
    assert not await priced.service.send_test(1, ME, update_id=7), "the same update tests once"
    assert await priced.service.send_test(2, ME, update_id=8)
    first, second = await priced.rows()
    assert first.priority == Priority.CRITICAL
    payload = json.loads(first.payload)
    assert (payload["test"], "TEST" in payload["headline"]) == (True, True)
    assert json.loads(second.payload)["test"]
    assert await priced.firings() == []
    assert (await priced.store.states())[1].transition == 0


async def test_a_copy_is_the_same_about_another_coin(priced: Desk) -> None:
    await priced.alert("when", "BTC moves 5% in 1h once")
    view = await priced.service.copy(1, "ETH", ME, exchange="binance")
    assert view.rule.id == 2
    assert view.rule.coin == "ETH"
    assert view.rule.text.endswith("moves 5% in 1h once")


@pytest.mark.parametrize(
    ("kind", "words", "line"),
    [  # BTC is at 93,000 and ETH at 3,100: thirty to one
        ("price", "BTC above 96k once", "/alert binance:ETH/USDT:USDT above 3200 once"),
        ("price", "BTC > 90k", "/alert binance:ETH/USDT:USDT > 3000"),
        ("oi", "BTC-PERP +50000", "/alert_oi ETH-PERP +1500000 1h"),
        ("macd", "BTC macd > 30 4h", "/alert_macd binance:ETH/USDT:USDT macd(12,26,9) on 4h > 1"),
        (
            "when",
            "BTC price > 90k and BTC funding > 0.03%",
            "/alert_when binance:ETH/USDT:USDT price > 3000 and binance:ETH/USDT:USDT funding > 0.03%",
        ),
        ("when", "BTC rises 1500 in 1h", "/alert_when binance:ETH/USDT:USDT price rises 50 in 1h"),
    ],
)
async def test_a_level_that_belongs_to_a_coin_is_carried_and_not_armed(
    priced: Desk, kind: str, words: str, line: str
) -> None:
    priced.market.trade(3100.0, of=ETH)
    await priced.alert(kind, words)
    with pytest.raises(CoinLevels) as caught:
        await priced.service.copy(1, "ETH", ME, exchange="binance")
    assert caught.value.line == line
    assert caught.value.moved == "BTC 93,000 → ETH 3,100"
    assert len(await priced.service.of_chat(CHAT)) == 1
    command, _space, rest = line.partition(" ")
    armed = await priced.alert(
        "price" if command == "/alert" else command.removeprefix("/alert_"), rest
    )
    assert armed.rule.condition == caught.value.rule.condition


async def test_the_same_coin_elsewhere_keeps_its_levels(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k once")
    view = await priced.service.copy(1, "BTC bybit", ME, exchange="binance")
    assert view.rule.text.endswith("above 95000 once")
    assert view.rule.text.startswith("/alert bybit:")


async def test_without_both_prices_no_level_is_carried(priced: Desk) -> None:
    await priced.alert("price", "BTC above 95k")
    with pytest.raises(UserError, match="what OI costs is not known") as caught:
        await priced.service.copy(1, "OI", ME, exchange="binance")
    assert not isinstance(caught.value, CoinLevels)
    priced.market.trade(3100.0, of=ETH)
    priced.clock.advance(15 * MINUTE + 1)
    with pytest.raises(UserError, match="what BTC costs is not known"):
        await priced.service.copy(1, "ETH", ME, exchange="binance")


@pytest.mark.parametrize(
    ("words", "copy"),
    [
        (
            "(BTC rsi > 70 and BTC oi rises 3% in 15m) for 3m once",
            "and ETH-PERP open interest rises 3% in 15m) for 3m once",
        ),
        (
            'BTC rsi < 30 then BTC rsi > 50 within 30m note "mind it"',
            "binance:ETH/USDT:USDT rsi",
        ),
        ("btc moves 5% in 1h", "binance:ETH/USDT:USDT"),
    ],
)
async def test_a_rule_of_parts_is_copied_part_by_part(priced: Desk, words: str, copy: str) -> None:
    first = await priced.alert("when", words)
    view = await priced.service.copy(1, "eth", ME, exchange="bybit")
    assert view.rule.id == 2
    assert view.rule.coin == "ETH"
    assert copy in view.rule.text
    assert "BTC" not in view.rule.text
    here, there = list(leaves(first.rule.condition)), list(leaves(view.rule.condition))
    assert [replace(x, metric=y.metric) for x, y in zip(here, there, strict=True)] == there
    kept = [(rule.repeat, rule.cooldown, rule.note) for rule in (first.rule, view.rule)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("words", "symbol", "reason"),
    [
        ("BTC price > 90k and ETH price > 3k", "OI", "about BTC and ETH together"),
        ("any of BTC, ETH: price > 90k", "OI", "a list of coins"),
        ("BTC bybit price > 90k and BTC price > 90k", "ETH", "ETH"),
        ("BTC price > 90k and BTC oi rises 3% in 15m", "ETH spot", "no spot market"),
        ("BTC price > 90k and BTC rsi > 70", "NOCOIN", "NOCOIN"),
    ],
)
async def test_what_cannot_be_copied_says_why(
    priced: Desk, words: str, symbol: str, reason: str
) -> None:
    await priced.alert("when", words)
    with pytest.raises(UserError, match=reason):
        await priced.service.copy(1, symbol, ME, exchange="binance")
    assert len(await priced.service.of_chat(CHAT)) == 1


async def test_alerts_are_grouped_by_coin_with_the_closest_coin_first(priced: Desk) -> None:
    for words in ("BTC above 99k", "ETH above 3,110", "BTC above 94k", "ETH above 9k"):
        await priced.alert("price", words)
    assert [v.rule.id for v in await priced.service.by_coin(CHAT)] == [2, 4, 3, 1]


async def test_history_is_of_a_chat_or_of_one_rule(priced: Desk) -> None:
    for n in (95_000, 95_100):
        await priced.alert("price", f"BTC above {n} always")
    await priced.at(60, 95_500)
    assert [each.rule_id for each in await priced.service.history(CHAT)] == [2, 1]
    (only,) = await priced.service.history(CHAT, rule_id=1)
    assert (only.rule_id, only.delivery) == (1, "queued")
    assert await priced.service.history(CHAT, before=only.ts) == []
