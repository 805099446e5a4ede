"""/alert_oi BTC-PERP 50000: open interest crosses a level; with a sign it changes by so much in a window."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.figures import Figure, How, Scope, Unit
from alerts.kinds.base import DERIVATIVES, Kind, Preset
from alerts.kinds.words import (
    OPERATION_SIGNS,
    OPERATION_WORDS,
    Compiled,
    Words,
    asked,
    no_more,
    number_text,
    operation,
    perps_of,
    subject_words,
    window_text,
)
from alerts.types import Condition, Cross, Metric, Op, Rise, State
from exchanges.hub import Market
from market.errors import UserError
from market.language import _
from market.types import DAY, HOUR, MINUTE
from market.words import Typed, typed, window

REARM = 0.005  # of the level
COOLDOWN = 15 * MINUTE
STATE_COOLDOWN = HOUR
SHORTEST = 10 * MINUTE  # histories come every 5 minutes
FACTOR = 1.25
LARGEST_CHANGE = 10.0  # a fraction
COINS = Figure(
    name="open_interest", words=("open interest", "oi"), unit=Unit.AMOUNT, scope=Scope.COIN,
    hows=frozenset({How.LEVEL, How.CHANGE}), windows=(5 * MINUTE, DAY), window=HOUR, rearm=REARM,
    cooldown=COOLDOWN, fresh=15 * MINUTE, low=0.0,
)  # fmt: skip
DOLLARS = Figure(
    name="open_interest_usd", words=("open interest usd", "oi usd"), unit=Unit.MONEY,
    scope=Scope.COIN, title="open interest in dollars", hows=frozenset({How.LEVEL, How.CHANGE}),
    windows=(5 * MINUTE, DAY), window=HOUR, rearm=REARM, cooldown=COOLDOWN, fresh=15 * MINUTE,
    low=0.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for, before it is bound to a market."""

    number: Typed
    op: Op | None
    state: bool
    window: int

    @property
    def change(self) -> bool:
        """Whether a change is meant, and not a level."""
        return bool(self.number.sign)


class OpenInterest(Kind):
    """Open interest over venues crosses a level or changes within a window."""

    name = "oi"
    title = "open interest"
    group = DERIVATIVES
    figures = (COINS, DOLLARS)
    more = "/oi {coin}"
    usage = "/alert_oi BTC-PERP +5% 1h"
    meaning = (
        "50000 = a level in coins, $2b in dollars; +50000, -5% or +$1b = a change, 1h = within."
    )
    examples = (
        "/alert_oi BTC-PERP +5% 1h",
        "/alert_oi BTC-PERP -5% 4h",
        "/alert_oi BTC-PERP $20b",
    )

    def compile(self, words: Words, market: Market, exchange: str) -> Compiled:
        """`BTC-PERP 50000` to a crossing, `+50000 1h` and `-5%` to a change; over all venues unless one is named."""
        if self.is_rule(words):
            return super().compile(words, market, exchange)
        parts = asked(words, self.usage)
        wanted = self._wanted(parts.rest)
        subject, coin = perps_of(
            parts.symbol,
            market,
            exchange,
            f"/alert_oi {{}} {' '.join(parts.rest)}",
            spot=_("Only perps have open interest."),
        )
        text = f"/alert_oi {subject_words(subject)} {_written(wanted)}"
        return Compiled(
            condition=_condition(subject, wanted),
            coin=coin,
            text=parts.text(text),
            cooldown=parts.cooldown(
                0 if wanted.change else STATE_COOLDOWN if wanted.state else COOLDOWN
            ),
            repeat=parts.repeat,
            options=parts.options,
        )

    def presets(self, coin: str, price: float | None) -> Sequence[Preset]:
        """Changes: what a level of it means depends on the coin."""
        changes = ("+5% 1h", "-5% 1h", "+10% 4h", "-10% 4h")
        return [Preset(label=each, command=f"/alert_oi {coin} {each}") for each in changes]

    def _wanted(self, words: Words) -> Wanted:
        op, state, rest = operation(words)
        if not rest:
            raise UserError(
                _("How much? Try {usage}\n{meaning}").format(
                    usage=self.usage, meaning=_(self.meaning)
                ),
                self.usage,
            )
        no_more(rest, 2, self.usage)
        number = typed(rest[0], example=self.usage)
        self._check(number, op)
        if len(rest) > 1 and not number.sign:
            raise UserError(_("A window goes with a change, like +50000 1h."), self.usage)
        length = HOUR if number.sign else 0
        if len(rest) > 1:
            length = window(rest[1], low=SHORTEST, high=DAY, example=self.usage)
        return Wanted(number=number, op=op, state=state, window=length)

    def _check(self, number: Typed, op: Op | None) -> None:
        if number.value == 0:
            raise UserError(
                _("The open interest is never 0; name a level or a change."), self.usage
            )
        if number.sign and op is not None:
            raise UserError(
                _("A change has its own sign: +5% rises, -5% falls; leave out above and below."),
                self.usage,
            )
        if number.unit == "%" and not number.sign:
            raise UserError(_("Up or down? Write +5% or -5%."), self.usage)
        if number.unit == "%" and not -100 < number.value <= LARGEST_CHANGE * 100:
            raise UserError(_("A change goes from -100% to +1000%."), self.usage)

    def shifted(self, words: Words, *, tighter: bool) -> Words:
        """A change a quarter larger or smaller; a level as much higher or lower, by its direction."""
        if self.is_rule(words):
            return super().shifted(words, tighter=tighter)
        parts = list(words)
        place = 2 if operation(words[1:])[0] is not None else 1
        number = typed(parts[place])
        up = tighter if number.sign or parts[1] not in ("below", "<") else not tighter
        value = abs(number.value) * (FACTOR if up else 1 / FACTOR)
        text = number_text(float(f"{value:.4g}"))
        tail = "%" if number.unit == "%" else ""
        parts[place] = f"{number.sign}{'$' if number.unit == '$' else ''}{text}{tail}"
        return tuple(parts)


def _condition(subject: str, wanted: Wanted) -> Condition:
    number = wanted.number
    name = "open_interest_usd" if number.unit == "$" else "open_interest"
    metric = Metric(subject=subject, name=name, window=wanted.window)
    if wanted.change:
        relative = number.unit == "%"
        amount = number.value / 100 if relative else number.value
        return Rise(metric=metric, amount=amount, relative=relative)
    op, level = wanted.op or Op.EITHER, number.value
    if wanted.state:
        return State(metric=metric, op=op, level=level)
    rearm = level * (1 + REARM if op is Op.BELOW else 1 - REARM)
    return Cross(metric=metric, op=op, level=level, rearm=rearm)


def _written(wanted: Wanted) -> str:
    """The amount as it is typed again."""
    number = wanted.number
    digits = number_text(abs(number.value))
    text = f"{number.sign}{'$' if number.unit == '$' else ''}{digits}{'%' if number.unit == '%' else ''}"
    if wanted.change:
        return f"{text} {window_text(wanted.window)}"
    op = wanted.op or Op.EITHER
    return f"{OPERATION_SIGNS[op] if wanted.state else OPERATION_WORDS[op]} {text}"
