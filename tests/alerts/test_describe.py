"""Every condition in words: what it waits for, in units, and how far it is from there."""

import pytest
from alert_market import BTC, ETH, START
from alert_rules import FIGURE, LISTED, leaf_of, level_of, metric_of, rise, rule
from hypothesis import given
from hypothesis import strategies as st

from alerts.describe import Words
from alerts.figures import Figure, Unit
from alerts.kinds import FIGURES
from alerts.shown import SIGMA
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    AlertState,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
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
from market.format import COLUMNS, columns_of
from market.types import HOUR, MINUTE

WORDS = Words(LISTED)
STATE = AlertState(rule_id=412)
UNITS = {
    Unit.MONEY: "$", Unit.AMOUNT: "BTC", Unit.FRACTION: "%", Unit.RATIO: "%", Unit.RATE: "%",
    Unit.SIGMA: SIGMA,
}  # fmt: skip
PRICE = Metric(subject=BTC.key, name="price")
OI = metric_of(FIGURE["open_interest"], window=0)
ABOVE = Cross(metric=PRICE, op=Op.ABOVE, level=95_000.0)
NOW = State(metric=PRICE, op=Op.ABOVE, level=95_000.0)
RISE = rise("open_interest", 0.03)


def leg(leaf: Cross | State | Rise | Event, value: float | None, *, met: bool = False) -> Leg:
    return Leg(leaf=leaf, value=value, ts=START, met=met)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_figure_has_a_sentence_with_its_unit(figure: Figure) -> None:
    leaf = leaf_of(figure, level_of(figure))
    text = WORDS.phrase(leaf)
    assert figure.shown.split()[0].lower() in text.lower()
    assert UNITS.get(figure.unit, "") in text
    assert "None" not in text
    assert "{" not in text


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_figure_has_a_short_form_that_fits_a_line(figure: Figure) -> None:
    short = WORDS.short(rule(leaf_of(figure, level_of(figure))))
    assert 0 < columns_of(short) <= COLUMNS - 5, short


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_every_figure_tells_how_far_it_is(figure: Figure) -> None:
    asked = rule(leaf_of(figure, level_of(figure)))
    near = WORDS.progress(asked, STATE, [Sample(ts=START, value=level_of(figure) * 0.99)])
    assert near.now
    assert columns_of(near.note) <= 14, near.note
    if isinstance(asked.condition, Event):
        assert near.left is None
    else:
        assert near.left == pytest.approx(0.01, abs=0.02)
        assert not near.met


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.name)
def test_without_a_sample_nothing_is_made_up(figure: Figure) -> None:
    found = WORDS.progress(rule(leaf_of(figure, level_of(figure))), STATE, [])
    assert found.left is None
    assert not any(digit in found.now for digit in "0123456789")


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (ABOVE, "BTC perp price crosses above 95,000.0"),
        (State(metric=PRICE, op=Op.BELOW, level=9e4), "BTC perp price is below 90,000.0"),
        (RISE, "BTC open interest rises by 3.00 % within 15 m"),
        (rise("open_interest", -5e4, HOUR, relative=False), "BTC open interest falls by 50,000 BTC within 1 h"),
        (rise("price", -0.05), "BTC perp price falls by 5.00 % within 15 m"),
        (AllOf(parts=(RISE, ABOVE)),
         "BTC open interest rises by 3.00 % within 15 m and BTC perp price crosses above 95,000.0"),
        (AnyOf(parts=(ABOVE, AllOf(parts=(RISE, ABOVE)))),
         "BTC perp price crosses above 95,000.0 or (BTC open interest rises by 3.00 % within 15 m and BTC perp price "
         "crosses above 95,000.0)"),
        (AnyOf(parts=(RISE, rise("open_interest", -0.03))), "BTC open interest moves by 3.00 % either way within 15 m"),
        (Not(part=AnyOf(parts=(rise("price", -0.003), rise("price", 0.003)))),
         "not BTC perp price moves by 0.30 % either way within 15 m"),
        (AnyOf(parts=(RISE, rise("open_interest", -0.04))),
         "BTC open interest rises by 3.00 % within 15 m or BTC open interest falls by 4.00 % within 15 m"),
        (Not(part=RISE), "not BTC open interest rises by 3.00 % within 15 m"),
        (For(part=State(metric=PRICE, op=Op.ABOVE, level=95_000.0), duration=3 * MINUTE),
         "BTC perp price is above 95,000.0 for 3 m"),
        (Then(first=ABOVE, second=RISE, within=30 * MINUTE),
         "BTC perp price crosses above 95,000.0, then within 30 m BTC open interest rises by 3.00 % within 15 m"),
    ],
)  # fmt: skip
def test_a_condition_is_one_sentence(condition: Condition, text: str) -> None:
    assert WORDS.phrase(condition) == text


