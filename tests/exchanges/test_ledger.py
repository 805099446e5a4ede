"""The ledger knows every blind millisecond: against brute force, over fills, and over restarts."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.streams import ledger as module
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.ledger import Ledger
from exchanges.types import GapPage
from market.clock import FixedClock
from market.types import DAY, MINUTE, Gap, Instrument

START = 1_780_272_000_000  # 2026-06-01 00:00 UTC
BTC = Instrument(exchange="okx", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True)
ETH = Instrument(exchange="bybit", symbol="ETH/USDT:USDT", base="ETH", quote="USDT", perp=True)
TRADES, BOOK = Topic(Channel.TRADES, BTC), Topic(Channel.BOOK, BTC)
OTHER = Topic(Channel.TRADES, ETH)


class Disk:
    """A `GapStore` in memory, with the same rule: a page replaces what began at its `since` or later."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str, int], int] = {}
        self.sign: tuple[int, bytes] | None = None
        self.broken = False

    async def save_ledger(self, pages: Sequence[GapPage], ts: int, body: bytes) -> None:
        if self.broken:
            raise OSError("disk full")
        for page in pages:
            key = (page.feed, page.exchange, page.symbol)
            for old in [each for each in self.rows if each[:3] == key and each[3] >= page.since]:
                del self.rows[old]
            for start, end in page.spans:
                assert (*key, start) not in self.rows, "a row is written twice"
                self.rows[*key, start] = end
        self.sign = (ts, body)

    async def all_gaps(self, start: int, end: int) -> list[Gap]:
        return [
            Gap(from_ts=since, to_ts=until, table=feed, exchange=exchange, symbol=symbol)
            for (feed, exchange, symbol, since), until in self.rows.items()
            if since <= end and until >= start
        ]

    async def sign_of_life(self) -> tuple[int, bytes] | None:
        return self.sign


def spans(found: Sequence[Gap]) -> list[tuple[int, int]]:
    return [(gap.from_ts - START, gap.to_ts - START) for gap in found]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START + 100_000)


@pytest.fixture
def ledger(clock: FixedClock) -> Ledger:
    return Ledger(None, clock)


def test_a_feed_that_sees_is_in_no_gap(ledger: Ledger) -> None:
    assert ledger.closed(TRADES, START) is None
    assert ledger.blind(0, 2**62) == []
    assert ledger.since(TRADES) is None
    assert ledger.totals()["okx"].open == 0


def test_an_open_gap_grows_until_it_is_closed(ledger: Ledger, clock: FixedClock) -> None:
    ledger.opened(TRADES, START + 10)
    ledger.opened(TRADES, START + 50)
    assert spans(ledger.blind(START, START + 20)) == [(10, 100_000)]
    clock.advance(1000)
    assert spans(ledger.blind(0, 2**62)) == [(10, 101_000)]
    assert ledger.blind(START, START + 10) == [], "the edge itself was seen"
    ended = ledger.closed(TRADES, START + 60)
    assert ended == Gap(
        from_ts=START + 10, to_ts=START + 60, table="trades", exchange="okx", symbol=BTC.symbol
    )
    assert spans(ledger.blind(0, 2**62)) == [(10, 60)]
    assert ledger.blind(START + 60, 2**62) == []


def test_feeds_are_told_apart(ledger: Ledger) -> None:
    ledger.missed(TRADES, START, START + 5)
    ledger.missed(BOOK, START + 1, START + 6)
    ledger.missed(OTHER, START + 2, START + 7)
    assert spans(ledger.blind(0, 2**62)) == [(0, 5), (1, 6), (2, 7)]
    assert spans(ledger.blind(0, 2**62, BTC)) == [(0, 5), (1, 6)]
    assert spans(ledger.blind(0, 2**62, BTC, Channel.BOOK)) == [(1, 6)]
    assert spans(ledger.blind(0, 2**62, channel=Channel.TRADES)) == [(0, 5), (2, 7)]
    assert ledger.blind(0, 2**62, ETH, Channel.BOOK) == []


