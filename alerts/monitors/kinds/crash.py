"""Flash crash: the price fell or rose by several percent within a minute, and a second source confirms it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Learner
from alerts.monitors.view import View
from analytics.crash import Crash as Found
from analytics.crash import FlashCrash
from analytics.indicators import atr
from exchanges.streams.decoder import News
from market import format as fmt
from market.language import _
from market.types import MINUTE, Candle, Context, Instrument, Reading, Trade

CANDLES = 60


class Crash(Learner):
    """Percent that a coin moved within 60 s: at least 3, or 6 times its usual range of a minute."""

    kind = "crash"
    title = _("flash crash")
    about = _(
        "percent within 60 s on two venues or one and the index, and 6 usual minutes at least"
    )
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"*": 3.0}
    low, high = 1.0, 100.0
    timeframe, count, per_coin = "1m", CANDLES, True

    def __init__(self) -> None:
        self._coins: dict[str, FlashCrash] = {}
        self._ranges: dict[str, Reading[float]] = {}

    @property
    def every(self) -> int:
        """The usual range changes slowly."""
        return 15 * MINUTE

    def learn(self, instrument: Instrument, candles: Sequence[Candle], now: int) -> None:
        """The usual range of a minute, as a fraction of the price."""
        closed = [each for each in candles if each.closed and each.close > 0]
        found = atr(closed)[-1:] if len(closed) > CANDLES // 2 else []
        if len(found) and found[0] is not None:
            self._ranges[instrument.base] = Reading(
                value=float(found[0]) / closed[-1].close, as_of=closed[-1].ts + MINUTE,
                n=len(closed), venues=(instrument.exchange,), unit="fraction",
            )  # fmt: skip

    def take(self, news: Sequence[News], view: View) -> Iterable[Finding]:
        """The last price of each instrument in the batch, after its extremes; marks and indices as they come."""
        for each in news:
            if isinstance(each, Context):
                yield from self._findings(self._context(each))
        for trade in _edges(news):
            watch, exchange = self._watch(trade.instrument.base), trade.instrument.exchange
            yield from self._findings([watch.take(exchange, trade.ts, trade.price, "trade")])

    def _findings(self, found: Iterable[Found | None]) -> Iterable[Finding]:
        return (self._finding(crash) for crash in found if crash is not None)

    def _context(self, context: Context) -> Iterable[Found | None]:
        watch, exchange = self._watch(context.instrument.base), context.instrument.exchange
        if context.mark is not None:
            yield watch.take(exchange, context.ts, context.mark, "mark")
        if context.index is not None:
            yield watch.take(exchange, context.ts, context.index, "index")

    def look(self, view: View) -> Iterable[Finding]:
        """A crash that goes on may exceed further thresholds."""
        listed = {state.instrument.base for state in view.states.values()}
        for coin in self._coins.keys() - listed:
            del self._coins[coin]
        for coin, watch in self._coins.items():
            if coin in self._ranges:
                watch.atr(self._ranges[coin])
            crash = watch.state(view.now)
            if crash is not None:
                yield self._finding(crash)

    def _watch(self, coin: str) -> FlashCrash:
        watch = self._coins.get(coin)
        if watch is None:
            watch = self._coins[coin] = FlashCrash(coin)
            if coin in self._ranges:
                watch.atr(self._ranges[coin])
        return watch

    def _finding(self, crash: Found) -> Finding:
        venues = tuple(name for name in crash.venues if name != "index")
        figures = {
            "move": Reading(
                value=crash.size, as_of=crash.ts, since=crash.since, venues=venues,
                unit="fraction", note=crash.note,
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=crash.coin, coin=crash.coin, ts=crash.ts, value=crash.size,
            size=abs(crash.size) * 100 + 1e-6, side=crash.direction, urgent=True,
            event=f"{crash.since}:{crash.direction}:{crash.level}", venues=venues, figures=figures,
            extra={"level": crash.level, "start": crash.start, "extreme": crash.extreme,
                   "seconds": max(1, round((crash.ts - crash.since) / 1000)),
                   "index": "index" in crash.venues},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC fell 4.21 % in 38 s: 94,312.5 to 90,340`."""
        extra = finding.extra
        start, extreme = fmt.significant(extra["start"], 6), fmt.significant(extra["extreme"], 6)
        size = fmt.percent(abs(finding.value), signed=False)
        if extra["level"] > 1:
            head = _("{coin} made good half of a move of {size} within a minute").format(
                coin=finding.coin, size=fmt.percent(finding.value)
            )
        else:
            word = _("fell") if finding.side == "down" else _("rose")
            head = _("{coin} {word} {size} in {n} s: {start} to {extreme}").format(
                coin=finding.coin, word=word, size=size, n=extra["seconds"], start=start,
                extreme=extreme,
            )  # fmt: skip
        line = _("confirmed by {venues}").format(venues=fmt.venues(finding.venues))
        return head, line + (_(" and the index") if extra["index"] else "")

    @classmethod
    def short(cls, value: float) -> str:
        """`-4.21%`."""
        return fmt.percent(value, tight=True)


def _edges(news: Iterable[News]) -> Iterable[Trade]:
    """Of each instrument the lowest, the highest and the last trade, in order of time."""
    held: dict[str, list[Trade]] = {}
    for each in news:
        if not isinstance(each, Trade):
            continue
        edges = held.get(each.instrument.key)
        if edges is None:
            held[each.instrument.key] = [each, each, each]
            continue
        if each.price < edges[0].price:
            edges[0] = each
        elif each.price > edges[1].price:
            edges[1] = each
        edges[2] = each
    for edges in held.values():
        yield from sorted(edges, key=lambda trade: trade.ts)
