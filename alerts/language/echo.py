"""A rule in plain words before it is armed: each part with its unit, its market, and what it is now.

Thresholds are shown with every digit that was typed; what is measured is rounded, with venue and age.
"""

from collections.abc import Mapping, Sequence

from alerts.conditions import mirrored
from alerts.figures import Figure, How, Unit
from alerts.language.amounts import percent_text, plain_text
from alerts.language.names import EVERYTHING, EVERYWHERE, Names
from alerts.shown import SUDDEN
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Leaf,
    Metric,
    Not,
    Op,
    Rise,
    Sample,
    State,
    Then,
)
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, TIMEFRAMES

INDENT = "  "
RELATIVE = (Unit.PRICE, Unit.MONEY, Unit.AMOUNT, Unit.RATIO)  # a distance of theirs is in percent


class Echo:
    """`values`: the newest sample of each metric, or why there is none; `now` is of the market."""

    def __init__(
        self,
        figures: Mapping[str, Figure],
        names: Names,
        values: Mapping[Metric, Sample | str],
        now: int | None = None,
    ) -> None:
        self._figures = figures
        self._names = names
        self._values = values
        self._now = now

    def lines(
        self, condition: Condition, subjects: Sequence[str] = (), said: Sequence[str] = ()
    ) -> list[str]:
        """One line for each part, what it is now behind it, and what was filled in at the end."""
        head = [_("for each of {list}:").format(list=self._listed(subjects))] if subjects else []
        taken = [_("taken as: {text}").format(text=each) for each in said]
        return [*head, *self._part(condition, 0), *taken]

    def _part(self, condition: Condition, depth: int) -> list[str]:
        pad = INDENT * depth
        negated = isinstance(condition, Not)
        moved = mirrored(condition.part if isinstance(condition, Not) else condition)
        if moved is not None and moved.amount > 0:
            return self._leaf(moved, pad, either=True, negated=negated)
        if isinstance(condition, Leaf):
            return self._leaf(condition, pad)
        return [
            line
            for text, parts in _headings(condition)
            for line in self._listing(text, parts, depth)
        ]

    def _listing(self, text: str, parts: Sequence[Condition], depth: int) -> list[str]:
        lines = [line for each in parts for line in self._part(each, depth + 1)]
        return [f"{INDENT * depth}{text}", *lines]

    def _leaf(
        self, leaf: Leaf, pad: str, *, either: bool = False, negated: bool = False
    ) -> list[str]:
        figure = self._figures[leaf.metric.name]
        what = self._what(leaf.metric, figure, change=isinstance(leaf, Rise))
        how = self._how(leaf, figure, either=either, negated=negated)
        now = self._known(leaf, figure)
        return [f"{pad}{what} {how}", *([f"{pad}{INDENT}{now}"] if now else [])]

    def _what(self, metric: Metric, figure: Figure, *, change: bool) -> str:
        """`BTC open interest (perps of all venues)`, `BTC 4h rsi 14 (Binance perp)`."""
        parts = [self._names.coin(metric.subject) if metric.subject != EACH else ""]
        if metric.timeframe:
            parts.append(fmt.duration(TIMEFRAMES[metric.timeframe]))
        parts += [figure.shown, metric.param]
        if metric.window and not change:
            parts.append(_("of {time}").format(time=fmt.duration(metric.window)))
        where = _where(metric.subject)
        text = " ".join(each for each in parts if each)
        return f"{text} ({where})" if where else text

    def _how(self, leaf: Leaf, figure: Figure, *, either: bool, negated: bool) -> str:
        match leaf:
            case Cross():
                return _crossing(leaf.op, figure).format(
                    level=self._level(leaf, figure, leaf.level)
                )
            case State():
                text = _("is above {level}") if leaf.op is Op.ABOVE else _("is below {level}")
                return text.format(level=self._level(leaf, figure, leaf.level))
            case Rise():
                return self._change(leaf, figure, either=either, negated=negated)
            case Event():
                return self._event(leaf, figure)

    def _change(self, leaf: Rise, figure: Figure, *, either: bool, negated: bool) -> str:
        size = abs(leaf.amount)
        text = _("rises by {size} or more within {time}")
        if either:
            text = _("rises or falls by {size} or more within {time}")
        elif leaf.amount < 0:
            text = _("falls by {size} or more within {time}")
        if negated:
            text = _("moves less than {size} either way within {time}")
        shown = percent_text(size) if leaf.relative else self._level(leaf, figure, size)
        return text.format(size=shown, time=fmt.duration(leaf.metric.window))

    def _event(self, leaf: Event, figure: Figure) -> str:
        if figure.name in SUDDEN:
            size = "" if leaf.level == 0 else percent_text(abs(leaf.level))
            if leaf.op is Op.BELOW:
                return _("rises by {size} or more").format(size=size) if size else _("rises")
            return _("falls by {size} or more").format(size=size) if size else _("falls")
        if leaf.level != 0:
            text = _("above {level}") if leaf.op is Op.ABOVE else _("below {level}")
            return text.format(level=self._level(leaf, figure, leaf.level))
        if figure.signed and How.EVENT in figure.hows:
            return _("bullish") if leaf.op is Op.ABOVE else _("bearish")
        return _("happens")

    def _level(self, leaf: Leaf, figure: Figure, value: float) -> str:
        """A threshold with all its digits and its unit."""
        number = f"{'-' * (value < 0)}{'$' * (figure.unit is Unit.MONEY)}{_grouped(abs(value))}"
        shape = {
            Unit.AMOUNT: _("{number} {coin}"),
            Unit.RATE: _("{percent} per interval"),
            Unit.RATIO: _("{percent} of the usual"),
            Unit.FRACTION: _("{percent}"),
            Unit.SIGMA: _("{number} standard deviations"),
        }.get(figure.unit, "{number}")
        return shape.format(
            number=number, percent=percent_text(value), coin=self._coin(leaf.metric)
        )

    def _known(self, leaf: Leaf, figure: Figure) -> str:
        """What it is now, and how far from its level; or why that is not known."""
        found = self._values.get(leaf.metric)
        if found is None:
            return ""
        if isinstance(found, str):
            return _("now n/a: {reason}").format(reason=found)
        parts = [_("now {value}").format(value=self._value(leaf, figure, found.value))]
        if isinstance(leaf, Cross | State):
            parts.append(_distance(leaf, figure, found.value))
        evidence = self._evidence(leaf.metric, found)
        return ", ".join(parts) + (f" ({evidence})" if evidence else "")

    def _value(self, leaf: Leaf, figure: Figure, value: float) -> str:
        match figure.unit:
            case Unit.PRICE:
                return fmt.price(value)
            case Unit.MONEY:
                return fmt.money(value)
            case Unit.AMOUNT:
                return fmt.amount(value, self._coin(leaf.metric))
            case Unit.RATE:
                return fmt.percent(value, 4)
            case Unit.FRACTION | Unit.RATIO:
                return fmt.percent(value, signed=figure.signed)
            case _:
                return fmt.significant(value)

    def _evidence(self, metric: Metric, sample: Sample) -> str:
        """Venues, age and kind of a sample."""
        reading = sample.reading
        parts = []
        if reading is not None and reading.venues:
            parts.append(fmt.venues(reading.venues))
        elif ":" in metric.subject and not metric.subject.startswith(EVERYWHERE):
            exchange = metric.subject.partition(":")[0]
            parts.append(EXCHANGE_NAMES.get(exchange, exchange))
        if self._now is not None:
            parts.append(_("{age} old").format(age=fmt.age(max(0, self._now - sample.ts))))
        if reading is not None:
            parts.append(str(reading.kind.value))
        return ", ".join(parts)

    def _coin(self, metric: Metric) -> str:
        return self._names.coin(metric.subject) if metric.subject != EACH else _("coins")

    def _listed(self, subjects: Sequence[str]) -> str:
        words = {WATCHED: _("the watch list"), ANYTHING: _("all perps the desk streams")}
        return ", ".join(words.get(each) or self._one(each) for each in subjects)

    def _one(self, subject: str) -> str:
        return f"{self._names.coin(subject)} ({_where(subject)})"


