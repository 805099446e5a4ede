"""Numbers as a venue writes them."""

import pytest
from local_source_b import instrument

from exchanges.local.venues.native import native, plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0000125, "0.0000125"),
        (1e-10, "0.0000000001"),
        (12_345_678_901.0, "12345678901"),
        (0.1 + 0.2, "0.3"),
        (-4e-05, "-0.00004"),
        (0.0, "0"),
        (None, ""),
        (float("inf"), ""),
        (float("nan"), ""),
    ],
)
def test_plain_numbers_have_no_exponent_and_no_noise(value: float | None, text: str) -> None:
    assert plain(value) == text


def test_prices_and_amounts_of_thousands_have_the_venues_decimals() -> None:
    units = native(instrument("bybit", "1000PEPE/USDT:USDT"))
    assert (units.tick, units.lot) == ("0.0000001", "100")
    assert units.price(0.0000123) == "0.0123000"
    assert units.amount(700_000.0) == "700"
    assert (units.price(None), units.amount(None)) == ("", "")


def test_contracts_are_counted_where_the_venue_counts_them() -> None:
    units = native(instrument("okx", "BTC/USDT:USDT"))
    assert units.lot == "0.01"
    assert units.amount(0.0123) == "1.23"
    assert units.price(60_000.0) == "60000.0"


def test_a_number_between_the_steps_is_not_rounded() -> None:
    units = native(instrument("okx", "BTC/USDT:USDT"))
    assert units.price(60_000.123456) == "60000.123456"
    assert units.amount(0.01234567) == "1.234567"
