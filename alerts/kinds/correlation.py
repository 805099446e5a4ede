"""/alert_correlation ETH below 0.5: how closely two coins move together."""

from collections.abc import Sequence

from alerts.conditions import metrics_of
from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import MARKET, Kind, Preset
from alerts.kinds.words import Compiled, Words
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import HOUR

FIGURE = Figure(
    name="correlation", words=("correlation",), unit=Unit.SCORE, scope=Scope.COIN,
    timeframes=("1h",), timeframe="1h", param="BTC", signed=True, band=0.05, cooldown=4 * HOUR,
    low=-1.0, high=1.0,
)  # fmt: skip


class Correlation(Kind):
    """Correlation of 50 hourly log returns, -1 to 1."""

    name = "correlation"
    title = "correlation"
    group = MARKET
    usage = "/alert_correlation ETH below 0.5"
    meaning = "-1 to 1, of 50 hours, with BTC unless another coin is named."
    examples = (
        "/alert_correlation ETH below 0.5",
        "/alert_correlation SOL ETH below 0.6",
    )
    figures = (FIGURE,)
    picture = "1h"
    more = "/ta {coin}"

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """Of two different coins."""
        found = super().compile(words, market, exchange)
        for metric in metrics_of(found.condition):
            if metric.name == FIGURE.name and _coin(metric.subject) == metric.param:
                raise UserError(
                    _("Which other coin? {coin} always moves with itself.").format(
                        coin=metric.param
                    ),
                    self.usage,
                )
        return found

    def presets(self, coin: str, price: float | None) -> Sequence[Preset]:
        """With Bitcoin; of Bitcoin with Ethereum."""
        other = " ETH" if coin.upper() == "BTC" else ""
        return [
            Preset(
                label=f"below {level}", command=f"/alert_correlation {coin}{other} below {level}"
            )
            for level in ("0.7", "0.5", "0.3")
        ]


def _coin(subject: str) -> str:
    return subject.partition(":")[2].partition("/")[0]
