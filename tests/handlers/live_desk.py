"""A desk whose streams hold real `SymbolState`s, fed with trades made here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from desk_market import NOW, Desk, DeskMarket, desk, trade

from analytics.cvd import FlowLog
from analytics.state import SymbolState
from exchanges.streams.status import StreamStatus
from market.errors import SourceError
from market.types import DAY, HOUR, Instrument, OrderBook, Side

MIDNIGHT = NOW // DAY * DAY


@dataclass
class LiveStreams:
    """What `exchanges.streams.supervisor.Streams` shows; an instrument without a state was just asked for."""

    by_key: dict[str, SymbolState] = field(default_factory=dict)
    watched: list[tuple[str, bool]] = field(default_factory=list)
    told: dict[str, StreamStatus] = field(default_factory=dict)

    async def watch(self, instruments: Sequence[Instrument], *, book: bool = False) -> None:
        self.watched += [(i.key, book) for i in instruments]

    def state(self, instrument: Instrument) -> SymbolState | None:
        return self.by_key.get(instrument.key)

    def states(self) -> list[SymbolState]:
        return list(self.by_key.values())

    def flow(self, instrument: Instrument) -> FlowLog | None:
        found = self.by_key.get(instrument.key)
        return None if found is None else found.flow

    def status(self) -> dict[str, StreamStatus]:
        return self.told


class LiveMarket(DeskMarket):
    """A desk market in which one look at a book fails: books are followed, or not known."""

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        raise SourceError(instrument.exchange, "no such book")


def live_desk(*instruments: Instrument, now: int = NOW) -> tuple[Desk, LiveStreams]:
    """A desk over these instruments; nothing is streamed yet."""
    d, streams = desk(*instruments, now=now), LiveStreams()
    d.market = LiveMarket(d.clock, instruments)
    d.market.streams = streams  # type: ignore[assignment]
    d.app.market = d.market  # type: ignore[assignment]
    return d, streams


def traded(
    i: Instrument, *, since: int = NOW - 2 * HOUR, until: int = NOW, step: int = 5_000,
    price: float = 100_000.0, buy: float = 0.5, sell: float = 0.3, whales: Sequence[tuple[int, Side, float]] = (),
) -> SymbolState:  # fmt: skip
    """Watched from `since` on; each `step` ms a buy and, half a step later, a sell of so many coins.

    `whales`: (ts, side, coins).
    """
    state = SymbolState(i, since)
    rows = []
    for ts in range(since + step, until, step):
        rows.append(trade(i, ts, price, buy, Side.BUY))
        rows.append(trade(i, ts - step // 2, price, sell, Side.SELL))
    rows += [trade(i, ts, price, coins, side) for ts, side, coins in whales]
    state.update(sorted(rows, key=lambda row: row.ts))
    state.alive(until)
    return state
