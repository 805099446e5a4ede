"""`python -m bot` as a process of a test, and what it left behind; everything is ended by its number."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOKEN = "4242:TEST-token"
READY = 90.0  # seconds a start may take on a busy machine
BASE = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": os.environ.get("HOME", "/tmp"),
    "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
}


def telegram_at(port: int) -> dict[str, str]:
    """Settings that point the bot at a local Bot API server."""
    root = f"http://127.0.0.1:{port}"
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_BASE_URL": f"{root}/bot",
        "TELEGRAM_BASE_FILE_URL": f"{root}/file/bot",
    }


def sim_in(folder: Path, **more: str) -> dict[str, str]:
    """Settings of a simulated desk that keeps everything in `folder`."""
    return {
        "ADMIN_IDS": "1001",
        "ACCESS": "request",
        "MARKET": "sim",
        "SIM_SEED": "7",
        "PLAYGROUND_PORT": "0",
        "DATABASE_URL": f"sqlite:///{folder}/t.db",
        **more,
    }


class BotProcess:
    """One bot after another on the same folder."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.settings = folder, dict(settings)
        self.starts = 0
        self.seen: dict[int, str] = {}  # pid -> when it began, of everything that was ever ours
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The bot's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the running, or the last, bot printed."""
        return self._log_file.read_text(errors="replace")

    @property
    def _log_file(self) -> Path:
        return self.folder / f"bot-{self.starts}.log"

    async def start(self, **more: str) -> None:
        """Start it; `more` are settings for this time only."""
        assert self._process is None or self._process.returncode is not None
        self.starts += 1
        with self._log_file.open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot",
                cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                env={**BASE, **self.settings, **more},
            )  # fmt: skip
        self._note([self.pid])

    async def ready(self, within: float = READY) -> None:
        """Wait until it polls Telegram."""
        async with asyncio.timeout(within):
            while "ready username=" not in self.log:
                assert self.running, f"the bot ended by itself:\n{self.log[-3000:]}"
                await asyncio.sleep(0.05)
        self.family()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.returncode is None

    def family(self) -> list[int]:
        """The processes below the bot, all generations; they are remembered."""
        found = descendants(self.pid)
        self._note(found)
        return found

    async def kill(self) -> None:
        """SIGKILL for the bot alone."""
        assert self._process is not None
        self.family()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def terminate(self, within: float) -> int:
        """SIGTERM; its exit status, TimeoutError where it takes longer."""
        assert self._process is not None
        self.family()
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), within)

    async def orphans(self, within: float = 8.0) -> list[str]:
        """Command lines of what is left of the family `within` seconds after the bot's end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._left():  # noqa: ASYNC110 - a process tells only its parent when it ends
                    await asyncio.sleep(0.05)
        return [command_line(pid) for pid in self._left()]

    async def clean(self) -> None:
        """End whatever is left, by number."""
        if self.running:
            await self.kill()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _note(self, pids: Iterable[int]) -> None:
        self.seen |= {pid: began for pid in pids if (began := _began(pid))}

    def _left(self) -> list[int]:
        return [pid for pid, began in self.seen.items() if _began(pid) == began]


@contextlib.asynccontextmanager
async def bot_process(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[BotProcess]:
    """A bot that is not started yet; nothing of it outlives the block."""
    bot = BotProcess(folder, settings)
    try:
        yield bot
    finally:
        await bot.clean()


def descendants(pid: int) -> list[int]:
    """Children, their children and so on."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def command_line(pid: int) -> str:
    """How a process was started."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return f"{pid} (gone)"
    return f"{pid} {raw.replace(bytes(1), b' ').decode(errors='replace').strip()}"


def _stat(pid: int) -> list[str]:
    """State, parent and the rest of /proc/PID/stat; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _began(pid: int) -> str:
    """When a live process began, "" for none: a number may be given again to another."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""
