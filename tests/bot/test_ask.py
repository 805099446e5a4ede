"""`python -m bot ask` over a simulated market whose seed and start are fixed, so that every answer is repeatable."""

import asyncio
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.app import Desk, open_desk
from bot.ask import ANSWERED, USER_ERROR, _answer, _facts, ask
from bot.config import SettingsError, load
from bot.telegram.render import plain
from market.format import columns_of

ROOT = Path(__file__).parents[2]
START = "2026-06-14T12:07:00Z"
NOW = 1_781_438_820_000
COLUMNS = 32  # what a phone shows of a line without wrapping
SIM = {"MARKET": "sim", "SIM_SEED": "7", "SIM_START": START}
DAY = 86_400_000

ANSWERS = {
    "/price btc": {"price", "change_24h", "change_15m", "price.binance.perp", "volume_24h_usd"},
    "/top10": {"BTC.price", "BTC.open_interest_usd", "BTC.funding_apr", "ETH.volume_24h_usd"},
    "/top10 spot": {"BTC.market_cap_usd", "ETH.market_cap_usd"},
    "/funding btc": {"rate.binance", "apr.binance", "apr.okx", "apr.hyperliquid", "apr"},
    "/oi btc": {"open_interest", "open_interest_usd", "change_1h", "share.binance"},
    "/volume btc 15m": {"volume", "volume_usd", "ratio", "z"},
    "/cvd btc 4h": {"cvd", "value", "cvd.binance", "buy_share"},
    "/ta btc 1h": {"rsi", "macd", "atr", "bb_mid", "stoch_k", "ichimoku_kijun", "vwap", "ema50"},
    "/liqmap btc": {"liquidation.long.10x", "liquidation.short.10x", "cluster.long"},
    "/chart btc 15m": {"open", "high", "low", "close"},
}
PICTURES = ("/cvd btc 4h", "/oi btc", "/liqmap btc", "/chart btc 15m")
WIDE = ("/price pepe", "/price xrp", "/funding pepe", "/oi pepe", "/volume pepe 5m", "/ta pepe 1d",
        "/cvd doge 1h", "/symbols", "/symbols pepe", "/oi_changes 1h", "/volume_spikes 15m",
        "/top10 perps 2", "/status")  # fmt: skip
