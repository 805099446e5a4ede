"""Pictures are drawn in a warm worker process, so that the event loop never waits for matplotlib."""

import asyncio
import logging
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import charts

logger = logging.getLogger(__name__)

TIMEOUT = 20.0  # seconds for one picture, the first one included


def _end_with_parent() -> None:
    """End this worker with the bot: waiting for work it would not notice that the bot was killed."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


class Drawing:
    """A pool of drawing processes that is replaced when one dies."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Start a worker now, so that the first picture does not wait for imports."""
        self._ensure().submit(charts.warm)

    async def draw(self, name: str, data: Any) -> bytes | None:
        """The PNG, or None when it could not be drawn: a failed picture never loses the text."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT):
                return await loop.run_in_executor(self._ensure(), charts.render, name, data)
        except (BrokenProcessPool, TimeoutError) as error:
            logger.warning("picture failed chart=%s reason=%s", name, type(error).__name__)
        except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError):
            logger.exception("picture failed chart=%s", name)
            return None
        self.close()
        return None

    def close(self) -> None:
        """End the workers."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)

    def _ensure(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_end_with_parent
            )
        return self._pool
