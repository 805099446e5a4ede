"""What people type for figures, and what they get when it is none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import UserError
from market.words import LARGEST, Typed, number, timeframe, typed, window

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "value", "unit", "sign"),
    [
        ("200", 200, "", ""), ("200%", 200, "%", ""), ("200 %", 200, "%", ""), ("50k", 50_000, "", ""),
        ("1.5m", 1.5e6, "", ""), ("$2b", 2e9, "$", ""), ("2,000,000", 2e6, "", ""), ("95K", 95_000, "", ""),
        ("+50000", 50_000, "", "+"), ("-5%", -5, "%", "-"), ("\u22125%", -5, "%", "-"), ("\u20135%", -5, "%", "-"),
        ("$90,000", 90_000, "$", ""), (".5", 0.5, "", ""), ("-$2k", -2000, "$", "-"), ("50usd", 50, "$", ""),
        ("1_000", 1000, "", ""), ("٢٠٠", 200, "", ""), ("\uff15\uff10\uff05", 50, "%", ""), ("1.5bn", 1.5e9, "", ""),
    ],
)  # fmt: skip
def test_numbers(text: str, value: float, unit: str, sign: str) -> None:
    found = typed(text)
    assert found == Typed(value=pytest.approx(value), unit=unit, sign=sign)


@pytest.mark.parametrize(
    "text",
    ["", " ", "nan", "inf", "-inf", "1e30", "10²", "½", "2,5", "1,00,000", "--5", "5%%", "1.2.3", "9" * 40,
     "0x10", "5 5k k", "+", "$", "k", "%", "1,000,00", "5kk", "$5%", "\u066b5", "5 5", "50 000"],
)  # fmt: skip
def test_what_is_no_number_gets_one_sentence(text: str) -> None:
    with pytest.raises(UserError) as caught:
        typed(text, example="/alert BTC above 95k")
    assert caught.value.text.endswith(".")
    assert len(caught.value.text) < 120
    assert caught.value.example == "/alert BTC above 95k"


def test_a_decimal_comma_is_explained_not_read_as_thousands() -> None:
    with pytest.raises(UserError, match=r"like 2\.5"):
        typed("2,5")


@pytest.mark.parametrize(
    ("text", "more"), [("0", {"above": 0.0}), ("-5", {"low": 0.0}), ("2t", {"high": 1e9})]
)
def test_numbers_outside_their_range_are_refused(text: str, more: dict[str, float]) -> None:
    with pytest.raises(UserError):
        number(text, **more)  # type: ignore[arg-type]


def test_a_number_inside_its_range_is_read() -> None:
    assert number("200%", above=0, high=10_000) == 200


@pytest.mark.parametrize(
    ("text", "name"),
    [("15m", "15m"), ("15min", "15m"), ("60m", "1h"), ("4H", "4h"), ("1d", "1d"), ("24h", "1d"), ("1 hour", "1h"),
     ("15M", "15m")],
)  # fmt: skip
def test_timeframes(text: str, name: str) -> None:
    assert timeframe(text) == name


@pytest.mark.parametrize("text", ["", "7m", "x", "1M", "15", "0m", "-5m", "1h1h", "99999d"])
def test_what_is_no_candle_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        timeframe(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("4h", 4 * HOUR), ("90m", 1.5 * HOUR), ("1h30m", 1.5 * HOUR), ("7d", 168 * HOUR), ("1w", 168 * HOUR),
     ("2 hours", 2 * HOUR), ("1 day", 24 * HOUR), ("4H", 4 * HOUR)],
)  # fmt: skip
def test_windows(text: str, ms: float) -> None:
    assert window(text) == ms


@pytest.mark.parametrize("text", ["", "4", "0h", "999d", "h", "-4h", "4x", "4h4", "99999999h"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        window(text)


def test_a_window_outside_its_limits_names_them() -> None:
    with pytest.raises(UserError, match="from 15m to 1d"):
        window("2d", low=900_000, high=24 * HOUR)


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_a_user_error(text: str) -> None:
    for read in (typed, timeframe, window):
        with suppress(UserError):
            found = read(text)
            assert not isinstance(found, Typed) or abs(found.value) <= LARGEST


@given(st.integers(0, 10**12))
def test_whole_numbers_are_read_as_written(value: int) -> None:
    assert typed(str(value)).value == value
    assert typed(f"{value:,}").value == value
