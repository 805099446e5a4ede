"""Faults of the websockets: what is on, what it has hit, and which trades a stream left out.

The market itself is never touched: REST, candles and `/truth` still tell what happened.
"""

import random
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from exchanges.local.subjects import CHANNELS, Subject
from market.clock import Clock
from market.types import Instrument, Trade

# What each does; `share` is its default: of frames, of trades for `idgap`.
SHARES = {
    "drop": 1.0,  # sockets end without a goodbye
    "refuse": 1.0,  # new sockets are answered 503
    "freeze": 1.0,  # nothing is sent; afterwards what is due comes late, as after a stalled network
    "delay": 1.0,  # frames come `delay` seconds late
    "duplicate": 1.0,  # frames come twice
    "reorder": 1.0,  # neighbouring frames change places
    "idgap": 0.1,  # runs of trades are left out of the stream
    "burst": 1.0,  # trades are held back and then sent flat out
    "malformed": 0.2,  # a broken frame before a good one, or instead of it
    "wrong_types": 0.2,  # a copy with wrong values before a good frame, or instead of it
}
REMEMBERED = 500  # faults that are told about
NAMED = 20_000  # trades that a fault tells by number
LONGEST_DELAY = 60.0  # seconds


class Wanted(Protocol):
    """What a stream fault is asked for with; see `faults.Fault`."""

    exchange: str
    fault: str
    seconds: float
    delay: float
    channel: str
    symbol: str
    seed: int
    share: float | None
    run: int
    instead: bool
    pongs: bool


class Socket(Protocol):
    """A connection, as far as a fault may reach for it."""

    exchange: str

    def subjects(self) -> Iterable[Subject]: ...
    def abort(self) -> None: ...


