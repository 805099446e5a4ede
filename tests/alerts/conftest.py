"""A desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).start()
    yield made
    await made.close()
