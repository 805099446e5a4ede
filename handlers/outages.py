"""Which venues do not answer, and what a card says about it."""

from collections.abc import Iterable, Mapping

from exchanges.types import VenueState
from handlers.app import App
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import EXCHANGE_NAMES

REASON = 60  # characters of a reason that are shown


def unavailable(errors: Mapping[str, SourceError]) -> str:
    """`Binance unavailable (HTTP 503)`: venues with one reason together; keys are exchanges or instrument keys."""
    return grouped({name: error.reason for name, error in errors.items()})


def grouped(reasons: Mapping[str, str]) -> str:
    """The same from reasons."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        name = named(key)
        names = by_reason.setdefault(short(reason), [])
        if name not in names:
            names.append(name)
    return "; ".join(
        _("{venues} unavailable ({reason})").format(venues="+".join(names), reason=reason)
        for reason, names in by_reason.items()
    )


def silent(app: App, exchanges: Iterable[str]) -> str:
    """`Binance is not answering (HTTP 503 since 14:02 UTC)` of those venues whose last calls failed."""
    wall = app.wall.now()
    wanted = set(exchanges)
    parts = []
    for venue in app.market.status():
        if venue.exchange in wanted and venue.state is not VenueState.OK:
            since = (
                "" if venue.since is None
                else _(" since {at}").format(at=fmt.utc(venue.since, wall))
            )  # fmt: skip
            text = _("{venue} is not answering ({reason}{since})")
            parts.append(
                text.format(venue=named(venue.exchange), reason=short(venue.reason), since=since)
            )
    return "; ".join(parts)


def said(*parts: str) -> str:
    """The parts that say something, each once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))


def short(reason: str) -> str:
    """A reason on one line and not longer than a card bears."""
    line = " ".join(reason.split())
    return line if len(line) <= REASON else line[: REASON - 1] + "…"


def named(key: str) -> str:
    """The name of the venue of an exchange id or an instrument key."""
    exchange = key.split(":", maxsplit=1)[0]
    return EXCHANGE_NAMES.get(exchange, exchange)
