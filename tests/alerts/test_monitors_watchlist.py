"""What is watched without being asked: as few changes as the ranks allow, and nothing lost when a venue is away."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_market import instrument
from hypothesis import given
from hypothesis import strategies as st
from monitor_desk import BTC, BYBIT_BTC, CHAT, ETH, Desk

from alerts.monitors import watchlist
from alerts.monitors.watchlist import BUSIEST, WatchList, settled
from market.errors import SourceUnavailable
from market.types import Instrument

MANY = tuple(instrument("binance", f"C{n:02d}") for n in range(60))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).start()
    yield made
    await made.close()


def keys(found: list[Instrument]) -> list[str]:
    return [each.key for each in found]


async def test_the_twenty_busiest_are_watched_with_their_books(desk: Desk) -> None:
    desk.market.instruments = MANY
    desk.market.volumes = {each.key: 1e6 * (60 - n) for n, each in enumerate(MANY)}
    found = await desk.service.watch_list.refresh()
    assert keys(found) == keys(list(MANY[:BUSIEST]))
    assert keys(desk.streams.kept) == keys(found)
    assert keys(desk.streams.books) == keys(found)


async def test_spot_unknown_volumes_and_other_quotes_have_no_rank(desk: Desk) -> None:
    spot = instrument("binance", "SPOT", perp=False)
    euro = instrument("binance", "EUR", quote="EUR")
    quiet = instrument("binance", "QUIET")
    desk.market.instruments = (BTC, spot, euro, quiet)
    desk.market.volumes = {BTC.key: 1.0, spot.key: 9e9, euro.key: 9e9}
    assert keys(await desk.service.watch_list.refresh()) == [BTC.key]


@given(st.permutations(range(40)), st.permutations(range(40)))
def test_a_new_ranking_changes_no_more_than_it_has_to(before: list[int], after: list[int]) -> None:
    old = settled([], [f"k{n}" for n in before])
    ranked = [f"k{n}" for n in after]
    new = settled(old, ranked)
    assert len(set(new)) == len(new) == BUSIEST
    assert set(ranked[:10]) <= set(new), "the first ten are always in"
    rank = {key: place for place, key in enumerate(ranked)}
    assert all(rank[key] < 30 for key in new)
    stayed, gone = set(old) & set(new), set(old) - set(new)
    forced = {key for key in gone if rank[key] >= 30}
    pushed = gone - forced
    assert len(pushed) <= len(set(ranked[:10]) - set(old))
    if pushed and stayed - set(ranked[:10]):
        assert min(rank[k] for k in pushed) > max(rank[k] for k in stayed - set(ranked[:10]))
    assert settled(new, ranked) == new, "and again nothing"


def test_another_size_keeps_the_proportions_and_forgets_what_is_not_listed_any_more() -> None:
    ranked = [f"k{n}" for n in range(100)]
    assert settled(["gone", "k55", "k70"], ranked, 40) == [*ranked[:39], "k55"]
    assert settled(["k1"], ranked, 0) == []
    assert settled(["k1", "gone"], ["k1", "k2"], 20) == ["k1", "k2"]


async def test_coins_that_somebody_named_are_watched_on_every_venue(desk: Desk) -> None:
    desk.market.volumes = {ETH.key: 1e9}
    assert keys(await desk.service.watch_list.refresh()) == [ETH.key]
    await desk.on("BTC")
    assert set(keys(desk.streams.kept)) == {ETH.key, BTC.key, BYBIT_BTC.key}
    await desk.service.subscriptions.off(CHAT, ["BTC"])
    await desk.service.chosen()
    assert keys(desk.streams.kept) == [ETH.key]


async def test_the_list_of_before_is_watched_at_once_after_a_restart(desk: Desk) -> None:
    desk.market.volumes = {ETH.key: 1e9}
    await desk.service.watch_list.refresh()
    desk.market.down = {"binance", "bybit"}
    desk.streams.kept = []
    await desk.start()
    assert keys(desk.streams.kept) == [ETH.key]
    other = WatchList(desk.market, desk.store, set, desk.wall, mark="sim 3")  # type: ignore[arg-type]
    await other.load()
    assert await other.apply() == [], "another market has its own"


async def test_a_venue_that_is_away_keeps_its_places(desk: Desk) -> None:
    many = tuple(instrument("bybit", f"B{n:02d}") for n in range(30))
    desk.market.instruments = (BTC, ETH, *many)
    desk.market.volumes = {e.key: 1e9 - n for n, e in enumerate((BTC, ETH, *many))}
    before = keys(await desk.service.watch_list.refresh())
    desk.market.down = {"binance"}
    assert keys(await desk.service.watch_list.refresh()) == before
    assert desk.service.watch_list.problem == "binance: HTTP 503"


async def test_more_than_there_is_room_for_is_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "MOST", 3)
    await desk.service.watch_list.refresh()
    assert len(desk.streams.kept) == 3
    assert desk.service.watch_list.left_out == 1


async def test_what_alerts_look_at_is_watched(desk: Desk) -> None:
    async def extras() -> list[Instrument]:
        return [ETH, BYBIT_BTC]

    desk.service.watch_list._extras = extras
    desk.market.volumes = {BTC.key: 1e9}
    assert keys(await desk.service.watch_list.refresh()) == [BTC.key, ETH.key, BYBIT_BTC.key]

    async def away() -> list[Instrument]:
        raise SourceUnavailable("Markets", "no exchange has answered yet")

    desk.service.watch_list._extras = away
    assert keys(await desk.service.watch_list.refresh()) == [BTC.key, ETH.key, BYBIT_BTC.key]
