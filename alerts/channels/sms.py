"""SMS through Twilio's Messages API: one segment, the figure first, so many a day."""

import base64
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import urlencode

from alerts.channels.http import Answer, Web
from alerts.channels.types import SMS, Destination
from alerts.channels.way import Address
from alerts.channels.words import Told, cut, lines
from alerts.outcome import Gone, NotSent, Outcome
from market.errors import UserError
from market.language import _

NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164
SPACING = re.compile(r"[\s().-]")
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
DOUBLE = frozenset("^{}\\[~]|€")  # two places each
ONE, ONE_WIDE = 160, 70  # places of a message in GSM-7, in UCS-2
SPELT = str.maketrans(
    {
        "\u00b7": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",  # middle dot, dashes, minus
        "\u2026": "...", "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00d7": "x",
        "\u00a0": " ", "\u202f": " ", "\u2265": ">=", "\u2264": "<=", "\u2192": "->", "\u2248": "~",
    }
)  # fmt: skip
CUT = " ..."
DAILY = 20
NOBODY = (21211, 21214, 21217, 21408, 21610, 21614)  # no such number, not ours to write to, stopped
PAUSE = 300.0  # seconds, where the operator's own account has to be mended


@dataclass(slots=True)
class Sms:
    """Sends from one number of one Twilio account."""

    web: Web
    api: str
    sid: str
    token: str
    sender: str
    name: str = SMS
    example: str = "sms +4915112345678"
    typed_back: bool = True
    admin: bool = False
    daily: int = DAILY

    def __repr__(self) -> str:
        """The token stays out of every log."""
        return f"Sms(sid={self.sid!r})"

    async def read(self, typed: str, owner_id: int) -> Address:
        """A number with its country code."""
        number = SPACING.sub("", typed)
        number = f"+{number[2:]}" if number.startswith("00") else number
        if not NUMBER.fullmatch(number):
            raise UserError(
                _("Write the number with + and its country code."), f"/channels add {self.example}"
            )
        return Address(address=number, label=f"{number[:3]}…{number[-3:]}")

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Hand one text to Twilio; its queue does the rest."""
        login = base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        body = urlencode({"To": to.address, "From": self.sender, "Body": text(message)}).encode()
        answer = await self.web.post(
            f"{self.api}/2010-04-01/Accounts/{self.sid}/Messages.json",
            body,
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": f"Basic {login}",
            },
        )
        if not isinstance(answer, Answer):
            return answer
        code = answer.json().get("code")
        if answer.status in (401, 403, 404):  # our account, not this number
            return NotSent(f"HTTP {answer.status}: TWILIO_SID, TWILIO_TOKEN", retry_after=PAUSE)
        if answer.status == 400 and code in NOBODY:
            return Gone(f"Twilio {code}")
        return self.web.outcome(answer)


def text(message: Told) -> str:
    """The message in one segment: what fits whole after the headline is added, the code of a test always."""
    parts = [_spelt(part) for part in (message.title, *lines(message))]
    if message.test:
        parts = [" ".join(parts[:2])]
    wide = not all(each in GSM or each in DOUBLE for each in parts[0])
    usable = [part for part in parts[1:] if wide or all(c in GSM or c in DOUBLE for c in part)]
    found = parts[0]
    while places(found) > (ONE_WIDE if wide else ONE):
        found = cut(found, len(found) - 1, CUT)
    for part in usable:
        longer = f"{found}\n{part}"
        if places(longer) <= (ONE_WIDE if wide else ONE):
            found = longer
    return found


def places(words: str) -> int:
    """How many places of a segment a text takes: GSM-7 septets, or UCS-2 units where a letter is in no GSM table."""
    if all(each in GSM or each in DOUBLE for each in words):
        return sum(2 if each in DOUBLE else 1 for each in words)
    return len(words.encode("utf-16-le")) // 2


def _spelt(words: str) -> str:
    """Signs that cost a whole alphabet are written with others; pictures are left out."""
    plain = words.translate(SPELT)
    kept = [c for c in plain if unicodedata.category(c) not in ("So", "Sk", "Cf", "Cs", "Mn")]
    return " ".join("".join(kept).split())
