"""Addresses of mail: a person's mailbox, and the server that takes mails from us."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

MAILBOX = re.compile(
    r"(?![.])(?!.*[.]{2})[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}(?<![.])@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
LONGEST = 254
PORTS = {"smtp": 587, "smtps": 465}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    tls: bool  # from the first byte
    login: tuple[str, str] | None = None

    @property
    def start_tls(self) -> bool | None:
        """Demanded before a password leaves this machine; else taken where it is offered."""
        if self.tls:
            return False
        return True if self.login and self.host not in LOOPBACK else None

    def __repr__(self) -> str:
        """The password stays out of every log."""
        return f"Server({self.host}:{self.port})"


def server(url: str) -> Server:
    """`smtps://user:password@host:465` or `smtp://...` (STARTTLS); ValueError where it is neither."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("write it like smtps://user:password@mail.example.org:465, or smtp://...")
    login = None
    if parts.username:
        login = (unquote(parts.username), unquote(parts.password or ""))
    return Server(
        host=parts.hostname, port=port or PORTS[parts.scheme], tls=parts.scheme == "smtps", login=login
    )  # fmt: skip


def is_mailbox(text: str) -> bool:
    """Whether `text` is an address as nearly everybody has one: no quotes, no comments, ASCII."""
    return len(text) <= LONGEST and MAILBOX.fullmatch(text) is not None
