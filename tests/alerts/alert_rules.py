"""Rules and firings made by hand, for the tests of what is said about them."""

from typing import Any

from alert_market import ALL, BTC, START

from alerts.figures import Figure, How, Scope
from alerts.kinds import FIGURES
from alerts.types import (
    AlertRule,
    Condition,
    Cross,
    Event,
    Leaf,
    Leg,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
    Severity,
    Signal,
)
from market.symbols import Directory
from market.types import MINUTE, Reading

LISTED = Directory(ALL)
FIGURE = {figure.name: figure for figure in FIGURES}
SUBJECTS = {Scope.INSTRUMENT: BTC.key, Scope.COIN: "*:BTC", Scope.MARKET: "*"}


def metric_of(figure: Figure, **more: Any) -> Metric:
    """The metric of a figure as it is asked for where nothing else is said."""
    whole = {
        "subject": SUBJECTS[figure.scope], "name": figure.name,
        "window": 0 if How.CHANGE in figure.hows else figure.window,
        "timeframe": figure.timeframe, "param": figure.param, **more,
    }  # fmt: skip
    return Metric(**whole)


def leaf_of(figure: Figure, level: float) -> Leaf:
    """The plainest rule about a figure."""
    metric = metric_of(figure)
    if How.EVENT in figure.hows:
        return Event(metric=metric, op=Op.ABOVE, level=level)
    return Cross(metric=metric, op=Op.ABOVE, level=level)


def level_of(figure: Figure) -> float:
    """A level that makes sense of it."""
    low, high = figure.low, figure.high
    if low is not None and high is not None:
        return low + (high - low) * 0.75
    return 1.25


def rule(condition: Condition, **more: Any) -> AlertRule:
    whole: dict[str, Any] = {
        "id": 412, "chat_id": 500, "owner_id": 70, "kind": "price", "text": "/alert", "coin": "BTC",
        "cooldown": 5 * MINUTE, "repeat": Repeat.EVERY, "severity": Severity.WARNING,
        "condition": condition, **more,
    }  # fmt: skip
    return AlertRule(**whole)


def fired(asked: AlertRule, value: float, *, legs: tuple[Leg, ...] = (), **more: Any) -> Signal:
    """The firing of a rule at `START`, with a sample that says where it is from."""
    reading = Reading(value=value, as_of=START, venues=("binance",), since=START - MINUTE)
    sample = more.pop("sample", Sample(ts=START, value=value, reading=reading))
    return Signal(rule=asked, sample=sample, value=value, threshold=1.0, legs=legs, **more)


def rise(name: str, amount: float, window: int = 15 * MINUTE, *, relative: bool = True) -> Rise:
    return Rise(metric=metric_of(FIGURE[name], window=window), amount=amount, relative=relative)
