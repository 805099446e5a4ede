"""The market bar: clock and controls of the local exchange server, as the page shows them."""

from typing import Any

import aiohttp

from bot.playground.state import Json
from market.language import _

SCENARIOS = ("calm", "volume-spike", "cascade", "divergence", "funding-squeeze", "burst", "outage")
TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class MarketBar:
    """Reads and drives the local exchange server; without a `url` there is no bar."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._label: Json | None = None
        self.state: Json | None = None  # None: no local market

    async def refresh(self) -> Json | None:
        """The market as it is now. When it does not answer there is no clock, and `error` says why."""
        if not self._url:
            return None
        clock: Json = {"now": None, "speed": None}
        try:
            if self._label is None:
                about = await self._get("endpoints.json")
                self._label = {"mark": about.get("mark"), "title": about.get("title")}
            clock = await self._get("clock.json")
            error = None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            error = _("The local market does not answer.")
        label = self._label or {"mark": None, "title": None}
        simulated = label["mark"] == "SIMULATED"
        self.state = {
            "now": clock.get("now"),
            "speed": clock.get("speed"),
            **label,
            "scenarios": list(SCENARIOS) if simulated else None,
            "error": error,
        }
        return self.state

    async def control(self, wish: Json) -> str:
        """Start a scenario or change the speed; returns what went wrong, or nothing."""
        if not self._url:
            return _("There is no local market to control.")
        body = {name: wish[name] for name in ("scenario", "base", "speed") if name in wish}
        try:
            async with self._client().post(f"{self._url}/control", json=body) as answer:
                if answer.ok:
                    return ""
                return _reason(await answer.json(content_type=None), answer.status)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return _("The local market does not answer.")

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, name: str) -> Json:
        async with self._client().get(f"{self._url}/{name}") as answer:
            answer.raise_for_status()
            data = await answer.json(content_type=None)
        if not isinstance(data, dict):
            raise ValueError(f"{name} is not an object")  # noqa: TRY004 - an answer like any other nonsense
        return data

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self._session


def _reason(answer: Any, status: int) -> str:
    text = answer.get("error") or answer.get("description") if isinstance(answer, dict) else None
    return _("The market refused: {reason}").format(reason=text or f"HTTP {status}")
