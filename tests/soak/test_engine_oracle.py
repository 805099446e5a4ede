"""The fast engine against the naive one over a million ticks with restarts; the seed is printed and may be given.

`TIDEMARK_SEED` repeats a run. Every tick is looked at by every rule of the naive engine, so this takes minutes.
"""

import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts"))

from engine_runs import Run

pytestmark = pytest.mark.soak

TICKS = 1_000_000
STEPS = 800  # of one run, before rules and engines are new
KINDS = (  # share of the ticks, and what is run
    (0.75, {"count": 3, "share": 0.0}),
    (0.22, {"count": 3, "share": 1.0}),
    (0.03, {"count": 2, "crowd": 120}),
)


def test_a_million_ticks_fire_what_the_naive_engine_fires(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("TIDEMARK_SEED", "0")) or random.SystemRandom().randrange(10**6) + 1
    chance = random.Random(seed)
    began, told = time.monotonic(), []
    with capsys.disabled():
        sys.stdout.write(f"\nengines, seed {seed}\n")
        for share, kind in KINDS:
            ticks = fired = restarts = 0
            while ticks < TICKS * share:
                run = Run(chance.randrange(10**9), restarts=True, **kind)
                run.run(STEPS)
                ticks, fired = ticks + run.ticks, fired + run.fired
                restarts += sum(line.startswith("restart") for line in run.log)
            told.append((ticks, fired, restarts))
            sys.stdout.write(
                f"{kind}: {ticks} ticks, {fired} firings, {restarts} restarts, all the same\n"
            )
        sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    assert sum(ticks for ticks, _fired, _restarts in told) >= TICKS
    assert all(fired > 100 and restarts > 10 for _ticks, fired, restarts in told)
