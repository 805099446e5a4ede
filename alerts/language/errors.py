"""What the language answers when it does not know: an error for nonsense, a question where there are two readings."""

from collections.abc import Sequence

from market.errors import UserError
from market.language import _

EXAMPLE = "/alert_when btc oi rises 3% in 15m and funding > 0.03%"
COMMAND = "/alert_when {}"
SHOWN = 24  # characters of what was typed that are repeated


class Unclear(UserError):
    """What was typed can mean several rules. Each of `choices` is the canonical text of one of them."""

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        super().__init__(question, COMMAND.format(choices[0]) if choices else EXAMPLE,
                         [(each, COMMAND.format(each)) for each in choices])  # fmt: skip
        self.question = question
        self.choices = tuple(choices)


class UnknownWord(UserError):
    """A word that is neither of the language nor a market. `word` is as it was typed."""

    def __init__(self, word: str, text: str = "", near: Sequence[str] = ()) -> None:
        super().__init__(
            text or _("I don't know “{word}” here.").format(word=quoted(word)), EXAMPLE
        )
        self.word = word
        self.near = tuple(near)


class NoCoin(UserError):
    """A figure of a coin without any coin. `rest` is what was typed; with a coin before it, it is a rule."""

    def __init__(self, text: str, rest: str = "", command: str = "alert") -> None:
        super().__init__(text, f"/{command} BTC {rest}" if rest else EXAMPLE)
        self.rest = rest


def refuse(text: str, example: str = EXAMPLE) -> UserError:
    """An error of one sentence, with an example that works."""
    return UserError(text, example)


def quoted(text: str) -> str:
    """What was typed, short and on one line."""
    return "".join(c if c.isprintable() else " " for c in text[:SHOWN]).strip()
