"""A generic webhook: one signed JSON object per message, to a public https address.

`X-Tidemark-Signature: t=<unix seconds>,v1=<hex>`, where v1 is HMAC-SHA256 of `<t>.<body>` under the key that was
shown once. `X-Tidemark-Id` and `id` are the same for every delivery of one message.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from alerts.channels.fence import Blocked, Unresolved
from alerts.channels.http import Web
from alerts.channels.types import WEBHOOK, Destination
from alerts.channels.way import Address
from alerts.channels.words import Told
from alerts.outcome import Outcome
from market.errors import UserError

VERSION = 1
LARGEST = 32_000  # characters of a message's text


@dataclass(slots=True)
class Webhook:
    """Posts to any URL inside the fence."""

    web: Web
    name: str = WEBHOOK
    example: str = "webhook https://example.org/hook"
    typed_back: bool = True
    admin: bool = False
    daily: int = 0

    async def read(self, typed: str, owner_id: int) -> Address:
        """The URL, looked up as it will be at each message, and a new key for it."""
        try:
            target = await self.web.fence.check(typed)
        except (Blocked, Unresolved) as error:
            raise UserError(str(error), f"/channels add {self.example}") from error
        place = target.place
        return Address(
            address=place.url,
            secret=secrets.token_hex(32),
            label=place.authority if len(place.authority) <= 40 else f"{place.authority[:39]}…",
            shown_once=True,
        )

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Send it signed; the answer's status is all that counts of the answer."""
        body = json.dumps(fields(message), ensure_ascii=False, allow_nan=False).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Tidemark-Id": message.id,
            "X-Tidemark-Signature": signature(to.secret, body, self.web.wall.now() // 1000),
        }
        return self.web.outcome(await self.web.post(to.address, body, headers))


def fields(message: Told) -> dict[str, Any]:
    """The object that is posted. `market` is empty for the live one."""
    return {
        "version": VERSION,
        "id": message.id,
        "kind": message.kind,
        "symbol": message.symbol,
        "headline": message.headline,
        "text": message.text[:LARGEST],
        "value": message.value,
        "threshold": message.threshold,
        "severity": str(message.severity),
        "venues": list(message.venues),
        "ts": message.ts,
        "late": message.late,
        "test": message.test,
        "repeat": message.repeat,
        "market": message.mark,
    }


def signature(key: str, body: bytes, at: int) -> str:
    """The value of the signature header, for `at` in unix seconds."""
    digest = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