@dataclass(eq=False, slots=True, kw_only=True)
class Running:
    """One fault on one exchange, and what it did."""

    number: int
    wanted: Wanted
    exchange: str
    ids: frozenset[tuple[str, bool]] | None  # (id, perp) of the symbol; None: any
    since: int  # wall ms
    until: int | None
    share: float
    rng: random.Random
    sockets: int = 0
    frames: int = 0
    trades: int = 0  # left out, or sent in a burst
    left: dict[str, dict[str, None]] = field(default_factory=dict)  # trade numbers by symbol

    @property
    def fault(self) -> str:
        """Its kind."""
        return self.wanted.fault

    @property
    def whole(self) -> bool:
        """Whether it concerns all that a socket says."""
        return not self.wanted.channel and self.ids is None

    def hits(self, subject: Subject) -> bool:
        """Whether it concerns a subscription."""
        if self.wanted.channel and self.wanted.channel != subject.channel:
            return False
        return self.ids is None or any(
            id_ == subject.id and subject.perp in (None, perp) for id_, perp in self.ids
        )

    def chosen(self) -> bool:
        """Whether the next frame is hit."""
        return self.share >= 1.0 or self.rng.random() < self.share

    def leaves_out(self, trade: Trade) -> bool:
        """Whether a trade is left out: the same ones for every socket and whenever it is asked."""
        text = trade.id
        place = str(int(text) // max(self.wanted.run, 1)) if text.isdigit() else text
        return zlib.crc32(f"{self.wanted.seed}:{place}".encode()) < self.share * 2**32

    def lost(self, symbol: str, numbers: Iterable[str]) -> None:
        """Count trades that the stream did not bring."""
        named = self.left.setdefault(symbol, {})
        for number in numbers:
            if number not in named:
                self.trades += 1
                if len(named) < NAMED:
                    named[number] = None

    def told(self, now: int) -> dict[str, Any]:
        """For GET /faults."""
        return {
            "id": self.number,
            "exchange": self.exchange,
            "fault": self.fault,
            "channel": self.wanted.channel,
            "symbol": self.wanted.symbol,
            "on": self.until is None or now < self.until,
            "since": self.since,
            "until": self.until,
            "sockets": self.sockets,
            "frames": self.frames,
            "trades": self.trades,
            "left_out": {symbol: list(named) for symbol, named in self.left.items()},
        }


class StreamFaults:
    """The stream faults of all venues; times are wall ms."""

    def __init__(self, wall: Clock, instruments: Callable[[str], Sequence[Instrument]]) -> None:
        self.wall = wall
        self.sockets: set[Socket] = set()
        self.reading: Subject | None = None  # the subscription whose frames are being made
        self.burst: Running | None = None  # and the burst that they are
        self._instruments = instruments
        self._running: dict[str, list[Running]] = {}
        self._ever: deque[Running] = deque(maxlen=REMEMBERED)
        self._count = 0

    def start(self, wanted: Wanted, exchanges: Sequence[str]) -> list[int]:
        """Start a fault; ValueError where it cannot be meant so. Returns its number on each exchange."""
        _check(wanted)
        found = [(name, self._ids(name, wanted.symbol)) for name in exchanges]
        if wanted.symbol and not any(ids for _, ids in found):
            raise ValueError(f"there is no symbol {wanted.symbol!r}")
        return [self._start(wanted, name, ids) for name, ids in found if ids or not wanted.symbol]

    def stop(self, exchanges: Sequence[str]) -> None:
        """End all faults of these exchanges."""
        now = self.wall.now()
        for name in exchanges:
            for each in self._running.pop(name, ()):
                each.until = now if each.until is None else min(each.until, now)

    def on(self, exchange: str) -> list[Running]:
        """The faults of a venue that are on."""
        running = self._running.get(exchange)
        if not running:
            return []
        now = self.wall.now()
        if any(each.until is not None and now >= each.until for each in running):
            running = [each for each in running if each.until is None or now < each.until]
            self._running[exchange] = running
        return running

    def refused(self, exchange: str) -> bool:
        """Whether a new socket is turned away; it is counted."""
        found = [each for each in self.on(exchange) if each.fault == "refuse"]
        for each in found:
            each.sockets += 1
        return bool(found)

    def thinned(self, trades: list[Trade]) -> list[Trade]:
        """What a stream brings of these trades; outside of streams all of them."""
        subject = self.reading
        if subject is None or not trades:
            return trades
        if self.burst is not None:
            self.burst.trades += len(trades)
        instrument = trades[0].instrument
        for each in self.on(instrument.exchange):
            if each.fault == "idgap" and subject.channel == "trades" and each.hits(subject):
                kept = [trade for trade in trades if not each.leaves_out(trade)]
                if len(kept) < len(trades):
                    gone = (trade.id for trade in trades if each.leaves_out(trade))
                    each.lost(instrument.symbol, gone)
                trades = kept
        return trades

    def symbol_of(self, exchange: str, subject: Subject) -> str:
        """Our name of what a subscription is about; the venue's where it is about more than one."""
        for each in self._instruments(exchange):
            if each.id == subject.id and subject.perp in (None, each.perp):
                return each.symbol
        return subject.id

    def told(self) -> list[dict[str, Any]]:
        """Every fault that was asked for, the oldest first, with what it hit."""
        now = self.wall.now()
        return [each.told(now) for each in self._ever]

    def _start(self, wanted: Wanted, exchange: str, ids: frozenset[tuple[str, bool]] | None) -> int:
        self._count += 1
        now, share = self.wall.now(), wanted.share
        running = Running(
            number=self._count, wanted=wanted, exchange=exchange, ids=ids, since=now,
            until=now + int(wanted.seconds * 1000) if wanted.seconds else None,
            share=SHARES[wanted.fault] if share is None else share,
            rng=random.Random(f"{wanted.seed}:{exchange}:{wanted.fault}"),  # noqa: S311 - repeatable on purpose
        )  # fmt: skip
        self._ever.append(running)
        if wanted.fault == "drop":
            running.until = now
            self._drop(running)
        else:
            self._running.setdefault(exchange, []).append(running)
        return running.number

    def _drop(self, fault: Running) -> None:
        for each in list(self.sockets):
            if each.exchange != fault.exchange:
                continue
            if fault.whole or any(fault.hits(subject) for subject in each.subjects()):
                fault.sockets += 1
                each.abort()

    def _ids(self, exchange: str, symbol: str) -> frozenset[tuple[str, bool]] | None:
        """What a symbol is called on a venue: ours ("BTC/USDT:USDT") or the venue's own."""
        if not symbol:
            return None
        return frozenset(
            (each.id, each.perp)
            for each in self._instruments(exchange)
            if symbol in (each.symbol, each.id)
        )


def _check(wanted: Wanted) -> None:
    if wanted.channel and wanted.channel not in CHANNELS:
        raise ValueError(f"channel is one of {', '.join(CHANNELS)}")
    if wanted.share is not None and not 0 <= wanted.share <= 1:
        raise ValueError("share is from 0 to 1")
    if wanted.seconds < 0 or not 0 <= wanted.delay <= LONGEST_DELAY:
        raise ValueError(f"seconds are 0 or more, delay is 0 to {LONGEST_DELAY:g}")
