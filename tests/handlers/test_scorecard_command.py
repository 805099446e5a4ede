"""/scorecard as a chat sees it: a claim only with its null, its sample and its interval, and within the width."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts"))

from alert_market import BTC, START, FakeMarket

from alerts.scorecard import Scorecard
from alerts.scorecard_types import Settled
from alerts.types import AlertRule, AlertState, Cross, Firing, Metric, Op
from analytics.followed import HORIZONS
from handlers import scorecard as handler
from handlers.app import App
from handlers.base import COMMANDS, Args, Button, Reply
from handlers.types import Chat, Person, Role
from market.clock import FixedClock
from market.errors import UserError
from market.format import COLUMNS, columns_of
from market.types import DAY, HOUR
from storage.alerts import Alerts
from storage.db import Database
from storage.scores import Scores

CHAT = 500
NOW = START + 200 * DAY
ME = Person(user_id=7, role=Role.ALERTER, status="approved")
VOLUME = Cross(
    metric=Metric(subject=BTC.key, name="volume_ratio", timeframe="15m"), op=Op.ABOVE, level=2.0
)
PRICE = Cross(metric=Metric(subject=BTC.key, name="price"), op=Op.BELOW, level=2.0)


@dataclass
class Shop:
    """The handler over a real file."""

    database: Database
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        self.rules, self.scores = Alerts(self.database), Scores(self.database)
        anything: Any = FakeMarket(self.clock)
        self.app = App(
            market=anything, alerts=None, people=None, clock=self.clock, wall=self.clock, draw=None,  # type: ignore[arg-type]
            scorecard=Scorecard(self.scores, self.rules, anything),
        )  # fmt: skip

    async def rule(self, condition: Cross = VOLUME, **fields: Any) -> AlertRule:
        whole = AlertRule(
            id=0, chat_id=CHAT, owner_id=7, kind="volume", text="", condition=condition, coin="BTC"
        )
        made = replace(whole, **fields)
        return await self.rules.add(
            replace(made, text=f"{made.kind} {fields}"), AlertState(rule_id=0)
        )

    async def measured(self, rule: AlertRule, count: int, move: float, odd: float = 0.0) -> None:
        """`count` firings a day apart; every other one moved by `odd`."""
        times = [NOW - (count - n) * DAY for n in range(count)]
        firings = [
            Firing(rule_id=rule.id, transition=n, ts=ts, value=2.5, threshold=2.0, text="", price=100.0,
                   chart=BTC.key)
            for n, ts in enumerate(times, 1)
        ]  # fmt: skip
        await self.rules.fire(firings, [], [])
        for ts in times:
            await self.scores.open(HORIZONS, ts, ts)
        rows = [
            Settled(
                rule_id=rule.id, transition=n, horizon=horizon, tried_ts=NOW,
                move=move if n % 2 else odd,
                controls=tuple((ts - day * DAY - n, 0.001 * (-1) ** day) for day in range(1, 31)),
            )
            for n, ts in enumerate(times, 1) for horizon in HORIZONS
        ]  # fmt: skip
        await self.scores.settle(rows)

    async def say(self, line: str) -> Reply:
        name, _space, words = line.removeprefix("/").partition(" ")
        args = Args(words=tuple(words.split()), person=ME, chat=Chat(chat_id=CHAT))
        reply = await COMMANDS[name].run(args, self.app)
        assert reply.card is not None
        assert all(columns_of(each) <= COLUMNS for each in reply.card.table), reply.card.table
        return reply


def body(reply: Reply) -> str:
    assert reply.card is not None
    card = reply.card
    return "\n".join([card.headline, *card.table, card.reading, card.evidence])


def button(reply: Reply, text: str) -> Button:
    return next(b for row in reply.buttons for b in row if b.text == text)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    yield Shop(database)
    await database.close()


async def test_a_rule_that_moves_the_market_is_claimed_with_null_sample_and_interval(
    shop: Shop,
) -> None:
    rule = await shop.rule()
    await shop.measured(rule, 60, 0.02, 0.02)
    shown = body(reply := await shop.say(f"/scorecard {rule.id}"))
    assert "#1 BTC volume: moves more than usual within" in shown
    assert "Chance alone: 50 %" in shown
    assert "n 60, 60 do not overlap" in shown
    assert "same time of day" in shown
    assert "95 %" in shown
    lines = {line.split()[0]: line.split() for line in reply.card.table}  # type: ignore[union-attr]
    assert lines["1h"][1:4] == ["2.00%", "0.10%", "100%"]
    low, high = map(int, lines["1h"][4].split("-"))
    assert 85 < low < high == 100
    assert reply.figures["1h.beats"].value == 1.0
    assert reply.figures["1h.beats.low"].n == 60
    assert round((reply.figures["1h.beats.low"].value or 0) * 100) == low


async def test_few_firings_are_said_to_be_too_few_and_claim_nothing(shop: Shop) -> None:
    rule = await shop.rule()
    await shop.measured(rule, 19, 0.02, 0.02)
    shown = body(reply := await shop.say(f"/scorecard #{rule.id}"))
    assert "not enough to say" in shown
    assert "n = 19" in shown
    assert "more than usual" not in shown
    assert reply.data["verdict"] == "few"


async def test_what_does_nothing_is_offered_to_be_muted_and_what_may_be_good_is_not(
    shop: Shop,
) -> None:
    dull, short = await shop.rule(), await shop.rule(cooldown=5)
    await shop.measured(dull, 150, 0.02, 0.0)
    await shop.measured(short, 29, 0.02, 0.0)
    reply = await shop.say(f"/scorecard {dull.id}")
    assert "no more than chance so far" in body(reply)
    pressed = button(reply, f"🔕 Mute #{dull.id}")
    assert (pressed.action, pressed.value) == ("alert:mute", str(dull.id))
    assert "Mute" not in str((await shop.say(f"/scorecard {short.id}")).buttons)
    every = await shop.say("/scorecard")
    assert [b.text for row in every.buttons for b in row if "Mute" in b.text] == ["🔕 Mute #1"]
    assert "No alert here beats chance so far" in body(every)


async def test_a_muted_rule_is_not_offered_to_be_muted_again(shop: Shop) -> None:
    from alerts.types import RuleStatus

    dull = await shop.rule()
    await shop.measured(dull, 150, 0.02, 0.0)
    await shop.rules.set_status([dull.id], RuleStatus.PAUSED)
    assert "Mute" not in str((await shop.say(f"/scorecard {dull.id}")).buttons)


async def test_a_rule_with_a_direction_is_measured_in_its_direction_too(shop: Shop) -> None:
    rule = await shop.rule(PRICE, kind="price")
    await shop.measured(rule, 60, -0.02, -0.02)
    reply = await shop.say(f"/scorecard {rule.id}")
    table = reply.card.table  # type: ignore[union-attr]
    at = next(i for i, line in enumerate(table) if line.startswith("way"))
    assert [line.split()[0] for line in table[at + 1 :]] == ["15m", "1h", "4h"]
    assert table[at + 1].split()[1] == "+2.00%"  # down is its way
    assert reply.figures["15m.toward"].value == 1.0


async def test_rules_are_taken_together_by_coin_and_by_kind(shop: Shop) -> None:
    one, two = await shop.rule(), await shop.rule(PRICE, kind="price", coin="ETH")
    await shop.rule(cooldown=7)  # never fired
    await shop.measured(one, 40, 0.02, 0.02)
    await shop.measured(two, 40, 0.02, 0.02)
    assert body(await shop.say("/scorecard eth")).startswith("#2 ETH price: ")
    assert (await shop.say("/scorecard volume")).data["measured"] == 120
    assert body(await shop.say("/scorecard volume")).startswith("2 alerts on volume: ")
    assert (await shop.say("/scorecard alert-price")).data["measured"] == 120
    with pytest.raises(UserError, match="No alert of this chat is about") as caught:
        await shop.say("/scorecard doge")
    assert caught.value.suggestions == (("BTC", "/scorecard BTC"), ("ETH", "/scorecard ETH"))
    with pytest.raises(UserError, match="no alert #77"):
        await shop.say("/scorecard 77")


async def test_alerts_of_another_chat_are_not_shown(shop: Shop) -> None:
    other = await shop.rule(chat_id=CHAT + 1)
    await shop.measured(other, 60, 0.02, 0.02)
    with pytest.raises(UserError, match="no alert #1"):
        await shop.say("/scorecard 1")
    assert "Nothing measured yet" in body(await shop.say("/scorecard"))


async def test_before_anything_is_measured_it_says_what_will_be(shop: Shop) -> None:
    rule = await shop.rule()
    await shop.rules.fire(
        [Firing(rule_id=rule.id, transition=1, ts=NOW, value=2.5, threshold=2.0, text="", price=1.0,
                chart=BTC.key)], [], [],
    )  # fmt: skip
    await shop.scores.open(HORIZONS, NOW - HOUR, NOW)
    shown = body(await shop.say("/scorecard"))
    assert "Nothing measured yet" in shown
    assert "3 measurements are waiting" in shown
    one = body(await shop.say("/scorecard 1"))
    assert "not enough to say" in one
    assert "3 still to be measured" in one


async def test_the_list_names_the_most_measured_first_and_how_many_more_there_are(
    shop: Shop,
) -> None:
    made = [await shop.rule(cooldown=n, coin="1000PEPECOIN") for n in range(handler.SHOWN + 2)]
    for n, rule in enumerate(made):
        await shop.measured(rule, 8 + n, 0.02, 0.02)
    reply = await shop.say("/scorecard")
    assert "2 more with fewer measurements." in body(reply)
    first = reply.card.table[1].split()  # type: ignore[union-attr]
    assert first[0] == f"#{made[-1].id}"
    assert len([b for row in reply.buttons for b in row]) == handler.SHOWN
    assert all(len(row) <= 3 for row in reply.buttons)


async def test_without_a_scorecard_it_says_so(shop: Shop) -> None:
    shop.app.scorecard = None
    with pytest.raises(UserError, match="not kept here"):
        await shop.say("/scorecard")


@pytest.mark.parametrize(
    ("waiting", "text"),
    [(0, "nothing was told"), (1, "1 measurement is waiting"), (3, "3 measurements are waiting")],
)
def test_what_waits_is_counted_in_its_number(waiting: int, text: str) -> None:
    assert handler._waiting(waiting).startswith(text)


def test_one_alert_that_tells_something_moves_the_market_alone() -> None:
    assert handler._telling(1, 4) == "1 of 4 alerts moves the market more than usual"
    assert handler._telling(2, 4) == "2 of 4 alerts move the market more than usual"
