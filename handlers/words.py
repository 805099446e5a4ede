"""What the words of a command mean: a symbol, then what follows it."""

from collections.abc import Sequence

from handlers.base import Args
from market.errors import UserError
from market.language import _

KINDS = ("perp", "perps", "spot", "swap", "futures", "future", "perpetual")


def symbol(args: Args, usage: str) -> tuple[str, tuple[str, ...]]:
    """The symbol as typed (`btc perp` are two words of one symbol) and the words after it."""
    words = args.words
    if not words:
        raise UserError(_("Which coin?"), usage)
    if len(words) > 1 and words[1].lower() in KINDS:
        kind = "spot" if words[1].lower() == "spot" else "perp"
        return f"{words[0]} {kind}", words[2:]
    return words[0], words[1:]


def at_most(words: Sequence[str], count: int, usage: str) -> None:
    """Refuse words nobody asked for: a typo must not be ignored silently."""
    if len(words) > count:
        raise UserError(
            _("I don't know what to do with “{word}”.").format(word=words[count][:24]), usage
        )
