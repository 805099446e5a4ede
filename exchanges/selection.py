"""From what was typed to the instruments a command works on, or one clear sentence why not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from market.errors import SourceUnavailable, UserError
from market.language import _
from market.symbols import QUOTES, Directory, Query, parse_query
from market.types import EXCHANGE_NAMES, EXCHANGES, Instrument

COMMAND = "/price {}"  # where buttons of suggestions lead; {} is the symbol
MAIN_QUOTES = {"coinbase": ("USD", "USDC", "USDT"), "hyperliquid": ("USDC", "USDT", "USD")}
SHOWN = 20  # characters of what was typed that are repeated in an answer


class Selection:
    """Chooses instruments; `missing` names the exchanges whose markets are not loaded."""

    def __init__(self, directory: Directory, missing: Callable[[], Sequence[str]]) -> None:
        self.directory = directory
        self._missing = missing

    def resolve(self, words: str, *, command: str = COMMAND) -> Query:
        """What was typed as a query that is known to mean something on some exchange."""
        if not self.directory.all:
            raise SourceUnavailable(_("Markets"), _("no exchange has answered yet"))
        query = parse_query(words)
        if query is None:
            raise UserError(
                _("I need a symbol, like BTC or BTC/USDT."), command.replace("{}", "BTC")
            )
        if readings := self.directory.ambiguous(query):
            raise UserError(
                _("“{word}” can mean more than one market. Which one?").format(word=_short(words)),
                command.replace("{}", readings[0]),
                [(each, command.replace("{}", each)) for each in readings],
            )
        reading = self.directory.reading(replace(query, exchange=None))
        if reading is None:
            self._unknown(query, words, command)
        return replace(reading, exchange=query.exchange)

    def instruments_for(
        self, query: Query, *, perp: bool | None, command: str = COMMAND
    ) -> list[Instrument]:
        """One instrument per exchange and kind, in its main quote currency; `perp` is what the command needs."""
        wanted = query if perp is None else replace(query, perp=perp, glued=query.glued and perp)
        found = self.directory.find(wanted)
        if perp is not None:
            found = [each for each in found if each.perp == perp]
        if not found:
            self._nowhere(wanted, command)
        groups: dict[tuple[str, bool], list[Instrument]] = {}
        for each in found:
            groups.setdefault((each.exchange, each.perp), []).append(each)
        chosen = [main_quote(group) for group in groups.values()]
        order = {name: place for place, name in enumerate(EXCHANGES)}
        return sorted(chosen, key=lambda each: (order.get(each.exchange, 99), each.perp))

    def one(
        self,
        text: str,
        *,
        default_exchange: str,
        perp: bool = True,
        need_perp: bool = False,
        command: str = COMMAND,
    ) -> Instrument:
        """The one instrument of /ta, /chart and alerts.

        What the text says goes first, then the default exchange and `perp`; with `need_perp` a spot pair
        stands for its perp. A coin the default exchange lacks is taken from the next that has it.
        """
        query = self.resolve(text, command=command)
        kinds = self._kinds(query, perp=perp, need_perp=need_perp)
        places = [query.exchange] if query.exchange else _order(default_exchange)
        for place in places:
            for kind in kinds:
                wanted = replace(query, perp=kind, exchange=place)
                found = [e for e in self.directory.find(wanted) if e.perp == kind]
                if found:
                    return main_quote(found)
        return self._nowhere(replace(query, perp=True if need_perp else query.perp), command)

    @staticmethod
    def _kinds(query: Query, *, perp: bool, need_perp: bool) -> list[bool]:
        """Perp or spot, in the order to try them."""
        if need_perp:
            return [True]
        if query.perp is not None and not query.glued:
            return [query.perp]
        first = perp if query.perp is None else query.perp
        return [first, not first]

    def _unknown(self, query: Query, words: str, command: str) -> NoReturn:
        """Nothing trades under this name."""
        if self.directory.knows(query.base):
            self._nowhere(query, command)
        names = self.directory.suggest(words)
        text = _("I know no market “{word}”.").format(word=_short(words))
        if absent := self._missing():
            text = _("I know no market “{word}” ({exchanges} not loaded).").format(
                word=_short(words), exchanges=", ".join(EXCHANGE_NAMES.get(e, e) for e in absent)
            )
        example = command.replace("{}", names[0] if names else "BTC")
        raise UserError(text, example, [(each, command.replace("{}", each)) for each in names])

    def _nowhere(self, query: Query, command: str) -> NoReturn:
        """The coin is known, but not in this form or place."""
        everywhere = self.directory.find(Query(base=query.base, text=query.base))
        kind = {True: _("perpetual"), False: _("spot market"), None: _("market")}[query.perp]
        pair = f"{query.base}/{query.quote}" if query.quote else query.base
        place = EXCHANGE_NAMES.get(query.exchange or "", "")
        text = (
            _("{pair} has no {kind} on {exchange}.").format(pair=pair, kind=kind, exchange=place)
            if place
            else _("{pair} has no {kind}.").format(pair=pair, kind=kind)
        )
        fitting = [each for each in everywhere if query.perp is None or each.perp == query.perp]
        names = list(
            dict.fromkeys(_spoken(each) for each in sorted(fitting or everywhere, key=_rank))
        )
        buttons = [(each, command.replace("{}", each)) for each in names[:3]]
        raise UserError(text, buttons[0][1] if buttons else command.replace("{}", "BTC"), buttons)


def main_quote(instruments: Sequence[Instrument]) -> Instrument:
    """The one in the exchange's main quote currency: USDT, else USDC, else USD, else the first by name."""
    return min(instruments, key=_rank)


def _rank(instrument: Instrument) -> tuple[int, int, str, str]:
    quotes = MAIN_QUOTES.get(instrument.exchange, QUOTES)
    quote = quotes.index(instrument.quote) if instrument.quote in quotes else len(quotes)
    known = instrument.exchange in EXCHANGES
    place = EXCHANGES.index(instrument.exchange) if known else len(EXCHANGES)
    return quote, place, instrument.quote, instrument.symbol


def _spoken(instrument: Instrument) -> str:
    """How a person would ask for exactly this."""
    tail = "-PERP" if instrument.perp else ""
    return f"{instrument.exchange}:{instrument.base}-{instrument.quote}{tail}"


def _order(first: str) -> list[str]:
    return [first, *(each for each in EXCHANGES if each != first)]


def _short(words: str) -> str:
    """What was typed, on one line and short enough to repeat."""
    plain = " ".join("".join(c for c in words[:200] if c.isprintable()).split())
    return plain if len(plain) <= SHOWN else plain[: SHOWN - 1] + "…"
