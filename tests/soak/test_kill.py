"""kill -9 at random moments while alerts fire and commands arrive: nothing is lost, nothing done twice."""

import os
import secrets
import sys
from pathlib import Path

import pytest
from kill_run import kill_run

# A picture whose sender dies in the middle of it; aiohttp's own multipart reader warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

KILLS = int(os.environ.get("TIDEMARK_KILLS", "50"))


def chosen_seed() -> int:
    """The seed of this run; TIDEMARK_SEED repeats an earlier one."""
    return int(os.environ.get("TIDEMARK_SEED", "0")) or secrets.randbelow(10**6) + 1


async def test_three_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    async with kill_run(tmp_path, seed=20261121) as run:
        account = await run.run(3, pause=0.4)
    assert not account.wrong, account.table(20261121)
    assert account.counts["firings"] >= 3, account.table(20261121)


@pytest.mark.soak
async def test_many_kills_lose_nothing_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = chosen_seed()
    async with kill_run(tmp_path, seed) as run:
        account = await run.run(KILLS)
    with capsys.disabled():
        sys.stdout.write(f"\n{account.table(seed)}\n")
    assert not account.wrong, account.table(seed)
    assert account.counts["firings"] >= KILLS, account.table(seed)
