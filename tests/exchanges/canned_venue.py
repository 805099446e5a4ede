"""A caller that answers from a table instead of a network, for tests of the venues' parsing."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from exchanges.base import Exchange
from exchanges.wire import decode
from market.clock import FixedClock

E = TypeVar("E", bound=Exchange)
Answers = Mapping[str, Any | Callable[[Mapping[str, Any]], Any]]


class CannedCaller:
    """Answers each ccxt method with the payload kept for it, or what a function makes of the parameters."""

    def __init__(self, answers: Answers) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, method: str, params: Mapping[str, Any], shape: Any, **_rest: object) -> Any:
        self.asked.append((method, dict(params)))
        answer = self.answers[method]
        return decode(answer(params) if callable(answer) else answer, shape)

    async def close(self) -> None:
        """Nothing is open."""


def canned(kind: type[E], now: int, answers: Answers) -> E:
    """A venue that reads from `answers` at the moment `now`."""
    return kind(CannedCaller(answers), FixedClock(now), FixedClock(0))  # type: ignore[arg-type]


async def loaded(kind: type[E], now: int, answers: Answers) -> E:
    """The same with its instruments loaded."""
    venue = canned(kind, now, answers)
    venue.use(await venue.load_instruments())
    return venue


def symbols(venue: Exchange) -> dict[str, Any]:
    """Its instruments by symbol."""
    return {each.symbol: each for each in venue.instruments}
