"""Which addresses the desk may be sent to by a person: public hosts over https, and what the operator let through.

A name is resolved once; every address it has must be public, and the connection goes to the one that was checked.
The operator's list holds `host:port` exactly as written in the URL; it is the only way to a private address.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import idna

from market.errors import AssistantError
from market.language import _

URL = re.compile(r"(https?)://([^/?#\\]*)([/?][!-~]*)?", re.IGNORECASE)
PORT = re.compile(r"(.*):([0-9]{1,5})")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that some clients read as part of an IPv4
LONGEST = 2000  # characters of a URL
DEFAULT = {"https": 443, "http": 80}
LOCAL_ENDINGS = (
    ".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home", ".home.arpa",
    ".corp", ".test", ".invalid", ".onion",
)  # fmt: skip
REFUSED_4 = [
    ipaddress.IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's own services behind a public address
    )
]  # fmt: skip
PUBLIC_6 = ipaddress.IPv6Network(
    "2000::/3"
)  # all else is local, mapped, translated or not given out
REFUSED_6 = [
    ipaddress.IPv6Network(each)
    for each in (
        "2001::/23",  # Teredo, benchmarks, identifiers
        "2001:db8::/32", "2002::/16", "3fff::/20",  # documentation, 6to4
    )
]  # fmt: skip
ISATAP = (0x00005EFE, 0x02005EFE)  # an IPv4 address is in the last 32 bits
WAIT = 3.0  # seconds for an answer of the name service
THREADS = 4

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Blocked(AssistantError):
    """This address is not called; the text says why, and may be shown."""


class Unresolved(AssistantError):
    """The name service gave no answer; later it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL in its parts, of which nothing was looked up yet."""

    scheme: str
    host: str  # lower case, punycode, without brackets and final dot
    port: int
    target: str  # path and query as typed

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole of it."""
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place and the addresses that may be connected to."""

    place: Place
    addresses: tuple[str, ...]


class Names:
    """The system's name service, in threads of its own: a slow answer holds up nobody else's work."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of `host`."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._pool, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    def close(self) -> None:
        """Look nothing more up."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Fence:
    """Says of a URL whether it may be called, and at which addresses."""

    def __init__(self, resolve: Resolve, allow: Collection[tuple[str, int]] = ()) -> None:
        self._resolve, self._allow = resolve, frozenset(allow)

    def place(self, url: str) -> Place:
        """`url` in its parts; Blocked where its form alone forbids it."""
        if len(url) > LONGEST:
            raise Blocked(_("That URL is too long."))
        whole = URL.fullmatch(url.strip())
        if whole is None:
            raise Blocked(_("That is no https URL without spaces."))
        place = _place(whole[1].lower(), whole[2], whole[3] or "/")
        if (place.host, place.port) in self._allow:
            return place
        if place.scheme != "https":
            raise Blocked(_("Only https is called."))
        if place.port != DEFAULT["https"]:
            raise Blocked(_("Only port 443 is called."))
        _refuse_local(place.host)
        return place

    async def check(self, url: str) -> Target:
        """Where `url` may be called now. Every address of the name has to be public."""
        place = self.place(url)
        addresses = await self._addresses(place)
        if (place.host, place.port) not in self._allow and not all(map(is_public, addresses)):
            raise Blocked(_("That host is not on the public internet."))
        return Target(place=place, addresses=addresses)

    async def _addresses(self, place: Place) -> tuple[str, ...]:
        if literal(place.host) is not None:
            return (place.host,)
        try:
            async with asyncio.timeout(WAIT):
                found = await self._resolve(place.host, place.port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unresolved(_("The name of that host is not known right now.")) from error
        if not found:
            raise Unresolved(_("The name of that host is not known right now."))
        return tuple(found)


def is_public(text: str) -> bool:
    """Whether an IP address is one anybody on the internet could be reached at."""
    address = literal(text)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in REFUSED_4)
    if address is None or address not in PUBLIC_6:
        return False
    hidden = (int(address) >> 32) & 0xFFFFFFFF
    return hidden not in ISATAP and not any(address in network for network in REFUSED_6)


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `host` is in its usual spelling; None where it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address


def allowed(text: str) -> tuple[tuple[str, int], ...]:
    """`localhost:8080,[::1]:90` as hosts and ports; ValueError where one is not `host:port`."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            place = _place("http", word, "/") if PORT.fullmatch(word) else None
        except Blocked:
            place = None
        if place is None:
            raise ValueError(f"{word!r} is not host:port, like 127.0.0.1:8080")
        found.append((place.host, place.port))
    return tuple(dict.fromkeys(found))


def base(url: str, allow: Collection[tuple[str, int]]) -> str:
    """The address of an API as the operator set it; ValueError where it is outside the fence."""
    try:
        place = Fence(_nobody, allow).place(url)
    except Blocked as error:
        raise ValueError(
            f"{error} A host of your own has to be named in WEBHOOK_ALLOW=host:port"
        ) from None
    if "?" in place.target:
        raise ValueError("write an address like https://api.example.org")
    return place.url.rstrip("/")


async def _nobody(_host: str, _port: int) -> Sequence[str]:
    """Where only the form of a URL is looked at."""
    return ()


def _place(scheme: str, authority: str, target: str) -> Place:
    if "@" in authority:
        raise Blocked(_("A URL with a user name in it is not called."))
    bracket = authority.rpartition("]")
    parts = PORT.fullmatch(authority) if ":" in bracket[2] else None
    if ":" in bracket[2] and parts is None:
        raise Blocked(_("The port of that URL cannot be read."))
    name, port = (parts[1], int(parts[2])) if parts else (authority, DEFAULT[scheme])
    if not 0 < port < 65536:
        raise Blocked(_("The port of that URL cannot be read."))
    host = _bracketed(name) if name.startswith("[") else _name(name)
    return Place(
        scheme=scheme, host=host, port=port, target=target if target[0] == "/" else "/" + target
    )


def _bracketed(name: str) -> str:
    address = literal(name[1:-1]) if name.endswith("]") else None
    if not isinstance(address, ipaddress.IPv6Address):
        raise Blocked(_("The host of that URL cannot be read."))
    return str(address)


def _name(name: str) -> str:
    """A host as the name service is asked for it: what looks like another letter is that letter, or refused."""
    try:
        host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise Blocked(_("The host of that URL cannot be read.")) from error
    host = host.lower().removesuffix(".")
    if isinstance(literal(host), ipaddress.IPv4Address):
        return host
    labels = host.split(".")
    if NUMBER.fullmatch(labels[-1]):  # 2130706433, 0x7f.1, 0177.0.0.1
        raise Blocked(_("Write an IP address as four numbers, or better the host's name."))
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise Blocked(_("The host of that URL cannot be read."))
    return host


def _refuse_local(host: str) -> None:
    """Hosts that are local by their form, whatever they resolve to."""
    if literal(host) is not None and is_public(host):
        return
    if literal(host) is not None or "." not in host or host.endswith(LOCAL_ENDINGS):
        raise Blocked(_("That host is not on the public internet."))
