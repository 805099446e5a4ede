"""/alert_cvd ETH negative 4h: the cumulative volume delta of a window turns below, or above, zero."""

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import FLOW, Kind
from alerts.kinds.words import (
    Compiled,
    Words,
    asked,
    no_more,
    perps_of,
    subject_words,
    window_text,
)
from alerts.types import Cross, Metric, Op
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import DAY, HOUR, MINUTE
from market.words import window

HYSTERESIS = 0.02  # of the volume in the window
COOLDOWN = 15 * MINUTE
WINDOW = 4 * HOUR
LADDER = (15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY)
SHARE = Figure(
    name="cvd_share", words=("cvd",), unit=Unit.FRACTION, scope=Scope.COIN,
    title="CVD as a share of the volume", windows=(15 * MINUTE, DAY), window=WINDOW, signed=True,
    band=HYSTERESIS, cooldown=COOLDOWN, fresh=5 * MINUTE, low=-1.0, high=1.0,
)  # fmt: skip
SLOPE = Figure(
    name="cvd_slope", words=("cvd slope",), unit=Unit.MONEY, scope=Scope.COIN,
    title="CVD per hour", windows=(15 * MINUTE, DAY), window=HOUR, signed=True, rearm=0.2,
    cooldown=COOLDOWN, fresh=5 * MINUTE,
)  # fmt: skip
NEGATIVE = ("negative", "neg", "sell", "sellers", "bearish", "down", "<0")
POSITIVE = ("positive", "pos", "buy", "buyers", "bullish", "up", ">0")


class Cvd(Kind):
    """The CVD over perps changes its sign."""

    name = "cvd"
    title = "CVD"
    group = FLOW
    figures = (SHARE, SLOPE)
    more = "/cvd {coin}"
    usage = "/alert_cvd ETH negative 4h"
    meaning = "negative = sellers take over, positive = buyers; 4h = counted over."
    examples = ("/alert_cvd ETH negative 4h", "/alert_cvd BTC positive 1h")

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """`ETH negative` to a crossing below 0; the figure is the CVD as a share of the volume."""
        if self.is_rule(words):
            return super().compile(words, market, exchange)
        parts = asked(words, self.usage)
        op, rest = self._direction(parts.rest)
        no_more(rest, 1, self.usage)
        length = window(rest[0], low=15 * MINUTE, high=DAY, example=self.usage) if rest else WINDOW
        subject, coin = perps_of(
            parts.symbol,
            market,
            exchange,
            f"/alert_cvd {{}} {' '.join(parts.rest)}",
            spot=_("CVD alerts watch perps."),
        )
        word = "negative" if op is Op.BELOW else "positive"
        text = f"/alert_cvd {subject_words(subject)} {word} {window_text(length)}"
        return Compiled(
            condition=Cross(
                metric=Metric(subject=subject, name="cvd_share", window=length),
                op=op,
                level=0.0,
                rearm=HYSTERESIS if op is Op.BELOW else -HYSTERESIS,
            ),
            coin=coin,
            text=parts.text(text),
            cooldown=parts.cooldown(COOLDOWN),
            repeat=parts.repeat,
            options=parts.options,
        )

    def _direction(self, words: Words) -> tuple[Op, Words]:
        joined = "".join(words[:2]).lower().replace("below", "<").replace("above", ">")
        if joined in ("<0", ">0"):
            return (Op.BELOW if joined == "<0" else Op.ABOVE), words[2:] if len(words) > 1 else ()
        first = words[0].lower() if words else ""
        if first in NEGATIVE:
            return Op.BELOW, words[1:]
        if first in POSITIVE:
            return Op.ABOVE, words[1:]
        raise UserError(
            _("Which way? Try {usage}\n{meaning}").format(
                usage=self.usage, meaning=_(self.meaning)
            ),
            self.usage,
        )

    def shifted(self, words: Words, *, tighter: bool) -> Words:
        """A longer window turns less often."""
        if self.is_rule(words):
            return super().shifted(words, tighter=tighter)
        now = window(words[2])
        longer = [each for each in LADDER if each > now]
        shorter = [each for each in LADDER if each < now]
        length = (longer or [now])[0] if tighter else (shorter or [now])[-1]
        return (*words[:2], window_text(length), *words[3:])
