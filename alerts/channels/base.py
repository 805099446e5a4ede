"""What all these channels share: the destination is looked up, the time is limited, the outcome is noted."""

import asyncio
from collections.abc import Callable

from alerts.channel import HELD_BACK, Leave, Sending
from alerts.channels.book import AddressBook
from alerts.channels.types import TEST_ID, Destination, Status
from alerts.channels.way import Way
from alerts.channels.words import Garbled, told
from alerts.outcome import NotSent, Outcome, Refused, Unknown
from alerts.types import OutboxRow
from market.errors import AssistantError

LIMIT = 9.0  # seconds one message may take


class DestinationChannel:
    """A `Way` as an `alerts.channel.Channel`: `chat_id` of its rows is the id of a destination."""

    def __init__(
        self, way: Way, book: AddressBook, mark: Callable[[], str] = str, limit: float = LIMIT
    ) -> None:
        self.name = way.name
        self._way, self._book, self._mark, self._limit = way, book, mark, limit

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """The message in words; the destination is read anew when it leaves."""
        try:
            message = told(row, mark=self._mark(), repeat=repeat)
        except Garbled as error:
            return _answering(Refused(f"payload not understood: {error}"))

        async def send(leave: Leave) -> Outcome:
            to = self._book.find(row.chat_id)
            if to is None or to.channel != self.name:
                return Refused("the destination was removed")
            if to.status is not Status.VERIFIED and not _proof(to, row):
                return Refused(f"the destination is {to.status}")
            if not await leave():
                return HELD_BACK
            try:
                if not await self._book.spend(to.id):
                    return Refused("no more messages there today")
            except AssistantError as error:
                return NotSent(f"not counted: {error}")
            try:
                async with asyncio.timeout(self._limit):
                    outcome = await self._way.deliver(to, message)
            except TimeoutError:
                outcome = Unknown(f"no answer within {self._limit:g} s")
            await self._book.noted(to.id, outcome)
            return outcome

        return send


def _proof(to: Destination, row: OutboxRow) -> bool:
    """The message that lets its owner show that a destination is theirs goes to an unproven one."""
    return to.status is Status.PENDING and row.alert_id == TEST_ID


def _answering(outcome: Outcome) -> Sending:
    async def send(_leave: Leave) -> Outcome:
        return outcome

    return send
