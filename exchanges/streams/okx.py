"""OKX's two sockets: every fill on the business one, all else on the public one; amounts in contracts.

Limits as documented by the venue: 480 requests an hour and connection, three a second, 64 KB a request.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from exchanges.streams.decoder import (
    Accepted,
    Channel,
    Decoder,
    Event,
    Refused,
    Topic,
    coins_of,
    encode,
    known,
    levels,
    price_of,
)
from exchanges.streams.okx_rows import (
    DETAILS,
    FILL_ROWS,
    FILLS,
    ROUGH,
    STATE_ROWS,
    STATES,
    About,
    Answer,
    Detail,
    Fill,
    State,
)
from market.clock import Clock
from market.types import HOUR, BookChange, Instrument, PositionSide, Side

TRADES, BOOKS, FORCED, INDEX = "trades-all", "books", "liquidation-orders", "index-tickers"
CONTEXT = ("open-interest", "mark-price", "funding-rate")  # without these a context is not whole
BATCH = 50  # arguments in one request: an hour takes few requests
NO_COUNT = 15  # ids of so many digits are times, given by a replay to trades that had none
PONG = ("pong", b"pong")
BUY, SELL = Side.BUY, Side.SELL
POSITIONS = {"long": PositionSide.LONG, "short": PositionSide.SHORT}
CLOSED_BY = {"sell": PositionSide.LONG, "buy": PositionSide.SHORT}
NAMED = re.compile(r"channel:([a-z-]+)(?:,instId:([A-Z0-9_-]+))?")

Argument = dict[str, str]


class _Okx(Decoder):
    """What the sockets share: requests of many arguments, of which each is answered by itself."""

    url_key: ClassVar[str] = "okx"
    pause: ClassVar[float] = 0.35
    most: ClassVar[int] = 300

    def ping(self) -> str:
        """Plain text, as the venue wants it."""
        return "ping"

    def _requests(self, op: str, args: Sequence[Argument]) -> list[str]:
        parts = [args[i : i + BATCH] for i in range(0, len(args), BATCH)]
        return [encode({"op": op, "args": list(part)}) for part in parts]

    def _answer(self, frame: Answer) -> list[Event]:
        channel, id_ = frame.arg.channel, frame.arg.instId
        if frame.event == "error" and not channel:
            found = NAMED.search(frame.msg)  # an error tells its argument only in its text
            channel, id_ = (found.group(1), found.group(2) or "") if found else ("", "")
        if frame.event == "subscribe":
            return self._accepted(channel, id_)
        if frame.event == "error":
            return self._refused(channel, id_, f"{frame.code} {frame.msg}"[:200])
        return []

    def _accepted(self, channel: str, id_: str) -> list[Event]:
        raise NotImplementedError

    def _refused(self, channel: str, id_: str, reason: str) -> list[Event]:
        raise NotImplementedError


class OkxTrades(_Okx):
    """`trades-all` of spot and swaps; the ids of an instrument are consecutive."""

    path: ClassVar[str] = "/business"

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Fifty instruments a request."""
        self.follow(topics)
        return self._requests("subscribe", _arguments(TRADES, topics))

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Fifty instruments a request."""
        self.leave(topics)
        return self._requests("unsubscribe", _arguments(TRADES, topics))

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        try:
            found = FILLS.decode(frame)
        except msgspec.ValidationError:
            return self._mended(frame, now)
        except msgspec.DecodeError:
            if frame in PONG:
                return []
            raise
        if found.data is not None and found.arg.channel == TRADES:
            return self._fills(found.data, now)
        if found.event:
            return self._answer(found)
        self.bad += 1
        return []

    def _mended(self, frame: bytes | str, now: int) -> list[Event]:
        """The good rows of a frame of which some row is broken."""
        rough = ROUGH.decode(frame)
        if rough.arg.channel != TRADES:
            self.bad += 1
            return []
        return self._fills(self._rows(rough.data, FILL_ROWS, Fill), now)

    def _fills(self, rows: list[Fill], now: int) -> list[Event]:
        trades, trade = self._trades, self._trade
        found: list[Event] = []
        for row in rows:
            instrument = trades.get(row.instId)
            if instrument is None:
                self.bad += 1
                continue
            id_ = row.tradeId
            seq = int(id_) if len(id_) < NO_COUNT and id_.isdecimal() else None
            side = BUY if row.side == "buy" else SELL
            found.append(trade(instrument, (row.ts, row.px, row.sz, side), now, id_, "", seq))
        return found

    def _accepted(self, channel: str, id_: str) -> list[Event]:
        instrument = self._trades.get(id_)
        return [Accepted(Topic(Channel.TRADES, instrument))] if instrument else []

    def _refused(self, channel: str, id_: str, reason: str) -> list[Event]:
        instrument = self._trades.get(id_)
        return [Refused(Topic(Channel.TRADES, instrument), reason)] if instrument else []


class OkxPublic(_Okx):
    """Liquidations, what makes a context, and books.

    One subscription brings the liquidations of all swaps: it is asked for with the first topic and again
    with each further one, and ended with the last; what is of nobody's instrument is passed over.
    """

    path: ClassVar[str] = "/public"
    channels: ClassVar[frozenset[Channel]] = frozenset(
        {Channel.LIQUIDATIONS, Channel.CONTEXT, Channel.BOOK}
    )

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.unchecked = 0  # messages of books whose checksum nobody compared
        self._forced_live = False
        self._forced_asked: dict[str, Instrument] = {}
        self._missing: dict[str, set[str]] = {}  # channels of a context that are not confirmed yet
        self._index: dict[str, list[Instrument]] = {}  # swaps by the id of their index

    def renew(self) -> None:
        """Nothing is confirmed any more."""
        self._forced_live = False
        self._forced_asked.clear()
        self._missing.clear()

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Fifty arguments a request; a context takes four."""
        self.follow(topics)
        for instrument in _of(Channel.CONTEXT, topics):
            self._missing[instrument.id] = set(CONTEXT)
            swaps = self._index.setdefault(_index_of(instrument), [])
            if instrument not in swaps:
                swaps.append(instrument)
        forced = _of(Channel.LIQUIDATIONS, topics)
        self._forced_asked |= {each.id: each for each in forced}
        return self._requests("subscribe", self._arguments(topics, forced=bool(forced)))

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Fifty arguments a request."""
        self.leave(topics)
        for instrument in _of(Channel.CONTEXT, topics):
            self._missing.pop(instrument.id, None)
            swaps = self._index.get(_index_of(instrument), [])
            if instrument in swaps:
                swaps.remove(instrument)
        forced = _of(Channel.LIQUIDATIONS, topics)
        for instrument in forced:
            self._forced_asked.pop(instrument.id, None)
        last = bool(forced) and not self._liquidations
        if last:
            self._forced_live = False
        return self._requests("unsubscribe", self._arguments(topics, forced=last))

    def _arguments(self, topics: Sequence[Topic], *, forced: bool) -> list[Argument]:
        args = [{"channel": FORCED, "instType": "SWAP"}] if forced else []
        for instrument in _of(Channel.CONTEXT, topics):
            args += [{"channel": each, "instId": instrument.id} for each in CONTEXT]
            args.append({"channel": INDEX, "instId": _index_of(instrument)})
        return args + _arguments(BOOKS, [each for each in topics if each.channel is Channel.BOOK])

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        owed = self._forced_accepted() if self._forced_asked and self._forced_live else []
        if frame in PONG:
            return owed
        rows: list[State] | None
        head: Answer
        try:
            head = found = STATES.decode(frame)
            rows, action = found.data, found.action
        except msgspec.ValidationError:
            head = rough = ROUGH.decode(frame)
            rows, action = self._rows(rough.data, STATE_ROWS, State), rough.action
        if head.event:
            return owed + self._answer(head)
        if rows is None:
            self.bad += 1
            return owed
        for row in rows:
            owed += self._row(head.arg, action, row, now)
        return owed

    def _row(self, about: About, action: str, row: State, now: int) -> list[Event]:
        if about.channel == FORCED:
            return self._forced(row, now)
        ts = row.ts if isinstance(row.ts, int) and row.ts > 0 else 0
        if ts and about.channel == BOOKS:
            return self._book(about.instId, action, row, ts, now)
        if ts and about.channel == INDEX:
            index = self._index.get(row.instId, [])
            return [
                event
                for each in index
                for event in self._context(each, ts, now, index=price_of(each, row.idxPx))
            ]
        if ts and about.channel in CONTEXT:
            return self._state(row, ts, now)
        self.bad += 1
        return []

    def _state(self, row: State, ts: int, now: int) -> list[Event]:
        """`fundingTime` is the next settlement, `nextFundingTime` the one after it."""
        instrument = self._found(self._contexts, row.instId)
        if instrument is None:
            return []
        first, second = row.fundingTime or 0, row.nextFundingTime or 0
        hours = (int(second) - int(first)) / HOUR if first and second else 0.0
        return self._context(
            instrument,
            ts,
            now,
            mark=price_of(instrument, row.markPx),
            rate=known(row.fundingRate),
            predicted=known(row.nextFundingRate),
            interval_h=hours if hours > 0 else None,
            next_ts=first or None,
            interest=coins_of(instrument, row.oi),
            interest_value=known(row.oiUsd),
        )

    def _forced(self, row: State, now: int) -> list[Event]:
        """The closes of one instrument. The venue shows about one a contract a second: a floor."""
        instrument = self._liquidations.get(row.instId)
        if instrument is None:
            return []
        try:
            details = self._rows(row.details, DETAILS, Detail)
        except msgspec.MsgspecError:
            self.bad += 1
            return []
        found: list[Event] = []
        for each in details:
            position = CLOSED_BY[each.side]
            if POSITIONS.get(each.posSide, position) is not position:
                self.bad += 1  # a long is closed by a sale: one of the two is wrong
                continue
            told = (each.ts, each.bkPx, each.sz, position)
            found.append(self._liquidation(instrument, told, now, sample=True))
        return found

    def _book(self, id_: str, action: str, row: State, ts: int, now: int) -> list[Event]:
        """Messages are chained by `prevSeqId`. One bad level leaves out the message, and the chain tells."""
        instrument = self._found(self._books, id_)
        if instrument is None:
            return []
        if action not in ("snapshot", "update"):
            self.bad += 1
            return []
        self.unchecked += bool(row.checksum)
        whole = action == "snapshot"
        return [
            BookChange(
                instrument=instrument,
                ts=ts,
                bids=levels(instrument, [(each.px, each.sz) for each in row.bids]),
                asks=levels(instrument, [(each.px, each.sz) for each in row.asks]),
                whole=whole,
                first=row.seqId,
                last=row.seqId,
                before=None if whole else row.prevSeqId,
                recv_ts=0 if self.local else now,
            )
        ]

    def _accepted(self, channel: str, id_: str) -> list[Event]:
        if channel == FORCED:
            self._forced_live = True
            return self._forced_accepted()
        if channel == BOOKS:
            book = self._books.get(id_)
            return [Accepted(Topic(Channel.BOOK, book))] if book else []
        instrument, missing = self._contexts.get(id_), self._missing.get(id_)
        if instrument is None or not missing:
            return []
        missing.discard(channel)
        return [] if missing else [Accepted(Topic(Channel.CONTEXT, instrument))]

    def _forced_accepted(self) -> list[Event]:
        asked, self._forced_asked = self._forced_asked, {}
        return [Accepted(Topic(Channel.LIQUIDATIONS, each)) for each in asked.values()]

    def _refused(self, channel: str, id_: str, reason: str) -> list[Event]:
        """An index that is not served leaves a context what it is."""
        if channel == FORCED:
            asked, self._forced_asked = self._forced_asked, {}
            return [Refused(Topic(Channel.LIQUIDATIONS, each), reason) for each in asked.values()]
        if channel == BOOKS:
            book = self._books.get(id_)
            return [Refused(Topic(Channel.BOOK, book), reason)] if book else []
        instrument = self._contexts.get(id_)
        if instrument is None or channel not in CONTEXT or not self._missing.pop(id_, None):
            return []
        return [Refused(Topic(Channel.CONTEXT, instrument), reason)]


def _arguments(channel: str, topics: Sequence[Topic]) -> list[Argument]:
    return [{"channel": channel, "instId": each.instrument.id} for each in topics]


def _of(channel: Channel, topics: Sequence[Topic]) -> list[Instrument]:
    return [each.instrument for each in topics if each.channel is channel]


def _index_of(instrument: Instrument) -> str:
    """BTC-USDT of BTC-USDT-SWAP."""
    return instrument.id.removesuffix("-SWAP")
