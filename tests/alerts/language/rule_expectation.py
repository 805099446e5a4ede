"""The notation of phrasings.txt: read here without a word of the product's grammar."""

import re
from collections.abc import Sequence

from rule_world import BY_NAME

from alerts.figures import Scope
from alerts.options import Options
from alerts.types import (
    EACH,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    Severity,
    State,
    Then,
)

LENGTHS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
FRAMES = {"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"}
CROSSES = {"x>": Op.ABOVE, "x<": Op.BELOW, "x~": Op.EITHER}
SIDES = {">": Op.ABOVE, "<": Op.BELOW}


def expected(text: str) -> tuple[Condition, tuple[str, ...], Options]:
    """The rule of one line."""
    body, *extras = text.split(" ; ")
    tokens = re.findall(r"\(|\)|[^\s()]+", body)
    condition, rest = _read(tokens)
    assert not rest
    options: dict[str, object] = {}
    subjects: tuple[str, ...] = ()
    for extra in extras:
        name, value = extra.split("=", 1)
        if name == "subjects":
            subjects = tuple(_listed(each) for each in value.split(","))
        elif name == "repeat":
            options["repeat"] = Repeat(value)
        elif name == "every":
            options |= {"repeat": Repeat.EVERY, "cooldown": length(value)}
        elif name == "severity":
            options["severity"] = Severity(value)
        elif name == "cap":
            options["daily_cap"] = int(value)
        else:
            options[{"until": "expires", "note": "note"}[name]] = value
    return condition, subjects, Options(**options)  # type: ignore[arg-type]


def length(text: str) -> int:
    return int(text[:-1]) * LENGTHS[text[-1]]


def _listed(word: str) -> str:
    if word.startswith("@"):
        return word
    return f"*:{word[1:]}" if word.startswith("*") else f"binance:{word}/USDT:USDT"


def _read(tokens: Sequence[str]) -> tuple[Condition, Sequence[str]]:
    assert tokens[0] == "("
    word, rest = tokens[1], tokens[2:]
    if word in ("and", "or", "not"):
        parts, rest = _all(rest)
        if word == "not":
            return Not(part=parts[0]), rest
        return (AllOf if word == "and" else AnyOf)(parts=tuple(parts)), rest
    if word == "for":
        parts, rest = _all(
            rest[1:],
        )
        return For(part=parts[0], duration=length(tokens[2])), rest
    if word == "then":
        parts, rest = _all(rest[1:])
        return Then(first=parts[0], second=parts[1], within=length(tokens[2])), rest
    subject, figure, value, close, *rest = rest
    assert close == ")"
    return _leaf(word, metric(subject, figure), value), rest


def _all(tokens: Sequence[str]) -> tuple[list[Condition], Sequence[str]]:
    parts = []
    while tokens[0] == "(":
        part, tokens = _read(tokens)
        parts.append(part)
    return parts, tokens[1:]


def metric(subject: str, text: str) -> Metric:
    """`rsi@4h#14` of a subject."""
    name, _hash, param = text.partition("#")
    name, _at, time = name.partition("@")
    figure = BY_NAME[name]
    if subject.startswith("spot:"):
        subject = f"binance:{subject[5:]}/USDT"
    elif ":" in subject:
        subject = f"{subject}/USDT:USDT"
    elif subject not in (EACH, "*"):
        subject = f"*:{subject}" if figure.scope is Scope.COIN else f"binance:{subject}/USDT:USDT"
    if time and figure.timeframes:
        assert time in FRAMES
        return Metric(subject=subject, name=name, timeframe=time, param=param)
    return Metric(subject=subject, name=name, window=length(time) if time else 0, param=param)


def _leaf(word: str, of: Metric, value: str) -> Condition:
    if word in ("rise", "moves", "holds"):
        relative = value.endswith("%")
        size = float(value.rstrip("%")) / 100 if relative else float(value)
        if word == "rise":
            return Rise(metric=of, amount=size, relative=relative)
        moves = AnyOf(
            parts=tuple(Rise(metric=of, amount=each, relative=relative) for each in (size, -size))
        )
        return moves if word == "moves" else Not(part=moves)
    level = float(value)
    if word in CROSSES:
        return crossing(of, CROSSES[word], level)
    if word in SIDES:
        return State(metric=of, op=SIDES[word], level=level)
    return Event(metric=of, op=SIDES[word[2:]], level=level)


def crossing(of: Metric, op: Op, level: float) -> Cross:
    """With the hysteresis of its figure: a band in its unit, else a share of the level on the side it came from."""
    figure = BY_NAME[of.name]
    back = 1 if op is Op.BELOW else -1
    if figure.band:
        rearm = level + figure.band * back
    elif figure.rearm and level:
        rearm = level * (1 + figure.rearm * back * (1 if level > 0 else -1))
    else:
        return Cross(metric=of, op=op, level=level, touch=figure.touch)
    return Cross(metric=of, op=op, level=level, rearm=rearm, touch=figure.touch)
