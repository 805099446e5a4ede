"""A loop that fails goes on, and the log says which it was."""

import asyncio
import logging

import pytest

from alerts.lasting import lasting
from market.errors import SourceError

logger = logging.getLogger(__name__)


async def test_a_loop_that_fails_goes_on_after_its_pause(caplog: pytest.LogCaptureFixture) -> None:
    ends: list[Exception | None] = [SourceError("okx", "HTTP 503"), ValueError("broken"), None]
    runs: list[int] = []

    async def loop() -> None:
        runs.append(len(runs))
        if (end := ends[len(runs) - 1]) is not None:
            raise end
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await lasting(logger, "alerts", "minutes", loop, 0)
    assert runs == [0, 1, 2]
    told = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert told[0][0] == "WARNING"
    assert told[0][1].startswith("alerts held up loop=minutes reason=")
    assert told[1] == ("ERROR", "alerts failed loop=minutes")
