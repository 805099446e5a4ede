"""A rehearsal as part of a card."""

from alerts.rehearsal import NotRehearsed, Rehearsal
from alerts.rehearsal_words import lines


def rehearsed(found: Rehearsal | NotRehearsed | None) -> str:
    """How often, and what followed; "" where nobody looked."""
    return "" if found is None else "\n".join(lines(found))
