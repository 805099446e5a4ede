"""The frames of one websocket: put together to messages, decoded at once, handed on once a loop turn."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from exchanges.streams.decoder import Decoder, Event
from market.clock import Clock
from market.types import Liquidation, Trade

logger = logging.getLogger(__name__)

SLICE = 400  # messages decoded in one loop turn at most: about a millisecond
KERNEL = 1 << 19  # bytes that wait in the system, doubled by it: one read brings no more
FRAME = 8 * 1024 * 1024  # bytes of the largest message that is read

_TEXT, _BINARY, _MORE, _CLOSE = (
    WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE,
)  # fmt: skip
logging.getLogger("picows.client").setLevel(logging.ERROR)  # it tells of each connection


class Wire(WSListener):
    """One session: `begun` hears of its start, `message` gets each message, put together where it comes in parts."""

    def __init__(
        self, begun: Callable[[WSTransport], None], message: Callable[[bytes], None]
    ) -> None:
        self._begun, self._message = begun, message
        self._parts: list[bytes] = []
        self._size = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The venue took the connection."""
        self._begun(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came; picows itself answers the venue's pings."""
        kind = frame.msg_type
        if (kind is _TEXT or kind is _BINARY) and frame.fin:
            self._message(frame.get_payload_as_bytes())
        elif kind is _CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind is _TEXT or kind is _BINARY or kind is _MORE:
            self._part(transport, frame)

    def _part(self, transport: WSTransport, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        self._size += frame.payload_size
        if self._size > FRAME:
            transport.disconnect(graceful=False)
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts, self._size = [], 0
            self._message(whole)


class Batch(NamedTuple):
    """What the frames of one loop turn said of the topics that are wanted here."""

    trades: dict[str, list[Trade]]  # by the venue's own id, in order
    closed: list[list[Liquidation]]  # each of one message and instrument
    rest: list[Event]  # everything else, in order
    now: int  # market ms


class Inbox:
    """Decodes each message as it comes; `hand_on` gets all that a loop turn brought at the end of that turn:
    `closed` has the liquidations of each message apart, as equal ones are distinct within one and repeated in
    the next; `unread` the messages of which something made no sense.

    A flood is decoded a slice a turn, so that others get theirs; nothing more is read meanwhile, so what
    waits here is bounded by one read, and TCP slows the venue down instead of anything being lost.
    """

    def __init__(
        self,
        decoder: Decoder,
        clock: Clock,
        hand_on: Callable[[list[Event]], None],
    ) -> None:
        self.messages = 0  # decoded
        self.closed: list[list[Event]] = []
        self.unread: list[bytes] = []
        self._decoder, self._clock, self._hand_on = decoder, clock, hand_on
        self._events: list[Event] = []
        self._backlog: deque[bytes] = deque()
        self._came = 0  # messages of this loop turn
        self._received = 0  # market ms of the first of them
        self._transport: asyncio.Transport | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Messages come from this connection now."""
        self._transport = transport
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)

    def take(self, message: bytes) -> None:
        """One message as it comes."""
        if not self._came:
            self._received = self._clock.now()
            asyncio.get_running_loop().call_soon(self._turn)
        self._came += 1
        if self._came <= SLICE:
            self._decode(message)
            return
        if not self._backlog and self._transport is not None:
            self._transport.pause_reading()
        self._backlog.append(message)

    def flush(self) -> None:
        """Decode and hand on everything now."""
        while self._backlog:
            self._decode(self._backlog.popleft())
        if self._came:
            self._finish()

    def _turn(self) -> None:
        """The end of a loop turn that brought something; further turns until all is decoded."""
        if self._came:
            self._finish()
        if not self._backlog:
            return
        for _ in range(min(SLICE, len(self._backlog))):
            self._decode(self._backlog.popleft())
        self._came = 1
        asyncio.get_running_loop().call_soon(self._turn)
        if not self._backlog and self._transport is not None:
            self._transport.resume_reading()

    def _finish(self) -> None:
        self._came = 0
        events, self._events = self._events, []
        self._hand_on(events)
        self.closed, self.unread = [], []

    def _decode(self, message: bytes) -> None:
        self.messages += 1
        decoder = self._decoder
        bad = decoder.bad
        try:
            events = decoder.decode(message, self._received)
        except Exception:  # a fault of ours: the message counts as unread, the others go on
            decoder.bad += 1
            events = []
            logger.exception("decoder broke message=%r", message[:200])
        if decoder.bad != bad:
            self.unread.append(message)
        if not events:
            return
        if type(events[0]) is Liquidation:
            self.closed.append(events)
        else:
            self._events += events


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a wss (or ws) address; None where there is none."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    known = getproxies()
    plain = "https" if parts.scheme == "wss" else "http"
    found = known.get(parts.scheme) or known.get(plain) or known.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def by_id(message: list[Event]) -> dict[str, list[Liquidation]]:
    """The liquidations of one message by the venue's own id of their instrument."""
    found: dict[str, list[Liquidation]] = {}
    for each in message:
        if isinstance(each, Liquidation):
            found.setdefault(each.instrument.id, []).append(each)
    return found


def is_json(message: bytes) -> bool:
    """Whether it is JSON, of whatever kind."""
    try:
        msgspec.json.decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
