"""The ledger of blindness: when which feed saw nothing, since when it does not, and what was filled later.

An interval of blindness is open at both ends: what happened at its edges was seen. It is kept on disk
together with a sign of life, so that the time between a kill and the next subscription is in it as well.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from exchanges.streams.decoder import Channel, Topic
from exchanges.types import GapPage, GapStore
from market.clock import Clock
from market.types import DAY, MINUTE, Gap, Instrument

logger = logging.getLogger(__name__)

KEPT = 200  # intervals of one feed in memory; the two that lie closest become one beyond that
REACH = 2 * DAY  # how far back the ledger is read at a start
GRACE = 10 * MINUTE  # market ms in which a feed has to come back after a start, or nobody wants it

Key = tuple[str, str, str]  # channel, exchange, symbol
Span = tuple[int, int]

_SIGN = msgspec.msgpack.Decoder(list[tuple[str, str, str]])


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTotals:
    """The gaps of one exchange: `open` now; `filled` and `unfilled` of today, of those that ended."""

    open: int = 0
    filled: int = 0
    unfilled: int = 0
    blind_ms: int = 0  # of today, time in which at least one feed was blind


class _Feed:
    """What is known of one topic."""

    __slots__ = ("blind", "changed", "live", "since")

    def __init__(self) -> None:
        self.blind: list[Span] = []  # over, rising, apart
        self.since: int | None = None  # blind since then
        self.live = False
        self.changed: int | None = (
            None  # intervals that begin here or later are not on the disk yet
        )

    def add(self, start: int, end: int) -> None:
        """Take an interval in; what it touches grows together with it."""
        if end <= start:
            return
        low = bisect_left(self.blind, start, key=lambda span: span[1])
        high = low
        while high < len(self.blind) and self.blind[high][0] <= end:
            start, end = min(start, self.blind[high][0]), max(end, self.blind[high][1])
            high += 1
        self.blind[low:high] = [(start, end)]
        self.touch(start)
        if len(self.blind) > KEPT:
            self._join()

    def cut(self, start: int, end: int) -> tuple[int, int]:
        """Take what was filled out; returns how many intervals there were in it and how many are left."""
        low = bisect_left(self.blind, start + 1, key=lambda span: span[1])
        high = low
        rest: list[Span] = []
        while high < len(self.blind) and self.blind[high][0] < end:
            first, last = self.blind[high]
            rest += [
                (a, b) for a, b in ((first, min(last, start)), (max(first, end), last)) if a < b
            ]
            high += 1
        if high > low:
            self.touch(self.blind[low][0])
            self.blind[low:high] = rest
        return high - low, len(rest)

    def touch(self, ts: int) -> None:
        """Intervals from here on have to be written."""
        self.changed = ts if self.changed is None else min(ts, self.changed)

    def spans(self, now: int) -> list[Span]:
        """All of them, apart; the open one up to now."""
        found = list(self.blind)
        if self.since is None:
            return found
        start, end = self.since, max(now, self.since)
        while found and found[-1][1] >= start:
            first, last = found.pop()
            start, end = min(start, first), max(end, last)
        return [*found, (start, end)]

    def _join(self) -> None:
        """Give up the shortest time of sight between two intervals: never less blind than it was."""
        place = min(
            range(len(self.blind) - 1), key=lambda n: self.blind[n + 1][0] - self.blind[n][1]
        )
        start, end = self.blind[place][0], self.blind[place + 1][1]
        self.blind[place : place + 2] = [(start, end)]
        self.touch(start)


class Ledger:
    """Every blind interval of every topic. Without a `store` it forgets at the end."""

    def __init__(self, store: GapStore | None, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._feeds: dict[Key, _Feed] = {}
        self._returning: dict[
            Key, int
        ] = {}  # blind since the last sign of life, until they come back
        self._grace = 0  # market ms up to which they may
        self._filled: dict[str, tuple[int, int]] = {}  # by exchange: the day, and how many in it

    def opened(self, topic: Topic, since: int) -> None:
        """The feed of a topic is blind since then; one that was blind already stays so."""
        feed = self._feed(_key(topic))
        feed.live = False
        self._returning.pop(_key(topic), None)
        if feed.since is None or since < feed.since:
            feed.since = since
            feed.touch(since)

    def closed(self, topic: Topic, at: int) -> Gap | None:
        """The feed sees from now on; returns the gap that ended, if it was blind before."""
        feed = self._feed(_key(topic))
        feed.live = True
        self._returning.pop(_key(topic), None)
        since, feed.since = feed.since, None
        if since is None:
            return None
        feed.touch(since)
        if at <= since:
            return None
        feed.add(since, at)
        return _gap(_key(topic), since, at)

    def missed(self, topic: Topic, from_ts: int, to_ts: int) -> None:
        """Something between these two is missing though the feed lived: a hole in the numbers."""
        self._feed(_key(topic)).add(from_ts, to_ts)

    def filled(self, topic: Topic, from_ts: int, to_ts: int) -> None:
        """All that happened between these two is known now."""
        feed = self._feed(_key(topic))
        if feed.since is not None and from_ts < to_ts and feed.since < to_ts:
            start, feed.since = (
                feed.since,
                to_ts,
            )  # an open gap may have grown out of one that had ended
            feed.touch(start)
            feed.add(start, from_ts)
        had, left = feed.cut(from_ts, to_ts)
        if had > left:
            exchange, today = topic.instrument.exchange, self._clock.now() // DAY
            day, count = self._filled.get(exchange, (today, 0))
            self._filled[exchange] = (today, (count if day == today else 0) + had - left)

    def resumed(self, topic: Topic, since: int) -> None:
        """What was seen up to `since` survived the restart: its blindness begins there, not at the sign of life."""
        key = _key(topic)
        feed = self._feed(key)
        blind, saw = feed.since, self._returning.pop(key, False)
        feed.live = False
        feed.since = since if blind is None or saw else min(since, blind)
        feed.touch(feed.since if blind is None else min(feed.since, blind))

    def dropped(self, topic: Topic) -> None:
        """Nobody wants the topic any more; it is not blind from now on, only unwatched."""
        self._end(_key(topic), self._clock.now())

    def since(self, topic: Topic) -> int | None:
        """Since when the feed is blind; None where it sees or was never watched."""
        feed = self._feeds.get(_key(topic))
        return None if feed is None else feed.since

    def blind(
        self,
        since: int,
        until: int,
        instrument: Instrument | None = None,
        channel: Channel | None = None,
    ) -> list[Gap]:
        """Blind intervals that overlap (since, until), with their own edges, rising; open ones end now."""
        now = self._clock.now()
        found = [
            _gap(key, start, end)
            for key, feed in self._asked(instrument, channel)
            for start, end in feed.spans(now)
            if end > since and start < until
        ]
        return sorted(found, key=lambda gap: (gap.from_ts, gap.to_ts, gap.exchange, gap.symbol))

    def totals(self) -> dict[str, GapTotals]:
        """The gaps of today by exchange, for /status."""
        now = self._clock.now()
        midnight = now // DAY * DAY
        spans: dict[str, list[Span]] = {}
        opened: dict[str, int] = {}
        ended: dict[str, int] = {}
        for (_channel, exchange, _symbol), feed in self._feeds.items():
            today = [(max(a, midnight), b) for a, b in feed.spans(now) if b > midnight]
            spans.setdefault(exchange, []).extend(today)
            blind = feed.since is not None
            opened[exchange] = opened.get(exchange, 0) + blind
            ended[exchange] = ended.get(exchange, 0) + len(today) - (blind and len(today) > 0)
        return {
            exchange: GapTotals(
                open=opened[exchange], unfilled=ended[exchange], blind_ms=_length(rows),
                filled=self._filled_today(exchange, now // DAY),
            )
            for exchange, rows in spans.items()
        }  # fmt: skip

    async def load(self, now: int) -> int | None:
        """Read the ledger at a start; what lived at the last sign of life is blind since then.

        Returns the moment of that sign; None where there was none, or none of this market's past.
        """
        if self._store is None:
            return None
        for gap in await self._store.all_gaps(now - REACH, now):
            feed = self._feed((gap.table, gap.exchange, gap.symbol))
            feed.add(gap.from_ts, gap.to_ts)
            feed.changed = None
        sign = await self._store.sign_of_life()
        if sign is None or not now - REACH <= sign[0] <= now:
            return None
        ts, body = sign
        try:
            keys = _SIGN.decode(body)
        except msgspec.MsgspecError:
            logger.warning("the sign of life makes no sense ts=%s", ts)
            return None
        for key in keys:
            self._return(key, ts)
        self._grace = now + GRACE
        return ts

    async def save(self, now: int | None = None) -> None:
        """Write what changed, and that these feeds were watched at `now` (market ms)."""
        now = self._clock.now() if now is None else now
        pages, undo = self.pages(now)
        await self.write(pages, now, undo)

    def pages(self, now: int) -> tuple[list[GapPage], dict[Key, int]]:
        """What has to be written to hold at `now`; and, by feed, from where on, should the write fail."""
        self._expire(now)
        pages, undo = [], {}
        for key, feed in self._feeds.items():
            every = feed.spans(now)
            if feed.since is not None:
                feed.touch(every[-1][0])
            if feed.changed is None:
                continue
            since, feed.changed = feed.changed, None
            undo[key] = since
            spans = tuple(span for span in every if span[0] >= since and span[1] > span[0])
            channel, exchange, symbol = key
            pages.append(
                GapPage(exchange=exchange, symbol=symbol, feed=channel, since=since, spans=spans)
            )
        return pages, undo

    async def write(self, pages: list[GapPage], now: int, undo: dict[Key, int]) -> None:
        """Put pages on the disk with the sign of life of `now`; what was not written stays due."""
        if self._store is None:
            return
        body = msgspec.msgpack.encode(self._watched())
        try:
            await self._store.save_ledger(pages, now, body)
        except BaseException:
            self.undo(undo)
            raise

    def undo(self, undo: dict[Key, int]) -> None:
        """Pages that `pages` gave were not written: they are due again."""
        for key, since in undo.items():
            self._feed(key).touch(since)

    def _watched(self) -> list[Key]:
        return [key for key, feed in self._feeds.items() if feed.live or feed.since is not None]

    def _return(self, key: Key, ts: int) -> None:
        """A feed that was watched at the last sign of life; an interval that was open then goes on."""
        feed = self._feed(key)
        saw = not feed.blind or feed.blind[-1][1] < ts
        feed.since = ts if saw else feed.blind.pop()[0]
        feed.touch(feed.since)
        self._returning[key] = saw

    def _expire(self, now: int) -> None:
        """Feeds that nobody asked for again after the restart are not blind, but gone."""
        if self._grace and now > self._grace:
            self._grace = 0
            for key in list(self._returning):
                self._end(key, now)

    def _end(self, key: Key, now: int) -> None:
        feed = self._feed(key)
        self._returning.pop(key, None)
        since, feed.since, feed.live = feed.since, None, False
        if since is not None:
            feed.touch(since)
            feed.add(since, now)

    def _feed(self, key: Key) -> _Feed:
        found = self._feeds.get(key)
        if found is None:
            found = self._feeds[key] = _Feed()
        return found

    def _asked(
        self, instrument: Instrument | None, channel: Channel | None
    ) -> Iterable[tuple[Key, _Feed]]:
        if instrument is None:
            chosen: Iterable[tuple[Key, _Feed]] = self._feeds.items()
        else:
            names = [channel] if channel else list(Channel)
            keys = [(str(each), instrument.exchange, instrument.symbol) for each in names]
            chosen = [(key, self._feeds[key]) for key in keys if key in self._feeds]
        return [each for each in chosen if channel is None or each[0][0] == channel]

    def _filled_today(self, exchange: str, today: int) -> int:
        day, count = self._filled.get(exchange, (today, 0))
        return count if day == today else 0


def _key(topic: Topic) -> Key:
    return str(topic.channel), topic.instrument.exchange, topic.instrument.symbol


def _gap(key: Key, start: int, end: int) -> Gap:
    channel, exchange, symbol = key
    return Gap(from_ts=start, to_ts=end, table=channel, exchange=exchange, symbol=symbol)


def _length(spans: Iterable[Span]) -> int:
    """The time that at least one interval covers."""
    total, reached = 0, 0
    for start, end in sorted(spans):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total
