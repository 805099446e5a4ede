"""/alert_close BTC above 95k 4h: a candle closes beyond a level; what the price does within it does not count."""

from collections.abc import Sequence

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import PRICE, TIMED, Kind, Preset
from alerts.kinds.price import REARM, levels_around
from market.types import MINUTE

FIGURE = Figure(
    name="close", words=("close", "closes", "closing price", "close price"), unit=Unit.PRICE,
    scope=Scope.INSTRUMENT, title="close", timeframes=TIMED, timeframe="1h", rearm=REARM,
    cooldown=15 * MINUTE, low=0.0,
)  # fmt: skip


class Close(Kind):
    """The close of a candle against a level."""

    name = "close"
    title = "candle close"
    group = PRICE
    usage = "/alert_close BTC above 95k 4h"
    meaning = (
        "the candle has to close beyond it: a wick does not fire; 1h where no timeframe is named."
    )
    examples = (
        "/alert_close BTC above 95k 4h",
        "/alert_close BTC below 90k 1d",
    )
    figures = (FIGURE,)
    picture = "1h"
    more = "/price {coin}"

    def presets(self, coin: str, price: float | None) -> Sequence[Preset]:
        """Levels around the price on the candles people wait for; none where the price is not known."""
        return levels_around(
            f"/{self.command} {coin}", price, (" 1h", " 4h"), (0.01, -0.01, 0.03, -0.03)
        )
