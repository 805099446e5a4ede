"""/status: one screen with every venue, its feeds, gaps, queues, latencies and the recorder."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from desk_market import NOW, args, fits, perp
from hypothesis import given
from hypothesis import strategies as st
from live_desk import live_desk

from alerts.monitors.latency import Latency
from alerts.monitors.service import MonitorStatus
from exchanges.recorder import RecorderStatus
from exchanges.streams.bus import QueueStatus
from exchanges.streams.status import StreamStatus
from exchanges.types import VenueState
from handlers.status import packed, status
from market import format as fmt
from market.types import EXCHANGES

VENUES = [perp(name) for name in EXCHANGES if name != "coinbase"]
FINE = StreamStatus(watched=24, asked=24, topics=90, age=400, rate=1234.56, connections=2)
QUEUES = (
    QueueStatus(name="monitors", depth=2, size=20_000, waiting=17, taken=5, dropped=0),
    QueueStatus(name="recorder", depth=0, size=10_000, waiting=3, taken=5, dropped=0),
)


def monitors(latency: Latency, *, running: bool = True) -> Any:
    told = MonitorStatus(running=running, watched=24, latency=latency.figures())
    return SimpleNamespace(latency=latency, status=lambda: told)


async def test_one_screen_with_all_of_it() -> None:
    d, streams = live_desk(*VENUES)
    streams.told = {
        i.exchange: replace(
            FINE, gaps_open=1, gaps_filled=12, gaps_unfilled=3, queues=QUEUES, dropped=4
        )
        for i in VENUES
    }
    latency = Latency()
    for ms in range(1, 101):
        latency.fact.add(float(ms))
        latency.message.add(40.0 * ms)
    d.app.monitors = monitors(latency)
    recorded = RecorderStatus(folder=Path("x"), since=NOW, size=3 * 1024**3, dropped=2)
    d.app.recordings = SimpleNamespace(status=lambda: recorded)  # type: ignore[assignment]
    d.app.status_lines = lambda: {"telegram": "3 s", "queue": "0"}
    d.app.started = NOW - 3 * 3_600_000
    reply = await status(args(""), d.app)
    assert reply.card is not None
    assert reply.card.headline == "All venues answer"
    assert fits(reply)
    row = reply.card.table[1].split()
    assert row == ["Binance", "ok", "0.4s", "1.23k", "1/12/3"]
    lines = " ".join(reply.card.table)
    for text in ("events waiting 17", "dropped 4", "tick to fact 50ms/95ms", "to message 2.0s/3.8s",
                 "watching 24 markets", "recorder 3.0 GiB lost 2", "telegram 3 s", "queue 0", "up 3 h"):  # fmt: skip
        assert text in lines, text
    assert reply.figures["messages.okx"].value == 1234.56
    assert reply.figures["gaps_unfilled.bybit"].value == 3
    assert reply.figures["fact_p50"].value == 50.5
    assert reply.buttons[0][0].command == "/status"


async def test_feeds_that_do_not_arrive_are_trouble_and_blindness_is_told() -> None:
    d, streams = live_desk(*VENUES)
    streams.told = {
        "binance": FINE,
        "bybit": replace(FINE, watched=0, age=None, reason="connection refused", gaps_open=24),
        "okx": replace(FINE, watched=20, blind_ms=185_000),
        "hyperliquid": replace(FINE, age=70_000),
    }
    reply = await status(args(""), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert reply.card.headline == "Bybit, OKX, Hyperliquid: not all live feeds arrive"
    states = {line.split()[0]: line.split()[1] for line in reply.card.table[1:5]}
    assert states == {"Binance": "ok", "Bybit": "dark", "OKX": "part", "Hyperliq": "old"}
    assert "Bybit streams 0 of 24 markets (connection refused)" in reply.card.reading
    assert "Hyperliquid: no message for 1 m" in reply.card.reading
    assert "A feed was blind today: OKX 3 m" in reply.card.reading
    assert reply.figures["age.bybit"].value is None
    assert fits(reply)


async def test_a_venue_that_does_not_answer_comes_first() -> None:
    d, streams = live_desk(*VENUES)
    streams.told = {"okx": replace(FINE, watched=0)}
    d.market.state["okx"] = (VenueState.DOWN, "HTTP 503")
    reply = await status(args(""), d.app)
    assert reply.card is not None
    assert reply.card.headline == "OKX: trouble"
    assert "OKX: HTTP 503 since 15:24 UTC" in reply.card.reading
    assert reply.card.table[3].split()[:2] == ["OKX", "DOWN"]


async def test_without_streams_monitors_and_recorder_nothing_is_made_up() -> None:
    d, _streams = live_desk(*VENUES)
    reply = await status(args(""), d.app)
    assert reply.card is not None
    assert reply.card.table[1].split() == ["Binance", "ok", "-", "-", "-"]
    assert "dropped" not in reply.figures
    assert reply.figures["fact_p50"].value is None
    text = " ".join(reply.card.table)
    assert "recorder" not in text
    assert "tick" not in text
    d.app.monitors = monitors(Latency(), running=False)
    d.app.recordings = SimpleNamespace(status=lambda: None)  # type: ignore[assignment]
    reply = await status(args(""), d.app)
    assert reply.card is not None
    text = " ".join(reply.card.table)
    assert "monitors off" in text
    assert "recorder off" in text
    assert reply.figures["fact_p50"].reason == "nothing measured yet"


@given(st.lists(st.text("abc 12", min_size=1, max_size=45)))
def test_packed_lines_fit_and_lose_nothing_that_fits(items: list[str]) -> None:
    lines = packed(items)
    assert all(fmt.columns_of(line) <= fmt.COLUMNS for line in lines)
    assert fmt.SEPARATOR.join(lines) == fmt.SEPARATOR.join(item[: fmt.COLUMNS] for item in items)
