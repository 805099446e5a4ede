"""/symbols, /settings, /status, /start and /help; and what every command has in common."""

import pytest
from desk_market import NOW, args, desk, fits, perp, spot

import handlers
from exchanges.types import VenueState
from handlers.base import COMMANDS
from handlers.desk import help_, settings, start
from handlers.status import status
from handlers.symbols import symbols
from handlers.times import at
from handlers.types import Preferences
from handlers.words import symbol
from market.errors import SourceError, UserError

MANY = [perp("binance", "BTC", quote) for quote in ("USDT", "USDC")] + [
    spot("okx", "BTC", quote) for quote in ("USDT", "USDC", "USD", "EUR", "TRY", "BRL", "GBP", "DAI", "AUD",
                                          "JPY", "KRW")
]  # fmt: skip


async def test_symbols_counts_what_there_is_even_where_it_shows_less() -> None:
    reply = await symbols(args("btc"), desk(*MANY).app)
    assert reply.card is not None
    assert reply.card.headline == "BTC: 13 instruments"
    assert "12 of 13 shown" in reply.card.reading
    assert fits(reply)


async def test_symbols_suggests_and_refuses() -> None:
    d = desk(*MANY)
    with pytest.raises(UserError, match="no coin like"):
        await symbols(args("zzz"), d.app)
    with pytest.raises(UserError):
        await symbols(args("btc eth"), d.app)
    assert fits(await symbols(args(""), d.app))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("zone Europe/Berlin", Preferences(zone="Europe/Berlin")),
        ("unit coin", Preferences(unit="coin")),
        ("venue okx", Preferences(exchange="okx")),
    ],
)
async def test_settings_are_kept(words: str, wanted: Preferences) -> None:
    d = desk(*MANY)
    reply = await settings(args(words), d.app)
    assert d.saved == [wanted]
    assert fits(reply)


@pytest.mark.parametrize(
    "words", ["zone", "zone Mars/Olympus", "zone ../../etc/passwd", "unit eur", "venue ftx", "colour red",
              "unit coin usd", "zone " + "x" * 5000],
)  # fmt: skip
async def test_settings_refuse_what_they_do_not_know(words: str) -> None:
    d = desk(*MANY)
    with pytest.raises(UserError):
        await settings(args(words), d.app)
    assert d.saved == []


async def test_status_names_who_is_in_trouble_and_why() -> None:
    d = desk(*MANY)
    d.market.state["okx"] = (VenueState.DOWN, "HTTP 503")
    reply = await status(args(""), d.app)
    assert reply.card is not None
    assert reply.card.headline == "OKX: trouble"
    assert "OKX: HTTP 503 since 15:24 UTC" in reply.card.reading
    assert fits(reply)


async def test_start_and_help_name_commands_that_exist() -> None:
    d = desk(*MANY)
    tour = [b.command for row in (await start(args(""), d.app)).buttons for b in row]
    names = [line.split()[0].lstrip("/") for line in tour if not line.startswith("/alert")]
    assert set(names) <= set(COMMANDS)
    assert "/cvd BTC 4h" in (await help_(args(""), d.app)).text
    with pytest.raises(UserError):
        await help_(args("nothing"), d.app)


def test_every_command_has_a_usage_that_begins_with_its_name() -> None:
    assert handlers.price is not None
    for entry in COMMANDS.values():
        assert entry.usage.startswith(f"/{entry.name}"), entry
        assert len(entry.summary) <= 120


@pytest.mark.parametrize(
    ("typed", "text", "rest"),
    [
        ("btc perp 4h", "btc perp", ("4h",)),
        ("btc okx 4h", "okx:btc", ("4h",)),
        ("btc spot hl", "hl:btc spot", ()),
        ("binance:btc okx", "binance:btc", ("okx",)),
        ("btc", "btc", ()),
    ],
)
def test_words_of_one_symbol_stay_together(typed: str, text: str, rest: tuple[str, ...]) -> None:
    assert symbol(args(typed), "/cvd BTC 4h") == (text, rest)


def test_moments_are_written_in_the_zone_of_the_chat() -> None:
    assert at(NOW, NOW, args("")) == "15:25 UTC"
    assert at(NOW, NOW, args("", zone="Europe/Berlin")) == "17:25 CEST"
    assert at(NOW, NOW, args("", zone="Asia/Kolkata")) == "20:55 IST"
    assert at(NOW, NOW, args("", zone="America/Sao_Paulo")) == "12:25 UTC-03"
    assert at(NOW - 86_400_000, NOW, args("", zone="Asia/Tokyo")) == "06-15 00:25 JST"


ODD = ["<b>btc</b>", "🚀 🚀", "مرحبا", "x" * 10_000, "btc " + "9" * 400, "btc -1h", "btc 0h", "\u202ebtc", "btc 1e99",
       "' OR 1=1", "binance:", ":btc", "btc btc btc btc"]  # fmt: skip
ASKING = ("price", "cvd", "oi", "oi_changes", "funding", "volume", "volume_spikes", "ta", "chart", "liqmap",
          "top10", "symbols", "help", "settings")  # fmt: skip


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("words", ODD)
async def test_odd_words_end_in_one_sentence_or_an_answer(name: str, words: str) -> None:
    try:
        reply = await COMMANDS[name].run(args(words), desk(*MANY).app)
        said = reply.card.headline if reply.card else "an answer"
    except UserError as error:
        said = error.text
    except SourceError as error:
        said = error.reason
    assert 0 < len(said) < 200
    assert "\n" not in said
