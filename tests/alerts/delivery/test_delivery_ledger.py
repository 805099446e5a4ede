"""Lines of the ledger for answers to people."""

from post_office import CHAT, WALL, Office

from alerts.delivery.ledger import MOST, LedgerBuffer
from alerts.delivery.types import Delivery
from storage.errors import StorageError


def line(number: int) -> Delivery:
    return Delivery(
        ts=WALL + number,
        channel="telegram",
        chat_id=CHAT,
        priority=3,
        event="sent",
        message_id=number,
    )


async def test_lines_are_written_together_and_in_order(office: Office) -> None:
    buffer = LedgerBuffer(office.ledger)
    for number in range(5):
        buffer.add(line(number))
    assert await office.ledger.of_chat(CHAT, 0) == []
    await buffer.flush()
    await buffer.flush()
    assert await office.ledger.of_chat(CHAT, 0) == [line(number) for number in range(5)]
    assert await office.ledger.of_chat(CHAT, WALL + 1, limit=2) == [line(3), line(4)]
    assert await office.ledger.counts(WALL + 2) == {"sent": 3}
    assert buffer.waiting() == 0


async def test_lines_wait_for_the_database_and_what_is_too_much_is_counted(office: Office) -> None:
    class Away:
        async def append(self, lines: object) -> None:
            raise StorageError("away")

    buffer = LedgerBuffer(Away())  # type: ignore[arg-type]
    for number in range(MOST + 3):
        buffer.add(line(number))
    await buffer.flush()
    assert (buffer.waiting(), buffer.dropped) == (MOST, 3)
