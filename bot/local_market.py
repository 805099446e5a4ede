"""The local exchange server as a process: a simulated market or a recording on loopback."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.children import announce, parent_gone
from bot.config import Settings, SettingsError, moment
from market.clock import MarketClock, WallClock

if TYPE_CHECKING:
    from exchanges.local.simulator import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStart:
    """The market showed `start` when the wall showed `anchor`; it runs `speed` times as fast (0: stands still)."""

    start: int
    anchor: int
    speed: float

    def clock(self, wall: WallClock) -> MarketClock:
        """A clock that runs like this."""
        return MarketClock(wall, start=self.start, anchor=self.anchor, speed=self.speed)


def clock_start(settings: Settings, wall: WallClock, *, asking: bool = False) -> ClockStart:
    """Where the clock of a simulated or recorded market starts; one that is only asked stands still."""
    speed = 0.0 if asking else settings.market_speed
    if settings.mode == "recording":
        start = _recorded_moment(settings, "end" if asking else "start")
    else:
        start = settings.start_of_sim(wall)
    return ClockStart(start=start, anchor=wall.now(), speed=speed)


def _recorded_moment(settings: Settings, default: str) -> int:
    folder = settings.recording_dir or Path()
    try:
        about = json.loads((folder / "recording.json").read_text())
        span = {"start": int(about["start_ts"]), "end": int(about["end_ts"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"RECORDING_DIR: {folder}/recording.json cannot be read as a recording."
        ) from None
    text = settings.recording_at or default
    return span[text] if text in span else moment(text)


def scenarios(settings: Settings) -> "tuple[Scenario, ...]":
    """What SIM_SCENARIO stages; SettingsError where it cannot be read."""
    from exchanges.local.simulator import parse_scenarios  # noqa: PLC0415 - numpy is not needed before

    try:
        return parse_scenarios(settings.sim_scenario)
    except ValueError as error:
        raise SettingsError(f"SIM_SCENARIO: {error}") from None


async def serve(settings: Settings, *, port: int, at: ClockStart | None, as_child: bool) -> None:
    """Serve until the parent goes away (as a child) or for ever (alone)."""
    from exchanges.local.server import LocalServer  # noqa: PLC0415 - only this process needs it

    wall = WallClock(time.time)
    begin = at or clock_start(settings, wall)
    clock = begin.clock(wall)
    if settings.mode == "recording":
        from exchanges.local.recording import Recording  # noqa: PLC0415

        server = LocalServer(Recording(settings.recording_dir or Path(), clock))
    else:
        from exchanges.local.simulator import SimulatedMarket  # noqa: PLC0415

        market = SimulatedMarket(settings.sim_seed, begin.start, clock, scenarios(settings))
        server = LocalServer(market, market)
    try:
        actual = await server.start(port)
    except OSError:
        raise SettingsError(f"Port {port} is taken; choose another one with --port.") from None
    announce(port=actual, url=f"http://127.0.0.1:{actual}", start=begin.start, mode=settings.mode)
    try:
        await (parent_gone() if as_child else asyncio.Event().wait())
    finally:
        await server.close()
