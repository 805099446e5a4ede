"""Rules and what they watch in words: the sentence of a card, the short form of a list, the rhythm of a rule."""

from collections.abc import Iterable, Sequence

from alerts.conditions import about, denied, leaves
from alerts.figures import Figure, Unit
from alerts.kinds import FIGURES
from alerts.progress import Progress, progress_of
from alerts.rhythm import either_way, how_often
from alerts.shown import (
    DOLLAR_LIKE,
    INSTEAD,
    SUDDEN,
    brief,
    brief_level,
    change_text,
    exact_percent,
    is_any,
    short_name,
    side_text,
    value_text,
    why_not,
    window_name,
)
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    AlertRule,
    AlertState,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Leaf,
    Leg,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
    Then,
)
from alerts.verbs import side, verb
from market import format as fmt
from market.language import _
from market.symbols import Directory
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Instrument

__all__ = ["Progress", "Words", "brief", "window_name"]

EVERYWHERE = "*:"  # before a coin: all venues together
MARKET = "*"
SIGNS = {Op.ABOVE: ">", Op.BELOW: "<", Op.EITHER: "~"}
TERSE = 2  # words of a figure that takes its side before it: long liquidations


class Words:
    """What rules are called; needs to know what trades, and what can be watched."""

    def __init__(self, directory: Directory, figures: Iterable[Figure] = FIGURES) -> None:
        self._directory = directory
        self._figures = {figure.name: figure for figure in figures}

    def figure_of(self, metric: Metric) -> Figure:
        """What a metric is a value of; one that is not known any more is a plain number."""
        found = self._figures.get(metric.name)
        return found or Figure(
            name=metric.name, words=(metric.name.replace("_", " "),), unit=Unit.SCORE,
            scope=next(iter(self._figures.values())).scope, signed=True,
        )  # fmt: skip

    def what(self, metric: Metric, subjects: Sequence[str] = ()) -> str:
        """`BTC perp`, `ETH/BTC spot`, `BTC` for all venues, `any of BTC, ETH` for several."""
        if metric.subject == EACH:
            return self._any_of(subjects)
        return self.subject(metric.subject)

    def subject(self, subject: str) -> str:
        """`BTC perp`, `BTC` for all venues, `market`."""
        if subject == MARKET:
            return _("market")
        if subject.startswith(EVERYWHERE):
            return subject.removeprefix(EVERYWHERE)
        found = self._directory.by_key(subject)
        if found is None:
            return subject.partition(":")[2]
        name = found.base if found.quote in DOLLAR_LIKE else f"{found.base}/{found.quote}"
        return (
            _("{name} perp").format(name=name) if found.perp else _("{name} spot").format(name=name)
        )

    def _any_of(self, subjects: Sequence[str]) -> str:
        if not subjects or ANYTHING in subjects:
            return _("any perp")
        names = [
            _("any perp of the watch list") if each == WATCHED else self.subject(each)
            for each in subjects
        ]
        return names[0] if len(names) == 1 else _("any of {names}").format(names=", ".join(names))

    def where(self, metric: Metric) -> str:
        """`Binance BTCUSDT`, or `perps of all venues`."""
        if metric.subject in (EACH, MARKET):
            return _("each on its own") if metric.subject == EACH else _("all venues")
        if metric.subject.startswith(EVERYWHERE):
            return _("perps of all venues")
        exchange, _colon, symbol = metric.subject.partition(":")
        found = self._instrument(metric)
        name = EXCHANGE_NAMES.get(exchange, exchange)
        return f"{name} {(found.id or found.symbol) if found else symbol}"

    def name(self, metric: Metric, *, change: bool = False) -> str:
        """`1-hour RSI (14)`, `long liquidations of 5 m`, `funding per interval`; of a change without window."""
        figure = self.figure_of(metric)
        shown = _(figure.shown)
        before = metric.param in figure.params and len(figure.shown.split()) <= TERSE
        parts = [_candle_name(metric.timeframe)] if metric.timeframe else []
        parts += [_(metric.param), shown] if metric.param and before else [shown]
        if metric.param and not before:
            parts.append(f"({metric.param})")
        if figure.unit is Unit.RATE and " per " not in figure.shown:
            parts.append(_("per interval"))
        if metric.window and not change:
            parts.append(_("of {window}").format(window=fmt.duration(metric.window)))
        return " ".join(parts)

    def sentence(self, rule: AlertRule) -> str:
        """The rule in plain words."""
        return self.phrase(rule.condition, rule.subjects)

    def phrase(self, condition: Condition, subjects: Sequence[str] = ()) -> str:
        """A condition in plain words; parts of parts stand in brackets."""
        if (either := either_way(condition)) is not None:
            return self._leaf(either, self.what(either.metric, subjects), either=True)
        match condition:
            case AllOf() | AnyOf():
                joint = _(" and ") if isinstance(condition, AllOf) else _(" or ")
                return joint.join(self._part(each, subjects) for each in condition.parts)
            case Not():
                return _("not {part}").format(part=self._part(condition.part, subjects))
            case For():
                part = self._part(condition.part, subjects)
                return _("{part} for {time}").format(
                    part=part, time=fmt.duration(condition.duration)
                )
            case Then():
                return _("{first}, then within {time} {second}").format(
                    first=self._part(condition.first, subjects),
                    second=self._part(condition.second, subjects),
                    time=fmt.duration(condition.within),
                )
        return self._leaf(condition, self.what(condition.metric, subjects))

    def _part(self, condition: Condition, subjects: Sequence[str]) -> str:
        text = self.phrase(condition, subjects)
        simple = isinstance(condition, Cross | State | Rise | Event | For) or either_way(condition)
        return text if simple else f"({text})"

    def _leaf(self, leaf: Leaf, what: str, *, either: bool = False) -> str:
        metric = leaf.metric
        figure, name = self.figure_of(metric), self.name(metric, change=isinstance(leaf, Rise))
        level = self.level(leaf)
        if isinstance(leaf, Rise):
            text = _("{what} {figure} rises by {level} within {window}")
            if either:
                text = _("{what} {figure} moves by {level} either way within {window}")
            elif leaf.amount < 0:
                text = _("{what} {figure} falls by {level} within {window}")
            return text.format(
                what=what, figure=name, level=level, window=fmt.duration(metric.window)
            )
        if isinstance(leaf, Event):
            return self._event(leaf, what, figure, name, either=either)
        if figure.signed and leaf.level == 0 and leaf.op is not Op.EITHER:
            return self._signed(leaf, what, figure, name)
        if figure.unit is Unit.RATIO and metric.timeframe and isinstance(leaf, Cross):
            return _("{what} {figure} {side} {level} of its 96-bar average").format(
                what=what, figure=name, side=side(leaf.op), level=level
            )
        return _("{what} {figure} {verb} {level}").format(
            what=what, figure=name, verb=verb(leaf), level=level
        )

    def _event(self, leaf: Event, what: str, figure: Figure, name: str, *, either: bool) -> str:
        """`BTC anomaly`, `BTC perp wall above $20.0M`, `BTC perp bullish CVD divergence`."""
        if either or leaf.op is Op.EITHER or is_any(figure, leaf.level):
            return _("{what} {figure}").format(what=what, figure=name)
        if figure.name in SUDDEN:
            return self._sudden(leaf, what)
        if figure.signed and leaf.level == 0:
            return self._signed(leaf, what, figure, name)
        return _("{what} {figure} {side} {level}").format(
            what=what, figure=name, side=side(leaf.op), level=self.level(leaf)
        )

    def _sudden(self, leaf: Event, what: str) -> str:
        """`BTC flash crash`, `BTC sudden rise of 5.00 % or more`."""
        name, _happened = SUDDEN[leaf.metric.name][leaf.op is Op.BELOW]
        text = _("{what} {name}") if leaf.level == 0 else _("{what} {name} of {size} or more")
        size = fmt.percent(abs(leaf.level), signed=False)
        return text.format(what=what, name=_(name), size=size)

    def _signed(self, leaf: Cross | State | Event, what: str, figure: Figure, name: str) -> str:
        """Above and below 0 have names of their own; a figure may have another one for it."""
        sign = side_text(figure, below=leaf.op is Op.BELOW)
        if figure.name in INSTEAD:
            name = name.replace(_(figure.shown), _(INSTEAD[figure.name][1]))
        text = _("{what} {figure} is {sign}")
        if isinstance(leaf, Cross):
            text = _("{what} {figure} turns {sign}")
        if isinstance(leaf, Event):
            text = _("{what} {sign} {figure}")
        return text.format(what=what, figure=name, sign=sign)

    def rhythm(self, rule: AlertRule) -> str:
        """How often it fires and what arms it again."""
        parts = [how_often(rule)]
        if isinstance(rule.condition, Cross) and rule.repeat is not Repeat.ONCE:
            parts.append(self._rearm(rule.condition))
        return ", ".join(part for part in parts if part)

    def _rearm(self, condition: Cross) -> str:
        if condition.rearm is None:
            return ""
        figure = self.figure_of(condition.metric)
        if condition.level == 0:
            if figure.unit is Unit.FRACTION and figure.name in INSTEAD:
                text = _("re-arms beyond {share} of the volume")
                return text.format(share=fmt.percent(condition.rearm, 0))
        elif condition.op is Op.EITHER:
            band = abs(condition.rearm / condition.level - 1)
            return _("re-arms {share} away").format(share=fmt.percent(band, signed=False))
        level = self.figure(condition.metric, condition.rearm)
        text = (
            _("re-arms above {level}") if condition.op is Op.BELOW else _("re-arms below {level}")
        )
        return text.format(level=level)

    def threshold(self, rule: AlertRule) -> str:
        """The level, or the size of the change, of a rule with one part; else of its first part."""
        return self.level(next(leaves(rule.condition)))

    def level(self, leaf: Leaf) -> str:
        """The level, or the size of the change."""
        if not isinstance(leaf, Rise):
            figure, text = self.figure_of(leaf.metric), self.figure(leaf.metric, leaf.level)
            return exact_percent(figure, leaf.level, text)
        size = abs(leaf.amount)
        if leaf.relative:
            return fmt.percent(size, signed=False)
        return self.change(leaf, size).removeprefix("+")

    def figure(self, metric: Metric, value: float) -> str:
        """A value of a metric as it is shown."""
        found = self._instrument(metric)
        return value_text(
            self.figure_of(metric), value, step=found.price_step if found else 0.0,
            quote=found.quote if found else "", coin=self.coin(metric),
        )  # fmt: skip

    def value(self, metric: Metric, sample: Sample) -> str:
        """The value of a sample, in the form people know the figure by."""
        other = INSTEAD.get(metric.name)
        reading = sample.extra.get(other[0]) if other else None
        if reading is not None and reading.value is not None:
            return fmt.money(reading.value, signed=True)
        return self.figure(metric, sample.value)

    def price(self, metric: Metric, value: float) -> str:
        """A price of what a metric is about, whatever else the metric is."""
        found = self._instrument(metric)
        return fmt.price(value, found.price_step if found else 0.0)

    def coin(self, metric: Metric) -> str:
        """The coin a metric counts in."""
        if metric.subject.startswith(EVERYWHERE):
            return metric.subject.removeprefix(EVERYWHERE).partition("/")[0]
        found = self._instrument(metric)
        return found.base if found else ""

    def change(self, condition: Rise, change: float) -> str:
        """A change with its sign: +51,200 BTC, -5.20 %, +$1.1B."""
        found = self._instrument(condition.metric)
        return change_text(
            self.figure_of(condition.metric), change, relative=condition.relative,
            step=found.price_step if found else 0.0, coin=self.coin(condition.metric),
        )  # fmt: skip

    def short(self, rule: AlertRule) -> str:
        """`price>95k`, `vol>200% 15m`, `oi +50k 1h`, `cvd<0 4h`, `rsi<30 1h & 2 more`."""
        if (either := either_way(rule.condition)) is not None:
            return self.short_leaf(either, either=True)
        first, *more = leaves(rule.condition)
        text = self.short_leaf(first)
        return text if not more else _("{first} & {n} more").format(first=text, n=len(more))

    def short_leaf(self, leaf: Leaf, *, either: bool = False) -> str:
        """One part as it stands in a list; `either`: and its mirror image."""
        metric = leaf.metric
        figure = self.figure_of(metric)
        name = short_name(figure)
        if isinstance(leaf, Rise):
            size, sign = abs(leaf.amount), "±" if either else "+" if leaf.amount > 0 else "-"
            text = f"{brief(size * 100)}%" if leaf.relative else brief_level(figure, size)
            return f"{name} {sign}{text} {window_name(metric.window)}"
        mark = SIGNS[leaf.op]
        if isinstance(leaf, State):
            mark = f" is{mark}"
        if metric.param and metric.param in figure.params:
            name = f"{metric.param} {name}"
        text = f"{name}{mark}{brief_level(figure, leaf.level)}"
        happens = either or leaf.op is Op.EITHER or is_any(figure, leaf.level)
        if isinstance(leaf, Event) and happens:
            text = name
        when = metric.timeframe or (window_name(metric.window) if metric.window else "")
        return f"{text} {when}".rstrip()

    def progress(
        self,
        rule: AlertRule,
        state: AlertState,
        samples: Sequence[Sample],
        legs: Sequence[Leg] = (),
    ) -> Progress:
        """How near the newest sample is; for a rule of several parts, how near its `legs` are."""
        return progress_of(self, rule, state, samples, legs)

    def leg(self, leg: Leg, problem: str = "", *, rule: AlertRule | None = None) -> str:
        """`✓ BTC open interest +3.10 % in 15 m (rises by 3.00 %)`: one part as it stands.

        `problem`: why its figure is not known. `rule`: whose part it is; one that is not to hold is marked so.
        """
        leaf = leg.leaf
        turned = rule is not None and denied(rule.condition, leaf)
        asked = _("not: {asked}").format(asked=self.asked(leaf)) if turned else self.asked(leaf)
        what = f"{self.what(leaf.metric)} {self.name(leaf.metric, change=isinstance(leaf, Rise))}"
        if leg.value is None:
            why = f": {why_not(problem)}" if problem else ""
            if isinstance(leaf, Rise) and leg.sample is not None:
                why = _(": not known {window} ago").format(window=fmt.duration(leaf.metric.window))
            text = _("? {what} n/a{why} ({asked})")
            if isinstance(leaf, Event) and not problem:
                text = _("{mark} {what} none yet ({asked})")
            return text.format(mark="✓" if turned else "✗", what=what, why=why, asked=asked)
        value = self.leg_value(leg)
        mark = "✓" if leg.met is not turned else "✗"
        return _("{mark} {what} {value} ({asked})").format(
            mark=mark, what=what, value=value, asked=asked
        )

    def leg_value(self, leg: Leg) -> str:
        """The value of a part; the change, with its window, where a change is asked for."""
        if leg.value is None:
            return fmt.NOT_KNOWN
        leaf = leg.leaf
        if isinstance(leaf, Rise):
            change = self.change(leaf, leg.value)
            return _("{change} in {window}").format(
                change=change, window=fmt.duration(leaf.metric.window)
            )
        if leg.sample is not None and leg.sample.value == leg.value:
            return self.value(leaf.metric, leg.sample)
        return self.figure(leaf.metric, leg.value)

    def asked(self, leaf: Leaf) -> str:
        """What a part waits for, without its name: `crosses above 95,000.0`, `rises by 3.00 %`."""
        level = self.level(leaf)
        if isinstance(leaf, Rise):
            text = _("rises by {level}") if leaf.amount > 0 else _("falls by {level}")
            return text.format(level=level)
        if isinstance(leaf, Event):
            figure, below = self.figure_of(leaf.metric), leaf.op is Op.BELOW
            if figure.name in SUDDEN:
                return self._sudden(leaf, "").strip()
            if is_any(figure, leaf.level):
                return _("any")
            if leaf.level == 0 and figure.signed and leaf.op is not Op.EITHER:
                return side_text(figure, below=below)
            return _("{side} {level}").format(side=side(leaf.op), level=level)
        return f"{verb(leaf)} {level}"

    def about(self, rule: AlertRule, subject: str) -> Condition:
        """The condition of a rule over several, about the one that is meant."""
        return about(rule.condition, subject) if subject else rule.condition

    def _instrument(self, metric: Metric) -> Instrument | None:
        return self._directory.by_key(metric.subject)


def _candle_name(timeframe: str) -> str:
    minutes = TIMEFRAMES[timeframe] // 60_000
    if minutes < 60:
        return _("{n}-minute").format(n=minutes)
    return _("{n}-hour").format(n=minutes // 60) if minutes < 1440 else _("1-day")
