"""Everything a handler may use, built once in `bot/app.py` and passed down."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from handlers.types import DraftStore, PeopleStore
from market.clock import Clock

if TYPE_CHECKING:
    from alerts.channels.book import AddressBook
    from alerts.delivery.types import LoudnessStore
    from alerts.monitors.service import MonitorService
    from alerts.scorecard import Scorecard
    from alerts.service import AlertService
    from exchanges.hub import Market
    from exchanges.recordings import Recordings


@dataclass(slots=True, kw_only=True)
class App:
    """The services of one process."""

    market: "Market"
    alerts: "AlertService"
    people: PeopleStore
    clock: Clock  # the market's time
    wall: Clock  # this machine's time
    draw: Callable[
        [str, Any], Awaitable[bytes | None]
    ]  # chart name, its data -> PNG, None when it failed
    mark: str = ""  # "", "SIMULATED" or "REPLAY 2026-06-14"
    version: str = ""
    started: int = 0  # wall ms
    monitors: "MonitorService | None" = None
    channels: "AddressBook | None" = None
    recordings: "Recordings | None" = None
    status_lines: Callable[[], Mapping[str, str]] = field(default=dict)  # further lines of /status
    loudness: "LoudnessStore | None" = None
    drafts: DraftStore | None = None
    scorecard: "Scorecard | None" = None
