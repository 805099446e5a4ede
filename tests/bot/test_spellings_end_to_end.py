"""Every way to write a command with a hyphen, in private and in a group where the bot sees little."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from desk_bench import ADMIN, NAME, Live, desk_bench

pytestmark = pytest.mark.asyncio(loop_scope="module")

DASHES = "–—−‑"  # noqa: RUF001 - what telephones make of a hyphen
WORDS = {
    "alert-volume": "BTC 200 15m",
    "alert-oi": "BTC-PERP +5% 1h",
    "alert-cvd": "ETH negative 4h",
    "oi-changes": "1h",
    "volume-spikes": "15m",
}
OTHERS = {  # words that make another rule each time
    "alert-volume": [f"BTC {percent} 15m" for percent in range(201, 207)],
    "alert-oi": [f"BTC-PERP +{percent}% 1h" for percent in range(6, 12)],
    "alert-cvd": [f"ETH negative {window}" for window in ("15m", "30m", "1h", "2h", "8h", "12h")],
    "oi-changes": ["1h"] * 6,
    "volume-spikes": ["15m"] * 6,
}
KINDS = {"alert-volume": "volume", "alert-oi": "oi", "alert-cvd": "cvd"}


def spelled(name: str) -> list[str]:
    """All spellings of the first word or words."""
    first, second = name.split("-")
    plain = [f"/{first}{sign}{second}" for sign in ("-", "_", *DASHES)]
    named = [f"{each}@{NAME}" for each in plain]
    apart = [f"/{first} {second}", f"/{first}@{NAME} {second}"]
    return [*plain, *named, *apart, *(each.upper() for each in (plain[0], named[1], apart[0]))]


CASES = [(name, head) for name in WORDS for head in spelled(name)]
TYPISTS = {case: 2001 + number for number, case in enumerate(CASES)}
NORMS = {name: 1901 + number for number, name in enumerate(WORDS)}
GROUPS = {name: -(1_001_000_009_100 + number) for number, name in enumerate(WORDS)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    users = [ADMIN, *NORMS.values(), *TYPISTS.values()]
    folder: Path = tmp_path_factory.mktemp("spellings")
    async with desk_bench(folder, users, users, MARKET_SPEED="0.001") as live:
        for chat_id in GROUPS.values():
            live.server.add_chat(chat_id, "supergroup", "Floor", [ADMIN, *NORMS.values()])
        yield live


def subject(text: str) -> str:
    """What an answer is about: its first line without the alert's number and what the market made of it meanwhile."""
    line = re.sub(r"#\d+", "#", text.partition("\n")[0])
    return re.sub(r"^\w+(?= moves most)|[+-]?\d+\.\d+(?= %)", "…", line)


async def norm(live: Live, name: str) -> str:
    """What the plain spelling is answered with; it is asked for once."""
    user = NORMS[name]
    if not live.shown(user):
        await live.ask(f"/{name.replace('-', '_')} {WORDS[name]}", user)
    return subject(live.texts(user)[0])


async def test_every_spelling_does_the_same_in_private(live: Live) -> None:
    for name in WORDS:
        assert "don't know" not in await norm(live, name)
    for (name, head), user in TYPISTS.items():
        assert live.server.send_text(user, user, f"{head} {WORDS[name]}")
    wrong = []
    for (name, head), user in TYPISTS.items():
        [answer] = await live.until(user, 1)
        if subject(answer) != await norm(live, name):
            wrong.append((head, answer))
    assert not wrong


@pytest.mark.parametrize("name", KINDS)
async def test_every_spelling_of_an_alert_made_exactly_one_rule(live: Live, name: str) -> None:
    await norm(live, name)
    [wanted] = await live.desk.store.rules(chat_id=NORMS[name])
    assert wanted.kind == KINDS[name]
    for head in spelled(name):
        user = TYPISTS[name, head]
        if not live.shown(user):
            await live.ask(f"{head} {WORDS[name]}", user)
        rules = await live.desk.store.rules(chat_id=user)
        assert [(r.kind, r.text, r.condition) for r in rules] == [
            (wanted.kind, wanted.text, wanted.condition)
        ], head


@pytest.mark.parametrize("name", WORDS)
async def test_a_group_delivers_what_names_the_bot_and_the_rest_once_it_has_spoken(
    live: Live, name: str
) -> None:
    group, under, server = GROUPS[name], name.replace("-", "_"), live.server
    first, second = name.split("-")
    words = iter(OTHERS[name])

    def say(head: str, tail: str = "") -> int | None:
        return server.send_text(group, ADMIN, f"{head} {tail or WORDS[name]}")

    hyphens = [f"/{name}", *(f"/{first}{dash}{second}" for dash in DASHES)]
    unseen = [f"/{under}", f"/{first} {second}", *hyphens, *(f"{h}@{NAME}" for h in hyphens)]
    for head in (*unseen, f"/{under}@OtherBot"):
        assert say(head) is None, f"{head} does not reach a bot in privacy mode"
    seen = [f"/{under}@{NAME}", f"/{under}@{NAME}".upper(), f"/{first}@{NAME} {second}"]
    for head in seen:
        assert say(head, next(words)) is not None, f"{head} names the bot"
    answers = await live.until(group, len(seen))
    assert {subject(answer) for answer in answers} == {await norm(live, name)}
    spoken = [f"/{name}", f"/{name}@{NAME}", f"/{first}{DASHES[1]}{second}"]
    for head in spoken:  # the bot was the last one to speak: now these come too
        assert say(head, next(words)) is not None, head
    assert say(f"/{under}@OtherBot") is None
    answers = await live.until(group, len(seen) + len(spoken))
    assert {subject(answer) for answer in answers} == {await norm(live, name)}
    if name in KINDS:
        rules = await live.desk.store.rules(chat_id=group)
        assert [rule.kind for rule in rules] == [KINDS[name]] * len(OTHERS[name]), "one rule each"
        assert len({rule.condition for rule in rules}) == len(OTHERS[name])
