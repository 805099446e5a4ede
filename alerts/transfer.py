"""Alerts as text and back: one line each, the command that makes it again with its options.

A line that is paused ends with `# paused`; lines that begin with `#` are remarks. An end is written as a moment,
not as a length: a copy ends when the original does.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from alerts.limits import zone_of
from alerts.options import option_text, split_options
from alerts.types import AlertRule, RuleStatus, Severity
from market.errors import UserError
from market.language import _
from market.types import MINUTE

PAUSED = re.compile(r"\s*#\s*paused\s*$", re.IGNORECASE)
MOST_LINES = 500
LONGEST = 1000  # characters of a line
KEPT = (RuleStatus.ACTIVE, RuleStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a text that may be an alert."""

    number: int  # from 1
    text: str
    paused: bool = False

    @property
    def command(self) -> str:
        """The command in one spelling; "" where the line has none: then it is a rule in words."""
        first = self.text.split()[0]
        if not first.startswith("/"):
            return ""
        return first[1:].partition("@")[0].lower().replace("-", "_")

    @property
    def words(self) -> tuple[str, ...]:
        """What follows the command."""
        parts = self.text.split()
        return tuple(parts[1:] if self.command else parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A line that made no alert, and why."""

    number: int
    text: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Imported:
    """What a text of alerts became."""

    made: list[AlertRule] = field(default_factory=list)
    existed: list[AlertRule] = field(
        default_factory=list
    )  # the same alert was there, or stood twice
    problems: list[Problem] = field(default_factory=list)


class Made(Protocol):
    """What comes of a line: a rule, and whether it was there before."""

    @property
    def rule(self) -> AlertRule: ...
    @property
    def existed(self) -> bool: ...


def line_of(rule: AlertRule, zone: str = "UTC") -> str:
    """One rule as text."""
    text, added = rule.text, dict[str, Any]()
    if rule.severity is not Severity.WARNING:
        added["severity"] = rule.severity
    if rule.note:
        added["note"] = rule.note
    if rule.daily_cap:
        added["daily_cap"] = rule.daily_cap
    if rule.expires_ts is not None:
        end = datetime.fromtimestamp(-(-rule.expires_ts // MINUTE) * 60, zone_of(zone))
        added["expires"] = f"{end:%Y-%m-%d %H:%M}"
    if added:
        rest, options = split_options(text.split())
        text = f"{' '.join(rest)} {option_text(replace(options, **added))}"
    return f"{text}  # paused" if rule.status is RuleStatus.PAUSED else text


def exported(rules: Sequence[AlertRule], zone: str = "UTC") -> str:
    """Active and paused rules, one line each, by coin and id."""
    chosen = sorted((r for r in rules if r.status in KEPT), key=lambda r: (r.coin, r.id))
    return "\n".join(line_of(rule, zone) for rule in chosen)


def lines_of(text: str) -> tuple[list[Line], list[Problem]]:
    """The lines that may be alerts, and those that are too long or too many."""
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.splitlines(), 1):
        whole = raw.strip()
        if not whole or whole.startswith("#"):
            continue
        if len(whole) > LONGEST:
            reason = _("longer than {n} characters").format(n=LONGEST)
            problems.append(Problem(number=number, text=whole[:60], reason=reason))
            continue
        rest = PAUSED.sub("", whole)
        if not rest:
            continue
        lines.append(Line(number=number, text=rest, paused=rest != whole))
    if len(lines) > MOST_LINES:
        raise UserError(
            _("At most {n} alerts at a time; this text has {found}.").format(
                n=MOST_LINES, found=len(lines)
            ),
            "/alerts import",
        )
    return lines, problems


async def imported(text: str, make: Callable[[Line], Awaitable[Made]]) -> Imported:
    """Make every line an alert; what a line has against it does not hold up the others."""
    lines, problems = lines_of(text)
    found = Imported(problems=problems)
    for line in lines:
        try:
            made = await make(line)
        except UserError as error:
            found.problems.append(
                Problem(number=line.number, text=line.text[:60], reason=error.text)
            )
            continue
        (found.existed if made.existed else found.made).append(made.rule)
    found.problems.sort(key=lambda each: each.number)
    return found
