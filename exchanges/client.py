"""REST through ccxt: pacing, timeouts, retries, error translation and the circuit breaker of one venue.

Only ccxt's implicit calls are used (`publicGetKlines`): they sign, throttle and check for errors, and
leave the answer as the venue wrote it, so no whole-market parsing of ccxt runs on the loop.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec

from exchanges.breaker import Breaker
from exchanges.ccxt_classes import errors, exchange_class
from exchanges.pacing import Sleep, Window
from exchanges.types import VenueState
from exchanges.wire import Unparsed, decode
from market.clock import Clock
from market.errors import SourceError, SourceUnavailable
from market.types import EXCHANGE_NAMES

T = TypeVar("T")

Turn = Callable[[], AbstractAsyncContextManager[Any]]

TIMEOUT = 10.0  # seconds for one attempt
QUEUE = 30.0  # seconds to wait for a turn
AT_ONCE = 8  # requests of one client under way
DEADLINE = 20.0  # seconds for a call with its retries
RETRIES = 2
LARGE = 65_536  # characters: answers above are decoded straight into their type; errors are never this long
PATIENCE = 5.0  # seconds: a longer Retry-After is handed to the caller instead of waited for


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the transport saw of the latest answer in this task."""

    status: int = 0
    retry_after: float | None = None


_answer: ContextVar[_Answer] = ContextVar("_answer", default=_Answer())  # noqa: B039 - frozen


class _Wire:
    """What differs from ccxt's own transport: large bodies stay text, the status line is remembered."""

    success: Mapping[str, Any] = {}

    def on_rest_response(
        self,
        code: int,
        _reason: str,
        _url: str,
        _method: str,
        headers: Mapping[str, str],
        body: str,
        *_rest: object,
    ) -> str:
        """Called by ccxt with every answer, before it is looked at."""
        lower = {name.lower(): value for name, value in headers.items()}
        _answer.set(_Answer(code, _seconds(lower.get("retry-after"))))
        return body.strip()

    def parse_json(self, text: str) -> Any:
        """Called by ccxt for every body."""
        if len(text) > LARGE:
            return Unparsed(text, dict(self.success))
        return super().parse_json(text)  # type: ignore[misc]


def make_client(ccxt_id: str, config: Mapping[str, Any], success: Mapping[str, Any]) -> Any:
    """A ccxt client that is used for its implicit calls only; it loads no markets."""
    wire = type(ccxt_id, (_Wire, exchange_class(ccxt_id)), {"success": success})
    base = {"enableRateLimit": True, "timeout": int(TIMEOUT * 1000), "timeout_on_exit": 0}
    return wire(base | dict(config))


