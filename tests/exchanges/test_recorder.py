"""What is recorded is read back as it was, also after a kill in the middle of a write; limits give up the oldest."""

import asyncio
import shutil
from pathlib import Path

import pytest

from exchanges import journal, recorder
from exchanges.journal import Journal, journals, read_journal, seal, unsealed
from exchanges.local.recording import Recording
from exchanges.recorder import Recorder
from exchanges.streams.bus import Bus
from market.clock import FixedClock
from market.types import (
    HOUR,
    MINUTE,
    BookChange,
    Context,
    Gap,
    Instrument,
    Liquidation,
    OrderBook,
    PositionSide,
    Side,
    Trade,
)

START = 1_780_272_000_000  # a whole hour
BTC = Instrument(
    exchange="binance", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, id="BTCUSDT",
    price_step=0.1, amount_step=0.001,
)  # fmt: skip
ETH = Instrument(
    exchange="okx", symbol="ETH/USDT:USDT", base="ETH", quote="USDT", perp=True,
    id="ETH-USDT-SWAP", contract_size=0.1, price_step=0.01, amount_step=0.1,
)  # fmt: skip


class Ledger:
    """Gaps that a test sets."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []

    def blind(self, since: int, until: int) -> list[Gap]:
        return [each for each in self.gaps if each.to_ts > since and each.from_ts < until]


class Bench:
    """A recorder whose clock is ours; `turn` writes what was put on the bus."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder, self.clock, self.bus, self.ledger = (
            folder,
            FixedClock(START),
            Bus(),
            Ledger(),
        )
        self._options = options
        self.recorder = self.make()

    def make(self) -> Recorder:
        self.recorder = Recorder(self.folder, self.bus, self.ledger, self.clock, **self._options)  # type: ignore[arg-type]
        return self.recorder

    async def turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        await self.recorder._flush()

    def recording(self) -> Recording:
        return Recording(self.folder, FixedClock(self.clock.now()))


def trade(number: int, ts: int, instrument: Instrument = BTC) -> Trade:
    side = Side.BUY if number % 2 else Side.SELL
    return Trade(
        instrument=instrument, ts=ts, price=100 + number / 7, amount=number / 3, side=side,
        id=str(number), order=f"o{number}", recv_ts=ts + 5, seq=number,
    )  # fmt: skip


def seen(recording: Recording, instrument: Instrument = BTC) -> list[Trade]:
    own = next(i for i in recording.instruments() if i.key == instrument.key)
    return recording.trades(own, START - HOUR, START + 100 * HOUR)


async def test_every_kind_of_event_is_read_back(tmp_path: Path) -> None:
    book = OrderBook(
        instrument=BTC, ts=START + 900, bids=((99.0, 1.0), (98.0, 2.0)), asks=((101.0, 3.0),)
    )
    bench = Bench(tmp_path / "rec", book_of=lambda one: book if one is BTC else None)
    await bench.recorder.start()
    rows = [trade(n, START + n * 10) for n in range(1, 20)]
    forced = Liquidation(
        instrument=ETH,
        ts=START + 50,
        price=20.5,
        amount=7.0,
        position=PositionSide.LONG,
        sample=True,
    )
    changed = BookChange(instrument=BTC, ts=START + 950, bids=(), asks=())
    told = Context(
        instrument=ETH, ts=START + 60, mark=21.0, index=21.5, rate=0.0002, interval_h=4.0,
        interest=1234.5,
    )  # fmt: skip
    unknown = Context(instrument=BTC, ts=START + 61, rate=0.0001)  # of an interval nobody told
    bench.bus.put([*rows, forced, told, unknown, changed])
    bench.ledger.gaps.append(
        Gap(
            from_ts=START + 100,
            to_ts=START + 200,
            table="trades",
            exchange="okx",
            symbol=ETH.symbol,
        )
    )
    bench.clock.advance(1_000)
    await bench.turn()
    await bench.recorder.close()

    found = bench.recording()
    assert seen(found) == [
        Trade(instrument=t.instrument, ts=t.ts, price=t.price, amount=t.amount, side=t.side, id=t.id, order=t.order)
        for t in rows
    ]  # fmt: skip
    (one,) = found.liquidations("okx", START, START + MINUTE)
    assert (one.price, one.amount, one.position, one.sample) == (20.5, 7.0, PositionSide.LONG, True)
    perp = next(i for i in found.instruments("okx"))
    assert perp == ETH
    assert [s.amount for s in found.samples(perp)] == [1234.5]
    rate = found.funding(perp)
    assert rate is not None
    assert (rate.rate, rate.interval_h, rate.mark, rate.index) == (0.0002, 4.0, 21.0, 21.5)
    assert found.funding(BTC) is None
    kept = found.book(BTC, 10)
    assert kept is not None
    assert (kept.ts, kept.bids, kept.asks) == (book.ts, book.bids, book.asks)
    assert [(g.from_ts, g.to_ts) for g in found.gaps(perp)] == [(START + 100, START + 200)]
    assert found.gaps(BTC) == []


