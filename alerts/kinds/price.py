"""/alert BTC above 95k: a price reaches a level. `>` and `<` are another thing: told while it is so."""

from collections.abc import Sequence

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import PRICE, Kind, Preset
from alerts.kinds.words import (
    CROSSINGS,
    OPERATION_SIGNS,
    OPERATION_WORDS,
    STATES,
    Compiled,
    Words,
    asked,
    no_more,
    number_text,
    operation,
    positive,
)
from alerts.types import Cross, Metric, Op, State
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import DAY, HOUR, MINUTE

REARM = 0.001  # of the level: so far back before the next crossing counts
COOLDOWN = 5 * MINUTE
STATE_COOLDOWN = HOUR
AWAY = (0.02, -0.02, 0.05, -0.05, 0.1, -0.1)  # of the price: levels the wizard offers
STEP = 0.01  # of the level, tighter or looser
FIGURE = Figure(
    name="price", words=("price", "last"), unit=Unit.PRICE, scope=Scope.INSTRUMENT,
    hows=frozenset({How.LEVEL, How.CHANGE}), windows=(MINUTE, 7 * DAY), window=15 * MINUTE,
    touch=True, rearm=REARM, cooldown=COOLDOWN, fresh=15 * MINUTE, low=0.0,
    reading=lambda _metric: "price",
)  # fmt: skip


class Price(Kind):
    """A price crosses a level, or is beyond it."""

    name = "price"
    title = "price"
    group = PRICE
    figures = (FIGURE,)
    picture = "5m"
    more = "/price {coin}"
    usage = "/alert BTC above 95k"
    meaning = "above, below or nothing = when it crosses; > or < = while it is beyond."
    examples = (
        "/alert BTC above 95k",
        "/alert BTC below $90,000",
        "/alert BTC > 95k",
    )

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """`BTC above 95k` to a crossing, `BTC > 95k` to a state; without a word either way."""
        if self.is_rule(words):
            return super().compile(words, market, exchange)
        parts = asked(words, self.usage)
        op, state, rest = operation(parts.rest)
        if not rest:
            raise UserError(_("At which price?"), self.usage)
        no_more(rest, 1, self.usage)
        number = positive(rest[0], self.usage)
        if number.unit == "%" or number.sign:
            raise UserError(_("I need a price, like 95k or $90,000."), self.usage)
        level = number.value
        instrument = market.one(
            parts.symbol, default_exchange=exchange, command=f"/alert {{}} {' '.join(parts.rest)}"
        )
        op = op or Op.EITHER
        sign = OPERATION_SIGNS[op] if state else OPERATION_WORDS[op]
        metric = Metric(subject=instrument.key, name="price")
        text = f"/alert {instrument.key} {sign} {number_text(level)}"
        return Compiled(
            condition=State(metric=metric, op=op, level=level)
            if state
            else _crossing(metric, op, level),
            coin=instrument.base,
            text=parts.text(text),
            cooldown=parts.cooldown(STATE_COOLDOWN if state else COOLDOWN),
            repeat=parts.repeat,
            options=parts.options,
        )

    def presets(self, coin: str, price: float | None) -> Sequence[Preset]:
        """Round levels a little and a lot away; none where the price is not known."""
        return levels_around(f"/alert {coin}", price, ("",), AWAY)

    def shifted(self, words: Words, *, tighter: bool) -> Words:
        """The level one percent farther, or nearer; upwards is farther unless the alert looks down."""
        if self.is_rule(words):
            return super().shifted(words, tighter=tighter)
        parts = list(words)
        place = next(i for i, word in enumerate(parts) if word in CROSSINGS or word in STATES)
        down = parts[place] in ("below", "<")
        level = float(parts[place + 1]) * (1 + STEP * (1 if tighter is not down else -1))
        parts[place + 1] = number_text(float(f"{level:.6g}"))
        return tuple(parts)


def levels_around(
    command: str, price: float | None, ends: Sequence[str], away: Sequence[float]
) -> list[Preset]:
    """`command` with round levels so far (fractions) from the price, each with every one of `ends`."""
    if price is None or not price > 0:
        return []
    made = []
    for end in ends:
        for part in away:
            level = number_text(float(f"{price * (1 + part):.3g}"))
            word = "above" if part > 0 else "below"
            label = f"{word} {level}{end} ({part * 100:+.0f}%)"
            made.append(Preset(label=label, command=f"{command} {word} {level}{end}"))
    return made


def _crossing(metric: Metric, op: Op, level: float) -> Cross:
    rearm = level * (1 + REARM if op is Op.BELOW else 1 - REARM)
    return Cross(metric=metric, op=op, level=level, rearm=rearm, touch=True)
