"""The leaves of a condition: levels with their hysteresis, changes, events, and the metric they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from alerts.conditions import leaves
from alerts.figures import Figure, How, Unit
from alerts.language.amounts import Amount, percent
from alerts.language.errors import quoted, refuse
from alerts.language.forks import Forks
from alerts.language.levels import readings, unit_words
from alerts.language.metrics import Shapes, says_each_way
from alerts.language.slots import Slots, length_of, typed_amount
from alerts.language.subjects import Subjects
from alerts.language.tokens import AMB, DUR, Lexeme
from alerts.language.vocabulary import CROSS, STATE, Compare
from alerts.types import AnyOf, Condition, Cross, Event, Metric, Op, Rise, State
from market.language import _

LARGEST_CHANGE = 10.0  # a fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a clause is about. `lone`: it is the whole rule; `held`: it has to last."""

    slots: Slots
    figure: Figure
    lone: bool
    held: bool

    def crossing(self, how: str) -> bool:
        """Whether a comparison is a crossing, or a state."""
        if self.held or self.slots.lasting:
            return False
        return how == CROSS or (how != STATE and self.lone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one sentence is compiled from. `said` collects what was filled in."""

    figures: Mapping[str, Figure]
    subjects: Subjects
    forks: Forks
    clauses: Sequence[Slots]
    said: list[str]


class Leaves:
    """Makes the leaves of one sentence."""

    def __init__(self, given: Given) -> None:
        self._figures, self._subjects = given.figures, given.subjects
        self._forks, self._said = given.forks, given.said
        self._shapes = Shapes(given.clauses, given.forks, given.said)
        self.last: tuple[Figure, Metric] | None = None  # of the clause before

    def metric(self, about: About, *, change: bool = False) -> Metric:
        """The metric of a clause."""
        figure, slots = about.figure, about.slots
        before = (
            self.last[1] if self.last and self.last[0] is figure and slots.figure is None else None
        )
        shape = self._shapes.of(slots, figure, change=change, before=before)
        return replace(shape, subject=self._subjects.of(slots, figure))

    def compared(self, about: About, compare: Compare, level: float) -> Condition:
        figure = about.figure
        if compare.op is Op.EITHER and not about.crossing(compare.how):
            raise refuse(_("Above or below? “crosses” is a moment and does not last."))
        metric = self.metric(about)
        if not about.crossing(compare.how):
            return State(metric=metric, op=compare.op, level=level)
        return Cross(
            metric=metric, op=compare.op, level=level, rearm=rearm_of(figure, compare.op, level),
            touch=figure.touch,
        )  # fmt: skip

    def level(self, about: About, amount: Amount) -> tuple[Figure, float]:
        """The figure a number is a level of, and the level: oi above $20b is of its dollars."""
        figure = about.figure
        if amount.unit == "$" and figure.unit is Unit.AMOUNT:
            figure = self._figures.get(f"{figure.name}_usd", figure)
        found = readings(figure, amount)
        question = _("“{text}” of {figure}: which of these?").format(
            text=amount.text, figure=figure.shown
        )
        level = found[self._forks.choose(question, len(found))]
        if figure.unit is Unit.AMOUNT and not amount.unit:
            text = _("{text} counted in coins; with a $ it would be dollars")
            self._said.append(text.format(text=amount.text))
        return figure, level

    def rises(self, about: About, amount: Amount, signs: Sequence[int]) -> Condition:
        """A change of a size, one way or either way."""
        figure = about.figure
        if not has_change(figure):
            raise refuse(no_change(figure))
        relative = amount.unit == "%"
        if relative:
            size = percent(amount.value)
        else:
            figure, size = self.level(about, replace(amount, sign=""))
        if not size > 0:
            raise refuse(_("A change has to be larger than 0."))
        if relative and (size > LARGEST_CHANGE or (-1 in signs and size >= 1 and len(signs) == 1)):
            raise refuse(_("A change goes from -100% to +1000%."))
        metric = self.metric(replace(about, figure=figure), change=True)
        rises = tuple(Rise(metric=metric, amount=size * sign, relative=relative) for sign in signs)
        return rises[0] if len(rises) == 1 else AnyOf(parts=rises)

    def event(self, about: About, op: Op, amount: Amount | None) -> Condition:
        figure, slots = about.figure, about.slots
        if How.EVENT not in figure.hows:
            raise refuse(_("{figure} does not happen, it has a level: above or below what?").format(
                figure=figure.shown))  # fmt: skip
        way = next((each for each in slots.sides if each.value in ("bullish", "bearish")), None)
        if way is not None:
            if not figure.signed or amount is not None:
                raise refuse(_("I don't know what “{word}” is for.").format(word=way.text))
            slots.sides.remove(way)
            op = Op.ABOVE if way.value == "bullish" else Op.BELOW
        metric = self.metric(about)
        if amount is not None:
            found = readings(figure, amount)
            question = _("“{text}”: which?").format(text=amount.text)
            return Event(
                metric=metric, op=op, level=found[self._forks.choose(question, len(found))]
            )
        either = (
            says_each_way(figure)
            and way is None
            and (slots.core is None or slots.core.how == "happens")
        )
        if either or op is Op.EITHER:
            return AnyOf(
                parts=(Event(metric=metric, op=Op.ABOVE), Event(metric=metric, op=Op.BELOW))
            )
        return Event(metric=metric, op=op)


def rearm_of(figure: Figure, op: Op, level: float) -> float | None:
    """The level beyond which a crossing is armed again."""
    down = op is Op.BELOW
    if figure.band:
        return level + figure.band if down else level - figure.band
    if not figure.rearm or level == 0:
        return None
    return level * (1 + figure.rearm if down is (level > 0) else 1 - figure.rearm)


def has_change(figure: Figure) -> bool:
    return How.CHANGE in figure.hows


def no_change(figure: Figure) -> str:
    return _("{figure} has no changes to watch, only {how}.").format(
        figure=figure.shown,
        how=_("events") if How.EVENT in figure.hows else _("levels: above or below {unit}").format(
            unit=unit_words(figure)),
    )  # fmt: skip


def number(about: About, token: Lexeme | None) -> Amount:
    """The number of a token; a length of time is one of seconds where seconds are counted."""
    assert token is not None  # noqa: S101 - the grammar has one there
    if about.figure.unit is Unit.COUNT and token.kind in (AMB, DUR):
        return Amount(value=Decimal(length_of(token)) / 1000, text=token.text)
    found = typed_amount(token)
    if found is None:
        raise refuse(_("“{text}” is a time, and no {unit}.").format(
            text=quoted(token.text), unit=unit_words(about.figure)))  # fmt: skip
    return found


def number_token(amount: Amount) -> Lexeme:
    return Lexeme(kind="NUM", value=amount, text=amount.text)


def first_metric(condition: Condition) -> Metric:
    return next(leaves(condition)).metric
