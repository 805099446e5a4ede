"""Telegram's flood limits as sliding windows: over all chats, in one private chat, in one group."""

import math
from collections import defaultdict, deque

from bot.playground.state import Chat

ALL = (30, 1000)  # calls within ms
PRIVATE = (5, 5000)  # one a second, a short burst passes
GROUP = (20, 60_000)
COUNTED = ("send", "edit")


class Limits:
    """Counts sends and edits; what is refused does not count."""

    def __init__(self) -> None:
        self._taken: defaultdict[int | None, deque[int]] = defaultdict(deque)

    def refuse(self, method: str, chat: Chat | None, now: int) -> int | None:
        """Seconds to wait, or None when the call may pass; it is counted then."""
        if not method.startswith(COUNTED) or method == "sendchataction":
            return None
        windows: list[tuple[int | None, tuple[int, int]]] = [(None, ALL)]
        if chat is not None:
            windows.append((chat.id, PRIVATE if chat.kind == "private" else GROUP))
        waits = [self._wait(key, window, now) for key, window in windows]
        if any(waits):
            return math.ceil(max(waits) / 1000)
        for key, _ in windows:
            self._taken[key].append(now)
        return None

    def _wait(self, key: int | None, window: tuple[int, int], now: int) -> int:
        """Ms until the window has room."""
        count, length = window
        taken = self._taken[key]
        while taken and taken[0] <= now - length:
            taken.popleft()
        return max(1, taken[0] + length - now) if len(taken) >= count else 0
