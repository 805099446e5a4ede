"""What the venues say, on its way into the states: in order, at once, counted, and every blind moment marked."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from analytics.state import SymbolState
from exchanges.streams.bus import Bus
from exchanges.streams.decoder import Accepted, Channel, News, Refused, Topic
from exchanges.streams.frames import Batch
from exchanges.streams.ledger import REACH, Ledger
from exchanges.streams.resync import Resync
from exchanges.streams.watched import Feed, Missing, Watched
from market.clock import Clock
from market.types import BookChange, Context, Liquidation, Trade

logger = logging.getLogger(__name__)

OLD = 60_000  # market ms: what is older on receipt updates the state but is no news

BOOK_TURN = 0.004  # seconds of one loop turn for changes of books; the rest waits for the next
CHANGES = 20_000  # that wait at most

OnEvents = Callable[[Sequence[News]], None]
OnGap = Callable[[Missing], None]


class Intake:
    """Takes batches. `begin` is asked to start the trades of an instrument whose feed was confirmed."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        resync: Resync,
        begin: Callable[[Watched, int], None],
        *,
        warm: bool,
    ) -> None:
        self.on_events: list[OnEvents] = []
        self.on_gap: list[OnGap] = []
        self.on_old: list[OnEvents] = []  # of what updates the state but is no news
        self.bus = Bus()
        self.ledger = ledger
        self.watched: dict[str, Watched] = {}  # least recently asked for first
        self.waiting: dict[str, Feed] = {}  # not confirmed, by topic key
        self.counts: dict[str, Counter[str]] = {}  # by exchange: trades, old, broken
        self.last: dict[str, int] = {}  # by exchange: ts of the newest trade
        self._clock, self._resync = clock, resync
        self._begin, self._warm = begin, warm
        self._changes: deque[tuple[Watched, BookChange]] = deque()  # of books, for the next turns

    def batch(self, routes: Mapping[str, Watched], batch: Batch) -> None:
        """What one loop turn brought on one connection; `routes`: by the venue's own id."""
        news: list[News] = []
        until = perf_counter() + BOOK_TURN
        for event in batch.rest:
            if isinstance(event, BookChange):
                news += self._change(routes, event, until)
            elif isinstance(event, Accepted):
                self._accepted(event.topic)
            elif isinstance(event, Refused):
                self._refused(event)
            elif (record := routes.get(event.instrument.id)) is not None:
                news += self._one(record, event)
        for message in batch.closed:
            if (record := routes.get(message[0].instrument.id)) is not None:
                news += self._liquidated(record, message)
        for id_, trades in batch.trades.items():
            if (record := routes.get(id_)) is not None:
                news += self.trades(record, trades)
        self.tell(news, batch.now)

    def _change(
        self, routes: Mapping[str, Watched], event: BookChange, until: float
    ) -> Sequence[News]:
        """Take a change of a book now, or in a later turn where this one has had enough of them."""
        record = routes.get(event.instrument.id)
        if record is None:
            return ()
        if not self._changes and perf_counter() < until:
            return self._one(record, event)
        if not self._changes:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._changes.append((record, event))
        if len(self._changes) > CHANGES:  # they come faster than they can be taken
            self._skip()
        return ()

    def _go_on(self) -> None:
        """Changes of books that were left over, in their order."""
        news: list[News] = []
        until = perf_counter() + BOOK_TURN
        while self._changes:
            record, event = self._changes.popleft()
            news += self._one(record, event)
            if perf_counter() >= until:
                break
        if self._changes:
            asyncio.get_running_loop().call_soon(self._go_on)
        self.tell(news, self._clock.now())

    def _skip(self) -> None:
        """Give up all changes that wait: their books are fetched anew."""
        records = {record.instrument.key: record for record, _ in self._changes}
        logger.warning("books fall behind changes=%d books=%d", len(self._changes), len(records))
        self._changes.clear()
        for record in records.values():
            if (book := record.known().book) is not None:
                book.lost()
                self._resync.look(record)

    def trades(self, record: Watched, trades: list[Trade]) -> list[Trade]:
        """Count trades of one instrument; returns those that were new."""
        try:
            new = record.take(trades)
        except Exception:
            logger.exception("state broke instrument=%s", record.instrument.key)
            self._broke(record, trades[0].ts)
            return []
        return self.counted(record, new) if new else new

    def counted(self, record: Watched, new: list[Trade]) -> list[Trade]:
        """Add new trades to the sums of their exchange, and see whether any are missing before them."""
        state = record.state
        if not new or state is None:
            return new
        exchange = record.instrument.exchange
        self._count(exchange, "trades", len(new))
        newest = state.flow.last_ts or 0
        if newest > self.last.get(exchange, 0):
            self.last[exchange] = newest
        self.note_losses(state)
        for hole in state.flow.new_holes():
            start, end = hole.span
            topic = Topic(Channel.TRADES, record.instrument)
            self.ledger.missed(topic, start, end)
            numbered = hole.last >= hole.first  # else the venue began to count anew
            self._missing(
                Missing(
                    topic=topic, state=state, from_ts=start, to_ts=end,
                    after_seq=hole.first - 1 if numbered else None,
                    before_seq=hole.last + 1 if numbered else None,
                )
            )  # fmt: skip
        return new

    def take(self, news: Sequence[News]) -> None:
        """Events that came by other ways than the sockets; those of nobody watched are left out."""
        told: list[News] = []
        for event in news:
            record = self.watched.get(event.instrument.key)
            if record is not None:
                told += self._single(record, event)
        self.tell(told, self._clock.now())

    def tell(self, news: list[News], now: int) -> None:
        """Hand on what is news."""
        oldest = now - OLD
        fresh = [each for each in news if each.ts >= oldest]
        if len(fresh) < len(news):
            old = [each for each in news if each.ts < oldest]
            for each in old:
                self._count(each.instrument.exchange, "old", 1)
            for call in self.on_old:
                call(old)
        if not fresh:
            return
        self.bus.put(fresh)
        for call in self.on_events:
            try:
                call(fresh)
            except Exception:
                logger.exception("a listener broke")

    def lost(self, topics: Sequence[Topic], since: int) -> None:
        """Feeds ended; `since` is the last moment at which they were certainly whole."""
        for topic in topics:
            record = self.watched.get(topic.instrument.key)
            feed = record.feeds.get(topic.channel) if record is not None else None
            if record is None or feed is None:
                continue
            start = since
            if topic.channel is Channel.TRADES:
                start = record.blind(since)
                if self._warm and record.filling is None:
                    record.hold()
            elif topic.channel is Channel.BOOK and record.known().book is not None:
                record.known().open_book().lost()
                self._changes = deque(each for each in self._changes if each[0] is not record)
            self._dark(feed, start)

    def late(self, feed: Feed) -> None:
        """The venue does not answer: the feed is blind since it was asked for."""
        self._dark(feed, feed.asked_ts)

    def forget(self, feed: Feed) -> None:
        """A feed is no longer wanted."""
        self.waiting.pop(feed.topic.key, None)
        self.ledger.dropped(feed.topic)

    def sees(self, record: Watched, now: int) -> None:
        """The trades of an instrument arrive again since `now`, what was missed is told."""
        since = record.sees(now)
        state = record.state
        if since is None or state is None or since >= now:
            return
        last, topic = state.last, Topic(Channel.TRADES, record.instrument)
        self.ledger.missed(topic, since, now)  # a fill may have ended a part of it there already
        self._missing(
            Missing(
                topic=topic, state=state, from_ts=since, to_ts=now,
                after_seq=last.seq if last is not None else None,
            )
        )  # fmt: skip

    def adopted(self, state: SymbolState, until: int) -> None:
        """The trades of a state from before a restart are whole up to `until`, but where it says itself.

        The ledger on the disk is a little older than the states there, so it may not know all of their gaps.
        """
        topic = Topic(Channel.TRADES, state.instrument)
        for gap in state.flow.gaps(until - REACH, until):
            self.ledger.missed(topic, gap.from_ts, min(gap.to_ts, until))
        self.ledger.resumed(topic, until)

    def note_losses(self, state: SymbolState) -> None:
        """Write down what a flow counts as blind though no feed and no number tells of it."""
        for start, end in state.flow.new_losses():
            self.ledger.missed(Topic(Channel.TRADES, state.instrument), start, end)

    def _single(self, record: Watched, event: News) -> Sequence[News]:
        if isinstance(event, Trade):
            return self.trades(record, [event])
        if isinstance(event, Liquidation):
            return self._liquidated(record, [event])
        return self._one(record, event)

    def _liquidated(self, record: Watched, message: list[Liquidation]) -> Sequence[News]:
        """The forced closes of one message; returns those that are new."""
        try:
            return record.known().take_liquidations(message)
        except Exception:
            logger.exception("state broke instrument=%s", record.instrument.key)
            self._broke(record, message[0].ts)
            return ()

    def _one(self, record: Watched, event: News) -> Sequence[News]:
        """A context or a change of a book."""
        try:
            if isinstance(event, Context):
                record.context(event)
            elif isinstance(event, BookChange):
                record.known().take_book(event)
                self._resync.look(record)
        except Exception:
            logger.exception("state broke instrument=%s", record.instrument.key)
            self._broke(record, event.ts)
            return ()
        return (event,)

    def _accepted(self, topic: Topic) -> None:
        record = self.watched.get(topic.instrument.key)
        feed = record.feeds.get(topic.channel) if record is not None else None
        if record is None or feed is None:
            return
        now, since = self._clock.now(), feed.dark
        self.waiting.pop(topic.key, None)
        feed.refused, feed.dark = "", None
        self.ledger.closed(topic, now)
        if topic.channel is Channel.LIQUIDATIONS and since is not None:
            record.known().liquidations.mark_gap(since, now)
        if topic.channel is Channel.TRADES:
            self._begin(record, now)
        elif topic.channel is Channel.LIQUIDATIONS:
            record.known().alive(self._clock.now(), topic.channel)
        feed.accepted.set()

    def _refused(self, event: Refused) -> None:
        record = self.watched.get(event.topic.instrument.key)
        if record is not None:
            self.refuse(record, event.topic.channel, event.reason)

    def refuse(self, record: Watched, channel: Channel, reason: str) -> None:
        """A venue does not serve a feed."""
        logger.warning(
            "stream refused channel=%s instrument=%s reason=%s",
            channel, record.instrument.key, reason,
        )  # fmt: skip
        feed = record.feeds.get(channel)
        if feed is not None:
            self.waiting.pop(feed.topic.key, None)
            feed.refused = reason
            feed.accepted.set()
        if channel is Channel.TRADES:
            record.settled.set()

    def _dark(self, feed: Feed, since: int) -> None:
        if feed.dark is None:
            feed.dark = since
            self.ledger.opened(feed.topic, since)

    def _missing(self, missing: Missing) -> None:
        for call in self.on_gap:
            try:
                call(missing)
            except Exception:
                logger.exception("a filler broke")

    def _broke(self, record: Watched, since: int) -> None:
        """Our own state could not take something: others go on, this one has a gap."""
        self._count(record.instrument.exchange, "broken", 1)
        if record.state is not None:
            record.state.flow.mark_gap(since - 1, self._clock.now())

    def _count(self, exchange: str, name: str, number: int) -> None:
        found = self.counts.get(exchange)
        if found is None:
            found = self.counts[exchange] = Counter()
        found[name] += number