def _headings(condition: Condition) -> list[tuple[str, tuple[Condition, ...]]]:
    """The words over the parts of a condition, and the parts."""
    match condition:
        case AllOf():
            return [(_("all of these at once:"), condition.parts)]
        case AnyOf():
            return [(_("any of these:"), condition.parts)]
        case Not():
            return [(_("not:"), (condition.part,))]
        case For():
            text = _("without a break for {time}:").format(time=fmt.duration(condition.duration))
            return [(text, (condition.part,))]
        case Then():
            text = _("then, within {time} of it:").format(time=fmt.duration(condition.within))
            return [(_("first:"), (condition.first,)), (text, (condition.second,))]
    raise TypeError(type(condition).__name__)


def _crossing(op: Op, figure: Figure) -> str:
    if op is Op.EITHER:
        return _("crosses {level}, up or down")
    if figure.touch:
        return (
            _("reaches {level} from below") if op is Op.ABOVE else _("reaches {level} from above")
        )
    return _("crosses above {level}") if op is Op.ABOVE else _("crosses below {level}")


def _distance(leaf: Cross | State, figure: Figure, value: float) -> str:
    """`2.1 % away`, or that it is so already."""
    gap = leaf.level - value
    beyond = gap < 0 if leaf.op is Op.ABOVE else gap > 0
    if beyond and leaf.op is not Op.EITHER:
        return (
            _("true now")
            if isinstance(leaf, State)
            else _("beyond it already: it has to come back first")
        )
    if figure.unit in RELATIVE and value:
        return _("{share} away").format(share=fmt.percent(abs(gap / value), signed=False))
    if figure.unit in (Unit.FRACTION, Unit.RATE):
        return _("{points} points away").format(points=fmt.significant(abs(gap) * 100, 3))
    return _("{gap} away").format(gap=fmt.significant(abs(gap), 3))


def _where(subject: str) -> str:
    """`Binance perp`, `perps of all venues`."""
    if subject in (EACH, EVERYTHING):
        return ""
    if subject.startswith(EVERYWHERE):
        return _("perps of all venues")
    exchange, _colon, symbol = subject.partition(":")
    name = EXCHANGE_NAMES.get(exchange, exchange)
    pair, colon, _settle = symbol.partition(":")
    return f"{name} {pair} {_('perp') if colon else _('spot')}"


def _grouped(value: float) -> str:
    """All digits, thousands apart."""
    whole, point, rest = plain_text(value).partition(".")
    return f"{int(whole):,}{point}{rest}"