@pytest.mark.parametrize(
    ("subjects", "text"),
    [
        ((BTC.key, ETH.key), "any of BTC perp, ETH perp price crosses above 95,000"),
        ((WATCHED,), "any perp of the watch list price crosses above 95,000"),
        ((ANYTHING,), "any perp price crosses above 95,000"),
        ((), "any perp price crosses above 95,000"),
    ],
)
def test_a_rule_over_several_says_over_which(subjects: tuple[str, ...], text: str) -> None:
    each = Cross(metric=Metric(subject=EACH, name="price"), op=Op.ABOVE, level=95_000.0)
    assert WORDS.sentence(rule(each, subjects=subjects)) == text
    assert WORDS.where(each.metric) == "each on its own"


def test_the_rule_about_one_of_several_names_that_one() -> None:
    each = Cross(metric=Metric(subject=EACH, name="price"), op=Op.ABOVE, level=3_000.0)
    asked = rule(AllOf(parts=(each, RISE)), subjects=(BTC.key, ETH.key))
    assert WORDS.phrase(WORDS.about(asked, ETH.key)).startswith("ETH perp price crosses above")


@pytest.mark.parametrize(
    ("repeat", "cooldown", "condition", "text"),
    [
        (Repeat.ONCE, 0, ABOVE, "fires once"),
        (Repeat.EVERY, HOUR, ABOVE, "repeats, at most every 1 h"),
        (Repeat.ALWAYS, 0, ABOVE, "fires each time it becomes true"),
        (Repeat.PER_BAR, 0, ABOVE, "repeats once per bar"),
        (Repeat.EVERY, HOUR, State(metric=PRICE, op=Op.ABOVE, level=1.0), "while it lasts, every 1 h"),
        (Repeat.EVERY, HOUR, AllOf(parts=(NOW, RISE)), "while it lasts, every 1 h"),
        (Repeat.EVERY, HOUR, AllOf(parts=(ABOVE, RISE)), "repeats, at most every 1 h"),
        (Repeat.EVERY, HOUR, Then(first=ABOVE, second=NOW, within=HOUR), "repeats, at most every 1 h"),
        (Repeat.EVERY, 0, AllOf(parts=(NOW, RISE)), "repeats after it was false"),
        (Repeat.EVERY, 0, Event(metric=PRICE, level=1.0), "repeats"),
        (Repeat.EVERY, 0, RISE, "repeats, measured anew after each firing"),
    ],
)  # fmt: skip
def test_how_often_it_fires_is_said(
    repeat: Repeat, cooldown: int, condition: Condition, text: str
) -> None:
    assert WORDS.rhythm(rule(condition, repeat=repeat, cooldown=cooldown)) == text


def test_the_short_form_of_several_parts_names_the_first_and_counts_the_others() -> None:
    assert WORDS.short(rule(AllOf(parts=(RISE, ABOVE, ABOVE)))) == "oi +3% 15m & 2 more"
    either = AnyOf(parts=(rise("price", 0.05, HOUR), rise("price", -0.05, HOUR)))
    assert WORDS.short(rule(either)) == "price ±5% 1h"


def test_an_event_on_either_side_of_0_is_one_event() -> None:
    metric = metric_of(FIGURE["divergence"])
    sides = [Event(metric=metric, op=op, level=0.0) for op in (Op.ABOVE, Op.BELOW)]
    assert WORDS.phrase(AnyOf(parts=tuple(sides))) == "BTC perp 1-hour CVD divergence"
    assert WORDS.phrase(sides[0]) == "BTC perp bullish 1-hour CVD divergence"
    assert WORDS.short(rule(AnyOf(parts=tuple(sides)))) == "divergence 1h"


def test_a_rule_of_several_parts_says_how_many_hold_and_how_far_the_farthest_is() -> None:
    near = State(metric=PRICE, op=Op.ABOVE, level=100.0)
    legs = [leg(RISE, 0.015), leg(near, 99.0), leg(ABOVE, 96_000.0, met=True)]
    both = WORDS.progress(rule(AllOf(parts=(RISE, near, ABOVE))), STATE, [], legs)
    assert (both.note, both.met) == ("1/3 hold", False)
    assert both.left == pytest.approx(0.5)
    one = WORDS.progress(rule(AnyOf(parts=(RISE, near))), STATE, [], legs[:2])
    assert one.left == pytest.approx(1 / 99)
    done = WORDS.progress(rule(AnyOf(parts=(RISE, ABOVE))), STATE, [], [legs[0], legs[2]])
    assert (done.met, done.left) == (True, 0.0)


