"""Books that lost their sequence come back: by a REST snapshot where the venue streams only changes, else by
a new subscription.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from analytics.livebook import LiveBook
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.watched import Watched
from market.errors import SourceError
from market.types import OrderBook

logger = logging.getLogger(__name__)

BY_REST = frozenset({"binance"})  # elsewhere the stream itself begins with all levels
TIMEOUT = 10.0  # seconds for one snapshot
FIRST_DELAY, MOST_DELAY = 0.5, 30.0  # seconds between attempts
RENEWED = 5.0  # seconds that a new subscription gets to bring all levels
PACE = 0.25  # seconds between two snapshots of one venue
WHOLE_AT_FIRST = 3.0  # seconds in which a stream that has just begun may still bring all levels

Snapshot = Callable[..., Awaitable[OrderBook]]


class Resync:
    """Brings books back, one snapshot at a time for each venue.

    `fetch(instrument)` gets a snapshot with its sequence; None: books that need one stay unknown.
    `renew(topic)` subscribes anew.
    """

    def __init__(self, fetch: Snapshot | None, renew: Callable[[Topic], None]) -> None:
        self.done: dict[str, int] = {}  # by exchange: books that came back
        self.failed: dict[str, int] = {}  # by exchange: attempts in vain
        self._fetch, self._renew = fetch, renew
        self._turns: dict[str, asyncio.Lock] = {}

    def look(self, record: Watched) -> None:
        """Begin to bring a book back where it needs that and nobody does yet."""
        book = record.state.book if record.state is not None else None
        if book is None or not book.needs_snapshot or record.syncing is not None:
            return
        rest = record.instrument.exchange in BY_REST
        if rest and self._fetch is None:
            return
        work = self._fetched(record, self._fetch) if rest and self._fetch else self._renewed(record)
        record.syncing = asyncio.get_running_loop().create_task(
            self._guarded(record, work), name=f"book {record.instrument.key}"
        )

    async def _guarded(self, record: Watched, work: Awaitable[None]) -> None:
        exchange = record.instrument.exchange
        try:
            await work
            self.done[exchange] = self.done.get(exchange, 0) + 1
        except Exception:
            logger.exception("book not brought back instrument=%s", record.instrument.key)
            await asyncio.sleep(MOST_DELAY)  # a fault of ours would only repeat itself
        finally:
            record.syncing = None

    async def _fetched(self, record: Watched, fetch: Snapshot) -> None:
        delay = FIRST_DELAY
        exchange = record.instrument.exchange
        turn = self._turns.setdefault(exchange, asyncio.Lock())
        while _needs(record):
            async with turn:
                try:
                    async with asyncio.timeout(TIMEOUT):
                        found = await fetch(record.instrument)
                    if (book := _needs(record)) is not None:
                        book.snapshot(found)
                except (SourceError, TimeoutError) as error:
                    reason = str(error) or type(error).__name__
                    logger.info("no snapshot book=%s reason=%s", record.instrument.key, reason)
                await asyncio.sleep(PACE)
            if _needs(record):
                self.failed[exchange] = self.failed.get(exchange, 0) + 1
                await asyncio.sleep(delay)
                delay = min(MOST_DELAY, 2 * delay)

    async def _renewed(self, record: Watched) -> None:
        delay = RENEWED
        await asyncio.sleep(WHOLE_AT_FIRST)
        while _needs(record):
            if (feed := record.feeds.get(Channel.BOOK)) is None:
                return
            self._renew(feed.topic)
            await asyncio.sleep(delay)
            delay = min(MOST_DELAY, 2 * delay)


def _needs(record: Watched) -> LiveBook | None:
    """The book, if it still waits for all its levels."""
    book = record.state.book if record.state is not None else None
    wanted = Channel.BOOK in record.feeds
    return book if wanted and book is not None and book.needs_snapshot else None
