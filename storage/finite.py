"""Figures that are not finite stay out: SQLite keeps NaN as NULL, JSON has no infinity."""

import math

from storage.errors import StorageError


def finite(value: float | None, what: str) -> float | None:
    """The value itself, None too; StorageError where it is NaN or infinite."""
    if value is not None and not math.isfinite(value):
        raise StorageError(f"{what} is {value}, which cannot be stored")
    return value
