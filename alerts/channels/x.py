"""X: posts of the desk's own account through API v2, in public; only an admin's alerts, only where switched on."""

import json
import re
import unicodedata
from dataclasses import dataclass

from oauthlib.oauth1 import Client

from alerts.channels.http import Answer, Web, seconds
from alerts.channels.types import Destination
from alerts.channels.types import X as NAME
from alerts.channels.way import Address
from alerts.channels.words import Told, cut, lines, moment
from alerts.outcome import NotSent, Outcome, Sent
from market.errors import UserError
from market.language import _

LIMIT = 280  # weighted characters
LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))  # code points that weigh 1; others 2
LINK = re.compile(r"https?://\S+", re.IGNORECASE)
LINK_WEIGHT = 23
CALL = re.compile(r"([@\uff20])(?=\w)")
PAUSE = 300.0


@dataclass(slots=True)
class X:
    """Posts as one account (OAuth 1.0a, user context)."""

    web: Web
    api: str
    key: str
    secret: str
    token: str
    token_secret: str
    name: str = NAME
    example: str = NAME
    typed_back: bool = False
    admin: bool = True
    daily: int = 0

    def __repr__(self) -> str:
        """Keys stay out of every log."""
        return f"X(api={self.api!r})"

    async def read(self, typed: str, owner_id: int) -> Address:
        """There is one account: nothing is typed."""
        if typed.strip():
            raise UserError(_("Posts go to the desk's own account."), f"/channels add {NAME}")
        return Address(address=NAME, label=_("the desk's account, in public"))

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Post once; the same text again is refused by X, and counts as delivered."""
        url = f"{self.api}/2/tweets"
        client = Client(self.key, self.secret, self.token, self.token_secret)
        _url, headers, _body = client.sign(url, http_method="POST")
        body = json.dumps({"text": text(message)}, ensure_ascii=False).encode()
        answer = await self.web.post(
            url,
            body,
            {"Content-Type": "application/json", "Authorization": headers["Authorization"]},
        )
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 403 and "duplicate" in str(answer.json().get("detail", "")).lower():
            return Sent()
        if answer.status == 401:
            return NotSent("HTTP 401: X_KEY, X_SECRET, X_TOKEN, X_TOKEN_SECRET", retry_after=PAUSE)
        if answer.status in (404, 410):  # the API's own address, not a reader's
            return NotSent(f"HTTP {answer.status}", retry_after=PAUSE)
        if answer.status == 429 and (pause := self._reset(answer)) is not None:
            return NotSent("HTTP 429", retry_after=pause)
        return self.web.outcome(answer)

    def _reset(self, answer: Answer) -> float | None:
        at = answer.headers.get("x-rate-limit-reset", "")
        left = int(at) - self.web.wall.now() / 1000 if at.isdecimal() else None
        return None if left is None else seconds(max(1.0, left))


def text(message: Told) -> str:
    """The post: headline and time, then what fits whole. Nobody is called by it."""
    head = _uncalled(message.title)
    at = moment(message.ts)
    while weight(f"{head}\n{at}") > LIMIT:
        head = cut(head, len(head) - 1)
    found = f"{head}\n{at}"
    for part in map(_uncalled, lines(message)):
        longer = f"{found}\n{part}"
        if weight(longer) <= LIMIT:
            found = longer
    return found


def weight(words: str) -> int:
    """How X counts a text."""
    words = unicodedata.normalize("NFC", words)
    links = LINK.findall(words)
    rest = LINK.sub("", words)
    light = sum(any(low <= ord(c) <= high for low, high in LIGHT) for c in rest)
    return LINK_WEIGHT * len(links) + light + 2 * (len(rest) - light)


def _uncalled(words: str) -> str:
    return CALL.sub("\\1\u200b", words)
