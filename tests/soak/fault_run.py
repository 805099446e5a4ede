"""One run against a market whose venues go wrong all the time, and the account of it against what really happened."""

import asyncio
import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

import aiohttp
import numpy as np

from analytics.livebook import LiveBook
from analytics.state import SymbolState
from bot.children import child
from exchanges.endpoints import load_endpoints, market_clock
from exchanges.hub import Market
from exchanges.local.chaos import Step, drive
from exchanges.local.truth import Truth
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.filling import Filler
from exchanges.streams.ledger import Ledger
from exchanges.streams.supervisor import Streams
from market.clock import MarketClock, WallClock
from market.errors import SourceError
from market.types import Instrument, Liquidation, PositionSide, Side, Trade

START = 1_780_272_000_000
SETTLED = 6_000  # market ms after which what happened has arrived
SECOND = 1000
TOLERANCE = 1e-9
RECOVERY = 40.0  # wall seconds in which everything has to be back
FILLING = 15.0  # more of them that are waited for gaps to be filled
SLOW = 0.3  # of the market while books are compared
PROBE = 35.0  # seconds after which a venue whose REST failed is asked again
LOOKS = 15.0  # seconds for one of them
DEPTH = 5  # levels of a book that have to equal a fresh one

Key = tuple[int, str, float, float]  # ts, id, price, amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is played, and for whom."""

    seed: int
    speed: float
    venues: tuple[str, ...]
    bases: tuple[str, ...]
    steps: Sequence[Step]


@dataclass(slots=True, eq=False)
class Seen:
    """What one instrument's state took as new."""

    trades: list[Trade] = field(default_factory=list)
    forced: list[Liquidation] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Account:
    """What was found afterwards: rows for the table, and everything that should not be."""

    seed: int = 0
    rows: dict[str, Counter[str]] = field(default_factory=dict)  # by exchange
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self) -> str:
        """For whoever looks at the run."""
        names = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        lines = [f"seed {self.seed}", f"{'':<12}" + "".join(f"{name:>12}" for name in names)]
        for exchange, row in self.rows.items():
            lines.append(f"{exchange:<12}" + "".join(f"{row[name]:>12,}" for name in names))
        return "\n".join([*lines, *self.notes, *(f"WRONG {line}" for line in self.wrong[:40])])