def test_what_is_filled_is_cut_out_exactly(ledger: Ledger) -> None:
    ledger.missed(TRADES, START + 10, START + 100)
    ledger.filled(TRADES, START + 40, START + 50)
    assert spans(ledger.blind(0, 2**62)) == [(10, 40), (50, 100)]
    ledger.filled(TRADES, START + 5, START + 20)
    ledger.filled(TRADES, START + 50, START + 100)
    assert spans(ledger.blind(0, 2**62)) == [(20, 40)]
    ledger.filled(BOOK, START, START + 100)
    assert spans(ledger.blind(0, 2**62)) == [(20, 40)]


def test_totals_of_today(ledger: Ledger, clock: FixedClock) -> None:
    ledger.missed(TRADES, START - 5000, START + 1000)  # a second of it is today
    ledger.missed(BOOK, START + 500, START + 3000)
    ledger.missed(TRADES, START + 10_000, START + 11_000)
    ledger.filled(TRADES, START + 10_000, START + 11_000)
    ledger.opened(OTHER, START + 99_000)
    found = ledger.totals()
    assert (found["okx"].open, found["okx"].filled, found["okx"].unfilled) == (0, 1, 2)
    assert found["okx"].blind_ms == 3000, "what two feeds miss at once counts once"
    assert (found["bybit"].open, found["bybit"].unfilled) == (1, 0)
    assert found["bybit"].blind_ms == 1000
    clock.advance(DAY)
    assert (ledger.totals()["okx"].filled, ledger.totals()["okx"].unfilled) == (0, 0)


def test_too_many_gaps_are_joined_and_never_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 5)
    true = [(n * 100, n * 100 + 10 + n) for n in range(20)]
    for start, end in true:
        ledger.missed(TRADES, START + start, START + end)
    found = spans(ledger.blind(0, 2**62))
    assert len(found) == 5
    assert all(any(a <= start and end <= b for a, b in found) for start, end in true)


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "miss", "fill", "save", "restart"]),
        st.integers(0, 60),
        st.integers(0, 12),
    ),
    max_size=30,
)


class Model:
    """Blindness second by second: a number n stands for (n, n + 1)."""

    def __init__(self) -> None:
        self.blind: set[int] = set()
        self.since: int | None = None  # of the open gap
        self.watched = False
        self.now = 0

    def true(self) -> set[int]:
        return self.blind | set(range(self.since if self.since is not None else self.now, self.now))

    def fill(self, start: int, end: int) -> None:
        if self.since is not None and start < end and self.since < end:
            self.blind |= set(range(self.since, start))
            self.since = end
        self.blind -= set(range(start, end))

    def restart(self, kept: "Model | None") -> None:
        """What was seen since the last save is lost."""
        self.blind, self.since, self.watched = set(), None, False
        if kept is not None:
            self.blind, self.watched = kept.true(), kept.watched
            if kept.watched:
                self.since = kept.since if kept.since is not None else kept.now
                self.blind -= set(range(self.since, self.now))

    def copy(self) -> "Model":
        kept = Model()
        kept.blind, kept.since = set(self.blind), self.since
        kept.watched, kept.now = self.watched, self.now
        return kept


@settings(max_examples=400, deadline=None)
@given(steps)
async def test_it_equals_brute_force_over_saves_and_restarts(
    moves: list[tuple[str, int, int]],
) -> None:
    clock, disk, model = FixedClock(START), Disk(), Model()
    ledger = Ledger(disk, clock)
    kept: Model | None = None  # what the disk knows
    for what, place, length in moves:
        model.now += 3
        clock.set(START + model.now)
        start = max(0, model.now - place)
        end = start + min(length, place, model.now)
        match what:
            case "open":
                ledger.opened(TRADES, START + start)
                model.since = start if model.since is None else min(model.since, start)
                model.watched = True
            case "close":
                ledger.closed(TRADES, START + model.now)
                model.blind, model.since, model.watched = model.true(), None, True
            case "miss":
                ledger.missed(TRADES, START + start, START + end)
                model.blind |= set(range(start, end))
            case "fill":
                ledger.filled(TRADES, START + start, START + end)
                model.fill(start, end)
            case "save":
                await ledger.save()
                kept = model.copy()
            case "restart":
                ledger = Ledger(disk, clock)
                await ledger.load(START + model.now)
                model.restart(kept)
        seen = {n for gap in ledger.blind(0, 2**62) for n in range(*spans([gap])[0])}
        assert seen == model.true()


