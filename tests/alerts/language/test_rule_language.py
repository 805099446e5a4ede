"""What the language asks, refuses, fills in and bears."""

import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_expectation import expected
from rule_world import FIGURES, names

from alerts.conditions import leaves, metrics_of
from alerts.language.errors import Unclear
from alerts.language.rules import Language, Parsed
from alerts.types import AllOf, AnyOf, Condition, Cross, Rise, State
from market.errors import UserError

LANGUAGE, NAMES = Language(FIGURES), names()
PHRASINGS = [
    line.split("\t")[0]
    for line in (Path(__file__).parent / "phrasings.txt").read_text().splitlines()
    if not line.startswith("#")
]


def parse(text: str) -> Parsed:
    return LANGUAGE.parse(text, NAMES)


def refusal(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert not isinstance(caught.value, Unclear)
    assert caught.value.example
    return caught.value


def question(text: str) -> Unclear:
    with pytest.raises(Unclear) as caught:
        parse(text)
    return caught.value


def rules(choices: tuple[str, ...]) -> list[Condition]:
    return [parse(each).condition for each in choices]


@pytest.mark.parametrize(
    ("short", "meaning"),
    [
        ("BTC above 95k", "(x> BTC price 95000)"),
        ("BTC volume 200 15m", "(x> BTC volume_ratio@15m 2)"),
        ("ETH volume 300 1h", "(x> ETH volume_ratio@1h 3)"),
        ("BTC-PERP open interest +50000", "(rise BTC open_interest@1h 50000)"),
        ("BTC-PERP open interest +10000", "(rise BTC open_interest@1h 10000)"),
        ("ETH cvd negative", "(x< ETH cvd_share@4h 0)"),
        ("BTC-PERP open interest -$1b 4h", "(rise BTC open_interest_usd@4h -1000000000)"),
        ("BTC liquidations long above $5m 5m", "(x> BTC liquidations@5m#long 5000000)"),
        ("SOL correlation ETH below 0.6", "(x< SOL correlation@1h#ETH 0.6)"),
        ("BTC ma ema200 above 0% 4h", "(x> BTC ma_distance@4h#ema200 0)"),
        ("BTC bollinger above 1 4h", "(x> BTC bollinger@4h#20,2 1)"),
        ("btc closes above 95k on the 4h", "(x> BTC close@4h 95000)"),
        ("BTC 4h candle closes below 90k", "(x< BTC close@4h 90000)"),
        ("BTC daily close > 95k", "(> BTC close@1d 95000)"),
    ],
)
def test_the_words_behind_a_command_are_the_same_rule(short: str, meaning: str) -> None:
    assert parse(short).condition == expected(meaning)[0]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("btc funding > 0.05% and eth above 4000", "(and (> BTC funding 0.0005) (> ETH price 4000))"),
        ("btc funding > 0.05% and eth > 0.05%", "(and (> BTC funding 0.0005) (> ETH funding 0.0005))"),
        ("btc oi drops 5% in 1h then rises 3% in 15m within 2h",
         "(then 2h (rise BTC open_interest@1h -5%) (rise BTC open_interest@15m 3%))"),
        ("btc rises 3% in 15m within 30m after eth drops 2% in 5m",
         "(then 30m (rise ETH price@5m -2%) (rise BTC price@15m 3%))"),
        ("btc above 95k then eth above 4k then sol above 200 within 2h",
         "(then 2h (then 1h (> BTC price 95000) (> ETH price 4000)) (> SOL price 200))"),
        ("btc above 95k, eth above 4k and sol above 200",
         "(and (> BTC price 95000) (> ETH price 4000) (> SOL price 200))"),
        ("btc rsi(7) > 70 on 4h then < 60 within 8h",
         "(then 8h (> BTC rsi@4h#7 70) (< BTC rsi@4h#7 60))"),
        ("btc bybit funding > 0.05% and funding < 0.03% on okx",
         "(and (> bybit:BTC funding 0.0005) (< okx:BTC funding 0.0003))"),
        ("btc: rsi > 70 on 4h and funding > 0.05%", "(and (> BTC rsi@4h#14 70) (> BTC funding 0.0005))"),
        ("btc delta over 5m above 1m", "(x> BTC delta@5m 1000000)"),
        ("btc premium within 0.1%", "(and (> BTC premium -0.001) (< BTC premium 0.001))"),
        ("btc outside 90k and 95k", "(or (< BTC price 90000) (> BTC price 95000))"),
        ("btc between 90k and 95k for 1h", "(for 1h (and (> BTC price 90000) (< BTC price 95000)))"),
        ("BTC OI RISES 3% IN 15M", "(rise BTC open_interest@15m 3%)"),
        ("btc ‑3% in 1h", "(rise BTC price@1h -3%)"),  # noqa: RUF001 - the dash of a phone
        ("$NOT not above 0.01", "(not (> NOT price 0.01))"),
        ("buy wall on btc above 5m", "(ev> BTC wall#bid 5000000)"),
        ("btc divergence bullish 4h", "(ev> BTC divergence@4h 0)"),
        ("btc crosses above 95k for 3m", "(for 3m (> BTC price 95000))"),
        ("btc rsi is at least 70", "(> BTC rsi@1h#14 70)"),
        ("btc imbalance above 0.7", "(x> BTC imbalance 0.7)"),
    ],
)  # fmt: skip
def test_it_is_read_as_people_mean_it(text: str, meaning: str) -> None:
    assert parse(text).condition == expected(meaning)[0]


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("btc funding > 0.03", ["(> BTC funding 0.0003)", "(> BTC funding 0.03)"]),
        ("btc volume 20", ["(x> BTC volume_ratio@15m 0.2)", "(x> BTC volume_ratio@15m 20)"]),
        ("btc 5% in 1h", ["(rise BTC price@1h 5%)", "(rise BTC price@1h -5%)", "(moves BTC price@1h 5%)"]),
        ("btc oi above 5%",
         ["(rise BTC open_interest@1h 5%)", "(rise BTC open_interest@1h -5%)", "(moves BTC open_interest@1h 5%)"]),
        ("btc oi 50000", ["(x> BTC open_interest 50000)", "(x< BTC open_interest 50000)",
                          "(rise BTC open_interest@1h 50000)", "(rise BTC open_interest@1h -50000)",
                          "(x> BTC open_interest_usd 50000)"]),
        ("not btc above 95k for 3m", ["(for 3m (not (> BTC price 95000)))", "(not (for 3m (> BTC price 95000)))"]),
        ("eth above 4k unless btc above 95k for 3m",
         ["(and (> ETH price 4000) (for 3m (not (> BTC price 95000))))",
          "(and (> ETH price 4000) (not (for 3m (> BTC price 95000))))",
          "(for 3m (and (> ETH price 4000) (not (> BTC price 95000))))"]),
        ("btc and eth funding > 0.05%",
         ["(> ? funding 0.0005)", "(and (> BTC funding 0.0005) (> ETH funding 0.0005))"]),
        ("btc funding > 0.01% and eth rsi > 70 and premium > 0.1%",
         ["(and (> BTC funding 0.0001) (> ETH rsi@1h#14 70) (> BTC premium 0.001))",
          "(and (> BTC funding 0.0001) (> ETH rsi@1h#14 70) (> ETH premium 0.001))"]),
        ("btc rises 3% in 1h and eth falls 2% in 4h and sol up 1%",
         ["(and (rise BTC price@1h 3%) (rise ETH price@4h -2%) (rise SOL price@1h 1%))",
          "(and (rise BTC price@1h 3%) (rise ETH price@4h -2%) (rise SOL price@4h 1%))"]),
        ("btc pirce above 95k", ["(x> BTC price 95000)"]),
    ],
)  # fmt: skip
def test_two_readings_are_asked_about(text: str, meanings: list[str]) -> None:
    asked = question(text)
    found = rules(asked.choices)
    assert sorted(map(repr, found)) == sorted(repr(expected(each)[0]) for each in meanings)
    assert [command for _label, command in asked.suggestions] == [
        f"/alert_when {each}" for each in asked.choices
    ]


