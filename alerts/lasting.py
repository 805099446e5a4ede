"""Loops that go on: what fails in one is told in the log and tried again after a pause."""

import asyncio
from collections.abc import Awaitable, Callable
from logging import Logger

from market.errors import AssistantError


async def lasting(
    logger: Logger, what: str, name: str, loop: Callable[[], Awaitable[None]], pause: float
) -> None:
    """Run `loop` until cancelled; one broken figure must not stop `what` altogether. `pause` in wall seconds."""
    while True:
        try:
            await loop()
        except AssistantError as error:
            logger.warning("%s held up loop=%s reason=%s", what, name, error)
        except Exception:
            logger.exception("%s failed loop=%s", what, name)
        await asyncio.sleep(pause)
