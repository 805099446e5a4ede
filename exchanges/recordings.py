"""Which recording is being written: from a setting, by an admin's word, and after a restart the same one again.

Beside it the prints of forced closes of a live market are kept always: they cannot be had afterwards.
"""

import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from exchanges.record_tables import SCHEMAS
from exchanges.recorder import Recorder, RecorderStatus
from exchanges.streams.decoder import News
from market.clock import Clock
from market.errors import UserError
from market.language import _

logger = logging.getLogger(__name__)

SWITCH = "recording"  # holds the name of the folder
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
PRINTS = ("liquidations", "gaps")
Make = Callable[[Path, Sequence[str]], Recorder]


class Switches(Protocol):
    """Where it is kept what was turned on."""

    async def switch(self, name: str) -> str | None: ...
    async def set_switch(self, name: str, value: str, now: int) -> None: ...


class Recordings:
    """At most one full recording at a time, under `root`; `prints` is the folder of the forced closes."""

    def __init__(
        self, make: Make, switches: Switches, root: Path, clock: Clock, *, prints: Path | None
    ) -> None:
        self._make, self._switches = make, switches
        self._root, self._clock = root, clock
        self._prints_folder = prints
        self._recorder: Recorder | None = None
        self._prints: Recorder | None = None
        self.reason = ""  # why nothing is recorded that should be

    async def start(self, setting: Path | None) -> None:
        """Go on with what the setting names, or what was on before."""
        if self._prints_folder is not None:
            self._prints = await self._begin(self._prints_folder, PRINTS)
        kept = await self._switches.switch(SWITCH) or ""
        folder = setting or (self._root / kept if NAME.fullmatch(kept) else None)
        if folder is not None:
            self._recorder = await self._begin(folder, tuple(SCHEMAS))

    async def on(self, name: str = "") -> RecorderStatus:
        """Record into a folder of this name, or of the moment's; UserError where that cannot be."""
        if self.recording:
            raise UserError(_("A recording runs already; send /record off first."))
        name = (
            name.lower() or f"{datetime.fromtimestamp(self._clock.now() / 1000, UTC):%Y-%m-%d-%H%M}"
        )
        if not NAME.fullmatch(name):
            raise UserError(
                _("A name has a-z, 0-9, dots and hyphens, 40 at most, like /record on monday.")
            )
        await self._close_recorder()
        self._recorder = await self._begin(self._root / name, tuple(SCHEMAS))
        if self._recorder is None:
            raise UserError(_("Nothing is recorded: {why}.").format(why=self.reason))
        await self._switches.set_switch(SWITCH, name, self._clock.now())
        return self._recorder.status()

    async def off(self) -> RecorderStatus | None:
        """End the recording; what it did, None where there was none."""
        status = self.status()
        await self._close_recorder()
        await self._switches.set_switch(SWITCH, "", self._clock.now())
        return status

    @property
    def recording(self) -> bool:
        """Whether a full recording is being written."""
        return self._recorder is not None and not self._recorder.stopped

    def status(self) -> RecorderStatus | None:
        """The full recording, also one that ended by itself."""
        return None if self._recorder is None else self._recorder.status()

    def prints(self) -> RecorderStatus | None:
        """The folder of forced closes."""
        return None if self._prints is None else self._prints.status()

    def take(self, news: Sequence[News]) -> None:
        """What does not come over the bus: see `Recorder.take`."""
        for each in (self._recorder, self._prints):
            if each is not None and not each.stopped:
                each.take(news)

    async def close(self) -> None:
        """Write what is left."""
        await self._close_recorder()
        if self._prints is not None:
            await self._prints.close()
            self._prints = None

    async def _close_recorder(self) -> None:
        found, self._recorder = self._recorder, None
        if found is not None:
            await found.close()

    async def _begin(self, folder: Path, tables: Sequence[str]) -> Recorder | None:
        recorder = self._make(folder, tables)
        try:
            await recorder.start()
        except (OSError, ValueError) as error:
            self.reason = str(error)[:200]
            logger.error("nothing recorded folder=%s reason=%s", folder, self.reason)  # noqa: TRY400
            return None
        self.reason = ""
        return recorder
