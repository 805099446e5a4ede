"""A live book of 1,000 levels a side: from the text of a change of 40 levels to the share of the best ten.

Against a dictionary that is sorted when asked, and the order book of ccxt.pro fed as its clients feed it.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
from ccxt.pro.binanceusdm import binanceusdm

from analytics.book_side import BookSide
from analytics.livebook import LiveBook
from benchmarks.row import Row, at_most, faster, seconds
from market.types import BookChange, Instrument, Side, Trade

COUNT, LEVELS, DEPTH = 2_000, 40, 1_000
START = 1_790_000_000_000
ONE = Instrument(
    exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, price_step=0.1
)
Levels = tuple[tuple[float, float], ...]


class Text(msgspec.Struct, gc=False):
    """A message of a venue: prices and amounts are texts."""

    b: Levels
    a: Levels


DECODER = msgspec.json.Decoder(Text, strict=False)


def rows() -> list[Row]:
    """The sides alone beside the peers, then the whole book with its figures, walls and past."""
    changes = _changes()
    texts = [_text(bids, asks) for bids, asks in changes]
    mine = _shares(_sides, texts)
    for kind in (_naive, _theirs):
        found = _shares(kind, texts)
        assert all(abs(a - b) < 1e-9 for a, b in zip(mine, found, strict=True)), "books disagree"
    sides, naive, peer = (
        seconds(lambda kind=kind: _shares(kind, texts), rounds=2)  # type: ignore[misc]
        for kind in (_sides, _naive, _theirs)
    )
    whole = seconds(lambda: _live(changes), rounds=2)
    book, trades = _live(changes), _trades()
    traded = seconds(lambda: _traded(book, trades), rounds=2)
    return [
        faster(
            "book changes of 40 levels, share of the best ten", sides, naive, "dict, sorted",
            goal=5, per=COUNT, what="changes",
        ),
        faster(
            "  the same", sides, peer, "ccxt.pro OrderBook", goal=2, per=COUNT, what="changes"
        ),
        at_most(
            "  with figures, walls, patterns and the heat map", whole / COUNT, 1 / 5_000,
            note=f", {COUNT / whole:,.0f}/s",
        ),
        at_most("a trade seen by its book", traded / COUNT, 1 / 100_000),
    ]  # fmt: skip


def _changes() -> list[tuple[Levels, Levels]]:
    """Around a mid of 60,000; most near the price, a few removals."""
    chance = random.Random(7)

    def level(sign: int) -> tuple[float, float]:
        away = min(DEPTH, int(chance.expovariate(1 / 60)) + 1)
        return 60_000 + sign * away * 0.1, chance.choice((0.0, 0.5, 1.0, 2.5, 7.0))

    half = LEVELS // 2
    return [
        (tuple(level(-1) for _ in range(half)), tuple(level(1) for _ in range(half)))
        for _ in range(COUNT)
    ]


def _start() -> tuple[Levels, Levels]:
    bids = tuple((60_000 - n * 0.1, 1.0) for n in range(1, DEPTH + 1))
    return bids, tuple((60_000 + n * 0.1, 1.0) for n in range(1, DEPTH + 1))


def _text(bids: Levels, asks: Levels) -> bytes:
    both = [[(f"{price:.1f}", f"{amount:.3f}") for price, amount in side] for side in (bids, asks)]
    return json.dumps({"b": both[0], "a": both[1]}).encode()


def _shares(kind: Callable[[], Callable[[bytes], float]], texts: list[bytes]) -> list[float]:
    take = kind()
    take(_text(*_start()))
    return [take(text) for text in texts]


def _share(bids: float, asks: float) -> float:
    return bids / (bids + asks)


def _sides() -> Callable[[bytes], float]:
    bid, ask = BookSide(-1.0), BookSide(1.0)

    def take(text: bytes) -> float:
        row = DECODER.decode(text)
        bid.apply(row.b)
        ask.apply(row.a)
        return _share(bid.top(10), ask.top(10))

    return take


def _naive() -> Callable[[bytes], float]:
    bid: dict[float, float] = {}
    ask: dict[float, float] = {}

    def take(text: bytes) -> float:
        row = json.loads(text)
        for side, levels in ((bid, row["b"]), (ask, row["a"])):
            for price, amount in ((float(p), float(a)) for p, a in levels):
                if amount:
                    side[price] = amount
                else:
                    side.pop(price, None)
        best = sorted(bid, reverse=True)[:10], sorted(ask)[:10]
        return _share(sum(bid[p] for p in best[0]), sum(ask[p] for p in best[1]))

    return take


def _theirs() -> Callable[[bytes], float]:
    client = binanceusdm()
    book: Any = client.order_book({})

    def take(text: bytes) -> float:
        row = json.loads(text)
        client.handle_deltas(book["bids"], row["b"])
        client.handle_deltas(book["asks"], row["a"])
        book.limit()
        return _share(
            sum(row[1] for row in book["bids"][:10]), sum(row[1] for row in book["asks"][:10])
        )

    return take


def _live(changes: list[tuple[Levels, Levels]]) -> LiveBook:
    """A change each 100 ms, as venues send them."""
    book = LiveBook(ONE)
    bids, asks = _start()
    book.take(BookChange(instrument=ONE, ts=START, bids=bids, asks=asks, whole=True, last=1))
    for n, (more, less) in enumerate(changes, start=2):
        book.take(
            BookChange(
                instrument=ONE, ts=START + n * 100, bids=more, asks=less, first=n, last=n,
                before=n - 1,
            )
        )  # fmt: skip
    assert book.resyncs == 0
    return book


def _traded(book: LiveBook, trades: list[Trade]) -> None:
    for each in trades:
        book.traded([each])


def _trades() -> list[Trade]:
    chance = random.Random(3)
    return [
        Trade(
            instrument=ONE, ts=START + n * 100 + 50, price=60_000 + chance.choice((-0.1, 0.1, 0.2)),
            amount=1.0, side=chance.choice((Side.BUY, Side.SELL)),
        )
        for n in range(2, COUNT + 2)
    ]  # fmt: skip
