"""One request to one checked address: no redirects, no proxies, no cookies, a few seconds, a small answer.

httpx's transport is used without its client: that one logs the addresses of requests, and they carry secrets.
"""

import asyncio
import contextlib
import json
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import httpx

from alerts.channels.fence import Blocked, Fence, Target, Unresolved
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from market.clock import Clock

TOTAL = 5.0  # seconds for all of it
CONNECT = 2.0
LARGEST = 64 * 1024  # bytes read of an answer
ADDRESSES = 3  # of a host that are tried
LONGEST_PAUSE = 3600.0  # seconds another side may make us wait
GONE = (404, 410)
LATER = (408, 425, 429)
IN_DOUBT = (502, 504)  # somebody between us asked the other side, and had no answer
NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `body` may be cut, and is never shown to anybody."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> dict[str, Any]:
        """The body as an object; {} where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Web:
    """Posts to addresses inside the fence."""

    def __init__(
        self, fence: Fence, wall: Clock, context: ssl.SSLContext | None = None, total: float = TOTAL
    ) -> None:
        self.fence, self.wall, self._total = fence, wall, total
        # Made once: reading the certificates takes longer than the loop may stand still.
        self._context = context or ssl.create_default_context(cafile=certifi.where())

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer | NotSent | Unknown | Refused:
        """The answer to one POST, or why there is none."""
        progress = _Progress(self._total)
        try:
            async with asyncio.timeout(self._total):
                target = await self.fence.check(url)
                return await self._tried(target, body, headers, progress)
        except Blocked:
            return Refused("the address is not allowed")
        except Unresolved:
            return NotSent("the host's name is not known")
        except TimeoutError:
            reason = f"no answer within {self._total:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
            reason = f"no answer: {type(error).__name__}"
        return progress.answer or (Unknown(reason) if progress.written else NotSent(reason))

    async def _tried(
        self, target: Target, body: bytes, headers: Mapping[str, str], progress: "_Progress"
    ) -> Answer:
        """The checked addresses one after another, until one takes the connection."""
        addresses = target.addresses[:ADDRESSES]
        for address in addresses[:-1]:
            try:
                return await self._once(target, address, body, headers, progress)
            except NOT_CONNECTED:
                continue
        return await self._once(target, addresses[-1], body, headers, progress)

    async def _once(
        self, target: Target, address: str, body: bytes, headers: Mapping[str, str], progress: "_Progress",
    ) -> Answer:  # fmt: skip
        place = target.place
        request = httpx.Request(
            "POST",
            httpx.URL(scheme=place.scheme, host=address, port=place.port, raw_path=place.target.encode()),
            headers={
                "Host": place.authority,
                "User-Agent": "Tidemark",
                "Accept-Encoding": "identity",  # nothing is unpacked
                **headers,
            },
            content=body,
            extensions={
                # Of a handshake that is cancelled from outside the socket would stay open.
                "timeout": httpx.Timeout(self._total, connect=min(CONNECT, progress.left() / 2)).as_dict(),
                "sni_hostname": place.host,  # the certificate has to be the name's
                "trace": progress.note,
            },
        )  # fmt: skip
        # Of its own for each request: a kept connection could belong to another name of the same address.
        async with httpx.AsyncHTTPTransport(verify=self._context, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            found = {name.lower(): value for name, value in response.headers.items()}
            progress.answer = Answer(status=response.status_code, headers=found)
            try:
                return Answer(
                    status=response.status_code, headers=found, body=await _read(response)
                )
            finally:
                await response.aclose()

    def outcome(self, answer: Answer | NotSent | Unknown | Refused) -> Outcome:
        """What an answer means where its sender says nothing else."""
        if not isinstance(answer, Answer):
            return answer
        status, reason = answer.status, f"HTTP {answer.status}"
        if 200 <= status < 300:
            return Sent()
        if status in GONE:
            return Gone(reason)
        if status in IN_DOUBT:
            return Unknown(reason)
        if status in LATER or status >= 500:
            return NotSent(reason, retry_after=self.pause(answer.headers.get("retry-after", "")))
        return Refused(f"{reason}, redirects are not followed" if status < 400 else reason)

    def pause(self, text: str) -> float | None:
        """`Retry-After`: seconds, or a date; None where it cannot be read."""
        try:
            found = float(text)
        except ValueError:
            try:
                found = parsedate_to_datetime(text).timestamp() - self.wall.now() / 1000
            except (ValueError, OverflowError):
                return None
        return seconds(found)


def seconds(value: object) -> float | None:
    """A pause another side asks for, within reason; None where it is no number."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return min(float(value), LONGEST_PAUSE)


class _Progress:
    """How far a request came: before its body is written, nothing can have come of it."""

    def __init__(self, total: float) -> None:
        self.written = False
        self.answer: Answer | None = None
        self._until = asyncio.get_running_loop().time() + total

    def left(self) -> float:
        """Seconds, just short of the whole rest."""
        return max(0.02, self._until - asyncio.get_running_loop().time() - 0.02)

    async def note(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_body.started"):
            self.written = True


async def _read(response: httpx.Response) -> bytes:
    """The beginning of the body; what breaks off is as far as it came."""
    found = bytearray()
    with contextlib.suppress(httpx.HTTPError):
        async for chunk in response.aiter_raw():
            found += chunk
            if len(found) >= LARGEST:
                break
    return bytes(found[:LARGEST])
