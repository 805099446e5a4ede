"""Whether anything follows what alerts tell: each firing measured after 15 m, 1 h and 4 h, beside matched moments.

A firing is measured from the price it was told with to the close of the minute in which the horizon ends. Its
matched moments are those of the thirty days before at about the same time of day, as far as there are candles.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from alerts.conditions import is_simple, leaves
from alerts.direction import direction
from alerts.protocols import AlertStore
from alerts.scorecard_types import Due, Scored, ScoreStore, Settled, Tally
from alerts.types import AlertRule, Rise
from analytics.followed import AROUND, BRIDGED, HORIZONS, Closes, matched
from analytics.lift import Lift, Outcome, Verdict, is_useless, lift
from exchanges.hub import Market
from market.errors import SourceError
from market.language import _
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES, Candle, Instrument

logger = logging.getLogger(__name__)

REACH = DAY  # firings older than that are not taken up any more
LATE = 3 * MINUTE  # market ms; a minute that has no candle by then had no trade
RETRY = 2 * MINUTE  # market ms between two tries
GIVE_UP = 6 * HOUR  # market ms after its time a price is not waited for any more
LIMIT = 200  # rows of one round
CHUNK = 1000  # candles of one question
HISTORY = 30  # days of matched moments
GRID = "15m"  # candles that tell what followed matched moments
KEPT = 64  # instruments whose history is kept in memory
ROUND = 40.0  # wall seconds for one round; what is left over comes with the next
PATIENCE = 10.0  # wall seconds for the candles of one instrument
OLD = 2 * MINUTE  # a price told may be so old
TOLERANCE = 0.005  # and lie so far outside its candle
NEWEST = 300  # firings of a rule that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What is known of a rule, or of several together."""

    tally: Tally
    lifts: tuple[Lift, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The strongest thing that may be said of any horizon."""
        shares = [s.verdict for each in self.lifts for s in (each.size, each.toward) if s]
        order = (Verdict.MORE, Verdict.LESS, Verdict.UNCLEAR)
        return next((each for each in order if each in shares), Verdict.FEW)

    @property
    def useless(self) -> bool:
        """Whether it may be offered to be muted."""
        return len(self.lifts) == len(HORIZONS) and is_useless(self.lifts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A history, and the time it was asked for: a market may have less."""

    since: int
    until: int
    closes: Closes


class Scorecard:
    """Opens and settles scores; `settle` is called once a minute."""

    def __init__(self, store: ScoreStore, rules: AlertStore, market: Market) -> None:
        self._store, self._rules, self._market = store, rules, market
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def settle(self, now: int) -> int:
        """Measure what is over at market time `now`; how many rows were measured."""
        await self._store.open(HORIZONS, now - REACH, now)
        due = await self._store.due(now, now - RETRY, LIMIT)
        if not due:
            return 0
        others = await self._store.firings(
            sorted({row.rule_id for row in due}),
            min(row.ts for row in due) - HISTORY * DAY - max(HORIZONS),
        )
        measured = 0
        try:
            async with asyncio.timeout(ROUND):
                for chart, part in _parts(due):
                    rows = await self._measured(chart, part, others, now)
                    await self._store.settle(rows)
                    measured += sum(row.move is not None for row in rows)
        except TimeoutError:
            logger.warning("scores not all settled, the rest comes next time")
        logger.info("scores settled measured=%d due=%d", measured, len(due))
        return measured

    async def prune(self) -> int:
        """Forget scores of firings that are not kept any more."""
        return await self._store.prune()

    async def of_rule(self, rule: AlertRule) -> Score:
        """What followed the firings of a rule as it is worded now."""
        tally = (await self._store.tallies([rule.id])).get(rule.id, Tally())
        rows = await self._rows(rule)
        return await asyncio.to_thread(_score, tally, rows)

    async def of_rules(self, rules: Sequence[AlertRule]) -> Score:
        """The firings of several rules together; those whose horizons overlap saw the same market."""
        tallies = (await self._store.tallies([rule.id for rule in rules])).values()
        rows = [row for rule in rules for row in await self._rows(rule)]
        tally = Tally(
            measured=sum(each.measured for each in tallies),
            waiting=sum(each.waiting for each in tallies),
            failed=sum(each.failed for each in tallies),
        )
        return await asyncio.to_thread(_score, tally, rows)

    async def of_chat(self, chat_id: int) -> list[tuple[AlertRule, Tally]]:
        """The rules of a chat with how much is known of each, the most first."""
        rules = await self._rules.rules(chat_id=chat_id)
        tallies = await self._store.tallies([rule.id for rule in rules])
        found = [(rule, tallies.get(rule.id, Tally())) for rule in rules]
        return sorted(found, key=lambda each: (-each[1].measured, each[0].id))

    async def _rows(self, rule: AlertRule) -> list[tuple[int, Scored]]:
        """Scores with the way the rule looks; those from before it was edited are of another rule."""
        way = direction(rule.condition)
        asked = {
            leaf.amount if isinstance(leaf, Rise) else leaf.level for leaf in leaves(rule.condition)
        }
        rows = await self._store.scored(rule.id, NEWEST, rule.created_ts)
        single = is_simple(rule.condition)
        return [(way, row) for row in rows if not single or row.threshold in asked]

    async def _measured(
        self,
        chart: str,
        rows: Sequence[Due],
        others: Mapping[tuple[int, str], Sequence[int]],
        now: int,
    ) -> list[Settled]:
        """The rows of one instrument: measured, to be tried again, or given up with the reason."""
        instrument = self._market.directory.by_key(chart)
        if instrument is None:
            return [_failed(row, _("not listed any more"), now) for row in rows]
        try:
            async with asyncio.timeout(PATIENCE):
                minutes = await self._minutes(instrument, rows)
                history = await self._history(instrument, min(row.ts for row in rows), now)
        except SourceError as error:
            return [_failed(row, error.reason, now) for row in rows]
        except TimeoutError:
            return [_failed(row, _("the prices did not come in time"), now) for row in rows]

        def measure() -> list[Settled]:
            return [
                _measure(row, minutes, history, others.get((row.rule_id, chart), ()), now)
                for row in rows
            ]

        return await asyncio.to_thread(measure)

    async def _minutes(self, instrument: Instrument, rows: Sequence[Due]) -> dict[int, Candle]:
        """Closed one-minute candles around the firings and the ends of their horizons."""
        first = min(row.ts for row in rows) - BRIDGED * MINUTE
        end = max(row.due_ts for row in rows)
        count = (end - first) // MINUTE + 2
        candles = await self._market.candles(instrument, "1m", count, end)
        return {candle.ts: candle for candle in candles if candle.closed}

    async def _history(self, instrument: Instrument, since: int, now: int) -> Closes:
        """The month before; kept for hours, as matched moments are never of the day itself."""
        step = TIMEFRAMES[GRID]
        first, last = since - HISTORY * DAY - AROUND, now - DAY + AROUND + max(HORIZONS) + step
        kept = self._kept.get(instrument.key)
        if kept is not None and kept.since <= first and kept.until >= last:
            self._kept.move_to_end(instrument.key)
            return kept.closes
        candles = await self._market.candles(instrument, GRID, (now - first) // step + 1)
        found = _Kept(since=first, until=now, closes=Closes.of(candles, step))
        self._kept[instrument.key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found.closes


def _parts(rows: Sequence[Due]) -> Iterator[tuple[str, list[Due]]]:
    """Rows by instrument and rising firing, cut where one question for candles would get too long."""
    by_chart = sorted(rows, key=lambda row: (row.chart, row.ts))
    for chart, group in groupby(by_chart, key=lambda row: row.chart):
        part: list[Due] = []
        for row in group:
            if part and row.due_ts - part[0].ts > CHUNK * MINUTE:
                yield chart, part
                part = []
            part.append(row)
        yield chart, part


def _measure(
    row: Due, minutes: Mapping[int, Candle], history: Closes, others: Sequence[int], now: int
) -> Settled:
    bridged = now - row.due_ts > LATE
    before = _minute(minutes, row.ts, bridged=bridged)
    after = _minute(minutes, row.due_ts - 1, bridged=bridged)
    if before is None or after is None:
        return _failed(row, _("no candle of that minute"), now)
    if not _is_here(row, minutes):
        # told in another market: a simulation that began anew, a recording that was exchanged
        return _settled(row, now, error=_("its price is not in the candles of this market"))
    controls = matched(
        history, row.ts, row.horizon, others=others, days=range(-HISTORY, 0),
        seed=(row.rule_id, row.transition, row.horizon),
    )  # fmt: skip
    move = after.close / row.price - 1
    return replace(_settled(row, now), move=move, controls=tuple(controls))


def _is_here(row: Due, minutes: Mapping[int, Candle]) -> bool:
    """Whether the price of a firing traded in this market then, or up to `OLD` before."""
    opened = row.ts // MINUTE * MINUTE
    around = [minutes[ts] for ts in range(opened - OLD, opened + 1, MINUTE) if ts in minutes]
    low = min((each.low for each in around), default=row.price)
    high = max((each.high for each in around), default=row.price)
    return low * (1 - TOLERANCE) <= row.price <= high * (1 + TOLERANCE)


def _minute(minutes: Mapping[int, Candle], ts: int, *, bridged: bool) -> Candle | None:
    """The candle that holds `ts`; `bridged`: or the one before, as nothing traded in between."""
    opened = ts // MINUTE * MINUTE
    found = (minutes.get(opened - n * MINUTE) for n in range(BRIDGED + 1 if bridged else 1))
    return next((each for each in found if each is not None), None)


def _failed(row: Due, reason: str, now: int) -> Settled:
    """To be tried again, unless it was tried before and is long over."""
    over = row.tried_ts > 0 and now - row.due_ts > GIVE_UP
    return _settled(row, now, error=reason if over else "")


def _settled(row: Due, now: int, *, error: str = "") -> Settled:
    return Settled(
        rule_id=row.rule_id, transition=row.transition, horizon=row.horizon, tried_ts=now,
        error=error,
    )  # fmt: skip


def _score(tally: Tally, rows: Sequence[tuple[int, Scored]]) -> Score:
    tests = len(HORIZONS) * (2 if rows and all(way for way, _row in rows) else 1)
    found = [
        lift(
            [
                Outcome(ts=row.ts, move=row.move, controls=row.controls, direction=way)
                for way, row in rows if row.horizon == horizon
            ],
            horizon,
            tests=tests,
        )
        for horizon in HORIZONS
    ]  # fmt: skip
    return Score(tally=tally, lifts=tuple(each for each in found if each is not None))
