"""Discord: one webhook of a Discord channel; the message is an embed in the colour of its severity."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from alerts.channels.http import Answer, Web, seconds
from alerts.channels.types import DISCORD, Destination
from alerts.channels.way import Address
from alerts.channels.words import Told, cut, severity_word
from alerts.outcome import Gone, NotSent, Outcome
from alerts.types import Severity
from market import format as fmt
from market.errors import UserError
from market.language import _

HOSTS = ("discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com")
PATH = re.compile(
    r"(?:/api)?(?:/v\d{1,2})?/webhooks/(\d{5,25})/([A-Za-z0-9_-]{20,200})/?(?:\?thread_id=(\d{5,25}))?"
)
MARKDOWN = re.compile(r"([\\*_~`|>\[\]<#@()-])")
TITLE, DESCRIPTION, FOOTER = 256, 4000, 1000  # characters, together below Discord's 6,000
COLOURS = {Severity.INFO: 0x5C7A99, Severity.WARNING: 0xE0A030, Severity.CRITICAL: 0xD03B3B}
AWAY = (401, 404)  # its token was reset, or it was deleted


@dataclass(slots=True)
class Discord:
    """Posts to webhooks below `api`."""

    web: Web
    api: str
    name: str = DISCORD
    example: str = "discord https://discord.com/api/webhooks/123456789/token"
    typed_back: bool = True
    admin: bool = False
    daily: int = 0

    async def read(self, typed: str, owner_id: int) -> Address:
        """The id and the token of a webhook's URL."""
        found = _webhook(typed.strip(), self.api)
        if found is None:
            raise UserError(
                _(
                    "That is not the URL of a Discord webhook: channel settings, Integrations, Webhooks."
                ),
                f"/channels add {self.example}",
            )
        number, token, thread = found
        address = f"{number}?thread_id={thread}" if thread else number
        return Address(address=address, secret=token, label=f"…{number[-4:]}")

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Send one embed and wait until Discord has it."""
        number, _mark, query = to.address.partition("?")
        url = f"{self.api}/webhooks/{number}/{to.secret}?wait=true{'&' if query else ''}{query}"
        body = json.dumps(embed(message), ensure_ascii=False, allow_nan=False).encode()
        answer = await self.web.post(url, body, {"Content-Type": "application/json"})
        if isinstance(answer, Answer) and answer.status == 429:
            pause = seconds(answer.json().get("retry_after"))
            if pause is not None:
                return NotSent("HTTP 429", retry_after=pause)
        if isinstance(answer, Answer) and answer.status in AWAY:
            return Gone(f"HTTP {answer.status}")
        return self.web.outcome(answer)


def embed(message: Told) -> dict[str, Any]:
    """The JSON of one message; nothing in it is a mention, a link or a format of its own."""
    table = "\n".join(message.table).replace("`", "'")
    parts = [f"```\n{cut(table, 1500)}\n```" if table else "", cut(_plain(message.reading), 2000)]
    footer = [severity_word(message.severity), message.evidence.replace("\n", fmt.SEPARATOR)]
    return {
        "embeds": [
            {
                "title": cut(_plain(message.title), TITLE),
                "description": "\n".join(p for p in parts if p)[:DESCRIPTION],
                "color": COLOURS[message.severity],
                "footer": {"text": cut(fmt.SEPARATOR.join(p for p in footer if p), FOOTER)},
                "timestamp": datetime.fromtimestamp(message.ts / 1000, UTC).isoformat(),
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def _webhook(typed: str, api: str) -> tuple[str, str, str] | None:
    """Id, token and thread of a webhook's URL; None where it is something else."""
    try:
        parts, base = urlsplit(typed), urlsplit(api)
        query = f"?{parts.query}" if parts.query else ""
        official = parts.scheme == "https" and parts.netloc.lower() in HOSTS
        ours = (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
    except ValueError:
        return None
    path = parts.path.removeprefix(base.path) if ours else parts.path
    found = PATH.fullmatch(path + query)
    if found is None or parts.fragment or not (official or ours):
        return None
    return found[1], found[2], found[3] or ""


def _plain(text: str) -> str:
    """`text` with Discord's markup taken literally."""
    return MARKDOWN.sub(r"\\\1", text)
