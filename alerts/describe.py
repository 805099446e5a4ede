"""Rules and what they watch in words: the sentence of a card, the short form of a list, how far there is to go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.engine import change_at, is_beyond
from alerts.metrics import CVD, EVERYWHERE, INTEREST, INTEREST_USD, PRICE, VOLUME
from alerts.types import AlertRule, AlertState, Cross, Metric, Op, Repeat, Rise, Sample, State
from market import format as fmt
from market.language import _
from market.symbols import Directory
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Instrument

DOLLAR_LIKE = ("USD", "USDT", "USDC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rule is from firing. `left`: 0 is there, 1 far away; None where nothing is known."""

    now: str  # the figure now, in words
    note: str  # at most 11 columns, for lists
    left: float | None
    met: bool = False  # the condition holds already


class Words:
    """What rules are called; needs to know what trades."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def what(self, metric: Metric) -> str:
        """`BTC perp`, `BTC spot`, `ETH/BTC spot`, or `BTC` for all venues."""
        if metric.subject.startswith(EVERYWHERE):
            return metric.subject.removeprefix(EVERYWHERE)
        found = self._instrument(metric)
        if found is None:
            return metric.subject.partition(":")[2]
        name = found.base if found.quote in DOLLAR_LIKE else f"{found.base}/{found.quote}"
        return (
            _("{name} perp").format(name=name) if found.perp else _("{name} spot").format(name=name)
        )

    def where(self, metric: Metric) -> str:
        """`Binance BTCUSDT`, or `all venues`."""
        if metric.subject.startswith(EVERYWHERE):
            return _("perps of all venues")
        exchange, _colon, symbol = metric.subject.partition(":")
        found = self._instrument(metric)
        name = EXCHANGE_NAMES.get(exchange, exchange)
        return f"{name} {(found.id or found.symbol) if found else symbol}"

    def sentence(self, rule: AlertRule) -> str:
        """The rule in plain words."""
        condition = rule.condition
        what, metric = self.what(condition.metric), condition.metric
        level = self.threshold(rule)
        if isinstance(condition, Rise):
            text = (
                _("{what} open interest rises by {level} within {window}")
                if condition.amount > 0
                else _("{what} open interest falls by {level} within {window}")
            )
            return text.format(what=what, level=level, window=fmt.duration(metric.window))
        if metric.name == CVD:
            word = _("negative") if condition.op is Op.BELOW else _("positive")
            window = fmt.duration(metric.window)
            return _("{what} CVD of {window} turns {word}").format(
                what=what, window=window, word=word
            )
        if metric.name == VOLUME:
            return _("{what} {tf} volume above {level} of its 96-bar average").format(
                what=what, tf=_candle_name(metric.timeframe), level=level
            )
        figure = _("price") if metric.name == PRICE else _("open interest")
        return _("{what} {figure} {verb} {level}").format(
            what=what, figure=figure, verb=_verb(condition), level=level
        )

    def rhythm(self, rule: AlertRule) -> str:
        """How often it fires and what arms it again."""
        parts = []
        if rule.repeat is Repeat.ONCE:
            parts.append(_("fires once"))
        elif isinstance(rule.condition, State):
            parts.append(_("while it lasts, every {time}").format(time=fmt.duration(rule.cooldown)))
        elif rule.repeat is Repeat.PER_BAR:
            parts.append(_("repeats once per bar"))
        elif isinstance(rule.condition, Rise):
            parts.append(_("repeats, measured anew after each firing"))
        else:
            parts.append(
                _("repeats, at most every {time}").format(time=fmt.duration(rule.cooldown))
            )
        if isinstance(rule.condition, Cross) and rule.repeat is not Repeat.ONCE:
            parts.append(self._rearm(rule, rule.condition))
        return ", ".join(part for part in parts if part)

    def _rearm(self, rule: AlertRule, condition: Cross) -> str:
        if condition.rearm is None:
            return ""
        if condition.metric.name == CVD:
            text = _("re-arms beyond {share} of the volume")
            return text.format(share=fmt.percent(condition.rearm, 0))
        if condition.op is Op.EITHER:
            band = abs(condition.rearm / condition.level - 1)
            return _("re-arms {share} away").format(share=fmt.percent(band, signed=False))
        level = self.figure(condition.metric, condition.rearm)
        text = (
            _("re-arms above {level}") if condition.op is Op.BELOW else _("re-arms below {level}")
        )
        return text.format(level=level)

    def threshold(self, rule: AlertRule) -> str:
        """The level, or the size of the change."""
        condition = rule.condition
        if isinstance(condition, Rise):
            size = abs(condition.amount)
            return (
                fmt.percent(size, signed=False)
                if condition.relative
                else self.figure(condition.metric, size)
            )
        return self.figure(condition.metric, condition.level)

    def figure(self, metric: Metric, value: float) -> str:
        """A value of a metric as it is shown."""
        if metric.name == PRICE:
            found = self._instrument(metric)
            text = fmt.price(value, found.price_step if found else 0.0)
            if found is None or found.quote in DOLLAR_LIKE:
                return text
            return f"{text} {found.quote}"
        if metric.name == VOLUME:
            return fmt.percent(value, signed=False)
        if metric.name == INTEREST:
            return fmt.amount(value, self.coin(metric))
        return fmt.money(value)

    def coin(self, metric: Metric) -> str:
        """The coin a metric counts in."""
        if metric.subject.startswith(EVERYWHERE):
            return metric.subject.removeprefix(EVERYWHERE).partition("/")[0]
        found = self._instrument(metric)
        return found.base if found else ""

    def short(self, rule: AlertRule) -> str:
        """`price>95k`, `vol>200% 15m`, `oi +50k 1h`, `cvd<0 4h`."""
        condition, metric = rule.condition, rule.condition.metric
        if isinstance(condition, Rise):
            sign = "+" if condition.amount > 0 else "-"
            size = abs(condition.amount)
            dollars = "$" if metric.name == INTEREST_USD else ""
            text = f"{brief(size * 100)}%" if condition.relative else f"{dollars}{brief(size)}"
            return f"oi {sign}{text} {window_name(metric.window)}"
        sign = {Op.ABOVE: ">", Op.BELOW: "<", Op.EITHER: "~"}[condition.op]
        if isinstance(condition, State):
            sign = f" is{sign}"
        if metric.name == CVD:
            return f"cvd{sign}0 {window_name(metric.window)}"
        if metric.name == VOLUME:
            return f"vol{sign}{brief(condition.level * 100)}% {metric.timeframe}"
        if metric.name == PRICE:
            return f"price{sign}{brief(condition.level)}"
        return f"oi{sign}{'$' if metric.name == INTEREST_USD else ''}{brief(condition.level)}"

    def progress(self, rule: AlertRule, state: AlertState, samples: Sequence[Sample]) -> Progress:
        """How near the newest sample is."""
        if not samples:
            return Progress(now=fmt.NOT_KNOWN, note=fmt.NOT_KNOWN, left=None)
        sample, condition = samples[-1], rule.condition
        if isinstance(condition, Rise):
            return self._rise_progress(rule, condition, state, samples)
        met = condition.op is not Op.EITHER and is_beyond(condition, sample.value)
        if condition.metric.name == CVD:
            now = self.cvd(sample)
            return Progress(now=now, note=now, left=abs(sample.value), met=met)
        now = self.figure(condition.metric, sample.value)
        if condition.metric.name == VOLUME:
            left = 1 - sample.value / condition.level
            note = _("at {value}").format(
                value=fmt.percent(sample.value, 0, signed=False, tight=True)
            )
            return Progress(now=now, note=note, left=max(0.0, left), met=met)
        away = condition.level / sample.value - 1 if sample.value > 0 else math.inf
        return Progress(
            now=now,
            note=fmt.percent(away, 1 if abs(away) >= 0.01 else 2, tight=True),
            left=abs(away),
            met=met,
        )

    def _rise_progress(
        self, rule: AlertRule, condition: Rise, state: AlertState, samples: Sequence[Sample]
    ) -> Progress:
        change = change_at(condition, state, samples[-1], samples)
        if change is None:
            return Progress(now=fmt.NOT_KNOWN, note=fmt.NOT_KNOWN, left=None)
        share = change / condition.amount
        note = _("at {share}").format(
            share=fmt.percent(max(share, 0.0), 0, signed=False, tight=True)
        )
        return Progress(
            now=self.change(condition, change), note=note, left=max(0.0, 1 - share), met=share >= 1
        )

    def change(self, condition: Rise, change: float) -> str:
        """A change with its sign: +51,200 BTC, -5.20 %, +$1.1B."""
        if condition.relative:
            return fmt.percent(change)
        if condition.metric.name == INTEREST_USD:
            return fmt.money(change, signed=True)
        return fmt.amount(change, self.coin(condition.metric), signed=True)

    def cvd(self, sample: Sample) -> str:
        """The CVD of a sample in dollars."""
        reading = sample.extra.get("cvd")
        if reading is None or reading.value is None:
            return fmt.percent(sample.value)
        return fmt.money(reading.value, signed=True)

    def _instrument(self, metric: Metric) -> Instrument | None:
        return self._directory.by_key(metric.subject)


def _verb(condition: Cross | State) -> str:
    if isinstance(condition, State):
        return _("is below") if condition.op is Op.BELOW else _("is above")
    return {
        Op.ABOVE: _("crosses above"),
        Op.BELOW: _("crosses below"),
        Op.EITHER: _("crosses"),
    }[condition.op]


def _candle_name(timeframe: str) -> str:
    minutes = TIMEFRAMES[timeframe] // 60_000
    if minutes < 60:
        return _("{n}-minute").format(n=minutes)
    return _("{n}-hour").format(n=minutes // 60) if minutes < 1440 else _("1-day")


def brief(value: float) -> str:
    """95k, 94.5k, 2b: nothing lost that a person would have typed."""
    for size, name in ((1e9, "b"), (1e6, "m"), (1e3, "k")):
        if value >= size and float(f"{value:.4g}") == value:
            return f"{fmt.significant(value / size, 4)}{name}"
    return fmt.significant(value, 6)


def window_name(ms: int) -> str:
    """1h, 15m: a window in a list."""
    return fmt.duration(ms).replace(" ", "")