SILLY = {
    "not a command": ["", "/", "hello there", "/nope", "/price\x00btc", "/цена btc", "//price btc"],
    "no coin": ["/price", "/funding", "/oi", "/volume", "/cvd", "/ta", "/chart", "/liqmap"],
    "a wrong coin": ["/price nosuchcoin", "/cvd btcc 4h", "/price 1", "/price " + "9" * 400],
    "too many words": ["/price btc now please", "/oi btc yes", "/ta btc 1h 1h", "/top10 spot 99"],
    "a silly window": [f"/cvd btc {w}" for w in ("0h", "-4h", "1e309h", "nan", "inf", "9" * 30)]
    + [f"/liqmap btc {w}" for w in ("0d", "-1", "1e9d", "99999d", "½d")],
    "a silly candle": [f"/ta btc {w}" for w in ("7q", "0", "-1h", "1000000d")]
    + ["/volume btc 15", "/chart btc 15m nonsense", "/volume_spikes abc", "/oi_changes 99d"],
    "a silly page": ["/top10 foo", "/top10 -1", "/top10 99999", "/top10 perps 77"],
    "10,000 characters": ["/price " + "a" * 10_000, "/price " + "x " * 5_000, "/" + "p" * 10_000],
    "emoji": ["/price 🚀", "/price 🚀🚀 btc", "/cvd btc 🕓", "/🚀 btc", "/price 👩‍👩‍👧"],
    "right to left": ["/price مرحبا", "/cvd btc مh", "/price \u202e\u05d0\u05d1"],
    "HTML": ["/price <b>btc</b>", "/price &amp;", "/cvd <script>alert(1)</script> 4h"],
    "code": ["/price btc; rm -rf /", "/funding ' OR 1=1 --", "/price {app.market}", "/price %s%n"],
    "punctuation": ["/price @", "/price ::::", "/price ////", "/price btc/usdt/eur", "/price \x00"],
}
BAD = [
    pytest.param(line, id=f"{why} {n}") for why, ls in SILLY.items() for n, line in enumerate(ls)
]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def desk_over(folder: Path, **environment: str) -> AsyncIterator[Desk]:
    """A desk that is only asked; its market is a child process that reads the environment too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SIM_", "TELEGRAM_", "MARKET", "EXCHANGES", "RECORDING_")):
                patch.delenv(name)
        for name, value in (SIM | environment).items():
            patch.setenv(name, value)
        patch.setenv("DATABASE_URL", f"sqlite:///{folder}/desk.db")
        async with open_desk(load(dotenv=folder / "none"), asking=True) as desk:
            yield desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk_over(tmp_path_factory.mktemp("desk")) as found:
        yield found


async def facts(desk: Desk, line: str) -> dict[str, Any]:
    """What --json prints, as it is after printing."""
    reply, status = await _answer(desk, line)
    assert status == ANSWERED, plain(reply)
    found: dict[str, Any] = json.loads(json.dumps(_facts(desk, line, reply, [])))
    return found


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float | int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)


@pytest.mark.parametrize("line", ANSWERS)
async def test_every_figure_comes_with_its_evidence_or_the_reason_why_not(
    desk: Desk, line: str
) -> None:
    found = await facts(desk, line)
    assert found["market"] == "SIMULATED"
    assert found["now"] == NOW
    assert not found["error"]
    assert found["text"].splitlines()[-1].endswith("SIMULATED")
    figures = found["figures"]
    assert figures.keys() >= ANSWERS[line]
    for name, figure in figures.items():
        assert all(math.isfinite(each) for each in numbers(figure)), name
        if figure["value"] is None:
            assert figure["status"] != "ok", name
            assert figure["reason"], name
            continue
        assert figure["status"] in ("ok", "flat"), name
        assert figure["kind"] in ("observed", "estimated", "approx"), name
        if figure["kind"] == "observed":
            assert NOW - 2 * DAY < figure["as_of"] <= NOW, name
        assert figure.get("n") != 0, name
    assert all(figures[name]["value"] is not None for name in ANSWERS[line])


async def test_every_indicator_is_known_of_a_market_with_a_long_past(desk: Desk) -> None:
    figures = (await facts(desk, "/ta btc 1h"))["figures"]
    assert {n: f["reason"] for n, f in figures.items() if f["value"] is None} == {}


async def test_figures_of_different_commands_agree(desk: Desk) -> None:
    price = (await facts(desk, "/price btc"))["figures"]
    top = (await facts(desk, "/top10"))["figures"]
    interest = (await facts(desk, "/oi btc"))["figures"]
    chart = (await facts(desk, "/chart btc 15m"))["figures"]
    assert top["BTC.price"]["value"] == price["price.binance.perp"]["value"]
    assert chart["close"]["value"] == pytest.approx(price["price"]["value"], rel=0.02)
    dollars = interest["open_interest_usd"]["value"]
    assert dollars == pytest.approx(top["BTC.open_interest_usd"]["value"], rel=0.01)
    coins = interest["open_interest"]["value"]
    assert coins * price["price"]["value"] == pytest.approx(dollars, rel=0.01)


async def test_same_seed_and_start_give_the_same_figures_and_another_seed_others(
    desk: Desk, tmp_path: Path
) -> None:
    def figures(found: dict[str, Any]) -> Any:
        return {name: each for name, each in found["figures"].items() if not _by_wall(name)}

    async with desk_over(tmp_path) as again:
        for line in ANSWERS:
            assert figures(await facts(again, line)) == figures(await facts(desk, line)), line
    async with desk_over(tmp_path, SIM_SEED="8") as other:
        here, there = await facts(desk, "/price btc"), await facts(other, "/price btc")
        assert here["figures"]["price"]["value"] != there["figures"]["price"]["value"]


def _by_wall(name: str) -> bool:
    """Figures that only live trades have: what was collected depends on when the process began."""
    return name == "cvd_15m"


@pytest.mark.parametrize("line", PICTURES)
async def test_a_picture_is_a_png_of_1280_by_1024(desk: Desk, line: str) -> None:
    reply, status = await _answer(desk, line)
    assert status == ANSWERED
    assert reply.picture is not None
    png = reply.picture.png
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    size = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    assert size == (1280, 1024)
    assert re.fullmatch(r"[\w.-]+\.png", reply.picture.name)


@pytest.mark.parametrize("line", [*ANSWERS, *WIDE])
async def test_no_line_of_a_table_is_wider_than_a_phone(desk: Desk, line: str) -> None:
    reply, status = await _answer(desk, line)
    assert status == ANSWERED, plain(reply)
    table = reply.card.table if reply.card else ()
    assert reply.card is not None or reply.text
    assert [row for row in table if columns_of(row) > COLUMNS] == []


@pytest.mark.parametrize("line", BAD)
async def test_bad_input_gets_one_sentence_and_an_example(desk: Desk, line: str) -> None:
    reply, status = await _answer(desk, line)
    assert status == USER_ERROR
    assert reply.error
    text = plain(reply, desk.app.mark)
    assert 10 < len(text) < 400
    assert len(reply.text.splitlines()) <= 2
    example = re.search(r"Try (/\S.*)", reply.text) or re.search(r"/help", reply.text)
    assert example or reply.buttons, text
    assert "Traceback" not in text
    assert "<" not in re.sub(r"“.*?”", "", text)
    assert not re.search(r"[\x00\u202a-\u202e\u2066-\u2069]", text)


async def test_examples_in_refusals_work(desk: Desk) -> None:
    lines = set()
    for line in (each for group in SILLY.values() for each in group):
        reply, _status = await _answer(desk, line)
        if match := re.search(r"Try (/\S.*)", reply.text):
            lines.add(match[1])
    assert len(lines) >= 8
    for line in sorted(lines):
        reply, status = await _answer(desk, line)
        assert status == ANSWERED, f"{line}: {plain(reply)}"


async def test_spellings_of_one_command_are_the_same_command(desk: Desk) -> None:
    expected = (await facts(desk, "/price btc"))["figures"]["price"]
    for line in (
        "price btc",
        "/PRICE BTC",
        "/p btc",
        "/price\u00a0btc",
        "/price \u202ebtc",
        "/price $BTC",
    ):
        assert (await facts(desk, line))["figures"]["price"] == expected, line


async def test_at_is_refused_on_the_live_market(tmp_path: Path) -> None:
    settings = load({"MARKET": "live"}, tmp_path / "none")
    with pytest.raises(SettingsError, match="--at needs a recorded or simulated market"):
        await ask(settings, "/price btc", out=tmp_path, as_json=False, at=START)


async def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of `python -m bot ask ...`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SIM_", "TELEGRAM_"))}
    database = {"DATABASE_URL": f"sqlite:///{folder}/ask.db", "LOG_LEVEL": "WARNING"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "ask", *arguments,
        cwd=ROOT, env=kept | SIM | database | environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_process_answers_in_json_about_the_moment_asked_and_writes_the_picture(
    tmp_path: Path,
) -> None:
    words = ("--json", "--out", str(tmp_path / "out"), "--at", "2026-06-10T08:00:00Z")
    status, out, err = await run(tmp_path, "/chart btc 15m", *words)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["command"] == "/chart btc 15m"
    assert found["now"] == 1_781_078_400_000
    assert found["figures"]["close"]["value"] > 0
    (picture,) = found["pictures"]
    assert Path(picture).parent == tmp_path / "out"
    size = await asyncio.to_thread(lambda: Path(picture).stat().st_size)
    assert size > 10_000


async def test_the_process_tells_a_users_mistake_from_a_failure(tmp_path: Path) -> None:
    mistake, failure = await asyncio.gather(
        run(tmp_path / "one", "/price nosuchcoin"),
        run(tmp_path / "two", "/top10", EXCHANGES="coinbase"),
    )
    assert (mistake[0], mistake[2]) == (2, "")
    assert "/price BTC" in mistake[1]
    assert (failure[0], failure[2]) == (1, "")
    assert "no perps are listed" in failure[1]


async def test_a_scenario_that_does_not_exist_is_refused_in_one_sentence(tmp_path: Path) -> None:
    status, out, err = await run(tmp_path, "/price btc", SIM_SCENARIO="nonsense")
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1, err
    assert "SIM_SCENARIO" in err
