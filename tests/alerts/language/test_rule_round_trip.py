"""Any condition the language can say, written as canonical text, is read as exactly the same condition."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_expectation import crossing
from rule_world import BY_NAME, FIGURES, names

from alerts.conditions import is_pulse
from alerts.figures import Figure, How, Scope, Unit
from alerts.language.rules import Language
from alerts.options import Options, option_text, split_options
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    AllOf,
    AnyOf,
    Condition,
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

LANGUAGE, NAMES = Language(FIGURES), names()
COINS = ("BTC", "ETH", "NOT", "PEPE")
SIDES = st.sampled_from([Op.ABOVE, Op.BELOW])
PARAMS = {"14": ("14", "7", "100"), "12,26,9": ("12,26,9", "5,35,5"), "20,2": ("20,2", "20,2.5"),
          "14,3": ("14,3",), "BTC": ("BTC", "ETH"), "08:00": ("08:00", "21:30")}  # fmt: skip


def subjects_of(figure: Figure) -> st.SearchStrategy[str]:
    if figure.scope is Scope.MARKET:
        return st.just("*")
    markets = [f"{venue}:{coin}/USDT:USDT" for venue in ("binance", "bybit") for coin in COINS]
    if figure.scope is Scope.COIN:
        return st.sampled_from([*markets, *(f"*:{coin}" for coin in COINS)])
    spots = [] if figure.unit is Unit.RATE else [f"binance:{coin}/USDT" for coin in COINS]
    return st.sampled_from([*markets, *spots])


@st.composite
def metrics(
    draw: st.DrawFn, figure: Figure, subject: str | None = None, *, change: bool = False
) -> Metric:
    subject = draw(subjects_of(figure)) if subject is None else subject
    param = draw(st.sampled_from(figure.params or PARAMS.get(figure.param, ("",))))
    if change or (figure.windows and How.CHANGE not in figure.hows):
        window = draw(st.sampled_from(figure.windows))
        return Metric(subject=subject, name=figure.name, window=window, param=param)
    frame = draw(st.sampled_from(figure.timeframes)) if figure.timeframes else ""
    return Metric(subject=subject, name=figure.name, timeframe=frame, param=param)


def levels(figure: Figure) -> st.SearchStrategy[float]:
    low = figure.low if figure.low is not None else -1e9 if figure.signed else 0.0
    high = figure.high if figure.high is not None else 1e12
    found = st.floats(low, high, allow_nan=False, allow_subnormal=False)
    found = found.filter(lambda each: each == 0 or abs(each) > 1e-9)
    if not figure.signed and figure.unit in (Unit.PRICE, Unit.MONEY, Unit.AMOUNT):
        found = found.filter(lambda each: each > 0)
    return found.map(lambda each: each + 0.0)  # no -0.0


@st.composite
def leaves(draw: st.DrawFn, subject: str | None = None, *, lasting: bool = False) -> Condition:
    scopes = (Scope.INSTRUMENT,) if subject == EACH else tuple(Scope)
    figure = draw(st.sampled_from([each for each in FIGURES if each.scope in scopes]))
    if How.EVENT in figure.hows:
        if lasting:
            figure = BY_NAME["price"]
        else:
            op = draw(SIDES) if figure.signed else Op.ABOVE
            level = draw(st.one_of(st.just(0.0), levels(figure)))
            return Event(metric=draw(metrics(figure, subject)), op=op, level=level)
    if How.CHANGE in figure.hows and draw(st.booleans()):
        relative = draw(st.booleans())
        size = draw(st.floats(1e-6, 0.99) if relative else st.floats(1e-6, 1e12))
        amount = size if draw(st.booleans()) else -size
        return Rise(
            metric=draw(metrics(figure, subject, change=True)), amount=amount, relative=relative
        )
    metric, level = draw(metrics(figure, subject)), draw(levels(figure))
    if lasting or draw(st.booleans()):
        return State(metric=metric, op=draw(SIDES), level=level)
    return crossing(metric, draw(st.sampled_from(list(Op))), level)


def conditions(subject: str | None = None) -> st.SearchStrategy[Condition]:
    lasting = st.recursive(
        leaves(subject, lasting=True),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(parts=tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(parts=tuple(parts))),
            inner.map(lambda part: Not(part=part)),
            st.builds(lambda part, ms: For(part=part, duration=ms), inner, lengths()),
        ),
        max_leaves=4,
    )
    any_leaf = leaves(subject)
    sequels = st.builds(
        lambda one, two, ms: Then(first=one, second=two, within=ms),
        st.one_of(any_leaf, lasting), st.one_of(any_leaf, lasting), lengths(),
    )  # fmt: skip
    with_pulse = st.builds(lambda one, two: AllOf(parts=(one, two)), any_leaf, lasting)
    either = st.builds(
        lambda one, two: AnyOf(parts=(one, two)), st.one_of(any_leaf, sequels), any_leaf
    )
    return st.one_of(any_leaf, lasting, sequels, with_pulse, either).filter(_short)


def lengths() -> st.SearchStrategy[int]:
    return st.sampled_from(
        [1000, 30_000, 60_000, 90_000, 300_000, 3_600_000, 5_400_000, 86_400_000, 604_800_000]
    )


def _short(condition: Condition) -> bool:
    """Not longer than a rule may be."""
    return len(LANGUAGE.rule_text(condition, names=NAMES)) <= 450


def options() -> st.SearchStrategy[Options]:
    return st.builds(
        lambda repeat, cooldown, severity, note, expires, cap: Options(
            repeat=Repeat.EVERY if cooldown else repeat, cooldown=cooldown, severity=severity, note=note,
            expires=expires, daily_cap=cap,
        ),
        st.sampled_from([None, Repeat.ONCE, Repeat.ALWAYS, Repeat.PER_BAR]),
        st.sampled_from([None, None, 60_000, 5_400_000]),
        st.sampled_from([None, *Severity]),
        st.sampled_from(["", "take profit", 'say "now"', "price {value}, once until 2d"]),
        st.sampled_from(["", "2d", "1h30m", "2026-12-24", "2026-12-24 18:05"]),
        st.sampled_from([None, 1, 10]),
    )  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(conditions())
def test_a_condition_is_read_as_it_was_written(condition: Condition) -> None:
    text = LANGUAGE.rule_text(condition, names=NAMES)
    assert LANGUAGE.parse(text, NAMES).condition == condition, text


@settings(max_examples=300, deadline=None)
@given(conditions(EACH), st.sampled_from([
    (WATCHED,), (ANYTHING,), ("binance:BTC/USDT:USDT", "bybit:NOT/USDT:USDT"),
    ("binance:ETH/USDT", "okx:PEPE/USDT:USDT", "binance:NOT/USDT:USDT"),
]))  # fmt: skip
def test_a_rule_over_several_keeps_its_subjects(
    condition: Condition, subjects: tuple[str, ...]
) -> None:
    text = LANGUAGE.rule_text(condition, subjects=subjects, names=NAMES)
    if len(text) > 500 or any(word in text for word in ("funding", "report", "listing")):
        return  # spot markets have no funding; the whole market is no list
    parsed = LANGUAGE.parse(text, NAMES)
    assert (parsed.condition, parsed.subjects) == (condition, subjects), text


@settings(max_examples=300, deadline=None)
@given(leaves(), options())
def test_a_rule_keeps_its_options(condition: Condition, chosen: Options) -> None:
    text = LANGUAGE.rule_text(condition, options=chosen, names=NAMES)
    parsed = LANGUAGE.parse(text, NAMES)
    assert (parsed.condition, parsed.options) == (condition, chosen), text


@settings(max_examples=300, deadline=None)
@given(options())
def test_options_alone_are_read_as_they_were_written(chosen: Options) -> None:
    rest, read = split_options(("BTC", "above", "95k", *option_text(chosen).split()))
    assert rest == ("BTC", "above", "95k")
    assert read == chosen


@pytest.mark.parametrize("level", [0.1 + 0.2, 1e-8, 94_312.123456789, math.pi, 1 / 3, 1e14])
def test_no_digit_of_a_level_is_lost(level: float) -> None:
    metric = Metric(subject="binance:BTC/USDT:USDT", name="price")
    condition = State(metric=metric, op=Op.ABOVE, level=level)
    assert LANGUAGE.parse(LANGUAGE.rule_text(condition, names=NAMES), NAMES).condition == condition


@settings(max_examples=300, deadline=None)
@given(conditions())
def test_what_lasts_is_no_pulse_and_can_be_held(condition: Condition) -> None:
    if is_pulse(condition):
        return
    held = For(part=condition, duration=60_000)
    text = LANGUAGE.rule_text(held, names=NAMES)
    if len(text) <= 500:
        assert LANGUAGE.parse(text, NAMES).condition == held, text
