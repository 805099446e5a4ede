"""A schedule of all faults over all venues: the same for the same seed, ending in quiet so that all can recover.

Losses that no client can notice are left out: a venue that does not number its trades is never asked to leave
some out of a stream that goes on.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from exchanges.local.faults import Fault
from market.types import EXCHANGES

NUMBERED = frozenset({"binance", "okx"})  # venues whose trades have consecutive numbers
QUIET = 0.15  # of the time, at the end, without faults
LEAST_QUIET = 20.0  # seconds: a frozen stream is given up after 15
REST = (1.0, 4.0)  # seconds between two faults of a venue
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What begins `at` seconds of wall time after the start: a fault, or a scenario of a simulated market."""

    at: float
    fault: Fault | None = None
    scenario: str = ""
    base: str = "BTC"


# Kind, seconds, and what else it is asked for with. The long freeze outlasts the patience of a client.
_KINDS: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("drop", 0.0, {}),
    ("refuse", 4.0, {}),
    ("freeze", 3.0, {}),
    ("freeze", 18.0, {"pongs": True}),
    ("freeze", 18.0, {"pongs": False}),
    ("freeze", 18.0, {"channel": "trades"}),
    ("delay", 5.0, {"delay": 1.5}),
    ("duplicate", 5.0, {}),
    ("reorder", 5.0, {}),
    ("idgap", 4.0, {"share": 0.15, "run": 7}),
    ("burst", 5.0, {}),
    ("malformed", 4.0, {"share": 0.3}),
    ("malformed", 3.0, {"share": 0.2, "instead": True, "channel": "trades"}),
    ("wrong_types", 4.0, {"share": 0.3}),
    ("down", 3.0, {}),
    ("500", 4.0, {}),
    ("429", 4.0, {}),
    ("slow", 4.0, {"delay": 1.0}),
    ("garbage", 3.0, {}),
)


def schedule(
    seed: int, *, minutes: float, speed: float = 1.0, venues: Sequence[str] = EXCHANGES
) -> list[Step]:
    """Steps for `minutes` of a market that runs at `speed`, rising in time.

    Each venue goes through every kind in its own order, again and again; `rounds_of` tells how far it came.
    """
    seconds = minutes * 60 / speed
    end = seconds - max(LEAST_QUIET, QUIET * seconds)
    steps = [
        step
        for name in venues
        for step in _track(random.Random(f"{seed}:{name}"), name, end)  # noqa: S311
    ]
    steps += _scenarios(random.Random(f"{seed}:market"), end, speed)  # noqa: S311
    return sorted(steps, key=lambda step: step.at)


def rounds_of(steps: Sequence[Step], exchange: str) -> dict[str, int]:
    """How often each kind of fault hits a venue."""
    found: dict[str, int] = {}
    for step in steps:
        if step.fault is not None and step.fault.exchange == exchange:
            found[step.fault.fault] = found.get(step.fault.fault, 0) + 1
    return found


async def drive(url: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Play the steps against the local server at `url`; afterwards what its stream faults hit."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
        for step in steps:
            await asyncio.sleep(max(0.0, begin + step.at - loop.time()))
            if step.fault is not None:
                await _post(session, f"{url}/faults", step.fault)
            else:
                body = {"scenario": step.scenario, "base": step.base}
                await _post(session, f"{url}/control", body)
        async with session.get(f"{url}/faults") as answer:
            told: list[dict[str, Any]] = msgspec.json.decode(await answer.read())["faults"]
            return told


async def _post(session: aiohttp.ClientSession, address: str, body: Any) -> None:
    async with session.post(address, data=msgspec.json.encode(body)) as answer:
        if answer.status != 200:
            raise ValueError(f"{address}: {await answer.text()}")


def _track(rng: random.Random, exchange: str, end: float) -> list[Step]:
    """The faults of one venue, one after the other."""
    kinds = [kind for kind in _KINDS if exchange in NUMBERED or not _unnoticed(kind)]
    steps: list[Step] = []
    at = rng.uniform(2.0, 5.0)
    while True:
        for name, seconds, more in rng.sample(kinds, len(kinds)):
            if at + seconds > end:
                return steps
            seed = rng.randrange(2**31)
            fault = Fault(exchange=exchange, fault=name, seconds=seconds, seed=seed, **more)
            steps.append(Step(at=at, fault=fault))
            at += seconds + rng.uniform(*REST)


def _unnoticed(kind: tuple[str, float, dict[str, Any]]) -> bool:
    name, _, more = kind
    return name == "idgap" or bool(more.get("instead"))


def _scenarios(rng: random.Random, end: float, speed: float) -> list[Step]:
    """A burst of trades, a cascade and an outage, spread over the time there is."""
    names = [("burst", "BTC"), ("cascade", "ETH"), ("outage", rng.choice(("binance", "okx")))]
    length = 90.0 / speed  # of an outage
    room = max(end - length - 5.0, 0.0) / len(names)
    return [
        Step(at=5.0 + room * (place + rng.random() * 0.8), scenario=name, base=base)
        for place, (name, base) in enumerate(rng.sample(names, len(names)))
        if end > length + 10.0
    ]
