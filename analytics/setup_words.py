"""What the signals of a setup say together, in plain words and without a forecast."""

from collections.abc import Mapping
from typing import Any, Protocol

from market.language import _
from market.types import Reading

MOST = 3  # sentences


class Signal(Protocol):
    """What the words need of a line of the score."""

    @property
    def points(self) -> float: ...
    @property
    def sign(self) -> int: ...
    @property
    def reading(self) -> Reading[Any]: ...
    @property
    def text(self) -> str: ...


def interpret(signals: Mapping[str, Signal], quadrant: Reading[str] | None = None) -> str:
    """At most three sentences about what has points, the rarest first."""
    found = (
        _crash(signals["crash"]),
        _pressure(signals["delta"], signals["book"]),
        _liquidated(signals["liquidations"]),
        _cluster(signals["cluster"]),
        _funding(signals["funding"]),
        _positions(signals["interest"], quadrant),
        _volume(signals["volume"]),
        _apart(signals["correlation"]),
    )
    said = [sentence for sentence in found if sentence]
    return " ".join(said[:MOST]) if said else _("Nothing stands out in what is known.")


def _crash(crash: Signal) -> str:
    if not crash.points:
        return ""
    if crash.sign < 0:
        return _("The price fell within a minute, on two sources.")
    return _("The price jumped within a minute, on two sources.")


def _pressure(delta: Signal, book: Signal) -> str:
    if delta.points and book.points and delta.sign == book.sign:
        if delta.sign < 0:
            return _("Takers sell and the book is heavier on the ask side.")
        return _("Takers buy and the book is heavier on the bid side.")
    if delta.points and book.points:
        return _("Takers and the resting book lean opposite ways.")
    if delta.points:
        return _("Takers sell on balance.") if delta.sign < 0 else _("Takers buy on balance.")
    if book.points:
        return (
            _("The book leans to the asks.") if book.sign < 0 else _("The book leans to the bids.")
        )
    return ""


def _liquidated(liquidations: Signal) -> str:
    if not liquidations.points:
        return ""
    if liquidations.sign < 0:
        return _("Longs are being closed by force.")
    return _("Shorts are being closed by force.")


def _cluster(cluster: Signal) -> str:
    if not cluster.points:
        return ""
    if cluster.sign < 0:
        return _(
            "Longs would be liquidated just below, by estimate: forced selling if price gets there."
        )
    return _(
        "Shorts would be liquidated just above, by estimate: forced buying if price gets there."
    )


def _funding(funding: Signal) -> str:
    """Longs pay where the rate is positive: that side is crowded, and it is its squeeze that is at risk."""
    rate = funding.reading.value
    if not funding.points or not rate:
        return ""
    if rate > 0:
        return _("Funding is positive: longs pay, a sign of crowded longs.")
    return _("Funding is negative: shorts pay, a sign of crowded shorts.")


def _positions(interest: Signal, quadrant: Reading[str] | None) -> str:
    if not interest.points:
        return ""
    texts = {
        "NEW_LONGS": _(
            "Open interest grows with a rising price: new positions, longs the initiative."
        ),
        "NEW_SHORTS": _(
            "Open interest grows with a falling price: new positions, shorts the initiative."
        ),
        "SHORT_COVERING": _("Open interest shrinks with a rising price: shorts are covering."),
        "LONG_LIQUIDATION": _("Open interest shrinks with a falling price: longs are leaving."),
    }
    label = quadrant.value if quadrant is not None else None
    if label in texts:
        return texts[label]
    grows = (interest.reading.value or 0) > 0
    return _("Positions are being opened.") if grows else _("Positions are being closed.")


def _volume(volume: Signal) -> str:
    return _("Volume is far above usual.") if volume.points else ""


def _apart(correlation: Signal) -> str:
    return _("It moves apart from its usual companion.") if correlation.points else ""