def test_the_venue_behind_a_list_is_asked_about() -> None:
    asked = question("any of btc, eth on bybit funding > 0.1%")
    both, last = (parse(each).subjects for each in asked.choices)
    assert both == ("bybit:BTC/USDT:USDT", "bybit:ETH/USDT:USDT")
    assert last == ("binance:BTC/USDT:USDT", "bybit:ETH/USDT:USDT")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("btc above 95k eth", "eth"),
        ("above 95k", "Which coin"),
        ("btc above", "stops in the middle"),
        ("btc above 95k in 1h", "no window"),
        ("btc up 15m", "minutes, or million"),
        ("btc 15m", "minutes, or million"),
        ("btc above 95k either way", "either way"),
        ("btc rises 3% from below", "from below"),
        ("btc rises -5%", "wrong sign"),
        ("btc falls 100%", "-100%"),
        ("btc rsi on 3h above 70", "not of 3h"),
        ("btc rsi above 70 on 1M", "no months"),
        ("btc liquidations above $5m in 2h", "1m to 1h"),
        ("btc rises 3% in 10d", "1m to 7d"),
        ("btc rsi rises 10", "no changes"),
        ("btc crosses 95k and eth crosses 4k", "never at one moment"),
        ("not btc crosses 95k", "lasts"),
        ("btc crosses 95k for 3m", "moment"),
        ("btc whale for 3m", "lasts"),
        ("btc long short", "What about"),
        ("btc price long above 95k", "side"),
        ("btc above 95k, eth above 4k", "and"),
        ("any of btc, eth up 5% in 1h and any of sol, xrp up 5% in 1h", "One list"),
        ("any coin on bybit rises 5%", "bybit"),
        ("btc new listing", "whole market"),
        ("btc bybit okx above 95k", "One venue"),
        ("sol spot funding > 0.03%", "spot"),
        ("btc spot oi +5%", "spot"),
        ("btc above 95k until friday", "friday"),
        ("btc above 95k note sell", "quotes"),
        ("btc above 95k once always", "one sort"),
        ("btc above ½", "ordinary digits"),
        ("btc above 9e99", "9e99"),
        ("btc above 99999999999999999999", "99999"),
        ("btc rsi 14 7 above 70", "“7”"),
        ("", "watched"),
        ("   ", "watched"),
    ],
)
def test_it_says_what_is_wrong(text: str, reason: str) -> None:
    assert reason in refusal(text).text


