"""What the scanner gives the grammar: kinds of tokens beside those of the vocabulary, and what is inside."""

from dataclasses import dataclass

from alerts.language.amounts import Amount
from market.types import EXCHANGES

NUM, AMB, DUR, CLOCK, PARAM, NAME, SUBJECTS = (
    "NUM", "AMB", "DUR", "CLOCK", "PARAM", "NAME", "SUBJECTS",
)  # fmt: skip
WINDOW, WITHIN, HOLD, FRAME, VS, TO, COMMA, COLON, OPEN, CLOSE = (
    "WINDOW", "WITHIN", "HOLD", "FRAME", "VS", "TO", "COMMA", "COLON", "OPEN", "CLOSE",
)  # fmt: skip
MODIFIERS = frozenset(
    {"perp", "perps", "perpetual", "perpetuals", "swap", "futures", "future", "spot"}
)
VENUES = frozenset({*EXCHANGES, "hl", "cb"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexeme:
    """One token. `text` is what was typed for it."""

    kind: str
    value: object = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length of time; `number` where it may be millions as well (5m)."""

    ms: int
    number: Amount | None = None
    month: bool = False  # a capital M