def test_a_journal_torn_anywhere_gives_all_that_came_before(tmp_path: Path) -> None:
    whole = Journal(tmp_path, "gaps", 1)
    edges = [whole.path.stat().st_size]
    for n in range(4):
        whole.write([("trades", "okx", "A", n, n + 1), ("trades", "okx", "B", n, n + 1)])
        edges.append(whole.path.stat().st_size)
    whole._file.close()  # as a kill leaves it: without an end
    body = whole.path.read_bytes()
    assert edges[-1] == len(body)
    torn = tmp_path / "torn.arrows"
    for size in range(len(body) + 1):
        torn.write_bytes(body[:size])
        rows = sum(each.num_rows for each in read_journal(torn))
        assert rows == 2 * sum(edge <= size for edge in edges[1:]), size


async def test_an_hour_is_sealed_once_and_nothing_counts_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "rec")
    await bench.recorder.start()
    first = [trade(n, START + n) for n in (3, 1, 2)]
    bench.bus.put(list(first))
    await bench.turn()
    left = tmp_path / "left"
    shutil.copytree(bench.folder / "journal", left)
    bench.clock.set(START + HOUR + 5)
    late = trade(4, START + HOUR - 1)  # of the hour before, received in this one
    bench.bus.put([trade(5, START + HOUR + 1), late])
    await bench.turn()
    part = bench.folder / "trades" / f"{START // HOUR}.parquet"
    assert part.is_file()
    for each in left.iterdir():  # a crash between the part's rename and the end of its journal
        shutil.copy(each, bench.folder / "journal" / each.name)
    assert [t.id for t in seen(bench.recording())] == ["1", "2", "3", "4", "5"]
    assert len(unsealed(bench.folder, "trades")) == 1
    await bench.recorder.close()
    bench.clock.advance(HOUR)
    await bench.make().start()
    await bench.recorder.close()
    assert journals(bench.folder, "trades") == []
    assert [t.id for t in seen(bench.recording())] == ["1", "2", "3", "4", "5"]


async def test_a_killed_recorder_goes_on_and_says_when_it_was_away(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "rec")
    await bench.recorder.start()
    bench.bus.put([trade(1, START + 1)])
    bench.clock.advance(1_000)
    await bench.turn()
    (path,) = journals(bench.folder, "trades")
    for task in bench.recorder._tasks:
        task.cancel()
    bench.recorder._journals["trades"]._file.close()  # without an end
    with path.open("ab") as file:  # a batch that was being written
        file.write(b"\xff\xff\xff\xff\x90\x01\x00\x00half a batch")
    bench.clock.advance(60_000)
    await bench.make().start()
    bench.bus.put([trade(2, START + 61_500)])
    bench.clock.advance(1_000)
    await bench.turn()
    await bench.recorder.close()
    found = bench.recording()
    assert [t.id for t in seen(found)] == ["1", "2"]
    assert [(g.from_ts, g.to_ts) for g in found.gaps(BTC)] == [(START + 1_000, START + 61_000)]
    assert found.manifest.start_ts == START


async def test_the_oldest_hours_are_given_up_for_the_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "rec", max_bytes=80_000)
    await bench.recorder.start()
    for hour in range(6):
        bench.clock.set(START + hour * HOUR)
        now = bench.clock.now()
        bench.bus.put([trade(hour * 500 + n + 1, now + n) for n in range(500)])
        await bench.turn()
    hours = sorted({hour for hour, _path in journal.parts(bench.folder)})
    assert hours
    assert hours[0] > START // HOUR
    assert hours[-1] == START // HOUR + 4
    assert journal.size_of(bench.folder) <= 80_000 + 70_000  # with the journal that is open
    assert bench.recording().manifest.start_ts == hours[0] * HOUR
    await bench.recorder.close()


async def test_what_a_full_queue_loses_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "QUEUE", 2)
    bench = Bench(tmp_path / "rec")
    await bench.recorder.start()
    bench.bus.put([trade(1, START + 1)])
    bench.clock.advance(1_000)
    await bench.turn()
    for n in range(2, 7):
        bench.bus.put([trade(n, START + 1_000 + n)])
    bench.clock.advance(1_000)
    await bench.turn()
    await bench.recorder.close()
    found = bench.recording()
    assert [t.id for t in seen(found)] == ["1", "5", "6"]
    assert bench.recorder.status().dropped == 3
    assert [(g.from_ts, g.to_ts) for g in found.gaps(BTC)] == [(START + 1_000, START + 2_000)]


async def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not empty and holds no recording"):
        await Bench(tmp_path).recorder.start()
    assert (tmp_path / "mine.txt").read_text() == "keep"
    assert not (tmp_path / "recording.json").exists()


async def test_a_disk_that_fails_ends_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH", 0.01)
    bench = Bench(tmp_path / "rec")
    await bench.recorder.start()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "write", full)
    bench.bus.put([trade(1, START + 1)])
    async with asyncio.timeout(5):
        while not bench.recorder.status().stopped:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "No space left" in bench.recorder.status().stopped
    bench.bus.put([trade(2, START + 2)])
    await bench.recorder.close()


def test_the_part_names_its_journals(tmp_path: Path) -> None:
    one = Journal(tmp_path, "gaps", 7)
    one.write([("trades", "okx", "A", 1, 2)])
    one.close()
    part = seal(tmp_path, "gaps", 7, [one.path])
    assert part is not None
    assert journal.sealed(part) == {one.path.name}
    assert not one.path.exists()
