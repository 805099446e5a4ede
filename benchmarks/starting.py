"""Cold start: a process that answers one command over a simulated market and ends."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median

from benchmarks.row import Row, span, spread

RUNS = 5
COMMAND = "/price btc"
EAGER = (
    "import ccxt.pro, pandas, ta, matplotlib.pyplot, telegram.ext, sqlalchemy.ext.asyncio, aiosqlite,"
    " alembic.command, apscheduler.schedulers.asyncio, httpx, pyarrow, pydantic"
)


def rows() -> list[Row]:
    """Whole processes, and what of them is imports, against importing every library at once."""
    first, later, imports, eager = [], [], [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
            database = {"DATABASE_URL": f"sqlite:///{folder}/bench.db"}
            first.append(_process("-m", "bot", "ask", COMMAND, extra=database))
            later.append(_process("-m", "bot", "ask", COMMAND, extra=database))
        imports.append(_process("-c", "import bot.ask"))
        eager.append(_process("-c", EAGER))
    ratio = median(eager) / median(imports)
    return [
        Row(name="cold start to the first answer, sim", measured=spread(later)),
        Row(name="  with a database to be made", measured=spread(first)),
        Row(
            name="  of which imports", measured=spread(imports),
            against=f"every library at once {span(median(eager))}", ratio=ratio,
            goal=">= 2x", met=ratio >= 2,
        ),
    ]  # fmt: skip


def _process(*arguments: str, extra: Mapping[str, str] | None = None) -> float:
    """Seconds of a Python process from start to end; RuntimeError where it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **(extra or {})}, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    spent = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no answer"])[-1])
    return spent
