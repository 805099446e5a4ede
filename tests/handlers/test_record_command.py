"""/record through a real recorder: on, what it shows, off, and on again after a restart."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from desk_market import desk

from exchanges.recorder import Recorder
from exchanges.recordings import Recordings
from exchanges.streams.bus import Bus
from handlers.app import App
from handlers.base import COMMANDS, Args
from handlers.types import Role
from market.clock import FixedClock
from market.errors import UserError
from market.types import Gap

START = 1_780_272_000_000


class Kept:
    """Switches and a ledger without gaps."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.audited: list[str] = []

    async def switch(self, name: str) -> str | None:
        return self.values.get(name)

    async def set_switch(self, name: str, value: str, now: int) -> None:
        self.values[name] = value

    async def audit(self, *, actor: int, action: str, detail: str, now: int) -> None:
        self.audited.append(detail)

    def blind(self, since: int, until: int) -> list[Gap]:
        return []


class Bench:
    def __init__(self, root: Path) -> None:
        self.root, self.kept, self.bus, self.clock = root, Kept(), Bus(), FixedClock(START)

    def recordings(self) -> Recordings:
        def make(folder: Path, tables: Sequence[str]) -> Recorder:
            return Recorder(folder, self.bus, self.kept, self.clock, tables=tables)

        return Recordings(make, self.kept, self.root, self.clock, prints=self.root / "prints")

    async def app(self) -> App:
        app = desk().app
        app.people = self.kept  # type: ignore[assignment]
        app.recordings = self.recordings()
        await app.recordings.start(None)
        return app


async def say(app: App, *words: str) -> str:
    reply = await COMMANDS["record"].run(Args(words=words), app)
    assert reply.card is not None
    return f"{reply.card.headline} | {reply.card.reading} | {reply.card.evidence}"


async def test_on_shows_what_is_written_and_off_ends_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    app = await bench.app()
    assert (await say(app)).startswith(
        "Nothing is recorded | liquidation prints are always kept: 0"
    )
    assert (await say(app, "on", "Monday")).startswith("Recording into monday | ")
    assert (tmp_path / "monday" / "recording.json").is_file()
    with pytest.raises(UserError, match="runs already"):
        await say(app, "on", "other")
    assert (await say(app, "off")).startswith("Nothing is recorded | ")
    assert bench.kept.audited == ["on Monday", "off"]
    assert app.recordings is not None
    await app.recordings.close()


async def test_a_restart_goes_on_with_what_was_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    app = await bench.app()
    await say(app, "on", "monday")
    assert app.recordings is not None
    await app.recordings.close()  # as at the end of the process; the wish stays
    again = await bench.app()
    assert (await say(again)).startswith("Recording into monday | ")
    await say(again, "off")
    assert again.recordings is not None
    await again.recordings.close()
    last = await bench.app()
    assert (await say(last)).startswith("Nothing is recorded | ")
    assert last.recordings is not None
    await last.recordings.close()


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 41, "a b"])
async def test_names_stay_within_the_folder(tmp_path: Path, name: str) -> None:
    app = await Bench(tmp_path / "root").app()
    with pytest.raises(UserError, match=r"/record on monday|Write /record"):
        await say(app, "on", *name.split(" "))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["root"]  # noqa: ASYNC240
    assert app.recordings is not None
    await app.recordings.close()


async def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    app = await Bench(tmp_path).app()
    with pytest.raises(UserError, match="holds no recording"):
        await say(app, "on", "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert app.recordings is not None
    await app.recordings.close()


def test_only_an_admin_may() -> None:
    assert COMMANDS["record"].role is Role.ADMIN
    assert COMMANDS["record"].changes
