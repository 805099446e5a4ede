"""The frames of one websocket: put together to messages, decoded and handed on once a loop turn."""

import asyncio
import logging
import socket
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

SLICE = 1000  # messages decoded in one loop turn at most: about a millisecond
KERNEL = 1 << 19  # bytes that wait in the system, doubled by it: one read brings no more
CONTROL = 125  # bytes of the largest frame that may be a close, ping or pong (RFC 6455, 5.5)
FRAME = 8 * 1024 * 1024  # bytes of the largest message that is read

_TEXT, _BINARY, _MORE, _CLOSE = (
    WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE,
)  # fmt: skip
logging.getLogger("picows.client").setLevel(logging.ERROR)  # it tells of each connection


class Wire(WSListener):
    """One session: `begun` hears of its start, `inbox` gets each message, put together where it comes in parts."""

    def __init__(self, begun: Callable[[WSTransport], None], inbox: "Inbox") -> None:
        self._begun, self._inbox = begun, inbox
        self._waiting = inbox.waiting
        self._parts: list[bytes] = []
        self._size = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The venue took the connection."""
        self._begun(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came; picows itself answers the venue's pings."""
        if CONTROL < frame.payload_size <= FRAME and frame.fin and not self._parts:
            waiting = self._waiting  # as `Inbox.take`, without the call
            if not waiting:
                self._inbox.wake()
            waiting.append(frame.get_payload_as_bytes())
            return
        if frame.payload_size > FRAME:  # picows hands it out before it ends the session for it
            transport.disconnect(graceful=False)
            return
        kind = frame.msg_type  # costs more to ask than all the rest
        if (kind is _TEXT or kind is _BINARY) and frame.fin:
            self._inbox.take(frame.get_payload_as_bytes())
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
            self._inbox.take(whole)


class Batch(NamedTuple):
    """What the frames of one loop turn said of the topics that are wanted here."""

    trades: dict[str, list[Trade]]  # by the venue's own id, in order
    closed: list[list[Liquidation]]  # each of one message and instrument
    rest: list[Event]  # everything else, in order
    now: int  # market ms


class Inbox:
    """Decodes what a loop turn brought at the end of that turn; then `hand_on` gets it, and `trades`, `closed`
    and `unread` hold the rest of it: the trades that were read many at once, by the venue's own id; the
    liquidations of each message apart, as equal ones are distinct within one and repeated in the next; the
    messages of which something made no sense.

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
        self.waiting: list[bytes] = []  # messages that came; always the same list
        self.trades: dict[str, list[Trade]] = {}
        self.closed: list[list[Event]] = []
        self.unread: list[bytes] = []
        self._decoder, self._clock, self._hand_on = decoder, clock, hand_on
        self._events: list[Event] = []
        self._received = 0  # market ms of the first message of this loop turn
        self._paused = False
        self._transport: asyncio.Transport | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Messages come from this connection now."""
        self._transport, self._paused = transport, False
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)

    def take(self, message: bytes) -> None:
        """One message as it comes."""
        if not self.waiting:
            self.wake()
        self.waiting.append(message)

    def wake(self) -> None:
        """The first message of a loop turn is coming."""
        self._received = self._clock.now()
        asyncio.get_running_loop().call_soon(self._turn)

    def flush(self) -> None:
        """Decode and hand on everything now."""
        while self.waiting:
            self._slice()

    def _turn(self) -> None:
        """Decode what waits; further turns until all is decoded, and nothing is read before."""
        if not self.waiting:
            return
        if len(self.waiting) > SLICE and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._slice()
        if self.waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        elif self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _slice(self) -> None:
        """Decode and hand on the oldest messages that wait."""
        messages = self.waiting[:SLICE]
        del self.waiting[:SLICE]
        self.messages += len(messages)
        for each in self._many(messages):
            self._decode(each)
        events, self._events = self._events, []
        self._hand_on(events)
        self.trades, self.closed, self.unread = {}, [], []

    def _many(self, messages: list[bytes]) -> list[bytes]:
        """Read the trades of many messages at once, where the venue's decoder can; returns what is left."""
        try:
            taken = self._decoder.trades(messages, self._received)
        except Exception:  # a fault of ours: one by one, the others go on
            logger.exception("decoder broke messages=%d", len(messages))
            return messages
        if taken is None:
            return messages
        self.trades, left = taken
        return left

    def _decode(self, message: bytes) -> None:
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
