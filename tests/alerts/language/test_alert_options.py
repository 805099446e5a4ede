"""What may stand at the end of any alert."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from alerts.options import Options, option_text, split_options
from alerts.types import Repeat, Severity
from market.errors import UserError
from market.types import DAY, HOUR

NOW = 1_795_000_000_000  # 2026-11-18 07:06:40 UTC


@pytest.mark.parametrize(
    ("text", "rest", "options"),
    [
        ("BTC above 95k", "BTC above 95k", Options()),
        ("BTC above 95k once", "BTC above 95k", Options(repeat=Repeat.ONCE)),
        ("BTC above 95k ONCE", "BTC above 95k", Options(repeat=Repeat.ONCE)),
        ("x, only once, critical", "x", Options(repeat=Repeat.ONCE, severity=Severity.CRITICAL)),
        ("x every 1h", "x", Options(repeat=Repeat.EVERY, cooldown=HOUR)),
        ("x at most every 30 minutes", "x", Options(repeat=Repeat.EVERY, cooldown=HOUR // 2)),
        ("x every hour", "x", Options(repeat=Repeat.EVERY, cooldown=HOUR)),
        ("x once per bar", "x", Options(repeat=Repeat.PER_BAR)),
        ("x per candle", "x", Options(repeat=Repeat.PER_BAR)),
        ("x every time", "x", Options(repeat=Repeat.ALWAYS)),
        ("x until 2d", "x", Options(expires="2d")),
        ("x expires in 1w", "x", Options(expires="7d")),
        ("x until 2026-12-24 18:00", "x", Options(expires="2026-12-24 18:00")),
        ("x cap 10/day", "x", Options(daily_cap=10)),
        ("x max 3 per day", "x", Options(daily_cap=3)),
        ("x at most 5 times a day", "x", Options(daily_cap=5)),
        ('x note "a, b once" info', "x", Options(note="a, b once", severity=Severity.INFO)),
        ("x note: 'sell' once", "x", Options(note="sell", repeat=Repeat.ONCE)),
        ("x note “halb” until 1h", "x", Options(note="halb", expires="1h")),
        ("btc rsi at most 30", "btc rsi at most 30", Options()),  # no cap: nobody said a day
    ],
)
def test_options_are_cut_off_the_end(text: str, rest: str, options: Options) -> None:
    words, found = split_options(text.split())
    assert " ".join(words) == rest
    assert found == options


@pytest.mark.parametrize(
    "text",
    ["x always every 1h", "x info critical", "x until friday", "x until 2026-02-30", "x note sell", "x cap 0/day",
     "x cap 99999/day", "x every 10s", "x every 9999d", "x until 5s", f'x note "{"n" * 201}"'],
)  # fmt: skip
def test_half_an_option_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        split_options(text.split())


def test_options_have_one_spelling() -> None:
    options = Options(
        repeat=Repeat.EVERY, cooldown=5_400_000, severity=Severity.INFO, note="x", expires="2d", daily_cap=4
    )  # fmt: skip
    assert option_text(options) == 'every 1h30m info until 2d cap 4/day note "x"'
    assert option_text(Options()) == ""


def test_a_length_counts_from_the_arming() -> None:
    assert Options(expires="2d").expires_ts(NOW, UTC) == NOW + 2 * DAY
    assert Options().expires_ts(NOW, UTC) is None


def test_a_day_ends_at_midnight_of_the_chat() -> None:
    utc = Options(expires="2026-11-20").expires_ts(NOW, UTC)
    berlin = Options(expires="2026-11-20").expires_ts(NOW, ZoneInfo("Europe/Berlin"))
    assert utc == 1_795_219_200_000  # 2026-11-21 00:00 UTC
    assert berlin is not None
    assert utc - berlin == HOUR
    assert Options(expires="2026-11-20 18:30").expires_ts(NOW, UTC) == 1_795_199_400_000


@pytest.mark.parametrize("end", ["2026-11-17", "2026-11-18 07:00", "2028-01-01"])
def test_what_is_over_or_too_far_away_is_refused(end: str) -> None:
    with pytest.raises(UserError):
        Options(expires=end).expires_ts(NOW, UTC)
