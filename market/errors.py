"""What can go wrong, as one small tree.

AssistantError
 ├─ UserError            the text goes to the chat: one sentence, the reason, a working example
 ├─ SourceError          a source answered with a refusal or nonsense; not retried
 │   └─ SourceUnavailable    no answer, overload, outage: the only kind that is retried
 └─ TradingError         an order could not be handled
"""

from collections.abc import Sequence


class AssistantError(Exception):
    """Root of the errors this product raises on purpose."""


class UserError(AssistantError):
    """The user can mend it. `example` is a command that works; `suggestions` become buttons (label, command)."""

    def __init__(
        self, text: str, example: str = "", suggestions: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(text)
        self.text = text
        self.example = example
        self.suggestions = tuple(suggestions)


class SourceError(AssistantError):
    """A source refused, or sent what could not be understood."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class SourceUnavailable(SourceError):
    """A source is away or overloaded; asking again later may help."""

    def __init__(self, source: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(source, reason)
        self.retry_after = retry_after  # seconds, where the source said so


class TradingError(AssistantError):
    """An order could not be handled."""
