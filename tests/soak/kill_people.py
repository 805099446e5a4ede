"""People who go on typing and pressing while the bot dies and comes back, and remember what they asked for."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bot.playground.botapi import BotApiServer

PEOPLE = {1001: "Ada", 1002: "Tom", 1003: "Sam"}
FIRST_LEVEL, LAST_LEVEL = 150_000, 199_999  # far above the price: these rules never fire
STORM = 9  # rules that fire all the time, made first
PER_CHAT = 40  # rules of one person, below the desk's limit
PRICE = re.compile(r"\$([\d,]+(?:\.\d+)?)")
DOUBLE_PRESS = 5.0  # seconds: the desk takes the same press within 3 s for a double one
STATUS_AFTER = {"alert:pause": "paused", "alert:resume": "active", "alert:delete": "deleted"}


@dataclass(slots=True, kw_only=True)
class Wish:
    """One rule that was asked for by a level of its own."""

    chat_id: int
    level: int
    status: str = "active"
    presses: int = 0
    query: str = ""  # the last press
    pressed: float = 0.0  # monotonic seconds of it


@dataclass(slots=True, kw_only=True)
class Typist:
    """Everything the three of them do; `rng` decides what and when."""

    server: BotApiServer
    rng: Random
    wishes: dict[int, Wish] = field(default_factory=dict)
    lists: Counter[int] = field(default_factory=Counter)
    prices: Counter[int] = field(default_factory=Counter)

    def own(self, chat_id: int) -> list[dict[str, Any]]:
        """The bot's messages in a chat, as they are now."""
        return [m for m in self.server.messages(chat_id) if m.get("from", {}).get("is_bot")]

    async def begin(self) -> None:
        """Set the alerts that fire all the time: crossings and states around the price, and candles."""
        price = {}
        for coin in ("BTC", "ETH"):
            self.server.send_text(1001, 1001, f"/price {coin}")
            self.prices[1001] += 1
            text = await self._answer(rf"{coin} \$")
            found = PRICE.search(text)
            assert found, text
            price[coin] = float(found[1].replace(",", ""))
        lines = [
            (1001, "/alert_volume BTC 60 1m"),
            (1001, f"/alert BTC {price['BTC']:.0f}"),
            (1001, "/alert BTC > 1000"),
            (1002, "/alert_volume ETH 60 1m"),
            (1002, f"/alert ETH {price['ETH']:.1f}"),
            (1002, "/alert ETH < 1m"),
            (1003, "/alert_volume SOL 80 3m"),
            (1003, f"/alert BTC {price['BTC'] * 1.0007:.0f}"),
            (1003, f"/alert BTC below {price['BTC'] * 0.9993:.0f}"),
        ]
        assert len(lines) == STORM
        for chat_id, line in lines:
            self.server.send_text(chat_id, chat_id, line)
        await self.server.wait_for(lambda: self._armed() >= len(lines), 60)

    def _armed(self) -> int:
        return sum("armed" in text_of(m) for chat_id in PEOPLE for m in self.own(chat_id))

    async def _answer(self, pattern: str) -> str:
        def found() -> str:
            texts = (text_of(m) for m in self.own(1001))
            return next((text for text in texts if re.search(pattern, text)), "")

        return await self.server.wait_for(found, 60)

    async def go_on(self, pause: float) -> None:
        """Type and press until cancelled."""
        while True:
            await asyncio.sleep(self.rng.uniform(0.3, 1.7) * pause)
            self.act()

    def act(self) -> None:
        """One thing a person does now."""
        choice = self.rng.random()
        chat_id = self.rng.choice(list(PEOPLE))
        if choice < 0.35 and self._count(chat_id) < PER_CHAT:
            self.wish(chat_id)
        elif choice < 0.5:
            self.lists[chat_id] += 1
            self.server.send_text(chat_id, chat_id, "/alerts")
        elif choice < 0.56:
            self.prices[chat_id] += 1
            self.server.send_text(chat_id, chat_id, "/price btc")
        elif choice < 0.75:
            self.open(chat_id)
        else:
            self.press()

    def wish(self, chat_id: int) -> None:
        """Ask for a rule nobody asked for before."""
        level = FIRST_LEVEL + 1 + len(self.wishes)
        self.wishes[level] = Wish(chat_id=chat_id, level=level)
        self.server.send_text(chat_id, chat_id, f"/alert BTC above {level}")

    def open(self, chat_id: int) -> None:
        """Open one alert from the newest list: its card has the buttons to pause and resume."""
        for message in reversed(self.own(chat_id)):
            shows = [
                data for data in datas(message)
                if data.startswith("a:alert:show:") and int(data.rpartition(":")[2]) > STORM
            ]  # fmt: skip
            if shows and "closest first" in text_of(message):
                self.server.press(chat_id, message["message_id"], chat_id, self.rng.choice(shows))
                return

    def press(self) -> None:
        """Press pause or resume on the newest card of some rule, or now and then delete."""
        delete = self.rng.random() < 0.2
        for wish in self.rng.sample(list(self.wishes.values()), len(self.wishes)):
            waits = wish.query and not self.server.query(wish.query).answered
            soon = time.monotonic() - wish.pressed < DOUBLE_PRESS
            if waits or soon or wish.status == "deleted":
                continue
            offers = [o for o in self._offers(wish) if (o[2] == "alert:delete") is delete]
            if offers:
                message_id, data, verb = self.rng.choice(offers)
                wish.status, wish.presses = STATUS_AFTER[verb], wish.presses + 1
                wish.pressed = time.monotonic()
                wish.query = self.server.press(wish.chat_id, message_id, wish.chat_id, data)
                return

    def _offers(self, wish: Wish) -> list[tuple[int, str, str]]:
        """What can be pressed for a rule on the newest message that names its level: (message, data, verb)."""
        for message in reversed(self.own(wish.chat_id)):
            if f"{wish.level:,}" not in text_of(message) or "reply_markup" not in message:
                continue
            found = []
            for data in datas(message):
                verb = next((v for v in STATUS_AFTER if data.startswith(f"a:{v}:")), "")
                if verb and data.rpartition(":")[2].isdecimal():
                    found.append((message["message_id"], data, verb))
            if found:
                return found
        return []

    def _count(self, chat_id: int) -> int:
        return sum(w.chat_id == chat_id for w in self.wishes.values())


def datas(message: dict[str, Any]) -> list[str]:
    """What stands behind the buttons of a message."""
    keys = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [key["callback_data"] for row in keys for key in row if "callback_data" in key]


def text_of(message: dict[str, Any]) -> str:
    """Words of a message or of a picture."""
    return str(message.get("text") or message.get("caption") or "")


def first_text(message: dict[str, Any]) -> str:
    """What a message said when it came."""
    return text_of(message["edits"][0]) if message["edits"] else text_of(message)
