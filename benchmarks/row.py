"""One line of the table, how it is timed, and how the table looks."""

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

HEAD = ("figure", "measured", "against", "ratio", "goal", "met")


class Row(msgspec.Struct, kw_only=True):
    """A figure. `ratio` says how many times better it is than what it is measured `against`."""

    name: str
    measured: str
    against: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None  # None: for the record, no goal


def seconds(call: Callable[[], object], *, least: float = 0.3, rounds: int = 3) -> float:
    """Seconds of processor time of one call, which other programs do not change: the best of `rounds` rounds."""
    call()  # imports, caches, branch history
    began = time.process_time()
    call()
    once = max(time.process_time() - began, 1e-9)
    times = max(1, int(least / once))
    return min(_round(call, times) for _ in range(rounds))


def _round(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times


def faster(
    name: str, ours: float, theirs: float, peer: str, *, goal: float, per: int = 1, what: str = ""
) -> Row:
    """A row for two times in seconds of the same work; `per` things of the kind `what` were handled."""
    rate = f", {per / ours:,.0f} {what}/s" if what else ""
    return Row(
        name=name,
        measured=f"{span(ours)}{rate}",
        against=f"{peer} {span(theirs)}",
        ratio=theirs / ours,
        goal=f">= {goal:g}x",
        met=theirs / ours >= goal,
    )


def at_most(name: str, found: float, limit: float, *, against: str = "", note: str = "") -> Row:
    """A row for a time in seconds that has a limit."""
    return Row(
        name=name,
        measured=span(found) + note,
        against=against,
        ratio=limit / found if found else None,
        goal=f"<= {span(limit)}",
        met=found <= limit,
    )


def span(value: float) -> str:
    """A time in the unit that reads best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def spread(values: Iterable[float]) -> str:
    """Median with the extremes."""
    found = sorted(values)
    return f"{span(median(found))} ({span(found[0])} to {span(found[-1])}, n={len(found)})"


def share(values: Sequence[float], part: float) -> float:
    """The value that `part` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def table(rows: Sequence[Row]) -> str:
    """All rows under one head, in columns."""
    cells: list[Sequence[str]] = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: Row) -> Sequence[str]:
    met: Any = {True: "yes", False: "NO", None: ""}[row.met]
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
    return row.name, row.measured, row.against, ratio, row.goal, met
