"""How figures are written: by their tick, compact, signed, never wider than a phone, never a number for nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import format as fmt
from market.types import Kind, Reading, Status

T0 = 1_735_689_600_000  # 2025-01-01 00:00 UTC


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (94312.5, 0.1, "94,312.5"), (94312.0, 0.1, "94,312.0"), (0.00001234, 1e-8, "0.00001234"),
        (0.00001234, 0.01, "0.00001234"), (3104.2, 0.01, "3,104.20"), (1.0, 0.0025, "1.0000"),
        (94312.5, 10, "94,312"), (94312.5, 0.0, "94,312.5"), (0.123456789, 0.0, "0.123457"),
        (0.0, 0.1, "0.0"), (2.6e-9, 1.0000000000000002e-09, "0.000000003"), (math.nan, 0.1, "n/a"),
    ],
)  # fmt: skip
def test_prices_have_the_decimals_of_their_tick(value: float, step: float, text: str) -> None:
    assert fmt.price(value, step) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (768.5e6, "$768.5M"), (1.24e9, "$1.24B"), (12_300, "$12.3k"), (999_960, "$1.00M"), (999.999, "$1.00k"),
        (31.1, "$31.10"), (-48.2e6, "-$48.2M"), (0.0042, "$0.0042"), (0, "$0"), (2.5e12, "$2.50T"),
        (math.inf, "n/a"),
    ],
)  # fmt: skip
def test_money_is_compact(value: float, text: str) -> None:
    assert fmt.money(value) == text


def test_signs_and_other_currencies() -> None:
    assert fmt.money(3.1e6, signed=True) == "+$3.10M"
    assert fmt.money(12.3, currency="BTC") == "12.3 BTC"
    assert fmt.compact(-1_500) == "-1.50k"
    assert fmt.amount_and_value(7281, "BTC", 768.5e6) == "7,281 BTC ($768.5M)"
    assert fmt.amount_and_value(0.0042, "BTC", None) == "0.0042 BTC"
    assert fmt.amount(12_345_678_901, "PEPE") == "12.3B PEPE"
    assert fmt.amount(-12.346, "BTC") == "-12.35 BTC"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0184, "+1.84 %"), (0.09999, "+10.0 %"), (-0.1234, "-12.3 %"), (3.4, "+340 %"), (0.99996, "+100 %"),
        (-0.00001, "0.00 %"), (0.0, "0.00 %"), (12.5, "+1,250 %"), (math.nan, "n/a"),
    ],
)  # fmt: skip
def test_percent(value: float, text: str) -> None:
    assert fmt.percent(value) == text


def test_percent_without_sign_or_space() -> None:
    assert fmt.percent(0.461, signed=False) == "46.1 %"
    assert fmt.percent(0.0002, tight=True) == "+0.02%"
    assert fmt.percent(0.0001, 4) == "+0.0100 %"
    assert fmt.rate_apr(0.0001, 8) == "+0.0100 %/8h (+10.95 % APR)"
    assert fmt.rate_apr(0.0001, 0) == "n/a"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5000, "0 s"), (0, "0 s"), (640, "0.6 s"), (3000, "3 s"), (59_999, "59 s"), (160_000, "2 m"),
        (4_200_000, "1 h 10 m"), (7_200_000, "2 h"), (183_600_000, "2 d 3 h"),
    ],
)  # fmt: skip
def test_ages(ms: int, text: str) -> None:
    assert fmt.age(ms) == text


def test_lengths_leave_nothing_out() -> None:
    assert fmt.duration(5_400_000) == "1 h 30 m"
    assert fmt.duration(7 * 86_400_000) == "7 d"
    assert fmt.duration(65_000) == "1 m 5 s"


def test_clock_times_name_the_day_where_it_is_another() -> None:
    assert fmt.utc(T0 + 50_520_000, T0 + 60_000_000) == "14:02 UTC"
    assert fmt.utc(T0, T0 + 2 * 86_400_000) == "01-01 00:00 UTC"
    assert fmt.utc(T0, T0 - 86_400_000) == "2025-01-01 00:00 UTC"
    assert fmt.utc(T0 + 5000, T0, seconds=True) == "00:00:05 UTC"


def test_what_is_not_known_is_written_with_its_reason() -> None:
    unknown: Reading[float] = Reading.missing(
        "needs 250 closed candles, has 31", Status.INSUFFICIENT
    )
    assert fmt.shown(unknown, fmt.money) == "n/a (needs 250 closed candles, has 31)"
    assert fmt.shown(unknown, fmt.money, short=True) == "n/a"
    assert fmt.shown(Reading(value=0.0), fmt.percent) == "0.00 %"
    flat = Reading(value=50.0, status=Status.FLAT)
    assert fmt.shown(flat, fmt.compact) == "50.0 (market did not move)"


def test_evidence_has_the_oldest_age_the_weakest_kind_and_who_is_absent() -> None:
    readings: list[Reading[float]] = [
        Reading(value=1.0, venues=("binance",), as_of=T0 - 2000),
        Reading(value=2.0, venues=("bybit",), as_of=T0 - 9000, kind=Kind.APPROX, note="no gaps"),
        Reading.missing("down", venues=("okx",)),
    ]
    assert fmt.evidence(readings, T0, "since 10:15 UTC") == (
        "Binance+Bybit · no OKX · since 10:15 UTC · 9 s · no gaps · approx"
    )
    assert fmt.evidence([], T0) == "no data"
    four = [Reading(value=1.0, venues=("binance", "bybit", "okx", "coinbase"), as_of=T0 - 2000)]
    assert fmt.evidence(four, T0) == "4 venues · 2 s · observed"


def test_gaps_in_words() -> None:
    assert fmt.gaps([], T0) == "no gaps"
    spans = [(T0, T0 + 60_000), (T0 + 120_000, T0 + 180_000)]
    assert fmt.gaps(spans, T0) == "blind 00:00 UTC to 00:01 UTC and 1 more"


def test_a_table_has_numbers_on_the_right() -> None:
    rows = [["", "spot", "perp"], ["Binance", "94,312.5", "94,330"], ["OKX", "n/a", "94,331"]]
    assert fmt.table(rows) == [
        "             spot    perp",
        "Binance  94,312.5  94,330",
        "OKX           n/a  94,331",
    ]


CELL = st.text(st.characters(exclude_categories=("Cs",)), max_size=24)
ROWS = st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=6)


@given(rows=ROWS)
def test_no_line_is_wider_than_a_phone(rows: list[list[str]]) -> None:
    assert all(fmt.columns_of(line) <= fmt.COLUMNS for line in fmt.table(rows))
    assert all("\n" not in line for line in fmt.table(rows))


@given(
    numbers=st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5),
    name=st.text("abcXYZ", max_size=30),
)
def test_digits_are_never_cut_off(numbers: list[float], name: str) -> None:
    cells = [f"{number:,.3f}" for number in numbers]
    text = "".join(fmt.table([[name, *cells]])).replace(" ", "")
    assert all(cell in text for cell in cells)


def test_wide_letters_take_two_columns() -> None:
    assert fmt.columns_of("币安人生") == 8
    (line,) = fmt.table([["币安人生币安人生币安人生币安人生", "94,312.5"]])
    assert fmt.columns_of(line) <= 32
    assert line.endswith("94,312.5")


@given(st.floats())
def test_every_number_has_a_short_text(value: float) -> None:
    for text in (
        fmt.money(value),
        fmt.compact(value, signed=True),
        fmt.percent(value),
        fmt.amount(value, "BTC"),
    ):
        assert 0 < len(text) <= 18
        assert "nan" not in text
        assert "inf" not in text


@given(st.floats(1e-12, 1e12))
def test_no_price_reads_as_zero(value: float) -> None:
    for step in (0.0, 0.01, 1e-8):
        assert any(digit in fmt.price(value, step) for digit in "123456789")


@given(value=st.floats(0.001, 1e14))
def test_compact_is_within_half_a_digit(value: float) -> None:
    text = fmt.compact(value)
    scale = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    back = float(text.rstrip("kMBT").replace(",", "")) * scale
    assert back == pytest.approx(value, rel=0.06 if value < 1 else 0.006)
