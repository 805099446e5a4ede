"""The recorder: live feeds written as a recording folder, an append-only journal sealed hourly into Parquet.

It hears of everything through a bounded queue of the bus; what is dropped there, and every blind moment of
the ledger, is a row of `gaps`. Nothing it does can hold up the streams: rows are made and written in a thread,
and a full or broken disk ends the recording, never the bot. Hours are the market's.
"""

import asyncio
import json
import logging
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from exchanges import journal
from exchanges.journal import Journal
from exchanges.record_tables import SCHEMAS, RowMaker, Rows
from exchanges.streams.bus import Bus, Subscription
from exchanges.streams.decoder import News
from market.clock import Clock
from market.types import BookChange, Gap, Instrument, OrderBook

logger = logging.getLogger(__name__)

QUEUE = 20_000  # lists that wait at most
PENDING = 1_000_000  # events that wait for the thread at most
FLUSH = 1.0  # wall seconds between writes
SYNC = 5  # writes between two syncs of the disk
BOOK_STEP = 1_000  # market ms between two books of one instrument
BOOK_DEPTH = 50  # levels a side
SPARE = 512 * 1024 * 1024  # bytes that stay free on the disk
GIB = 1024**3
GOODBYE = 10.0  # seconds for the last write

BookOf = Callable[[Instrument], OrderBook | None]


class Blindness(Protocol):
    """Where the gaps are known; the ledger of the streams."""

    def blind(self, since: int, until: int) -> list[Gap]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatus:
    """What the recorder does. Times are market ms, sizes bytes."""

    folder: Path
    since: int
    rows: dict[str, int] = field(default_factory=dict)
    size: int = 0
    dropped: int = 0  # events that were not written
    sealed_ts: int | None = None
    stopped: str = ""  # why it ended by itself


