"""Chat text to a command. Pure: Telegram's own parser ends a command at a hyphen, so we read the first word."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

DASHES = dict.fromkeys(
    (*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D), "-"
)  # hyphens, en, em and figure dash, minus
QUOTES = dict.fromkeys((*range(0x201C, 0x2020), 0xAB, 0xBB), '"') | dict.fromkeys(
    range(0x2018, 0x201C), "'"
)
SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f\u2009\u200a\u3000"), " ")
INVISIBLE = dict.fromkeys(
    (
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2065),
        *range(0x2066, 0x206A),
        0xFEFF,
    )
)
NORMAL = DASHES | QUOTES | SPACES | INVISIBLE
HEAD = re.compile(r"/([a-z0-9_]+(?:-[a-z0-9_]+)*)(?:@([a-z0-9_]+))?", re.ASCII)
OPERATORS = frozenset(("above", "below", "over", "under", "crosses", ">", "<", ">=", "<="))
NUMBER = re.compile(r"[<>=+-]*\$?\d[\d.,]*[kmb%]?", re.IGNORECASE)
COIN = re.compile(r"\$?[a-z0-9]{1,15}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCommand:
    """A command as typed: `name` in underscore form, not looked up yet."""

    name: str
    words: tuple[str, ...] = ()
    rest: str = ""
    addressed: bool = False  # it names this bot
    foreign: bool = False  # it names another bot


def normal(text: str) -> str:
    """`text` with plain dashes, quotes and spaces, and without characters that cannot be seen."""
    kept = (
        c
        for c in text.translate(NORMAL)
        if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs")
    )
    return "".join(kept)


def parse_command(text: str, username: str) -> ParsedCommand | None:
    """The command `text` starts with; None where it does not start with one or names another bot."""
    parsed = read_command(text, username)
    return None if parsed is None or parsed.foreign else parsed


def read_command(text: str, username: str) -> ParsedCommand | None:
    """As `parse_command`, but a command for another bot is told from no command at all."""
    first, *more = text.strip().split(maxsplit=1)[:2] or [""]
    tail = more[0] if more else ""
    match = HEAD.fullmatch(normal(first).lower())
    if match is None:
        return None
    name, bot = match[1].replace("-", "_"), match[2]
    return ParsedCommand(
        name=name,
        words=tuple(normal(tail).split()),
        rest=tail.strip(),
        addressed=bot is not None,
        foreign=bot is not None and bot != username.lower(),
    )


def resolve(
    parsed: ParsedCommand, names: Container[str], is_coin: Callable[[str], bool] | None = None
) -> tuple[ParsedCommand, ...]:
    """The readings of `parsed`, the likeliest first; more than one means the user has to be asked.

    `/alert volume BTC` is `/alert_volume BTC` where that command exists: the word of a kind wins over a
    coin of the same name, unless what follows fits the coin only. `/alert $OI above 5` always means the coin.
    """
    joined = _joined(parsed, names)
    if joined is None:
        return (parsed,)
    if is_coin is None or parsed.name not in names or not is_coin(parsed.words[0]):
        return (joined,)
    after = parsed.words[1] if len(parsed.words) > 1 else ""
    as_coin = after.lower() in OPERATORS or NUMBER.fullmatch(after) is not None
    if not as_coin:
        return (joined,)
    return (joined, parsed) if is_coin(after) else (parsed,)


def _joined(parsed: ParsedCommand, names: Container[str]) -> ParsedCommand | None:
    """`parsed` with its first words taken into the name, the longest name that exists."""
    for count in (2, 1):
        head = [word.lower().replace("-", "_") for word in parsed.words[:count]]
        name = "_".join((parsed.name, *head))
        if len(head) == count and name in names:
            rest = parsed.rest.split(maxsplit=count)
            return replace(
                parsed, name=name, words=parsed.words[count:], rest="".join(rest[count:])
            )
    return None


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Command names that look like `name`, the likest first."""
    return difflib.get_close_matches(name, list(names), count, 0.6)
