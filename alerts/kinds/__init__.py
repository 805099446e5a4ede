"""The kinds of alerts: one file each, and one name in this list."""

from alerts.kinds.cvd import Cvd
from alerts.kinds.oi import OpenInterest
from alerts.kinds.price import Price
from alerts.kinds.volume import Volume
from alerts.kinds.words import Kind

KINDS: tuple[Kind, ...] = (Price(), Volume(), OpenInterest(), Cvd())


def kind_of(name: str) -> Kind:
    """The kind a stored rule was made by."""
    return next(each for each in KINDS if each.name == name)
