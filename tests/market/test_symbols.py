"""What people type, and what is found under it."""

import random
import time

import pytest

from market.symbols import Directory, Query, parse_query, split_multiplier
from market.types import Instrument


def make(exchange: str, base: str, quote: str, perp: bool = False, name: str = "") -> Instrument:
    pair = f"{name or base}/{quote}"
    return Instrument(
        exchange=exchange,
        symbol=f"{pair}:{quote}" if perp else pair,
        base=base,
        quote=quote,
        perp=perp,
    )


DIRECTORY = Directory(
    [
        make("binance", "BTC", "USDT"),
        make("binance", "BTC", "USDT", perp=True),
        make("binance", "BTC", "USDC", perp=True),
        make("binance", "PEPE", "USDT"),
        make("binance", "PEPE", "USDT", perp=True, name="1000PEPE"),
        make("hyperliquid", "PEPE", "USDC", perp=True, name="kPEPE"),
        make("hyperliquid", "BTC", "USDC", perp=True),
        make("coinbase", "BTC", "USD"),
        make("coinbase", "ETH", "USD"),
        make("binance", "ETH", "BTC"),
        make("binance", "ETH", "USDT", perp=True),
        make("binance", "S", "USDT", perp=True),
        make("binance", "S", "USD"),
        make("coinbase", "SUSD", "USD"),
        make("binance", "KAVA", "USDT"),
    ]
)


def found(text: str) -> list[str]:
    query = parse_query(text)
    assert query is not None
    return [each.key for each in DIRECTORY.find(query)]


@pytest.mark.parametrize(
    "text",
    ["BTC", "btc", "$BTC", "$btc", " btc ", "XBT", "bitcoin", "\uff22\uff34\uff23", "b\u200btc"],
)
def test_a_coin_is_read_however_it_is_written(text: str) -> None:
    query = parse_query(text)
    assert query is not None
    assert (query.base, query.quote, query.perp, query.exchange) == ("BTC", None, None, None)


@pytest.mark.parametrize(
    ("text", "quote", "perp"),
    [
        ("BTC/USDT", "USDT", False),
        ("BTC-USDT", "USDT", False),
        ("btc_usdt", "USDT", False),
        ("btc spot", None, False),
        ("btc usdt spot", "USDT", False),
        ("BTCUSDT", "USDT", True),
        ("btcusdt", "USDT", True),
        ("$btcusdt", "USDT", True),
        ("BTCUSDT.P", "USDT", True),
        ("BTC-PERP", None, True),
        ("btc perp", None, True),
        ("BTC-USDT-SWAP", "USDT", True),
        ("BTC/USDT:USDT", "USDT", True),
        ("btcusdt spot", "USDT", False),
        ("BTC/USDC", "USDC", False),
        ("XBTUSD", "USD", True),
    ],
)
def test_pairs_and_perps_are_told_apart(text: str, quote: str | None, perp: bool | None) -> None:
    query = parse_query(text)
    assert query is not None
    assert (query.base, query.quote, query.perp) == ("BTC", quote, perp)


@pytest.mark.parametrize("text", ["binance:btc", "BINANCE:BTC", "btc binance", "binance: btc"])
def test_an_exchange_narrows(text: str) -> None:
    query = parse_query(text)
    assert query is not None
    assert (query.base, query.exchange) == ("BTC", "binance")
    assert {key.split(":")[0] for key in found(text)} == {"binance"}


@pytest.mark.parametrize(
    "text", ["1000PEPE", "kPEPE", "PEPE", "pepe", "1000pepe", "kpepe", "$kPEPE", "1000PEPEUSDT"]
)
def test_multiplied_contracts_are_the_plain_coin(text: str) -> None:
    assert any("PEPE" in key for key in found(text))
    assert all(DIRECTORY.by_key(key).base == "PEPE" for key in found(text))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "coin", "units"),
    [
        ("1000PEPE", "PEPE", 1e3),
        ("kPEPE", "PEPE", 1e3),
        ("SHIB1000", "SHIB", 1e3),
        ("10000LADYS", "LADYS", 1e4),
        ("1000000MOG", "MOG", 1e6),
        ("1MBABYDOGE", "BABYDOGE", 1e6),
        ("1INCH", "1INCH", 1.0),
        ("KAVA", "KAVA", 1.0),
        ("BTC", "BTC", 1.0),
        ("1000", "1000", 1.0),
    ],
)
def test_the_multiplier_of_a_name(name: str, coin: str, units: float) -> None:
    assert split_multiplier(name) == (coin, units)