class Caller:
    """Every request to one venue goes through here."""

    def __init__(
        self,
        exchange: str,
        clients: Mapping[str, Any],
        *,
        wall: Clock,
        windows: Mapping[str, Window] | None = None,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.exchange = exchange
        self.name = EXCHANGE_NAMES.get(exchange, exchange)
        self.breaker = Breaker(wall)
        self._clients = dict(clients)
        self._slots = {client: asyncio.Semaphore(AT_ONCE) for client in clients}
        self._windows = dict(windows or {})
        self._wall = wall
        self._sleep = sleep
        self._jitter = jitter
        self._not_before = 0

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        shape: type[T],
        *,
        client: str = "",
        window: str = "",
        weight: float = 1.0,
    ) -> T:
        """One implicit ccxt call, its answer decoded as `shape`.

        `client` names the segment's client, `window` a budget of this venue that ccxt does not keep,
        `weight` what the call costs in it.
        """
        bound = getattr(self._clients[client], method)

        async def attempt() -> T:
            return decode(await bound(dict(params)), shape)

        return await self.run(attempt, lambda: self._turn(client, window, weight))

    async def run(self, attempt: Callable[[], Awaitable[T]], turn: Turn = nullcontext) -> T:
        """Make the call, again where that can help; raises SourceError or SourceUnavailable."""
        started = self._wall.now()
        for tries in range(RETRIES + 1):
            try:
                async with turn():
                    self._admit()
                    return await self._once(attempt)
            except SourceUnavailable as error:
                pause = self._pause(tries, error.retry_after)
                spent = (self._wall.now() - started) / 1000
                down = self.breaker.state is VenueState.DOWN
                if tries == RETRIES or down or pause is None or spent + pause > DEADLINE:
                    raise
            await self._sleep(pause)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close the connections of all clients."""
        for each in self._clients.values():
            await each.close()

    @asynccontextmanager
    async def _turn(self, client: str, window: str, weight: float) -> AsyncIterator[None]:
        """Our own queue; time spent in it is not held against the venue."""
        slot = self._slots[client]
        try:
            async with asyncio.timeout(QUEUE):
                if window:
                    await self._windows[window].take(weight)
                await slot.acquire()
        except TimeoutError as e:
            raise SourceError(self.name, "too many requests are waiting") from e
        try:
            yield
        finally:
            slot.release()

    def _admit(self) -> None:
        """Refuse at once what would not be answered anyway."""
        wait = (self._not_before - self._wall.now()) / 1000
        if wait > 0:
            raise SourceUnavailable(self.name, f"rate limited, asked to wait {wait:.0f} s", wait)
        if not self.breaker.allowed():
            raise SourceUnavailable(
                self.name, f"{self.breaker.reason}; will be asked again shortly"
            )

    async def _once(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One attempt under the timeout, its outcome reported to the breaker."""
        _answer.set(_Answer())
        try:
            async with asyncio.timeout(TIMEOUT):
                result = await attempt()
        except (TimeoutError, msgspec.MsgspecError, errors().BaseError) as e:
            raise self._failure(e) from e
        except BaseException:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        return result

    def _failure(self, error: BaseException) -> SourceError:
        """Translate, and tell the breaker."""
        found = translate(self.name, error, _answer.get())
        if isinstance(found.error, SourceUnavailable) and found.error.retry_after:
            self._not_before = self._wall.now() + int(found.error.retry_after * 1000)
        if found.counts:
            self.breaker.failed(found.error.reason, final=found.final)
        else:
            self.breaker.succeeded()
        return found.error

    def _pause(self, tries: int, retry_after: float | None) -> float | None:
        """Seconds before the next attempt; None where the venue asks for more patience than a chat has."""
        if retry_after is not None:
            return retry_after if retry_after <= PATIENCE else None
        return 0.25 * 2**tries * (0.5 + self._jitter())


@dataclass(frozen=True, slots=True)
class Failure:
    """A translated error: whether it counts against the venue, and whether asking again can help at all."""

    error: SourceError
    counts: bool = True
    final: bool = False


def translate(name: str, error: BaseException, answer: _Answer = _Answer()) -> Failure:
    """What went wrong in a few words, without addresses or payloads."""
    known, status = errors(), answer.status
    if status in (403, 451):
        reason = f"not available from this host (HTTP {status})"
        return Failure(SourceError(name, reason), final=True)
    if unavailable := _unavailable(error, status):
        return Failure(SourceUnavailable(name, unavailable, answer.retry_after))
    if isinstance(error, (known.BadResponse, msgspec.MsgspecError)):
        return Failure(SourceError(name, "sent an answer that cannot be read"))
    return Failure(SourceError(name, _refusal(error, status)), counts=False)


def _unavailable(error: BaseException, status: int) -> str:
    """Why there was no answer, where asking again may help; else ""."""
    known = errors()
    if isinstance(error, (known.RateLimitExceeded, known.DDoSProtection)):
        return "rate limited"
    if isinstance(error, (TimeoutError, known.RequestTimeout)) and status < 400:
        return f"timed out after {TIMEOUT:.0f} s"
    if isinstance(error.__cause__, aiohttp.ClientError):
        return "no connection"
    if isinstance(error, known.NetworkError):
        if status >= 500 or status == 408:
            return f"HTTP {status}"
        if status < 400:
            return "service unavailable" if status else "no connection"
    return ""


def _refusal(error: BaseException, status: int) -> str:
    known = errors()
    if isinstance(error, known.BadSymbol):
        return "unknown symbol"
    if isinstance(error, known.AuthenticationError):
        return "needs an API key"
    return f"refused the request (HTTP {status})" if status >= 400 else "refused the request"


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; the form with a date is not used by these venues."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
