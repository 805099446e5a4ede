"""The payload of an outbox row in plain words and fields, for ways out that know no cards.

What does not fit is cut between words and never inside a figure: half a number would be another number.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerts.channels.types import DIGEST_ID, TEST_ID
from alerts.types import OutboxRow, Severity
from market import format as fmt
from market.language import _

CUT = " …"
FIGURE = re.compile(r"\d")
UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Garbled(ValueError):
    """A payload that is not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message: what is said, and the same as fields."""

    id: str  # alert-transition: the same message has the same id, however often it arrives
    headline: str
    severity: Severity
    table: Sequence[str] = ()
    reading: str = ""
    evidence: str = ""
    mark: str = ""  # SIMULATED, REPLAY ...: never left out
    symbol: str = ""
    kind: str = ""
    value: float | None = None
    threshold: float | None = None
    venues: Sequence[str] = ()
    ts: int = 0  # market ms
    late: bool = False
    test: bool = False
    repeat: bool = False
    digest: "dict[str, Any] | None" = None  # of a daily digest: what its template shows

    @property
    def title(self) -> str:
        """The headline with what must be known before it is believed."""
        return " ".join(p for p in (f"[{self.mark}]" if self.mark else "", self.headline) if p)

    @property
    def body(self) -> str:
        """What follows the headline."""
        return "\n".join(p for p in ("\n".join(self.table), self.reading, self.evidence) if p)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(p for p in (self.title, self.body) if p)


def told(row: OutboxRow, *, mark: str = "", repeat: bool = False) -> Told:
    """The message of `row`; Garbled where its payload is not one."""
    try:
        payload = json.loads(row.payload)
        headline = _clean(payload["headline"])
        table = tuple(_clean(line) for line in payload.get("table") or ())
        venues = tuple(_clean(each) for each in payload.get("venues") or ())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Garbled(type(error).__name__) from error
    evidence = _clean(payload.get("evidence"))
    digest = payload.get("digest")
    return Told(
        id=f"{row.alert_id}-{row.transition}",
        headline=headline,
        severity=row.severity,
        table=table,
        reading=_clean(payload.get("reading")),
        evidence=f"{evidence} {_('(repeat?)')}".strip() if repeat else evidence,
        mark=_clean(mark),
        symbol=_clean(payload.get("symbol")) or row.coin,
        kind=_clean(payload.get("kind")) or _kind(row),
        value=_finite(payload.get("value")),
        threshold=_finite(payload.get("threshold")),
        venues=venues,
        ts=_whole(payload.get("ts")) or row.created_ts,
        late=payload.get("late") is True,
        test=payload.get("test") is True or row.alert_id == TEST_ID,
        repeat=repeat,
        digest=digest if isinstance(digest, dict) else None,
    )


def cut(text: str, limit: int, mark: str = CUT) -> str:
    """`text` in at most `limit` characters; no figure loses a part."""
    if len(text) <= limit:
        return text
    kept = text[: max(0, limit - len(mark) + 1)]
    whole = kept.rpartition(" ")[0] if not kept.endswith((" ", "\n")) else kept.rstrip()
    words = whole.split(" ")
    # A figure at the end may have lost its unit, or what it is about.
    while words and FIGURE.search(words[-1]):
        words.pop()
    return f"{' '.join(words).rstrip()}{mark}"[:limit]


def _kind(row: OutboxRow) -> str:
    return {TEST_ID: "test", DIGEST_ID: "digest"}.get(row.alert_id, "")


def _clean(value: object) -> str:
    """Text without what could end a line elsewhere or turn its direction."""
    return UNFIT.sub(" ", str(value)).strip() if value else ""


def _finite(value: object) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None  # type: ignore[arg-type]


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def severity_word(severity: Severity) -> str:
    """How severities are called to people."""
    return {
        Severity.INFO: _("info"), Severity.WARNING: _("warning"), Severity.CRITICAL: _("critical"),
    }[severity]  # fmt: skip


def lines(message: Told) -> list[str]:
    """What follows the headline, line by line, the evidence last."""
    return [line for line in message.body.split("\n") if line.strip()]


def moment(ts: int) -> str:
    """The time of a message, so that no two of them are the same text."""
    return fmt.utc(ts, seconds=True)