async def test_the_time_between_a_kill_and_the_next_subscription_is_blind(
    clock: FixedClock,
) -> None:
    disk = Disk()
    ledger = Ledger(disk, clock)
    ledger.closed(TRADES, START)
    ledger.opened(OTHER, START + 40_000)
    await ledger.save()
    clock.advance(7 * MINUTE)
    ledger = Ledger(disk, clock)
    assert await ledger.load(clock.now()) == START + 100_000
    assert spans(ledger.blind(0, 2**62, BTC)) == [(100_000, 520_000)]
    assert spans(ledger.blind(0, 2**62, ETH)) == [(40_000, 520_000)], "it was blind before the kill"
    ledger.closed(TRADES, clock.now())
    ledger.closed(OTHER, clock.now())
    await ledger.save()
    clock.advance(MINUTE)
    last = Ledger(disk, clock)
    await last.load(clock.now())
    assert spans(last.blind(0, START + 530_000)) == [(40_000, 580_000), (100_000, 580_000)]


async def test_a_state_that_survived_moves_the_start_of_the_restart_gap(clock: FixedClock) -> None:
    disk = Disk()
    ledger = Ledger(disk, clock)
    ledger.closed(TRADES, START)
    ledger.opened(OTHER, START + 40_000)
    await ledger.save()
    for moved in (98_000, 101_500):
        ledger = Ledger(disk, clock)
        await ledger.load(clock.now())
        ledger.resumed(TRADES, START + moved)
        ledger.resumed(OTHER, START + moved)
        assert ledger.since(TRADES) == START + moved
        assert ledger.since(OTHER) == START + 40_000, "it was blind at the checkpoint already"


async def test_what_changed_between_two_saves_is_what_the_disk_has(clock: FixedClock) -> None:
    disk = Disk()
    ledger = Ledger(disk, clock)
    ledger.missed(TRADES, START, START + 100)
    ledger.closed(OTHER, START)
    await ledger.save()
    ledger.filled(TRADES, START + 40, START + 60)
    await ledger.save()
    ledger = Ledger(disk, clock)
    await ledger.load(clock.now())
    assert spans(ledger.blind(0, 2**62, BTC)) == [(0, 40), (60, 100)]
    clock.advance(MINUTE)
    await ledger.save()  # the restart gap is on the disk as it was guessed
    ledger.resumed(OTHER, START + 130_000)
    ledger.closed(OTHER, START + 140_000)
    await ledger.save()
    ledger = Ledger(disk, clock)
    await ledger.load(clock.now())
    assert spans(ledger.blind(0, START + 150_000, ETH)) == [(130_000, 140_000)]


async def test_a_feed_nobody_wants_again_is_given_up(clock: FixedClock) -> None:
    disk = Disk()
    ledger = Ledger(disk, clock)
    ledger.closed(TRADES, START)
    ledger.closed(OTHER, START)
    ledger.closed(BOOK, START)
    ledger.dropped(BOOK)
    await ledger.save()
    ledger = Ledger(disk, clock)
    await ledger.load(clock.now())
    ledger.closed(TRADES, clock.now())
    clock.advance(module.GRACE + 1)
    await ledger.save()
    assert ledger.since(OTHER) is None
    assert ledger.totals()["bybit"].unfilled == 1
    assert ledger.blind(0, 2**62, BTC, Channel.BOOK) == [], "nobody watched it at the kill"
    clock.advance(MINUTE)
    ledger = Ledger(disk, clock)
    await ledger.load(clock.now())
    assert ledger.since(OTHER) is None
    assert ledger.since(TRADES) is not None


async def test_what_a_full_disk_refused_is_written_later(clock: FixedClock) -> None:
    disk = Disk()
    ledger = Ledger(disk, clock)
    ledger.missed(TRADES, START, START + 5)
    disk.broken = True
    with pytest.raises(OSError, match="full"):
        await ledger.save()
    disk.broken = False
    await ledger.save()
    assert list(disk.rows.values()) == [START + 5]


@pytest.mark.parametrize(
    "sign", [None, (START + 200_000, b"\x90"), (START - 3 * DAY, b"\x90"), (START, b"\xc1torn")]
)
async def test_a_sign_of_another_time_opens_nothing(
    clock: FixedClock, sign: tuple[int, bytes] | None
) -> None:
    disk = Disk()
    disk.sign = sign
    ledger = Ledger(disk, clock)
    assert await ledger.load(clock.now()) is None
    assert ledger.blind(0, 2**62) == []
