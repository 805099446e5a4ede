"""From the name of a market as it is typed to the subject of a metric, and back."""

from collections.abc import Sequence
from typing import Protocol

from alerts.figures import Figure, Scope, Unit
from market.errors import UserError
from market.language import _
from market.symbols import Query
from market.types import Instrument

EVERYTHING = "*"
EVERYWHERE = "*:"
COMMAND = "/alert {}"


class Names(Protocol):
    """Who knows what trades. `subject` raises a UserError whose suggestions are names that work."""

    def subject(self, text: str, scope: Scope, figure: Figure) -> str: ...
    def words(self, subject: str) -> str: ...
    def coin(self, subject: str) -> str: ...


class Markets(Protocol):
    """What `exchanges.hub.Market` offers of this."""

    def resolve(self, words: str, *, command: str = ...) -> Query: ...
    def instruments_for(
        self, query: Query, *, perp: bool | None, command: str = ...
    ) -> Sequence[Instrument]: ...
    def one(
        self, query_text: str, /, *, default_exchange: str, perp: bool = ..., need_perp: bool = ...,
        command: str = ...,
    ) -> Instrument: ...  # fmt: skip


class MarketNames:
    """Names as every command reads them: BTC is its perp on the default venue, or the perps of all venues."""

    def __init__(self, markets: Markets, exchange: str) -> None:
        self._markets = markets
        self._exchange = exchange

    def subject(self, text: str, scope: Scope, figure: Figure) -> str:
        """The instrument key, or `*:BTC` for a figure of a coin where no venue is named."""
        if scope is Scope.MARKET:
            return EVERYTHING
        if scope is Scope.INSTRUMENT:
            return self._one(text, figure)
        query = self._markets.resolve(text, command=COMMAND)
        if query.perp is False:
            raise _spot(text, query.base, figure)
        if query.exchange is not None:
            return self._markets.one(
                text, default_exchange=self._exchange, need_perp=True, command=COMMAND
            ).key
        base = self._markets.instruments_for(query, perp=True, command=COMMAND)[0].base
        return f"{EVERYWHERE}{base}/{query.quote}" if query.quote else f"{EVERYWHERE}{base}"

    def _one(self, text: str, figure: Figure) -> str:
        """One market; what is paid per interval is paid on perps only."""
        found = self._markets.one(text, default_exchange=self._exchange, command=COMMAND)
        if figure.unit is Unit.RATE and not found.perp:
            raise _spot(text, found.base, figure)
        return found.key

    def words(self, subject: str) -> str:
        """How a subject is typed: `BTC-PERP`, or the key of the one market."""
        if subject == EVERYTHING:
            return ""
        if not subject.startswith(EVERYWHERE):
            return subject
        return f"{subject.removeprefix(EVERYWHERE).replace('/', '-')}-PERP"

    def coin(self, subject: str) -> str:
        """The coin of a subject; the whole market has none."""
        if subject == EVERYTHING:
            return ""
        return subject.partition(":")[2].partition("/")[0]


def _spot(text: str, base: str, figure: Figure) -> UserError:
    return UserError(
        _("{figure} is of perps, and {text} is a spot market.").format(
            figure=figure.shown, text=text
        ),
        COMMAND.format(f"{base}-PERP"),
    )
