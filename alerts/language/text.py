"""A condition as canonical text: it parses back to the same condition, and means the same whoever reads it.

Each leaf names its subject, its parameter and its time. Parts that are made of parts stand in brackets.
"""

from collections.abc import Mapping, Sequence

from alerts.conditions import mirrored
from alerts.figures import Figure, How
from alerts.language.amounts import level_text, percent_text
from alerts.language.names import Names
from alerts.lengths import length_text
from alerts.options import Options, option_text
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
    State,
    Then,
)
from market.types import TIMEFRAMES

CROSSINGS = {Op.ABOVE: "crosses above", Op.BELOW: "crosses below", Op.EITHER: "crosses"}
STATES = {Op.ABOVE: ">", Op.BELOW: "<"}


class Printer:
    """Conditions to text for one set of figures."""

    def __init__(self, figures: Mapping[str, Figure], names: Names) -> None:
        self._figures = figures
        self._names = names

    def rule(self, condition: Condition, subjects: Sequence[str], options: Options) -> str:
        """The whole rule: subjects, condition, options."""
        body = self.condition(condition)
        head = f"{self.subjects(subjects)}: " if subjects else ""
        return f"{head}{body} {option_text(options)}".strip()

    def subjects(self, subjects: Sequence[str]) -> str:
        """`any of BTC-PERP, ETH-PERP`, `watchlist`, `any coin`."""
        if list(subjects) == [WATCHED]:
            return "watchlist"
        if list(subjects) == [ANYTHING]:
            return "any coin"
        return "any of " + ", ".join(self._names.words(each) for each in subjects)

    def condition(self, condition: Condition) -> str:
        """A condition without brackets around it."""
        match condition:
            case AllOf():
                return " and ".join(self._part(each) for each in condition.parts)
            case AnyOf():
                return self._moves(condition) or " or ".join(
                    self._part(each) for each in condition.parts
                )
            case Not():
                return f"not {self._part(condition.part)}"
            case For():
                return f"{self._part(condition.part)} for {length_text(condition.duration)}"
            case Then():
                first, second = self._part(condition.first), self._part(condition.second)
                return f"{first} then within {length_text(condition.within)} {second}"
            case _:
                return self.leaf(condition)

    def leaf(self, leaf: Leaf) -> str:
        """One comparison, change or event."""
        figure = self._figures[leaf.metric.name]
        head = self.metric(leaf.metric, change=isinstance(leaf, Rise))
        match leaf:
            case Cross():
                return f"{head} {CROSSINGS[leaf.op]} {level_text(figure.unit, leaf.level)}"
            case State():
                return f"{head} {STATES[leaf.op]} {level_text(figure.unit, leaf.level)}"
            case Rise():
                verb = "rises" if leaf.amount > 0 else "falls"
                return (
                    f"{head} {verb} {self._size(figure, leaf)} in {length_text(leaf.metric.window)}"
                )
            case Event():
                return self._event(figure, leaf, head)

    def metric(self, metric: Metric, *, change: bool = False) -> str:
        """`BTC-PERP liquidations(long) in 5m`."""
        figure = self._figures[metric.name]
        words = "" if metric.subject == EACH else f"{self._names.words(metric.subject)} "
        text = f"{words}{figure.words[0]}{f'({metric.param})' if metric.param else ''}".strip()
        if metric.timeframe:
            text = f"{text} on {length_text(TIMEFRAMES[metric.timeframe])}"
        if metric.window and not change:
            text = f"{text} in {length_text(metric.window)}"
        return text

    def _part(self, condition: Condition) -> str:
        """A part of something: in brackets where it is made of parts itself."""
        if isinstance(condition, Leaf):
            return self.leaf(condition)
        if isinstance(condition, AnyOf) and (moves := self._moves(condition)):
            return moves
        return f"({self.condition(condition)})"

    def _moves(self, condition: AnyOf) -> str:
        """`moves 3% in 15m` for up or down by the same; "" where it is something else."""
        up = mirrored(condition)
        if up is None or up.amount <= 0:
            return ""
        figure = self._figures[up.metric.name]
        head = self.metric(up.metric, change=True)
        return f"{head} moves {self._size(figure, up)} in {length_text(up.metric.window)}"

    def _size(self, figure: Figure, leaf: Rise) -> str:
        size = abs(leaf.amount)
        return percent_text(size) if leaf.relative else level_text(figure.unit, size)

    def _event(self, figure: Figure, leaf: Event, head: str) -> str:
        """Any event of it; or those beyond a level."""
        if (
            leaf.op is Op.ABOVE
            and leaf.level == 0
            and not (figure.signed and How.EVENT in figure.hows)
        ):
            return head
        way = {Op.ABOVE: "above", Op.BELOW: "below", Op.EITHER: "crosses"}[leaf.op]
        if leaf.level == 0:
            return f"{head} {'positive' if leaf.op is Op.ABOVE else 'negative'}"
        return f"{head} {way} {level_text(figure.unit, leaf.level)}"
