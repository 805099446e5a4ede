"""Every fault on every venue: what is not lost is exact, what is lost is stated, nothing counts twice."""

import os
import random
import sys

import pytest
from fault_run import Setting, play

from exchanges.local.chaos import Step, rounds_of, schedule
from exchanges.local.faults import Fault
from market.types import EXCHANGES

MINUTES = float(os.environ.get("TIDEMARK_FAULT_MINUTES", "31"))  # of the market
SPEED = 12.0


def chosen_seed() -> int:
    return int(os.environ.get("TIDEMARK_SEED", "0")) or random.SystemRandom().randrange(10**6) + 1


async def test_three_minutes_of_faults_on_two_venues() -> None:
    setting = Setting(
        seed=5, speed=30.0, venues=("okx", "hyperliquid"), bases=("ETH",), steps=short(),
    )  # fmt: skip
    found = await play(setting)
    assert not found.wrong, found.table()
    for row in found.rows.values():
        assert row["trades"] > 100, found.table()
        assert row["repeated"] > 0, found.table()
        assert row["gaps"] + row["filled"] > 0, found.table()


def short() -> list[Step]:
    """One of each that ends soon, both venues in their own order."""
    steps = []
    for place, name in enumerate(("okx", "hyperliquid")):
        kinds = [
            ("drop", {}), ("duplicate", {}), ("reorder", {}), ("malformed", {"share": 0.3}),
            ("burst", {}), ("delay", {"delay": 0.4}), ("drop", {}),
        ]  # fmt: skip
        if name == "okx":
            kinds.insert(2, ("idgap", {"share": 0.1, "run": 3}))
        for number, (kind, more) in enumerate(kinds):
            fault = Fault(exchange=name, fault=kind, seconds=0.6, seed=number, **more)  # type: ignore[arg-type]
            steps.append(Step(at=0.5 + 0.7 * number + 0.3 * place, fault=fault))
    return sorted(steps, key=lambda step: step.at)


@pytest.mark.soak
async def test_half_an_hour_of_every_fault_on_every_venue(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = chosen_seed()
    setting = Setting(
        seed=seed, speed=SPEED, venues=EXCHANGES, bases=("BTC", "ETH", "PEPE"),
        steps=schedule(seed, minutes=MINUTES, speed=SPEED),
    )  # fmt: skip
    found = await play(setting)
    with capsys.disabled():
        sys.stdout.write(f"\n{found.table()}\n")
    assert not found.wrong, f"seed {seed}: {len(found.wrong)} wrong, first {found.wrong[:3]}"
    # The time is too short for each venue to meet every kind.
    twice = {each for each in EXCHANGES if "duplicate" in rounds_of(setting.steps, each)}
    assert len(twice) > 1
    for exchange, row in found.rows.items():
        assert row["trades"] > 10_000
        assert row["repeated"] > 0 or exchange not in twice
        assert row["gaps"] + row["filled"] > 5