def test_a_coin_beginning_with_k_stays_itself() -> None:
    assert found("kava") == ["binance:KAVA/USDT"]


def test_a_plain_coin_finds_spot_and_perps_of_all_exchanges() -> None:
    assert found("btc") == [
        "binance:BTC/USDT",
        "binance:BTC/USDT:USDT",
        "binance:BTC/USDC:USDC",
        "hyperliquid:BTC/USDC:USDC",
        "coinbase:BTC/USD",
    ]


def test_a_glued_pair_is_the_perp() -> None:
    assert found("BTCUSDT") == ["binance:BTC/USDT:USDT"]


def test_a_slashed_pair_is_spot() -> None:
    assert found("BTC/USDT") == ["binance:BTC/USDT"]


def test_a_glued_pair_without_a_perp_is_the_spot_pair() -> None:
    assert found("BTCUSD") == ["coinbase:BTC/USD"]
    assert found("ethbtc") == ["binance:ETH/BTC"]


def test_a_word_that_is_a_coin_and_a_pair_asks() -> None:
    query = parse_query("SUSD")
    assert query is not None
    assert DIRECTORY.ambiguous(query) == ["SUSD", "S/USD"]
    clear = parse_query("BTCUSDT")
    assert clear is not None
    assert DIRECTORY.ambiguous(clear) == []
    slashed = parse_query("S/USD")
    assert slashed is not None
    assert DIRECTORY.ambiguous(slashed) == []


@pytest.mark.parametrize(
    ("text", "coin"),
    [
        ("BTTC", "BTC"),
        ("BCT", "BTC"),
        ("BT", "BTC"),
        ("EHT", "ETH"),
        ("PEEP", "PEPE"),
        ("pepee", "PEPE"),
        ("KAV", "KAVA"),
    ],
)
def test_a_typo_gets_the_near_coin(text: str, coin: str) -> None:
    assert coin in DIRECTORY.suggest(text)


def test_nothing_near_gets_no_suggestion() -> None:
    assert DIRECTORY.suggest("ZZZZQQ") == []


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "$", "/", "///", "🚀", "🚀🚀", "<b>BTC</b>", "BTC; DROP TABLE", "a" * 10_000, "\u202e\u202e",
        "\u202eBTC\u202c<script>", "BTC\x00", "\ud800", "BTC/USDT/ETH/X", "-5", "..", ":", "binance:", "::::", "BTC:::",
        "1000", "k", "%s%s%n", "{0.__class__}", "\u0627" * 60, "\n\n", "perp", "spot", "-perp",
    ],
)  # fmt: skip
def test_junk_is_none_or_unknown_but_never_an_error(text: str) -> None:
    query = parse_query(text)
    if query is not None:
        DIRECTORY.find(query)
        DIRECTORY.ambiguous(query)
    DIRECTORY.suggest(text)


def test_random_unicode_never_raises() -> None:
    rng = random.Random(7)
    for _ in range(3000):
        text = "".join(
            chr(rng.choice([*range(32, 127), rng.randrange(0x10FFFF)]))
            for _ in range(rng.randrange(12))
        )
        query = parse_query(text)
        if query is not None:
            DIRECTORY.find(query)
        DIRECTORY.suggest(text)


def test_thousands_of_instruments_are_found_and_suggested_quickly() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rng = random.Random(1)
    bases = {"".join(rng.choices(letters, k=rng.randint(3, 7))) for _ in range(2000)}
    every = [
        make(venue, base, "USDT", perp)
        for base in bases
        for venue in ("binance", "okx")
        for perp in (True, False)
    ]
    directory = Directory(every)
    assert len(directory.all) > 7000
    start = time.perf_counter()
    for _ in range(100):
        directory.find(Query(base=next(iter(bases))))
    assert (time.perf_counter() - start) / 100 < 0.001
    start = time.perf_counter()
    directory.suggest("QQWWEERR")
    assert time.perf_counter() - start < 0.2
