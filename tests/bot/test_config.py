"""Settings are refused in one sentence that says what to change."""

from pathlib import Path

import pytest

from bot.config import SettingsError, load, moment
from market.clock import FixedClock


def settings(tmp_path: Path, dotenv: str = "", **environment: str):
    path = tmp_path / ".env"
    path.write_text(dotenv)
    return load(environment, path)


def test_nothing_set_is_the_playground_over_a_simulated_market(tmp_path: Path) -> None:
    s = settings(tmp_path)
    assert (s.mode, s.playground, s.playground_port, s.access) == ("sim", True, 8080, "request")
    assert s.exchanges == ("binance", "bybit", "okx", "hyperliquid", "coinbase")
    assert s.database == "sqlite:///data/tidemark-sim.db"


def test_a_token_means_live(tmp_path: Path) -> None:
    s = settings(tmp_path, TELEGRAM_BOT_TOKEN="1:x", ADMIN_IDS="5, 7")
    assert (s.mode, s.playground, s.admin_ids) == ("live", False, (5, 7))
    assert s.database == "sqlite:///data/tidemark.db"


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    assert settings(tmp_path, "SIM_SEED=3\nLOG_LEVEL=debug").sim_seed == 3
    assert settings(tmp_path, "SIM_SEED=3", SIM_SEED="4").sim_seed == 4


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"ADMIN_IDS": "me"}, "ADMIN_IDS: 'me' is not a Telegram user id"),
        ({"ACCESS": "anyone"}, "ACCESS: 'anyone' is not one of 'request', 'open' or 'closed'"),
        ({"EXCHANGES": "binance,mtgox"}, "EXCHANGES: 'mtgox' is not one of binance"),
        ({"MARKET_SPEED": "fast"}, "MARKET_SPEED: 'fast'"),
        ({"MARKET_SPEED": "0"}, "MARKET_SPEED: '0'"),
        ({"PLAYGROUND_PORT": "99999"}, "PLAYGROUND_PORT: '99999'"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL: write a database URL like"),
        ({"MARKET": "recording"}, "MARKET=recording needs RECORDING_DIR"),
        ({"RECORDING_AT": "noon"}, "RECORDING_AT: 'noon' is no moment"),
        ({"TELEGRAM_WEBHOOK_URL": "https://x"}, "needs TELEGRAM_WEBHOOK_SECRET"),
        (
            {"TELEGRAM_BOT_TOKN": "1:x"},
            "The environment sets TELEGRAM_BOT_TOKN; did you mean TELEGRAM_BOT_TOKEN?",
        ),
        (
            {"MARKET_URL": "http://example.org:80"},
            "MARKET_URL: 'http://example.org:80' is no address on this",
        ),
        (
            {"MARKET_URL": "http://127.0.0.1:9000", "MARKET": "live"},
            "MARKET_URL is a local market; it needs MARKET=sim or MARKET=recording",
        ),
        ({"RECORD_MAX_GB": "0"}, "RECORD_MAX_GB: '0'"),
        ({"MARKETSPEED": "2"}, "did you mean MARKET_SPEED?"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, **environment)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_unknown_names_in_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"sets ADMIN_ID, which is not a setting .* did you mean ADMIN_IDS"
    ):
        settings(tmp_path, "ADMIN_ID=5")


def test_foreign_names_in_the_environment_are_left_alone(tmp_path: Path) -> None:
    settings(
        tmp_path, PATH="/bin", HOME="/root", LANG="C", SSH_PORT="22", VIRTUAL_ENV="x", MARKETING="1"
    )


def test_moments() -> None:
    assert moment("1781500000000") == 1_781_500_000_000
    assert (
        moment("2026-06-14T12:00:00Z")
        == moment("2026-06-14T14:00:00+02:00")
        == moment("2026-06-14T12:00:00")
    )


def test_a_simulated_market_starts_on_a_minute(tmp_path: Path) -> None:
    assert settings(tmp_path).start_of_sim(FixedClock(1_781_500_012_345)) == 1_781_499_960_000
