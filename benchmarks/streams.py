"""Trades of 20 perps flat out over a socket: received, decoded and in the live state, beside two peers.

The sender is a process of its own and writes pre-encoded pieces of 200 frames; each client is one too. Seconds
are processor time from the first trade to the last, which other programs on the machine change least. The
runs alternate; of each client the median counts.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.row import Row

ROOT = Path(__file__).parents[1]
PEERS = Path(os.environ.get("TIDEMARK_PEERS", ROOT / ".venv-peers"))
COUNT, BURST = 150_000, 50_000
ROUNDS = 3
PATIENCE = 120
INSTALL = 240
Found = dict[str, float]


def rows() -> list[Row]:
    """Rates beside ccxt.pro and cryptofeed, then a burst and what each lost of it."""
    cryptofeed = _cryptofeed()
    runs: dict[str, list[Found]] = {"ours": [], "ccxt": [], "cryptofeed": []}
    with _Sender(COUNT) as port:
        for _ in range(ROUNDS):
            runs["ours"].append(_run([sys.executable, "-m", "benchmarks.peers.ours"], port, COUNT))
            runs["ccxt"].append(
                _run([sys.executable, "-m", "benchmarks.peers.ccxt_trades"], port, COUNT)
            )
            if cryptofeed:
                script = str(ROOT / "benchmarks" / "peers" / "cryptofeed_trades.py")
                runs["cryptofeed"].append(_run([cryptofeed, script], port, COUNT))
    ours = _rate(runs["ours"])
    found = [
        _faster(
            "receive + decode + update, trades", ours, _rate(runs["ccxt"]), "ccxt.pro handled", 10
        ),
        _given(ours, runs["ccxt"]),
    ]
    if runs["cryptofeed"]:
        peer = _rate(runs["cryptofeed"])
        found.append(
            _faster(
                "  the same beside cryptofeed (which keeps no state)", ours, peer, "cryptofeed", 4
            )
        )
    else:
        found.append(Row(name="  the same beside cryptofeed", measured=f"{ours:,.0f}/s",
                         against="cryptofeed could not be installed here", goal=">= 4x", met=False))  # fmt: skip
    return [*found, *_burst()]


def _burst() -> list[Row]:
    """What is lost of 50,000 trades at once; ours by the numbers, which have no hole."""
    with _Sender(BURST) as port:
        ours = _run([sys.executable, "-m", "benchmarks.peers.ours"], port, BURST)
        theirs = _run([sys.executable, "-m", "benchmarks.peers.ccxt_trades"], port, BURST)
    lost = BURST - int(ours["handled"])
    whole = lost == 0 and ours["holes"] == 0 and ours["gaps"] == 0 and ours["told"] == BURST
    return [
        Row(
            name="burst of 50,000 trades: lost",
            measured=f"{lost} (holes in the numbers: {ours['holes']:.0f}, gaps: {ours['gaps']:.0f})",
            against=f"ccxt.pro gave its caller {theirs['delivered']:,.0f}: {BURST - theirs['delivered']:,.0f} lost",
            goal="0", met=whole,
        ),
        Row(
            name="  longest turn of the event loop in it", measured=f"{ours['worst'] * 1000:.1f} ms",
            goal="<= 10 ms", met=ours["worst"] <= 0.010,
        ),
    ]  # fmt: skip


def _given(ours: float, runs: list[Found]) -> Row:
    given = median(run["delivered"] / run["cpu"] for run in runs)
    return Row(
        name="  the same, trades that the caller was given", measured=f"{ours:,.0f}/s",
        against=f"ccxt.pro {given:,.0f}/s", ratio=ours / given,
    )  # fmt: skip


def _faster(name: str, ours: float, theirs: float, peer: str, goal: float) -> Row:
    return Row(
        name=name, measured=f"{ours:,.0f}/s ({1e6 / ours:.2f} us)", against=f"{peer} {theirs:,.0f}/s",
        ratio=ours / theirs, goal=f">= {goal:g}x", met=ours / theirs >= goal,
    )  # fmt: skip


def _rate(runs: list[Found]) -> float:
    return median(run["handled"] / run["cpu"] for run in runs)


def _run(command: list[str], port: int, count: int) -> Found:
    done = subprocess.run(
        [*command, str(port), str(count)], cwd=ROOT, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError(f"{command[-1]}: {done.stderr.strip()[-200:]}")
    found: Found = json.loads(lines[-1])
    if found["handled"] < count:
        raise RuntimeError(f"{command[-1]} took {found['handled']} of {count}")
    return found


class _Sender:
    """The flood server for a while."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.flood", str(self._count)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def __exit__(self, *_error: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def _cryptofeed() -> str:
    """A Python that has cryptofeed, set up at first; "" where it cannot be."""
    python = PEERS / "bin" / "python"
    if not python.is_file():
        venv.create(PEERS, with_pip=True)
    test = [str(python), "-c", "import cryptofeed"]
    if subprocess.run(test, capture_output=True, check=False).returncode:
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "cryptofeed==2.4.1"],
            capture_output=True, timeout=INSTALL, check=False,
        )  # fmt: skip
    ready = subprocess.run(test, capture_output=True, check=False).returncode == 0
    return str(python) if ready else ""