class Errors(logging.Handler):
    """Every line that says that something of ours broke."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {record.exc_info[1]!r}"
        self.lines.append(f"{record.name}: {text}")


@contextmanager
def watched_states(seen: dict[str, Seen]) -> Iterator[None]:
    """Note what every state takes as new, by stream or by REST."""
    update, forced = SymbolState.update, SymbolState.take_liquidations

    def noted_update(self: SymbolState, trades: Sequence[Trade]) -> list[Trade]:
        new = update(self, trades)
        seen.setdefault(self.instrument.key, Seen()).trades.extend(new)
        return new

    def noted_forced(self: SymbolState, rows: Sequence[Liquidation]) -> list[Liquidation]:
        new = forced(self, rows)
        seen.setdefault(self.instrument.key, Seen()).forced.extend(new)
        return new

    with (
        patch.object(SymbolState, "update", noted_update),
        patch.object(SymbolState, "take_liquidations", noted_forced),
    ):
        yield


class FaultRun:
    """A desk's streams, ledger and filler on a market that misbehaves."""

    def __init__(self, setting: Setting, url: str) -> None:
        self.setting, self.url = setting, url
        self.seen: dict[str, Seen] = {}
        self.errors = Errors()
        self.wrong: list[str] = []
        self.slowest = 0.0  # ms by which the loop was late
        self.instruments: list[Instrument] = []
        self._wall = WallClock(time.time)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """All parts, watching."""
        told = await market_clock(self.url)
        self.clock = MarketClock(
            self._wall, start=told["start"], anchor=told["anchor"], speed=told["speed"]
        )
        self.market = Market(
            endpoints=await load_endpoints(self.url), exchanges=self.setting.venues,
            clock=self.clock, wall=self._wall, cache_dir=None,
        )  # fmt: skip
        await self.market.start()
        self.ledger = Ledger(None, self.clock)
        self.streams = Streams(
            self.market.endpoints, self.clock, self._wall,
            snapshot=partial(self.market.book, depth=1000), ledger=self.ledger,
        )  # fmt: skip
        self.filler = Filler(self.market.venues, self.clock, self.ledger)
        self.streams.on_gap.append(self.filler.fill)
        self.instruments = [
            each for each in self.market.directory.all if each.base in self.setting.bases
        ]
        self.books = [each for each in self.instruments if each.base == self.setting.bases[0]]
        logging.getLogger().addHandler(self.errors)
        try:
            with watched_states(self.seen):
                self.streams.keep(self.instruments, books=self.books)
                await self._armed()
                yield
        finally:
            await self.filler.close()
            await self.streams.close()
            await self.market.close()
            logging.getLogger().removeHandler(self.errors)

    async def run(self) -> Account:
        """Play the schedule, let everything come back, and compare."""
        looking = asyncio.create_task(self._look())
        try:
            await drive(self.url, self.setting.steps)
            await self._recovered()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await self._compare_books()
        return await self._account()

    async def _armed(self) -> None:
        async with asyncio.timeout(RECOVERY):
            while not self._whole():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def _whole(self) -> bool:
        """Whether every feed arrives."""
        topics = [Topic(Channel.TRADES, each) for each in self.instruments]
        topics += [Topic(Channel.BOOK, each) for each in self.books if each.exchange != "coinbase"]
        return all(map(self.streams.serves, topics))

    async def _recovered(self) -> None:
        """Wait until all is back; gaps that are still being filled then stay gaps."""
        missing: list[str] = []
        try:
            async with asyncio.timeout(RECOVERY):
                while missing := self._unknown():  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self.wrong.append(f"not known again: {missing[:10]}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FILLING):
                while any(told.waiting for told in self.filler.status().values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        await asyncio.sleep(SETTLED / 1000 / self.setting.speed + 1.0)

    def _unknown(self) -> list[str]:
        """What is not as it was before."""
        found = [] if self._whole() else ["feeds"]
        for each in self.instruments:
            state = self.streams.state(each)
            if state is None:
                found.append(each.key)
                continue
            figures = state.snapshot(self.clock.now())
            wanted = ["price", "mark"] if each.perp else ["price"]
            wanted += ["mid"] if each in self.books and state.book is not None else []
            found += [f"{each.key} {name}" for name in wanted if not figures[name].known]
        return found

    async def _look(self) -> None:
        """Now and then: is the loop free, and no book crossed."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.02)
            self.slowest = max(self.slowest, (time.perf_counter() - began - 0.02) * 1000)
            for state in self.streams.states():
                if state.book is not None:
                    bids, asks = state.book.bids(1), state.book.asks(1)
                    if bids and asks and bids[0][0] >= asks[0][0]:
                        self.wrong.append(f"crossed {state.instrument.key} {bids} {asks}")

    async def _compare_books(self) -> None:
        """The market hardly moves: each live book equals one that is fetched."""
        async with aiohttp.ClientSession() as session:
            await session.post(f"{self.url}/control", json={"speed": SLOW})
        told = await market_clock(self.url)
        self.clock.set(start=told["start"], anchor=told["anchor"], speed=told["speed"])
        for each in self.books:
            if (state := self.streams.state(each)) is not None and state.book is not None:
                await self._compare_book(each, state.book)

    async def _compare_book(self, instrument: Instrument, book: LiveBook) -> None:
        """Both change each second of the market; in between they are equal."""
        mine = theirs = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKS + PROBE):
                while mine is None or theirs is None or not _same_levels(mine, theirs):
                    await asyncio.sleep(0.2)
                    try:
                        fresh = await self.market.book(instrument, depth=20)
                    except SourceError:  # a venue that failed until just now is asked again soon
                        continue
                    theirs = (list(fresh.bids[:DEPTH]), list(fresh.asks[:DEPTH]))
                    mine = (book.bids(DEPTH), book.asks(DEPTH))
                return
        self.wrong.append(f"book {instrument.key}: {mine} is not {theirs}")

    async def _account(self) -> Account:
        found = Account(seed=self.setting.seed, wrong=self.wrong)
        await self.filler.close()
        until = (self.clock.now() - SETTLED) // SECOND * SECOND
        for each in self.instruments:
            row = found.rows.setdefault(each.exchange, Counter())
            await self._compare(each, until, row)
        for exchange, row in found.rows.items():
            told = self.streams.status()[exchange]
            fills = self.filler.status().get(exchange)
            row["filled"] = fills.filled if fills else 0
            row["unfilled"] = fills.unfilled if fills else 0
            row["fetched"] = fills.trades if fills else 0
            row["reconnects"], row["bad"] = told.reconnects, told.bad
            row["resyncs"] = told.resyncs
            row["blind s"] = self._blind_seconds(exchange, until)
            if told.broken:
                self.wrong.append(f"{exchange}: {told.broken} breaks")
        self.wrong += [f"logged: {line}" for line in self.errors.lines]
        found.notes.append(
            f"{len(self.instruments)} instruments, loop at most {self.slowest:.0f} ms late"
        )
        return found

    async def _compare(self, instrument: Instrument, until: int, row: Counter[str]) -> None:
        """One instrument against the truth."""
        state, truth = self.streams.state(instrument), Truth(self.url)
        if state is None:
            self.wrong.append(f"{instrument.key} has no state")
            return
        since = -(-(state.flow.watched_since or 0) // SECOND) * SECOND
        happened = await truth.trades(instrument, since, until)
        seen = self.seen.get(instrument.key, Seen())
        mine = Counter(map(_key, (each for each in seen.trades if since < each.ts <= until)))
        theirs = Counter(map(_key, happened))
        row["trades"] += theirs.total()
        row["counted"] += mine.total()
        row["repeated"] += state.flow.duplicates
        if foreign := mine - theirs:
            self.wrong.append(
                f"{instrument.key}: {foreign.total()} twice or foreign {list(foreign)[:3]}"
            )
        lost = theirs - mine
        row["lost"] += lost.total()
        gaps = [
            (each.from_ts, each.to_ts)
            for each in self.ledger.blind(since, until, instrument, Channel.TRADES)
        ]
        row["gaps"] += len(gaps)
        unsaid = [key for key in lost if not any(a < key[0] <= b for a, b in gaps)]
        if unsaid:
            near = [gap for gap in gaps if gap[0] - 20_000 < unsaid[0][0] < gap[1] + 20_000]
            self.wrong.append(
                f"{instrument.key}: {len(unsaid)} lost and in no gap, {unsaid[:2]}, gaps near {near}"
            )
        self._windows(state, happened, (since, until), gaps, row)
        if instrument.perp:
            await self._forced(truth, instrument, (since, until), row)

    def _windows(
        self, state: SymbolState, happened: Sequence[Trade], span: tuple[int, int],
        gaps: Sequence[tuple[int, int]], row: Counter[str],
    ) -> None:  # fmt: skip
        """Each whole second: exact where no gap touches it, never more than the truth."""
        key = state.instrument.key
        sums = _by_second(happened, span)
        flow_gaps = [(each.from_ts, each.to_ts) for each in state.flow.gaps(*span)]
        extra = [each for each in flow_gaps if not _inside(each, gaps)]
        if extra:
            self.wrong.append(f"{key}: flow gaps that the ledger does not know {extra[:3]}")
        off: list[str] = []
        for place, since in enumerate(range(span[0], span[1], SECOND)):
            until = since + SECOND
            found = state.flow.window(since, until)
            n, buy, sell = sums[:, place]
            blind = any(b > since and a < until for a, b in flow_gaps)
            row["seconds"] += 1
            row["blind win"] += blind
            same = found.n == n and _near(found.buy_value, buy) and _near(found.sell_value, sell)
            more = found.n > n or found.buy_value > buy * (1 + 1e-9) + 1e-9
            if more or not (blind or same):
                off.append(f"{since}: {found.n} of {n:.0f}")
        if off:
            self.wrong.append(f"{key}: {len(off)} seconds off, {off[:3]}, flow gaps {flow_gaps}")

    async def _forced(
        self, truth: Truth, instrument: Instrument, span: tuple[int, int], row: Counter[str]
    ) -> None:
        """Liquidations: none twice, none foreign; those that are missing lie in a gap."""
        feed = Topic(Channel.LIQUIDATIONS, instrument)
        if not self.streams.serves(feed):
            return
        seen = self.seen.get(instrument.key, Seen())
        mine = Counter(_forced_key(each) for each in seen.forced if span[0] < each.ts <= span[1])
        theirs = Counter(map(_forced_key, await truth.liquidations(instrument, *span)))
        row["forced"] += theirs.total()
        if foreign := mine - theirs:
            self.wrong.append(
                f"{instrument.key}: {foreign.total()} liquidations twice or foreign {list(foreign)[:3]}"
            )
        gaps = self.ledger.blind(*span, instrument, Channel.LIQUIDATIONS)
        lost = theirs - mine
        unsaid = [k for k in lost if not any(g.from_ts < k[0] <= g.to_ts for g in gaps)]
        row["forced lost"] += lost.total()
        if unsaid:
            self.wrong.append(
                f"{instrument.key}: {len(unsaid)} liquidations in no gap {unsaid[:3]}"
            )

    def _blind_seconds(self, exchange: str, until: int) -> int:
        spans = sorted(
            (gap.from_ts, gap.to_ts)
            for each in self.instruments
            if each.exchange == exchange
            for gap in self.ledger.blind(0, until, each, Channel.TRADES)
        )
        total, reached = 0, 0
        for start, end in spans:
            total += max(0, end - max(start, reached))
            reached = max(reached, end)
        return total // SECOND


@asynccontextmanager
async def market_child(setting: Setting) -> AsyncIterator[str]:
    """The address of a simulated market with all its faults to come."""
    environment = {
        "MARKET": "sim", "SIM_SEED": str(setting.seed % 1000), "SIM_START": str(START),
        "MARKET_SPEED": str(setting.speed), "SIM_SCENARIO": "", "TELEGRAM_BOT_TOKEN": "",
    }  # fmt: skip
    with patch.dict(os.environ, {"LOG_LEVEL": "ERROR"}):
        async with child(["market"], environment) as told:
            yield told["url"]


async def play(setting: Setting) -> Account:
    """A whole run."""
    async with market_child(setting) as url:
        run = FaultRun(setting, url)
        async with run.started():
            return await run.run()


def _key(trade: Trade) -> Key:
    return (trade.ts, trade.id, _round(trade.price), _round(trade.amount))


def _forced_key(row: Liquidation) -> tuple[int, str, float, float]:
    side = "long" if row.position is PositionSide.LONG else "short"
    return (row.ts, side, _round(row.price), _round(row.amount))


def _round(value: float) -> float:
    """Nine digits: what is left of a number that went through a contract's size and back."""
    return float(f"{value:.9g}")


def _near(mine: float, theirs: float) -> bool:
    return abs(mine - theirs) <= TOLERANCE * max(1.0, theirs)


def _by_second(happened: Sequence[Trade], span: tuple[int, int]) -> np.ndarray:
    """Count, bought and sold value of each second of (since, until]."""
    sums = np.zeros((3, (span[1] - span[0]) // SECOND))
    for each in happened:
        place = (each.ts - 1 - span[0]) // SECOND
        sums[0, place] += 1
        sums[1 if each.side is Side.BUY else 2, place] += each.price * each.amount
    return sums


def _inside(span: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
    return any(a <= span[0] and span[1] <= b for a, b in spans)


def _same_levels(
    mine: Sequence[Sequence[tuple[float, float]]], theirs: Sequence[Sequence[tuple[float, float]]]
) -> bool:
    return all(
        len(a) == len(b) and all(
            abs(x - y) <= 1e-9 * max(1.0, abs(y))
            for one, other in zip(a, b, strict=True)
            for x, y in zip(one, other, strict=True)
        )
        for a, b in zip(mine, theirs, strict=True)
    )  # fmt: skip
