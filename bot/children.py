"""Local servers run as child processes: they end with their parent, even when it is killed."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)

READY = 60.0  # seconds in which a child has to say where it listens
STOP = 3.0


class ChildFailed(RuntimeError):
    """A local server did not start; the text says what it printed."""


@contextlib.asynccontextmanager
async def child(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Run `python -m bot <arguments>` and yield what its first line of JSON says.

    The child watches its standard input and ends when that closes, which the kernel does for us even
    when this process dies by SIGKILL.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stdin is not None  # noqa: S101
    try:
        line = await asyncio.wait_for(process.stdout.readline(), READY)
        if not line:
            raise ChildFailed(f"the local {arguments[0]} server ended before it was ready")
        told = json.loads(line)
        if "error" in told:
            raise ChildFailed(told["error"])
        yield told
    finally:
        process.stdin.close()
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), STOP)
    except TimeoutError:
        logger.warning("child did not end pid=%s", process.pid)
        process.kill()
        await process.wait()


async def parent_gone() -> None:
    """Return when standard input closes: the parent asked us to end, or is no more."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


def announce(**facts: Any) -> None:
    """Tell the parent (or the person at the terminal) where this server listens."""
    try:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the parent was killed meanwhile; `parent_gone` ends us
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