def test_what_was_filled_in_is_told() -> None:
    assert any("15m" in each for each in parse("btc +3%").said)
    assert any("4h" in each for each in parse("eth cvd negative").said)
    assert any("1h candles" in each for each in parse("btc rsi above 70").said)
    assert any("coins" in each for each in parse("btc oi +50000 1h").said)
    assert any("1h" in each for each in parse("btc above 95k then eth above 4k").said)
    assert parse("btc above 95k").said == ()


def test_a_window_said_once_holds_for_the_other_change_and_is_told() -> None:
    parsed = parse("when btc oi rises 3% in 15m and price within 0.3% and funding > 0.03%")
    windows = [each.metric.window for each in leaves(parsed.condition)]
    assert windows == [900_000, 900_000, 900_000, 0]
    assert any("15m" in each for each in parsed.said)


def test_a_rule_is_grouped_under_its_coin() -> None:
    assert parse("eth above 4k and btc above 95k").coin == "ETH"
    assert parse("any of btc, eth above 5").coin == "BTC,ETH"
    assert parse("new listing").coin == ""


def test_too_long_and_too_deep_are_refused() -> None:
    assert "too long" in refusal("btc above 95k or " * 40).text
    assert "too deep" in refusal("(" * 9 + "btc above 95k" + ")" * 9).text
    nested = "btc above 95k"
    for _ in range(10):
        nested = f"not ({nested})"
    assert "too deep" in refusal(nested).text
    assert parse("(" * 8 + "btc above 95k" + ")" * 8).condition == parse("btc above 95k").condition


def test_too_many_readings_are_refused_and_not_tried_one_by_one() -> None:
    text = " and ".join(["btc funding > 0.03"] * 8)
    assert "too many" in refusal(text).text


def test_a_coin_called_like_a_word_is_named_with_a_dollar_sign() -> None:
    assert metrics_of(parse("$NOT above 0.01").condition)[0].subject == "binance:NOT/USDT:USDT"
    assert metrics_of(parse("NOT-PERP oi +5% 1h").condition)[0].subject == "*:NOT"
    refusal("not above 0.01")


def test_a_lone_comparison_is_a_crossing_and_one_among_others_a_state() -> None:
    assert isinstance(parse("btc above 95k").condition, Cross)
    assert isinstance(parse("btc is above 95k").condition, State)
    both = parse("btc above 95k and eth below 4k").condition
    assert isinstance(both, AllOf)
    assert all(isinstance(each, State) for each in both.parts)
    assert isinstance(parse("btc moves 3% in 1h").condition, AnyOf)
    assert isinstance(parse("btc +3% 1h").condition, Rise)


WORDS = sorted({word for each in PHRASINGS for word in each.split()})


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join))
def test_words_in_any_order_are_a_rule_or_a_clear_answer(text: str) -> None:
    _survives(text)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_rule_or_a_clear_answer(text: str) -> None:
    _survives(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="()<>=&|,;:$%+-.\"'“”«» 059kmhx", max_size=40))
def test_signs_and_digits_are_a_rule_or_a_clear_answer(text: str) -> None:
    _survives(f"btc {text}")


def test_phrasings_with_a_slip_are_the_same_rule_or_a_clear_answer() -> None:
    """A letter more, less or other never turns a rule into one about another figure, side or level."""
    draw = random.Random(7)
    words = (
        "above",
        "below",
        "funding",
        "price",
        "crosses",
        "rises",
        "drops",
        "volume",
        "negative",
        "within",
    )
    changed = 0
    for text in PHRASINGS:
        for word in words:
            if f" {word} " not in f" {text} ":
                continue
            place = draw.randrange(1, len(word))
            slip = word[:place] + draw.choice(string.ascii_lowercase) + word[place + 1 :]
            mistyped = text.replace(word, slip, 1)
            try:
                found = parse(mistyped)
            except UserError:
                continue
            changed += slip != word
            if slip != word:
                assert found.condition == parse(text).condition, mistyped
    assert changed < 20


def _survives(text: str) -> None:
    try:
        parsed = parse(text)
    except Unclear as unclear:
        _answers(unclear)
    except UserError as refused:
        _answers(refused)
    else:
        written = LANGUAGE.rule_text(
            parsed.condition, subjects=parsed.subjects, options=parsed.options, names=NAMES
        )
        if len(written) <= 500:
            assert parse(written).condition == parsed.condition


def _answers(said: UserError) -> None:
    """A sentence that is not empty, and choices that are rules."""
    assert said.text
    if isinstance(said, Unclear):
        assert said.choices
        assert all(parse(each) for each in said.choices)
