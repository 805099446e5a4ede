"""From facts to messages: what belongs together in one, and no chat written to more than it can read.

Facts of one coin that come within two seconds are one message, whatever venue and kind they are of; what is
urgent takes the waiting ones with it at once. A chat gets at most one message each 5 s about a coin. Beyond 15 in
three minutes everything is put together, and a summary leaves each half minute.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from alerts.monitors.types import Fact, Subscription
from alerts.monitors.words import message, summary
from alerts.types import OutboxRow
from market.clock import Clock

TOGETHER = 2_000  # wall ms
PAUSE = 5_000
MANY, MANY_WITHIN = 15, 180_000
SUMMARY = 30_000
HELD = 200  # facts a chat waits for; more are counted
CHANNEL = "telegram"
ALERT_ID = 0  # of a row that is about a fact; its transition is the fact's id
URGENT = "extreme"


@dataclass(slots=True)
class Letter:
    """What a chat has to be told of one coin."""

    since: int  # wall ms of the first fact
    facts: list[Fact] = field(default_factory=list)
    urgent: bool = False


@dataclass(slots=True)
class Box:
    """One chat."""

    thread_id: int | None = None
    letters: dict[str, Letter] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # wall ms of the last message by coin
    sent: deque[int] = field(default_factory=deque)
    summed: int = -SUMMARY  # wall ms of the last summary
    left_out: int = 0


class Postman:
    """Collects facts by chat; `due` gives the rows that have to leave now."""

    def __init__(self, clock: Clock, wall: Clock) -> None:
        self._clock, self._wall = clock, wall
        self._boxes: dict[int, Box] = {}
        self.left_out = 0  # facts that were counted only

    def offer(self, fact: Fact, readers: Sequence[Subscription], *, urgent: bool = False) -> None:
        """Tell these chats of a fact."""
        now = self._wall.now()
        for reader in readers:
            box = self._boxes.setdefault(reader.chat_id, Box())
            box.thread_id = reader.thread_id
            if sum(len(each.facts) for each in box.letters.values()) >= HELD:
                box.left_out += 1
                self.left_out += 1
                continue
            letter = box.letters.setdefault(fact.coin, Letter(since=now))
            letter.facts.append(fact)
            letter.urgent = letter.urgent or urgent

    def waiting(self) -> int:
        """Facts that have not become messages yet."""
        return sum(len(e.facts) for box in self._boxes.values() for e in box.letters.values())

    def forget(self, chat_id: int) -> None:
        """A chat that cannot be reached."""
        self._boxes.pop(chat_id, None)

    def due(self) -> list[tuple[OutboxRow, list[Fact]]]:
        """The rows that have to leave now, and the facts in each; they count as sent."""
        now = self._wall.now()
        out: list[tuple[OutboxRow, list[Fact]]] = []
        for chat_id, box in list(self._boxes.items()):
            while box.sent and box.sent[0] <= now - MANY_WITHIN:
                box.sent.popleft()
            out += self._of(chat_id, box, now)
            if not box.letters and not box.sent:
                del self._boxes[chat_id]
        return out

    def _of(self, chat_id: int, box: Box, now: int) -> list[tuple[OutboxRow, list[Fact]]]:
        out = []
        for coin, letter in list(box.letters.items()):
            if len(box.sent) >= MANY:
                break
            rested = now - box.told.get(coin, -PAUSE) >= PAUSE
            if not rested or not (letter.urgent or now - letter.since >= TOGETHER):
                continue
            del box.letters[coin]
            text = message(letter.facts, self._clock.now())
            out.append((self._row(chat_id, box, text, letter.facts, now), letter.facts))
            box.told[coin] = now
            box.sent.append(now)
        if len(box.sent) >= MANY and box.letters and now - box.summed >= SUMMARY:
            facts = [fact for letter in box.letters.values() for fact in letter.facts]
            text = summary(facts, self._clock.now(), more=box.left_out)
            out.append((self._row(chat_id, box, text, facts, now), facts))
            box.letters.clear()
            box.left_out, box.summed = 0, now
        for coin in [c for c, at in box.told.items() if now - at >= PAUSE]:
            del box.told[coin]
        return out

    @staticmethod
    def _row(chat_id: int, box: Box, text: str, facts: Sequence[Fact], now: int) -> OutboxRow:
        return OutboxRow(
            id=0, alert_id=ALERT_ID, transition=min(fact.id for fact in facts), channel=CHANNEL,
            chat_id=chat_id, payload=text, created_ts=now, thread_id=box.thread_id,
        )  # fmt: skip
