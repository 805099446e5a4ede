"""What the words of a command mean: a symbol, then what follows it; and which questions a coin can answer."""

from collections.abc import Sequence

from handlers.app import App
from handlers.base import Args, Button
from market.errors import UserError
from market.language import _
from market.symbols import Query
from market.types import EXCHANGES

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


def instead(query: Query) -> str:
    """What the evidence says where a spot pair was typed and the command is about perps."""
    if query.perp is not False:
        return ""
    return _("the perp instead of the spot pair")


def perp_buttons(app: App, base: str, wanted: Sequence[tuple[str, str]]) -> list[Button]:
    """Buttons of questions about perps (label, command), none where the coin has no perp."""
    if not any(each.perp for each in app.market.directory.listed(base)):
        return []
    return [Button(text=text, command=line) for text, line in wanted]


def keyboard(*rows: Sequence[Button]) -> list[list[Button]]:
    """The rows that have buttons."""
    return [list(row) for row in rows if row]
