"""Live books over recorded messages of three venues equal a dictionary of levels."""

import gzip
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_livebook import FUTURES, HYPER, SPOT, Levels, change, instrument

from analytics import book as batch
from analytics.livebook import LiveBook
from market.types import BookChange, Instrument, OrderBook, Side, Trade

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "orderbook"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here"),
]


def raw(name: str, of: Instrument) -> Iterator[BookChange | OrderBook | Trade | tuple[int, Levels]]:
    """The messages of a recorded socket; of the best quotes (number, (bid, ask))."""

    def levels(rows: list[list[str]]) -> Levels:
        return tuple((float(price), float(amount)) for price, amount in rows)

    with gzip.open(DATA / f"binance_{name}_raw_ws_2024_08_08.jsonl.gz", "rt") as lines:
        for line in lines:
            stamp, _, text = line.partition(" ")
            row = json.loads(text)
            if "lastUpdateId" in row:
                yield OrderBook(
                    instrument=of, ts=row.get("T", int(stamp) // 10**6), bids=levels(row["bids"]),
                    asks=levels(row["asks"]), sequence=row["lastUpdateId"],
                )  # fmt: skip
                continue
            row = row["data"]
            if row.get("e") == "depthUpdate":
                yield change(
                    of, row.get("T", row["E"]), levels(row["b"]), levels(row["a"]), first=row["U"],
                    last=row["u"], before=row.get("pu"),
                )  # fmt: skip
            elif row.get("e") == "trade" and row["X" if "X" in row else "e"] in ("MARKET", "trade"):
                yield Trade(
                    instrument=of, ts=row["T"], price=float(row["p"]), amount=float(row["q"]),
                    side=Side.SELL if row["m"] else Side.BUY, id=str(row["t"]),
                )  # fmt: skip
            elif "B" in row:
                yield row["u"], levels([[row["b"], row["B"]], [row["a"], row["A"]]])


class Beside:
    """A dictionary of levels that takes the same changes without looking at their numbers."""

    def __init__(self, book: LiveBook) -> None:
        self.book = book
        self.bids, self.asks = dict[float, float](), dict[float, float]()
        self.changes: list[BookChange] = []

    def load(self, event: OrderBook) -> None:
        self.bids, self.asks = dict(event.bids), dict(event.asks)
        self.book.snapshot(event)
        for each in self.changes:
            if each.last > (event.sequence or 0):
                self._apply(each)

    def take(self, event: BookChange) -> None:
        self.book.take(event)
        self.changes.append(event)
        self._apply(event)
        if self.book.live(event.ts) and len(self.changes) % 25 == 0:
            good = sorted(((p, a) for p, a in self.bids.items() if a), reverse=True)
            assert self.book.bids(500) == good[:500]
            assert self.book.asks(500) == sorted((p, a) for p, a in self.asks.items() if a)[:500]

    def _apply(self, event: BookChange) -> None:
        self.bids |= dict(event.bids)
        self.asks |= dict(event.asks)


@pytest.mark.parametrize("name", ["usdm_btcusdt", "spot_ethusdt"])
def test_recorded_changes_equal_a_dictionary_and_the_recorded_best_quotes(name: str) -> None:
    of = FUTURES if name.startswith("usdm") else SPOT
    book = LiveBook(of)
    beside = Beside(book)
    quotes: dict[int, Levels] = {}
    checked = 0
    for event in raw(name, of):
        match event:
            case OrderBook():
                beside.load(event)
            case BookChange():
                beside.take(event)
                if book.live(event.ts) and event.last in quotes:
                    assert (book.bids(1)[0], book.asks(1)[0]) == quotes[event.last]
                    checked += 1
            case Trade():
                book.traded([event])
            case number, best:
                quotes = {number: best}
        if len(beside.changes) == 4_000:
            break
    assert (book.resyncs, book.crossed) == (0, 0)
    assert len(beside.changes) >= 3_000
    found = book.readings(book.ts or 0)
    assert found["ofi_1m"].known
    assert found["mid"].value == (book.bids(1)[0][0] + book.asks(1)[0][0]) / 2
    assert checked > (100 if of is FUTURES else -1)
    assert size_of(book) < 400_000  # with its past, ten minutes of it at most


def test_a_recorded_bybit_book_equals_a_dictionary() -> None:
    archive = zipfile.ZipFile(DATA / "bybit_xrpusdt_ob500_sample.zip")
    lines = io.TextIOWrapper(archive.open(archive.namelist()[0])).read().splitlines()
    of = instrument("bybit")
    book, sides = LiveBook(of), (dict[float, float](), dict[float, float]())
    for line in lines:
        row = json.loads(line)
        found = row["data"]
        levels = [tuple((float(p), float(a)) for p, a in found[name]) for name in ("b", "a")]
        if row["type"] == "snapshot":
            sides = (dict(levels[0]), dict(levels[1]))
        for side, more in zip(sides, levels, strict=True):
            side.update(more)
        number = found["u"]
        book.take(
            change(
                of, row["ts"], *levels, whole=row["type"] == "snapshot", first=number, last=number,
                before=number - 1,
            )
        )  # fmt: skip
        assert book.bids() == sorted(((p, a) for p, a in sides[0].items() if a), reverse=True)
        assert book.asks() == sorted((p, a) for p, a in sides[1].items() if a)
    assert len(lines) >= 50
    assert book.resyncs == 0


def test_recorded_hyperliquid_books_are_taken_whole() -> None:
    book = LiveBook(HYPER)
    with gzip.open(DATA / "hyperliquid_l2_btc_2026_06_11.jsonl.gz", "rt") as lines:
        for n, line in enumerate(lines):
            row = json.loads(line)
            bids, asks = (tuple(map(tuple, row[name])) for name in ("bids", "asks"))
            book.take(change(HYPER, row["ts_ms"], bids, asks, whole=True))
            ts = row["ts_ms"]
            assert book.bids() == list(bids)
            assert book.asks() == list(asks)
            look = OrderBook(instrument=HYPER, ts=ts, bids=bids, asks=asks)
            share = book.readings(ts)["bid_share"].value
            assert share == pytest.approx(batch.bid_share(look))
            if n == 1500:
                break
    assert book.crossed == 0


def size_of(thing: object) -> int:
    """Bytes of an object and all that it alone holds."""
    seen: set[int] = set()

    def walk(each: object) -> int:
        if id(each) in seen or isinstance(each, (type, Instrument, str, int)):
            return 0
        seen.add(id(each))
        total = sys.getsizeof(each)
        if isinstance(each, dict):
            total += sum(walk(k) + walk(v) for k, v in each.items())
        elif isinstance(each, (list, tuple, set)) or type(each).__name__ == "deque":
            total += sum(walk(v) for v in each)  # type: ignore[attr-defined]
        else:
            names = [n for kind in type(each).__mro__ for n in getattr(kind, "__slots__", ())]
            names += list(getattr(each, "__dict__", {}))
            total += sum(walk(getattr(each, n)) for n in names if hasattr(each, n))
        return total

    return walk(thing)
