"""What the router itself says: refusals, hints and apologies, as replies."""

from collections.abc import Mapping, Sequence

from bot.telegram.parse import ParsedCommand, nearest
from handlers.base import Button, Command, Reply
from market.errors import AssistantError, SourceError, UserError
from market.language import _

PER_ROW = 3
LONGEST_ECHO = 40  # characters of the user's own text in an answer


def user_error(error: UserError) -> Reply:
    """One sentence, an example that works, and the likely ones as buttons."""
    lines = [error.text]
    if error.example and error.example not in error.text:
        lines.append(_("Try {example}").format(example=error.example))
    keys = [Button(text=label, command=_slashed(line)) for label, line in error.suggestions]
    return Reply(text="\n".join(lines), buttons=_rows(keys), error=True)


def known_failure(error: AssistantError) -> Reply:
    """A source or an order failed in a way that was foreseen."""
    if isinstance(error, SourceError):
        text = _("⚠️ {source} gave no usable answer: {reason}").format(
            source=error.source, reason=error.reason[:200]
        )
        return Reply(text=text, error=True)
    return Reply(text=f"⚠️ {str(error)[:300]}", error=True)


def unexpected(reference: str) -> Reply:
    """Our own fault; the reference finds it in the log."""
    return Reply(
        text=_("⚠️ That failed, and it is my fault. Reference {reference}; the admins know.").format(
            reference=reference
        ),
        error=True,
    )


def timed_out() -> Reply:
    """The handler did not come back."""
    return Reply(text=_("⚠️ That took too long, so I stopped. Please try again."), error=True)


def unknown_command(
    name: str, commands: Mapping[str, Command], typed: ParsedCommand, role: int
) -> Reply:
    """The nearest commands this person may use, as buttons that keep the words typed."""
    allowed = [key for key, entry in commands.items() if entry.role <= role]
    tail = " ".join(typed.words)[:LONGEST_ECHO]
    keys = [
        Button(text=f"/{near}", command=f"/{near} {tail}".strip())
        for near in nearest(name, allowed)
    ]
    text = _("I don't know /{name}.").format(name=name[:LONGEST_ECHO])
    text += " " + (_("Did you mean:") if keys else _("/help lists what I can do."))
    return Reply(text=text, buttons=_rows(keys), error=True)


def which(readings: Sequence[ParsedCommand]) -> Reply:
    """A word that is both a kind of alert and a coin."""
    kind, coin = readings
    line = " ".join((f"/{kind.name}", *kind.words))
    other = " ".join((f"/{coin.name}", f"${coin.words[0].upper()}", *coin.words[1:]))
    text = _("{word} is a command word and a coin. Which do you mean?").format(word=coin.words[0])
    return Reply(
        text=text, buttons=[[Button(text=line, command=line)], [Button(text=other, command=other)]]
    )


def hint(commands: Mapping[str, Command]) -> Reply:
    """For a text that is no command."""
    lines = [line for line in ("/price btc", "/help") if line[1:].split()[0] in commands]
    return Reply(
        text=_("I answer commands. Try one:"),
        buttons=_rows([Button(text=line, command=line) for line in lines]),
        error=True,
    )


def forwarded() -> Reply:
    """A forwarded command that would change something."""
    return Reply(
        text=_("I don't act on forwarded commands. Type it yourself if you mean it."), error=True
    )


def too_late() -> Reply:
    """An order that lay about while we were away."""
    return Reply(
        text=_(
            "That reached me more than 30 s after you sent it, so I did nothing. Send it again."
        ),
        error=True,
    )


def greeting(username: str) -> Reply:
    """What a group reads when the bot comes in."""
    return Reply(
        text=_(
            "Tidemark is here. In a group I only see commands that name me, like "
            "/price@{name} BTC (underscores, not hyphens), unless I am an admin. "
            "What you may do depends on your own role, not on this group."
        ).format(name=username)
    )


def _slashed(line: str) -> str:
    return line if line.startswith("/") else f"/{line}"


def _rows(keys: Sequence[Button]) -> list[Sequence[Button]]:
    return [keys[i : i + PER_ROW] for i in range(0, len(keys), PER_ROW)]