@pytest.mark.parametrize(
    ("name", "level", "text"),
    [
        ("funding", 0.0003, "+0.0300 %"),
        ("funding", 0.0000125, "+0.00125 %"),
        ("funding", -0.00000004, "-0.000004 %"),
        ("premium", 0.0012345, "+0.12345 %"),
        ("premium", 0.005, "+0.50 %"),
    ],
)
def test_a_level_is_shown_with_every_digit_that_was_typed(
    name: str, level: float, text: str
) -> None:
    metric = Metric(subject="binance:BTC/USDT:USDT", name=name)
    assert WORDS.level(State(metric=metric, op=Op.ABOVE, level=level)) == text


def test_a_part_that_is_not_known_makes_the_distance_unknown() -> None:
    legs = [leg(RISE, None), leg(ABOVE, 96_000.0, met=True)]
    found = WORDS.progress(rule(AllOf(parts=(RISE, ABOVE))), STATE, [], legs)
    assert (found.note, found.left, found.met) == ("1/2, 1 n/a", None, False)
    assert WORDS.progress(rule(Not(part=RISE)), STATE, [], legs[:1]).left is None


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (leg(RISE, 0.031, met=True), "✓ BTC open interest +3.10 % in 15 m (rises by 3.00 %)"),
        (leg(ABOVE, 93_310.0), "✗ BTC perp price 93,310.0 (crosses above 95,000.0)"),
        (leg(ABOVE, None), "? BTC perp price n/a (crosses above 95,000.0)"),
    ],
)
def test_a_part_is_told_with_its_value_and_what_was_asked(part: Leg, text: str) -> None:
    assert WORDS.leg(part) == text


def test_a_part_that_is_not_to_hold_is_ticked_when_it_does_not() -> None:
    asked = rule(AllOf(parts=(RISE, Not(part=NOW))))
    legs = [leg(RISE, 0.031, met=True), leg(NOW, 93_310.0), leg(NOW, 96_000.0, met=True)]
    assert [WORDS.leg(each, rule=asked) for each in legs] == [
        "✓ BTC open interest +3.10 % in 15 m (rises by 3.00 %)",
        "✓ BTC perp price 93,310.0 (not: is above 95,000.0)",
        "✗ BTC perp price 96,000.0 (not: is above 95,000.0)",
    ]
    found = WORDS.progress(asked, STATE, [], legs[:2])
    assert (found.note, found.met) == ("2/2 hold", True)
    found = WORDS.progress(asked, STATE, [], [legs[0], legs[2]])
    assert (found.note, found.met) == ("1/2 hold", False)


def test_a_figure_nobody_knows_any_more_is_still_shown() -> None:
    gone = Cross(metric=Metric(subject=BTC.key, name="moon_phase"), op=Op.ABOVE, level=2.0)
    assert WORDS.phrase(gone) == "BTC perp moon phase crosses above +2"
    assert WORDS.short(rule(gone)) == "moon phase>2"


LEAVES = st.sampled_from([ABOVE, RISE, State(metric=OI, op=Op.BELOW, level=10.0)])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(parts=tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(parts=tuple(parts))),
        inner.map(lambda part: Not(part=part)),
        inner.map(lambda part: For(part=part, duration=MINUTE)),
    ),
    max_leaves=6,
)


def holds(condition: Condition, truth: dict[object, bool | None]) -> bool | None:
    """The three-valued answer, written down from its definition."""
    match condition:
        case AllOf():
            found = [holds(part, truth) for part in condition.parts]
            return False if False in found else None if None in found else True
        case AnyOf():
            found = [holds(part, truth) for part in condition.parts]
            return True if True in found else None if None in found else False
        case Not():
            inner = holds(condition.part, truth)
            return None if inner is None else not inner
        case For():
            return holds(condition.part, truth)
    return truth[condition]


@given(TREES, st.lists(st.sampled_from([True, False, None]), min_size=3, max_size=3))
def test_whether_a_tree_holds_is_what_its_definition_says(
    condition: Condition, answers: list[bool | None]
) -> None:
    known = (ABOVE, RISE, State(metric=OI, op=Op.BELOW, level=10.0))
    truth: dict[object, bool | None] = dict(zip(known, answers, strict=True))
    legs = [
        leg(each, None if truth[each] is None else 1.0, met=bool(truth[each])) for each in known
    ]
    found = WORDS.progress(rule(condition), STATE, [], legs)
    if not isinstance(condition, Cross | State | Rise):
        assert found.met is (holds(condition, truth) is True)
    if found.met and found.left is not None:
        assert found.left == 0.0 or isinstance(condition, Cross | State | Rise)
