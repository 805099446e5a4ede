"""What the words of a command mean: a symbol, then what follows it; and which questions a coin can answer."""

from collections.abc import Sequence
from dataclasses import replace

from handlers.app import App
from handlers.base import Args, Button
from market.errors import UserError
from market.language import _
from market.symbols import Query
from market.types import EXCHANGES, Instrument

KINDS = ("perp", "perps", "spot", "swap", "futures", "future", "perpetual")
PLACES = frozenset((*EXCHANGES, "hl", "cb"))
COINS = ("BTC", "ETH", "SOL")  # offered where no coin was named


def symbol(args: Args, usage: str) -> tuple[str, tuple[str, ...]]:
    """The symbol as typed (`btc perp`, `btc okx` are two words of one symbol) and the words after it."""
    words = args.words
    if not words:
        raise UserError(_("Which coin?"), usage, _offers(usage))
    text, taken = words[0], 1
    place = ""
    for word in (w.lower() for w in words[1:3]):
        if word in KINDS and " " not in text:
            text += " spot" if word == "spot" else " perp"
        elif word in PLACES and not place and ":" not in text:
            place = f"{word}:"
        else:
            break
        taken += 1
    return place + text, words[taken:]


def _offers(usage: str) -> list[tuple[str, str]]:
    """The usage with each of the usual coins in the place of its coin."""
    name, _coin, *rest = usage.split()
    return [(coin, " ".join([name, coin, *rest])) for coin in COINS]


def at_most(words: Sequence[str], count: int, usage: str) -> None:
    """Refuse words nobody asked for: a typo must not be ignored silently."""
    if len(words) > count:
        raise UserError(
            _("I don't know what to do with “{word}”.").format(word=words[count][:24]), usage
        )


def perps(app: App, text: str, command: str) -> tuple[Query, list[Instrument], str]:
    """The query, the perp of each venue it means, and what the evidence says where a spot pair was typed."""
    try:
        query = app.market.resolve(text, command=command)
    except UserError:
        if " " in text or not any(mark in text for mark in "/-_"):
            raise
        # a pair that trades as a perp only
        query = replace(app.market.resolve(f"{text} perp", command=command), perp=False)
    found = app.market.instruments_for(query, perp=True, command=command)
    note = _("the perp instead of the spot pair") if query.perp is False else ""
    return query, found, note


def perp_buttons(app: App, base: str, wanted: Sequence[tuple[str, str]]) -> list[Button]:
    """Buttons of questions about perps (label, command), none where the coin has no perp."""
    if not any(each.perp for each in app.market.directory.listed(base)):
        return []
    return [Button(text=text, command=line) for text, line in wanted]


def keyboard(*rows: Sequence[Button]) -> list[list[Button]]:
    """The rows that have buttons."""
    return [list(row) for row in rows if row]
