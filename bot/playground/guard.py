"""Only this machine, and only our own page: a web page from elsewhere must not drive the bot."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from market.language import _

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign hosts (a name that was made to point here) and foreign origins."""
    if not allowed(request.headers.get("Host", ""), request.headers.get("Origin")):
        return web.Response(
            status=403, text=_("This server answers its own page on this machine only.")
        )
    return await handler(request)


def allowed(host: str, origin: str | None) -> bool:
    """Whether a request with these headers comes from this machine and from no foreign page."""
    try:
        name = urlsplit(f"//{host}").hostname
        source = urlsplit(origin) if origin is not None else None
    except ValueError:
        return False
    if name not in LOOPBACK:
        return False
    return source is None or (source.scheme == "http" and source.netloc.lower() == host.lower())
