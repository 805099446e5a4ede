"""Whale print: one taker order of unusual size, put together from its prints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from analytics.flow import WHALE, TakerOrder
from exchanges.streams.decoder import News
from market import format as fmt
from market.language import _
from market.types import MINUTE, Instrument, Reading, Side, Trade

LATE = MINUTE  # an order older than this when it is seen is history, not news


class Whale(Monitor):
    """Dollars of one merged taker order."""

    kind = "whale"
    title = _("whale print")
    about = _("one taker order, its prints put together; at least $500k")
    unit = "$"
    defaults: ClassVar[Mapping[str, float]] = {"*": WHALE}
    low = WHALE - 1  # smaller orders are not kept one by one

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}  # how many whale orders of an instrument were looked at
        self._began: int | None = None

    def take(self, news: Sequence[News], view: View) -> Iterable[Finding]:
        """The instruments that have traded."""
        keys = dict.fromkeys(each.instrument.key for each in news if isinstance(each, Trade))
        return self._found(keys, view)

    def look(self, view: View) -> Iterable[Finding]:
        """Orders that ended because nothing more came."""
        for gone in self._seen.keys() - view.states.keys():
            del self._seen[gone]
        return self._found(view.states, view)

    def _found(self, keys: Iterable[str], view: View) -> Iterable[Finding]:
        if self._began is None:
            self._began = view.now
        earliest = max(self._began, view.now - LATE)
        for key in keys:
            state = view.states.get(key)
            if state is None:
                continue
            orders, self._seen[key] = state.orders.whales_since(self._seen.get(key, 0), view.now)
            for order in orders:
                if order.last_ts < earliest:  # of before a restart, or fetched later
                    continue
                if not view.seen(key, order.last_ts):
                    view.refused["not seen live"] += 1
                    continue
                yield self._finding(order, state.instrument)

    def _finding(self, order: TakerOrder, instrument: Instrument) -> Finding:
        figures = {
            "order": Reading(
                value=order.value, as_of=order.last_ts, n=order.prints,
                venues=(instrument.exchange,), unit="USD",
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=order.last_ts,
            value=order.value if order.side is Side.BUY else -order.value, size=order.value,
            side=str(order.side), event=f"{order.ts}:{order.side}:{order.order}:{order.value:.2f}",
            venues=(instrument.exchange,), figures=figures,
            extra={"price": order.price, "step": instrument.price_step, "prints": order.prints,
                   "amount": order.amount},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC whale bought $2.31M at 94,312.5`."""
        word = _("bought") if finding.side == Side.BUY else _("sold")
        head = _("{coin} whale {word} {value} at {price}").format(
            coin=finding.coin, word=word, value=fmt.money(finding.size),
            price=fmt.price(finding.extra["price"], finding.extra["step"]),
        )  # fmt: skip
        coins = fmt.amount(finding.extra["amount"], finding.coin)
        return head, _("{coins} in one order of {n} prints").format(
            coins=coins, n=finding.extra["prints"]
        )
