"""/alert_whale BTC above $2m: one taker order, put together from its prints, is worth so much."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import FLOW, Kind
from analytics.flow import WHALE

FIGURE = Figure(
    name="whale", words=("whale", "whale print", "whale order"), unit=Unit.MONEY,
    scope=Scope.INSTRUMENT, title="whale order", hows=frozenset({How.EVENT}),
    params=("buy", "sell"), low=WHALE, cooldown=60_000,
)  # fmt: skip


class Whale(Kind):
    """Dollars of one taker order; smaller ones than $500k are not kept one by one."""

    name = "whale"
    title = "whale order"
    group = FLOW
    usage = "/alert_whale BTC above $2m"
    meaning = "one taker order of so many dollars, $500k at least; whale buy or sell = one side."
    examples = (
        "/alert_whale BTC above $1m",
        "/alert_whale BTC sell above $2m",
    )
    figures = (FIGURE,)
    picture = "1m"
    more = "/whales {coin}"
