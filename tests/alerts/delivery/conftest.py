"""A post office for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from post_office import Office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = await Office(tmp_path).open()
    yield made
    await made.database.close()
