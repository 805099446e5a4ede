"""/alert_volume BTC 200 15m: a closed candle exceeds a percent of the mean volume of the 96 before it."""

import re

from alerts.figures import Figure, Scope, Unit
from alerts.kinds.base import FLOW, TIMED, Kind
from alerts.kinds.words import Compiled, Words, asked, no_more, number_text
from alerts.types import Cross, Metric, Op, Repeat
from analytics.volume import SLOT_TIMEFRAMES
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import MINUTE
from market.words import timeframe, typed

REARM = 0.8  # of the level
TIMEFRAME = "15m"
LOWEST, HIGHEST = 10.0, 100_000.0  # percent
LADDER = (100.0, 150.0, 200.0, 300.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 5000.0)
FIGURE = Figure(
    name="volume_ratio", words=("volume", "vol"), unit=Unit.RATIO, scope=Scope.INSTRUMENT,
    title="volume", timeframes=TIMED, timeframe=TIMEFRAME, rearm=0.2, cooldown=0, low=0.0,
)  # fmt: skip
Z = Figure(
    name="volume_z", words=("volume z",), unit=Unit.SIGMA, scope=Scope.INSTRUMENT,
    title="volume for this time of day", timeframes=SLOT_TIMEFRAMES, timeframe=TIMEFRAME,
    signed=True, band=0.5, cooldown=0,
)  # fmt: skip
PACE = Figure(
    name="volume_pace", words=("volume pace",), unit=Unit.RATIO, scope=Scope.INSTRUMENT,
    title="volume pace of the running candle", timeframes=TIMED, timeframe=TIMEFRAME, rearm=0.2,
    cooldown=15 * MINUTE, low=0.0,
)  # fmt: skip
TIMES = re.compile(r"(\d+(?:\.\d+)?)[xX]")


class Volume(Kind):
    """Volume of a closed candle above a percent of its average."""

    name = "volume"
    title = "volume"
    group = FLOW
    figures = (FIGURE, Z, PACE)
    more = "/volume {coin}"
    usage = "/alert_volume BTC 200 15m"
    meaning = "200 = percent of the usual volume, 15m = candle."
    examples = ("/alert_volume BTC 200 15m", "/alert_volume ETH 300 1h")

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """`BTC 200 15m` to a crossing of 2.0 times the average."""
        if self.is_rule(words):
            return super().compile(words, market, exchange)
        parts = asked(words, self.usage)
        rest = parts.rest
        if len(rest) == 2 and _is_timeframe(rest[0]) and not _is_timeframe(rest[1]):
            rest = (rest[1], rest[0])
        if not rest or (len(rest) == 1 and _is_timeframe(rest[0])):
            raise UserError(
                _("How much? Try {usage}\n{meaning}").format(
                    usage=self.usage, meaning=_(self.meaning)
                ),
                self.usage,
            )
        no_more(rest, 2, self.usage)
        percent = self._percent(rest[0])
        frame = timeframe(rest[1], example=self.usage) if len(rest) > 1 else TIMEFRAME
        instrument = market.one(
            parts.symbol, default_exchange=exchange, command=f"/alert_volume {{}} {' '.join(rest)}"
        )
        level = percent / 100
        text = f"/alert_volume {instrument.key} {number_text(percent)} {frame}"
        metric = Metric(subject=instrument.key, name="volume_ratio", timeframe=frame)
        return Compiled(
            condition=Cross(metric=metric, op=Op.ABOVE, level=level, rearm=level * REARM),
            coin=instrument.base,
            text=parts.text(text),
            cooldown=parts.cooldown(0),
            repeat=parts.options.repeat or Repeat.PER_BAR,
            options=parts.options,
        )

    def _percent(self, word: str) -> float:
        times = TIMES.fullmatch(word)
        found = typed(f"{float(times[1]) * 100:f}%" if times else word, example=self.usage)
        if found.unit == "$" or found.sign:
            raise UserError(
                _("I need a percent of the usual volume: 200 is twice as much."), self.usage
            )
        if not LOWEST <= found.value <= HIGHEST:
            text = _("A percent of {low} to {high}, please: 200 is twice the usual volume.")
            raise UserError(text.format(low=f"{LOWEST:g}", high=f"{HIGHEST:,.0f}"), self.usage)
        return found.value

    def shifted(self, words: Words, *, tighter: bool) -> Words:
        """The next percent of the ladder."""
        if self.is_rule(words):
            return super().shifted(words, tighter=tighter)
        now = float(words[1])
        higher = [each for each in LADDER if each > now]
        lower = [each for each in LADDER if each < now]
        percent = (higher or [now * 1.5])[0] if tighter else (lower or [now / 1.5])[-1]
        return (words[0], number_text(float(f"{percent:.6g}")), *words[2:])


def _is_timeframe(word: str) -> bool:
    try:
        timeframe(word)
    except UserError:
        return False
    return True
