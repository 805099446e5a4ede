"""Trouble on demand: what the next calls of the bot run into."""

from dataclasses import dataclass
from typing import Any

KINDS = {
    "429": "refused for a while",
    "403": "the user has blocked the bot",
    "5xx": "refused with 500",
    "html": "refused by a gateway, with a page instead of JSON",
    "drop": "the connection is cut before anything happens",
    "slow": "done, and answered late",
    "lost": "done, and the connection cut before the answer",
    "broken": "done, and answered with half the JSON",
}
BEFORE = frozenset({"429", "403", "5xx", "html", "drop"})  # the call has no effect


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of trouble for calls that match; `count` None: until it is cleared."""

    kind: str
    method: str = "*"
    count: int | None = 1
    retry_after: int = 1  # s
    delay: float = 1.0  # s
    chat_id: int | None = None

    def matches(self, method: str, chat_id: str) -> bool:
        """Whether a call runs into it."""
        named = self.method == "*" or self.method.lower() == method.lower()
        return named and (self.chat_id is None or str(self.chat_id) == chat_id)


class Faults:
    """Faults in the order they were set; the first that matches is used up by one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set a fault; ValueError for a kind that does not exist."""
        if fault.kind not in KINDS:
            raise ValueError(f"unknown fault {fault.kind!r}; known are {' '.join(KINDS)}")
        if fault.count is not None and fault.count < 1:
            raise ValueError("count must be at least 1, or null for all calls")
        self._faults.append(fault)

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def take(self, method: str, chat_id: str) -> Fault | None:
        """The fault this call runs into."""
        for fault in self._faults:
            if fault.matches(method, chat_id):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        self._faults.remove(fault)
                return fault
        return None


def read_fault(values: Any) -> Fault:
    """A fault from JSON; ValueError where it is none."""
    if not isinstance(values, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - the sender's mistake
    names = set(Fault.__dataclass_fields__)
    if unknown := set(values) - names:
        raise ValueError(f"unknown field {min(unknown)!r}; known are {' '.join(sorted(names))}")
    count = values.get("count", 1)
    chat_id = values.get("chat_id")
    try:
        return Fault(
            kind=str(values.get("kind", "")),
            method=str(values.get("method", "*")),
            count=None if count is None else int(count),
            retry_after=int(values.get("retry_after", 1)),
            delay=float(values.get("delay", 1.0)),
            chat_id=None if chat_id is None else int(chat_id),
        )
    except TypeError as error:
        raise ValueError(str(error)) from None