class Recorder:
    """Writes one folder. `tables`: which; `book_of` gives the live book of an instrument, None for none."""

    def __init__(
        self,
        folder: Path,
        bus: Bus,
        ledger: Blindness,
        clock: Clock,
        *,
        book_of: BookOf | None = None,
        tables: Iterable[str] = tuple(SCHEMAS),
        max_bytes: float = 20 * GIB,
        title: str = "",
    ) -> None:
        self.folder = folder
        self.stopped = ""
        self._bus, self._ledger, self._clock = bus, ledger, clock
        self._book_of, self._tables = book_of, tuple(tables)
        self._max, self._title = max_bytes, title
        self._maker = RowMaker(self._tables)
        self._events: deque[tuple[Any, int]] = deque()
        self._instruments: dict[str, Instrument] = {}
        self._books: dict[str, int] = {}  # market ms of the last book written
        self._journals: dict[str, Journal] = {}
        self._rows: Counter[str] = Counter()
        self._dropped = 0
        self._blind: set[Gap] = set()  # written, over
        self._tasks: list[asyncio.Task[None]] = []
        self._since = self._until = self._began = self._size = 0
        self._sealed: int | None = None
        self._known: set[str] = set()  # instruments of the manifest on the disk
        self._entries: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Begin, or go on with a folder that exists. ValueError where it is of another kind, OSError of the disk."""
        now = self._clock.now()
        self._since = self._until = self._began = now
        await asyncio.to_thread(self._open, now)
        self._tasks = [
            asyncio.create_task(
                self._listen(self._bus.subscribe("recorder", QUEUE)), name="recorder hears"
            ),
            asyncio.create_task(self._run(), name="recorder writes"),
        ]

    async def close(self) -> None:
        """Write what is left; the hour's journal is sealed at the next start, or read as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.stopped:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._flush()
        for each in self._journals.values():
            each.close()
        self._journals.clear()

    def take(self, news: Sequence[News]) -> None:
        """Events that do not come over the bus: trades that were fetched for a gap, or came late."""
        now = self._clock.now()
        for each in news:
            if len(self._events) >= PENDING:
                self._lost(each)
            else:
                self._events.append((each, now))
            self._instruments.setdefault(each.instrument.key, each.instrument)

    def status(self) -> RecorderStatus:
        """What was done so far."""
        return RecorderStatus(
            folder=self.folder, since=self._since, rows=dict(self._rows), size=self._size,
            dropped=self._dropped, sealed_ts=self._sealed, stopped=self.stopped,
        )  # fmt: skip

    async def _listen(self, queue: Subscription) -> None:
        with queue:
            dropped = 0
            async for news in queue:
                now = self._clock.now()
                if queue.dropped != dropped:
                    self._dropped += queue.dropped - dropped
                    dropped = queue.dropped
                    self._all_blind(self._until, now)
                self._hear(news, now)

    def _hear(self, news: Sequence[News], now: int) -> None:
        """One list of the bus; of books the live one is written, once a second."""
        plain = [each for each in news if not isinstance(each, BookChange)]
        self.take(plain)
        if self._book_of is None or "books" not in self._tables:
            return
        for one in {
            e.instrument.key: e.instrument for e in news if isinstance(e, BookChange)
        }.values():
            if now - self._books.get(one.key, 0) >= BOOK_STEP:
                book = self._book_of(one)
                if book is not None:
                    self._books[one.key] = now
                    self._instruments.setdefault(one.key, one)
                    self._events.append((_cut(book), now))

    def _lost(self, event: News) -> None:
        """Nothing more fits: the rest of this second is a gap of every feed."""
        self._dropped += 1
        if self._dropped % 10_000 == 1:
            self._all_blind(min(self._until, event.ts), self._clock.now())

    def _all_blind(self, since: int, until: int) -> None:
        for one in list(self._instruments.values()):
            for table in ("trades", "liquidations", "context", "books"):
                gap = Gap(
                    from_ts=since, to_ts=until, table=table,
                    exchange=one.exchange, symbol=one.symbol,
                )  # fmt: skip
                self._events.append((gap, until))

    async def _run(self) -> None:
        """Write once a second, until the disk does not want any more."""
        count = 0
        while not self.stopped:
            await asyncio.sleep(FLUSH)
            count += 1
            try:
                await self._flush(sync=count % SYNC == 0)
            except (OSError, ValueError) as error:
                self._stop(f"{type(error).__name__}: {error}")
            except Exception as error:
                logger.exception("recorder broke")
                self._stop(type(error).__name__)

    def _stop(self, reason: str) -> None:
        """End by itself; what was written stays."""
        self.stopped = reason[:200]
        self._events.clear()
        logger.error("recording ended folder=%s reason=%s", self.folder, self.stopped)

    async def _flush(self, *, sync: bool = True) -> None:
        now = self._clock.now()
        self._note_gaps(now)
        events, self._events = self._events, deque()
        instruments = list(self._instruments.values())
        await asyncio.to_thread(self._write, events, instruments, now, sync)
        self._until = now

    def _note_gaps(self, now: int) -> None:
        """Rows for the blind intervals that ended since the last look; an open one is written when it is over."""
        for gap in self._ledger.blind(self._began, now):
            if gap.to_ts < now and gap not in self._blind:
                self._blind.add(gap)
                self._events.append((gap, now))

    def _write(
        self, events: Iterable[tuple[Any, int]], instruments: list[Instrument], now: int, sync: bool
    ) -> None:
        """In a thread: append the rows, seal hours that are over, keep the size."""
        at = journal.hour(now)
        self._append(self._maker.rows(events), at)
        if sync:
            for each in self._journals.values():
                each.sync()
        if sync or any(one.key not in self._known for one in instruments):
            self._guard(at)
            self._manifest(instruments, now)

    def _append(self, rows: Rows, at: int) -> None:
        over = [t for t, j in self._journals.items() if j.hour != at]
        for table in over:
            self._journals.pop(table).close()
        if over:
            self._seal(at)
        for table, mine in rows.items():
            if table not in self._journals:
                self._journals[table] = Journal(self.folder, table, at)
            self._journals[table].write(mine)
            self._rows[table] += len(mine)

    def _seal(self, at: int) -> None:
        """Seal every hour before `at`; an hour whose sealing fails keeps its journal."""
        due: dict[tuple[str, int], list[Path]] = {}
        for path in journal.journals(self.folder):
            if journal.hour_of(path) != at:
                due.setdefault((journal.table_of(path), journal.hour_of(path)), []).append(path)
        for (table, hour), paths in due.items():
            if table in SCHEMAS:
                journal.seal(self.folder, table, hour, paths)
        self._sealed = self._clock.now()

    def _guard(self, at: int) -> None:
        """Keep within the limit by giving up the oldest hours; stop before the disk is full."""
        self._size = journal.size_of(self.folder)
        for hour in sorted({hour for hour, _path in journal.parts(self.folder)}):
            if self._size <= self._max:
                break
            for each, path in list(journal.parts(self.folder)):
                if each == hour and hour < at:
                    self._size -= path.stat().st_size
                    path.unlink()
        if shutil.disk_usage(self.folder).free < SPARE:
            raise OSError("the disk is nearly full")

    def _open(self, now: int) -> None:
        """In a thread: the folder, its manifest, and what a former run left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "recording.json"
        if path.is_file():
            about = json.loads(path.read_bytes())
            if about.get("format") != 1 or not isinstance(about.get("instruments"), list):
                raise ValueError(f"{self.folder} holds something else than a recording")
            self._title = self._title or str(about.get("title", ""))
            self._since = min(int(about.get("start_ts", now)), now)
            self._entries = [e for e in about["instruments"] if isinstance(e, dict)]
            self._seal(journal.hour(now) + 1)
            self._between(int(about.get("end_ts", now)), now)
        elif any(self.folder.iterdir()):
            raise ValueError(f"{self.folder} is not empty and holds no recording")
        self._known = {f"{e['exchange']}:{e['symbol']}" for e in self._entries}
        self._manifest([], now)

    def _between(self, since: int, now: int) -> None:
        """Nothing was written between two runs."""
        for entry in self._entries:
            for table in ("trades", "liquidations", "context", "books"):
                gap = Gap(
                    from_ts=since, to_ts=now, table=table,
                    exchange=entry["exchange"], symbol=entry["symbol"],
                )  # fmt: skip
                if now > since:
                    self._events.append((gap, now))

    def _manifest(self, instruments: Iterable[Instrument], now: int) -> None:
        for one in instruments:
            if one.key not in self._known:
                self._known.add(one.key)
                self._entries.append(_entry(one))
        hours = [hour for hour, _path in journal.parts(self.folder)]
        hours += [journal.hour_of(path) for path in journal.journals(self.folder)]
        first = min(hours, default=0) * 3_600_000
        about = {
            "format": 1,
            "title": self._title or "Recorded by Tidemark",
            "start_ts": max(self._since, first),
            "end_ts": now,
            "source": "the venues' public feeds",
            "licence": "the venues' terms",
            "instruments": self._entries,
        }
        journal.write_whole(self.folder / "recording.json", json.dumps(about, indent=1).encode())


def _cut(book: OrderBook) -> OrderBook:
    return OrderBook(
        instrument=book.instrument, ts=book.ts, bids=book.bids[:BOOK_DEPTH],
        asks=book.asks[:BOOK_DEPTH], sequence=book.sequence,
    )  # fmt: skip


def _entry(one: Instrument) -> dict[str, Any]:
    return {
        "exchange": one.exchange, "symbol": one.symbol, "base": one.base, "quote": one.quote,
        "perp": one.perp, "contract_size": one.contract_size, "price_step": one.price_step,
        "amount_step": one.amount_step,
    }  # fmt: skip
