"""What stream faults do to the frames of one socket, between its feeds and the network."""

import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from exchanges.local import garble
from exchanges.local.garble import TEXT, Frame
from exchanges.local.stream_faults import Running, StreamFaults
from exchanges.local.subjects import Subject, subject_of

if TYPE_CHECKING:
    from exchanges.local.pump import Feed

HELD = 10_000  # answers that wait for a frozen socket
PONGS = (b"pong", b'"ret_msg":"pong"', b'"channel":"pong"')
GARBLED = frozenset({"trades", "liquidations", "context", "books"})


class Sent(NamedTuple):
    """A frame on its way."""

    subject: Subject
    frame: Frame


class Wire:
    """One socket. `keys` tells its feeds, `abort` ends it without a goodbye."""

    def __init__(
        self,
        faults: StreamFaults,
        path: str,
        keys: Callable[[], Iterable[str]],
        abort: Callable[[], None],
    ) -> None:
        self.exchange = path.split("/")[1]
        self.abort = abort
        self._faults, self._path, self._keys = faults, path, keys
        self._late: deque[tuple[int, Sent]] = deque()  # (wall ms, frame), in order
        self._bursts: dict[str, Running] = {}  # feeds that are held back to come in a burst
        self._kept: Sent | None = None  # waits for the frame that goes before it
        self._answers: deque[Frame] = deque(maxlen=HELD)

    def subjects(self) -> Iterable[Subject]:
        """What the socket is subscribed to."""
        return [subject_of(self._path, key) for key in self._keys()]

    def held(self, key: str) -> bool:
        """Whether nothing is sent of a feed now."""
        running = self._faults.on(self.exchange)
        if not running:
            return False
        subject = subject_of(self._path, key)
        found = [each for each in running if _holds(each, subject)]
        for each in found:
            if each.fault == "burst":
                self._bursts[key] = each
        return bool(found)

    @property
    def frozen(self) -> bool:
        """Whether nothing at all is sent."""
        return any(each.whole for each in self._frozen())

    def mute(self, payload: bytes = b"") -> bool:
        """Whether an answer, or a pong, is held back."""
        frozen = [each for each in self._frozen() if each.whole]
        if not frozen or (_is_pong(payload) and all(each.wanted.pongs for each in frozen)):
            return False
        if payload:
            self._answers.append((TEXT, payload))
        return True

    def answers(self) -> list[Frame]:
        """Answers that a freeze held back."""
        found = list(self._answers)
        self._answers.clear()
        return found

    def read(self, key: str, feed: "Feed", start: int, end: int) -> list[Sent]:
        """The frames of a feed, without the trades that faults leave out."""
        subject = subject_of(self._path, key)
        self._faults.reading, self._faults.burst = subject, self._bursts.pop(key, None)
        try:
            made = [
                each.encode() if isinstance(each, str) else each for each in feed.frames(start, end)
            ]
        finally:
            self._faults.reading = self._faults.burst = None
        return [Sent(subject, (TEXT, each)) for each in made]

    def through(self, frames: list[Sent]) -> list[Frame]:
        """What goes out now of these frames and of earlier ones."""
        running = self._faults.on(self.exchange)
        if running:
            frames = self._garbled(frames, running)
            frames = self._twice(frames, [each for each in running if each.fault == "duplicate"])
        frames = self._swapped(frames, [each for each in running if each.fault == "reorder"])
        frames = self._later(frames, [each for each in running if each.fault == "delay"])
        return [each.frame for each in frames]

    def _frozen(self) -> list[Running]:
        return [each for each in self._faults.on(self.exchange) if each.fault == "freeze"]

    def _garbled(self, frames: list[Sent], running: list[Running]) -> list[Sent]:
        wrong = [each for each in running if each.fault in ("malformed", "wrong_types")]
        if not wrong:
            return frames
        out: list[Sent] = []
        for sent in frames:
            bad: list[Sent] = []
            replaced = False
            for fault in wrong:
                if sent.subject.channel not in GARBLED or not fault.hits(sent.subject):
                    continue
                made = _spoiled(fault, sent.frame[1]) if fault.chosen() else None
                if made is None:
                    continue
                fault.frames += 1
                bad.append(Sent(sent.subject, made))
                if fault.wanted.instead:
                    replaced = True
                    if sent.subject.channel == "trades":
                        self._lost(fault, sent)
            out += bad if replaced else [*bad, sent]
        return out

    def _lost(self, fault: Running, sent: Sent) -> None:
        symbol = self._faults.symbol_of(self.exchange, sent.subject)
        fault.lost(symbol, garble.numbers(sent.frame[1]))

    def _twice(self, frames: list[Sent], faults: list[Running]) -> list[Sent]:
        for fault in faults:
            out: list[Sent] = []
            for sent in frames:
                out.append(sent)
                if fault.hits(sent.subject) and fault.chosen():
                    fault.frames += 1
                    out.append(sent)
            frames = out
        return frames

    def _swapped(self, frames: list[Sent], faults: list[Running]) -> list[Sent]:
        """Pairs of hit frames change places; one without a neighbour waits for the next."""
        kept, self._kept = self._kept, None
        out: list[Sent] = []
        for sent in frames:
            fault = next((each for each in faults if each.hits(sent.subject)), None)
            if kept is not None and (fault is not None or not faults):
                out += [sent, kept]
                kept = None
            elif kept is None and fault is not None and fault.chosen():
                fault.frames += 1
                kept = sent
            else:
                out.append(sent)
        if faults:
            self._kept = kept
        elif kept is not None:
            out.append(kept)
        return out

    def _later(self, frames: list[Sent], faults: list[Running]) -> list[Sent]:
        """Hit frames wait; a frame never overtakes one of its own subscription."""
        if not faults and not self._late:
            return frames
        now, out = self._faults.wall.now(), []
        while self._late and (not faults or self._late[0][0] <= now):
            out.append(self._late.popleft()[1])
        waiting = {sent.subject for _, sent in self._late}
        for sent in frames:
            fault = next((each for each in faults if each.hits(sent.subject)), None)
            if fault is not None and fault.chosen():
                fault.frames += 1
                due = now + int(fault.wanted.delay * 1000)
                last = self._late[-1][0] if self._late else due
                self._late.append((max(due, last), sent))
                waiting.add(sent.subject)
            elif sent.subject in waiting:
                self._late.append((self._late[-1][0], sent))
            else:
                out.append(sent)
        return out


def encoded(frames: Iterable[Frame]) -> bytes:
    """Frames as a server writes them on a websocket (RFC 6455, 5.2): unmasked and uncompressed."""
    parts: list[bytes] = []
    for kind, payload in frames:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 127, size)
        parts += (head, payload)
    return b"".join(parts)


def _holds(fault: Running, subject: Subject) -> bool:
    if fault.fault == "freeze":
        return fault.hits(subject)
    return fault.fault == "burst" and subject.channel == "trades" and fault.hits(subject)


def _spoiled(fault: Running, payload: bytes) -> Frame | None:
    if fault.fault == "malformed":
        return garble.broken(payload, fault.rng)
    made = garble.wrong_types(payload, fault.rng)
    return None if made is None else (TEXT, made)


def _is_pong(payload: bytes) -> bool:
    return not payload or payload == PONGS[0] or any(each in payload for each in PONGS[1:])
