"""Email through the operator's SMTP server: text and HTML from templates, one mail per message, a daily digest."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib
import certifi
import jinja2

from alerts.channels.mailbox import Server, is_mailbox
from alerts.channels.types import EMAIL, Destination
from alerts.channels.way import Address
from alerts.channels.words import Told, cut, severity_word
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import Severity
from market.clock import Clock
from market.errors import UserError
from market.language import _

TOTAL = 8.0  # seconds for one mail
SUBJECT = 150
NO_MAILBOX = (550, 551, 553)
COLOURS = {Severity.INFO: "#5c7a99", Severity.WARNING: "#e0a030", Severity.CRITICAL: "#d03b3b"}
TEMPLATES = Path(__file__).parent / "templates"


class Email:
    """Hands mails to one server."""

    name = EMAIL
    example = "email you@example.org"
    typed_back = True
    admin = False
    daily = 0

    def __init__(
        self, at: Server, sender: str, wall: Clock, *, context: ssl.SSLContext | None = None, total: float = TOTAL,
    ) -> None:  # fmt: skip
        self._at, self._sender, self._wall, self._total = at, sender, wall, total
        self._context = context or ssl.create_default_context(cafile=certifi.where())
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=jinja2.select_autoescape(("html",)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def read(self, typed: str, owner_id: int) -> Address:
        """A mailbox."""
        found = typed.strip()
        if not is_mailbox(found):
            raise UserError(_("That is no email address."), f"/channels add {self.example}")
        box, _at, host = found.rpartition("@")
        return Address(address=f"{box}@{host.lower()}", label=f"{box[:2]}…@{host.lower()}")

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Hand in one mail; in doubt is only what was lost while the mail itself was under way."""
        mail = self.mail(to, message).as_bytes()
        client = aiosmtplib.SMTP(
            hostname=self._at.host, port=self._at.port, timeout=self._total,
            username=self._at.login[0] if self._at.login else None,
            password=self._at.login[1] if self._at.login else None,
            use_tls=self._at.tls, start_tls=self._at.start_tls,
            tls_context=self._context if self._at.tls or self._at.start_tls is not False else None,
            local_hostname=self._sender.rpartition("@")[2],
        )  # fmt: skip
        talk = _Talk(client)
        try:
            async with asyncio.timeout(self._total):
                await talk.hand_in(self._sender, to.address, mail)
                outcome: Outcome = Sent()
        except aiosmtplib.SMTPRecipientRefused as error:
            outcome = (
                Gone(f"SMTP {error.code}") if error.code in NO_MAILBOX else _refusal(error.code)
            )
        except aiosmtplib.SMTPResponseException as error:
            outcome = _refusal(error.code) if talk.accepted else NotSent(f"SMTP {error.code}")
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            reason = f"no answer: {type(error).__name__}"
            outcome = Unknown(reason) if talk.flying else NotSent(reason)
        finally:
            client.close()
        return outcome

    def mail(self, to: Destination, message: Told) -> EmailMessage:
        """The whole mail; the same message has the same Message-ID each time."""
        host = self._sender.rpartition("@")[2]
        name = "digest" if message.digest is not None else "alert"
        mail = EmailMessage(policy=LINES)
        mail["From"], mail["To"] = self._sender, to.address
        mail["Subject"] = cut(" ".join(message.title.split()), SUBJECT)
        mail["Date"] = format_datetime(datetime.fromtimestamp(self._wall.now() / 1000, UTC))
        mail["Message-ID"] = f"<{message.id}.{to.id}@{host}>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.severity is Severity.CRITICAL:
            mail["Importance"] = "high"
        shown = {
            "message": message, "digest": message.digest, "colour": COLOURS[message.severity],
            "severity": severity_word(message.severity), "number": to.id,
        }  # fmt: skip
        text = self._templates.get_template(f"{name}.txt").render(shown)
        html = self._templates.get_template(f"{name}.html").render(shown)
        mail.set_content(text, cte="quoted-printable")
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
        return mail


class _Talk:
    """One conversation with the server, and how far it came."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self.accepted = False  # the envelope was: what is refused from here on is this mail
        self.flying = False

    async def hand_in(self, sender: str, to: str, mail: bytes) -> None:
        await self._client.connect()
        await self._client.mail(sender)
        await self._client.rcpt(to)
        self.accepted = self.flying = True
        await self._client.data(mail)
        self.flying = False
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(1.0):  # it is delivered, whatever the goodbye is
                await self._client.quit()


def _refusal(code: int) -> Outcome:
    return Refused(f"SMTP {code}") if code >= 500 else NotSent(f"SMTP {code}")
