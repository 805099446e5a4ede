"""`python -m benchmarks [part ...]` prints one table; every part is measured in a process of its own."""

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.row import Row, table

PARTS = (
    "starting", "desk", "memory", "tickers", "decoding", "flow", "streams", "state", "live", "books",
    "alerts", "alerting", "storm", "pictures", "routing",
)  # fmt: skip
PATIENCE = 300  # seconds for one part
ROOT = Path(__file__).parents[1]
ROWS = "rows "  # the line of a part's output that carries its rows


def main(names: list[str]) -> int:
    """Measure the parts and print the table; 1 where a part failed or a goal was missed."""
    if unknown := [name for name in names if name not in PARTS]:
        print(f"no part is called {unknown[0]}; there are: {' '.join(PARTS)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    failed = False
    for name in names or PARTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found, reason = _measured(name)
        rows += found or [Row(name=name, measured=f"FAILED: {reason}", met=False)]
    print(table(rows))
    failed = any(row.met is False for row in rows)
    return 1 if failed else 0


def _measured(name: str) -> tuple[list[Row], str]:
    """The rows of one part, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks", "--in-process", name],
                cwd=ROOT, env=_environment(Path(folder)), capture_output=True, text=True,
                timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return [], f"took longer than {PATIENCE} s"
    for line in done.stdout.splitlines():
        if line.startswith(ROWS):
            return msgspec.json.decode(line[len(ROWS) :], type=list[Row]), ""
    said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
    return [], said[-1][:160]


def _environment(folder: Path) -> dict[str, str]:
    """A simulated market and a database of its own, whatever the shell has set."""
    market = {"MARKET": "sim", "SIM_SEED": "7", "DATABASE_URL": f"sqlite:///{folder}/bench.db"}
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("SIM_", "TELEGRAM_"))}
    return plain | market | {"LOG_LEVEL": "WARNING"}


def _in_process(name: str) -> int:
    rows = importlib.import_module(f"benchmarks.{name}").rows()
    print(ROWS + msgspec.json.encode(rows).decode())
    return 0


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(_in_process(words[1]) if words[:1] == ["--in-process"] else main(words))
