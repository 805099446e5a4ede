"""Streams as alerts use them, over real `SymbolState`s that a test feeds."""

from collections.abc import Sequence

from analytics.state import BOOKS, CONTEXT, LIQUIDATIONS, TRADES, SymbolState
from market.types import (
    BookChange,
    Context,
    Instrument,
    Liquidation,
    PositionSide,
    Side,
    Trade,
)


class FakeStreams:
    """The part of `Streams` that alerts call; states begin when a test opens them."""

    def __init__(self) -> None:
        self.open: dict[str, SymbolState] = {}
        self.watched: list[tuple[str, bool]] = []

    def state(self, instrument: Instrument) -> SymbolState | None:
        return self.open.get(instrument.key)

    def states(self) -> list[SymbolState]:
        return list(self.open.values())

    def flow(self, instrument: Instrument) -> object:
        return None

    async def watch(self, instruments: Sequence[Instrument], *, book: bool = False) -> None:
        self.watched += [(each.key, book) for each in instruments]

    def begin(self, instrument: Instrument, started: int) -> SymbolState:
        state = self.open[instrument.key] = SymbolState(instrument, started)
        state.flow.begin(started)
        state.liquidations.alive(started)
        return state

    def alive(self, ts: int, *instruments: Instrument) -> None:
        """Every feed of these was heard of."""
        for each in instruments:
            for channel in (TRADES, LIQUIDATIONS, CONTEXT, BOOKS):
                self.open[each.key].alive(ts, channel)


def trade(of: Instrument, ts: int, price: float, amount: float, side: Side = Side.BUY) -> Trade:
    return Trade(
        instrument=of, ts=ts, price=price, amount=amount, side=side, id=f"{ts}-{price}-{amount}"
    )


def liquidation(
    of: Instrument, ts: int, usd: float, position: PositionSide = PositionSide.LONG
) -> Liquidation:
    return Liquidation(
        instrument=of, ts=ts, price=100.0, amount=usd / 100.0, position=position, recv_ts=ts
    )


def context(of: Instrument, ts: int, **figures: float) -> Context:
    return Context(instrument=of, ts=ts, **figures)  # type: ignore[arg-type]


def book(of: Instrument, ts: int, bid: float, ask: float) -> BookChange:
    """A whole book with so many coins at each of ten levels."""
    return BookChange(
        instrument=of, ts=ts, whole=True, last=1,
        bids=tuple((100.0 - n * 0.1, bid) for n in range(1, 11)),
        asks=tuple((100.0 + n * 0.1, ask) for n in range(1, 11)),
    )  # fmt: skip
