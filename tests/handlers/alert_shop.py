"""The alert handlers over a whole desk: real service, real SQLite, a fake market; it can be started again."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts"))

from alert_desk import CHAT, OWNER, Desk
from alert_market import BTC, ETH, OI_COIN, START, quiet_history

from handlers.app import App
from handlers.base import ACTIONS, COMMANDS, DATA_LIMIT, Args, Button, Reply
from handlers.types import Chat, Person, Preferences, Role
from market.format import COLUMNS, columns_of
from storage.drafts import Drafts

ALERTER = Person(user_id=OWNER, name="Ann", role=Role.ALERTER, status="approved")
OTHER = Person(user_id=99, name="Bob", role=Role.ALERTER, status="approved")
VIEWER = Person(user_id=98, name="Vic", role=Role.VIEWER, status="approved")


class Shop:
    """The handlers over a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.drawn: list[tuple[str, Any]] = []
        self.chat = Chat(chat_id=CHAT, preferences=Preferences())
        self.build()

    @classmethod
    async def open(cls, folder: Path) -> "Shop":
        """A desk on which three coins have traded."""
        desk = await Desk(folder).start()
        desk.market.trade(93_310.0)
        desk.market.trade(3105.0, of=ETH)
        desk.market.trade(1.5, of=OI_COIN)
        desk.market.history[BTC.key, "15m"] = quiet_history(BTC, "15m", START, 250)
        return cls(desk)

    def build(self) -> None:
        """What a process builds when it starts."""
        market: Any = self.desk.market
        people: Any = None
        assert self.desk.database is not None
        self.app = App(
            market=market, alerts=self.desk.service, people=people, clock=self.desk.clock,
            wall=self.desk.wall, draw=self.draw, drafts=Drafts(self.desk.database),
        )  # fmt: skip

    async def restart(self) -> None:
        """A new process on the same database."""
        await self.desk.start()
        self.build()

    async def draw(self, name: str, data: Any) -> bytes | None:
        self.drawn.append((name, data))
        return b"png"

    async def say(self, line: str, person: Person = ALERTER, **more: Any) -> Reply:
        head, _space, rest = line.partition(" ")
        args = Args(
            words=tuple(rest.split()), rest=rest.strip(), person=person, chat=self.chat, **more
        )
        return await COMMANDS[head.removeprefix("/").replace("-", "_")].run(args, self.app)

    async def press(self, button: Button, person: Person = ALERTER, **more: Any) -> Reply:
        if button.command:
            return await self.say(button.command, person, **more)
        args = Args(words=tuple(button.value.split()), person=person, chat=self.chat, **more)
        return await ACTIONS[button.action].run(args, self.app)


def body(reply: Reply) -> str:
    """All words of a card."""
    assert reply.card is not None
    return "\n".join(
        [reply.card.headline, *reply.card.table, reply.card.reading, reply.card.evidence]
    )


def button(reply: Reply, text: str) -> Button:
    """The first button that begins so."""
    return next(b for row in reply.buttons for b in row if b.text.startswith(text))


def texts(reply: Reply) -> list[str]:
    """What the buttons say."""
    return [each.text for row in reply.buttons for each in row]


def fits(reply: Reply, *, stored: Sequence[str] = ()) -> bool:
    """Whether a card fits a phone and its own buttons fit Telegram."""
    assert reply.card is not None
    for line in reply.card.table:
        assert columns_of(line) <= COLUMNS, line
    for row in reply.buttons:
        assert 0 < len(row) <= 3, row
        for each in row:
            assert len(each.text) <= 64
            if each.action:
                assert len(f"a:{each.action}:{each.value}".encode()) <= DATA_LIMIT, each
    return True
