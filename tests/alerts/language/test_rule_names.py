"""Names of markets as they are typed, to the subjects of metrics and back."""

import pytest
from rule_world import BY_NAME, COINS, names

from alerts.figures import Scope
from market.errors import UserError

NAMES = names()
PRICE, INTEREST, FUNDING, LISTING = (
    BY_NAME[each] for each in ("price", "open_interest", "funding", "listing")
)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("btc", "binance:BTC/USDT:USDT"),
        ("bitcoin", "binance:BTC/USDT:USDT"),
        ("btc bybit", "bybit:BTC/USDT:USDT"),
        ("BTC perp okx", "okx:BTC/USDT:USDT"),
        ("btc spot", "binance:BTC/USDT"),
        ("binance:BTC/USDT", "binance:BTC/USDT"),
        ("binance:BTC/USDT:USDT", "binance:BTC/USDT:USDT"),
    ],
)
def test_a_figure_of_one_market_takes_the_perp_of_the_desk(text: str, subject: str) -> None:
    assert NAMES.subject(text, PRICE.scope, PRICE) == subject


@pytest.mark.parametrize(
    ("text", "subject"),
    [("eth", "*:ETH"), ("ETH-PERP", "*:ETH"), ("eth bybit", "bybit:ETH/USDT:USDT"), ("ETH-USDT-PERP", "*:ETH/USDT")],
)  # fmt: skip
def test_a_figure_of_a_coin_takes_all_venues_unless_one_is_named(text: str, subject: str) -> None:
    assert NAMES.subject(text, INTEREST.scope, INTEREST) == subject


def test_the_whole_market_has_no_name() -> None:
    assert NAMES.subject("", Scope.MARKET, LISTING) == "*"
    assert (NAMES.words("*"), NAMES.coin("*")) == ("", "")


@pytest.mark.parametrize("coin", COINS)
@pytest.mark.parametrize("figure", [PRICE, INTEREST], ids=["market", "coin"])
def test_the_words_of_a_subject_are_read_as_the_same_one(coin: str, figure: object) -> None:
    known = {"price": PRICE, "open_interest": INTEREST}[getattr(figure, "name", "")]
    for text in (coin, f"{coin} bybit"):
        subject = NAMES.subject(text, known.scope, known)
        assert NAMES.subject(NAMES.words(subject), known.scope, known) == subject
        assert NAMES.coin(subject) == coin


def test_what_spot_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="spot"):
        NAMES.subject("btc spot", INTEREST.scope, INTEREST)
    with pytest.raises(UserError, match="spot"):
        NAMES.subject("btc spot", FUNDING.scope, FUNDING)


def test_a_coin_nobody_lists_is_refused() -> None:
    with pytest.raises(UserError):
        NAMES.subject("zzzq", PRICE.scope, PRICE)
