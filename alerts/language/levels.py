"""From a typed number to a level of a figure: which units it can be read in, and which of them make sense."""

from collections.abc import Callable
from decimal import Decimal

from alerts.figures import Figure, Unit
from alerts.language.amounts import Amount, level_text, percent
from alerts.language.errors import quoted, refuse
from market.language import _

IN_PERCENT = (Unit.FRACTION, Unit.RATE)
COUNTED = (Unit.PRICE, Unit.MONEY, Unit.AMOUNT)
SURE_PERCENT = (
    50  # a bare 200 of a ratio is 200 %, a bare 3 is 3 times; between the two nobody can know
)
SURE_TIMES = 10


def readings(figure: Figure, typed: Amount) -> list[float]:
    """Every level the number can mean; more than one has to be asked about."""
    found = [each for each in _READERS[figure.unit](figure, typed) if _fits(figure, each)]
    if not found:
        raise refuse(_outside(figure, typed))
    return list(dict.fromkeys(found))


def is_percent(figure: Figure) -> bool:
    """Whether levels of it are typed with a percent sign."""
    return figure.unit in (*IN_PERCENT, Unit.RATIO)


def unit_words(figure: Figure) -> str:
    """What its levels are counted in, with an example."""
    return {
        Unit.PRICE: _("a price, like 95k"),
        Unit.MONEY: _("dollars, like $5m"),
        Unit.AMOUNT: _("coins, like 50k"),
        Unit.FRACTION: _("percent, like 5%"),
        Unit.RATIO: _("percent or times of the usual, like 200% or 2x"),
        Unit.RATE: _("percent per interval, like 0.03%"),
        Unit.SIGMA: _("standard deviations, like 3"),
        Unit.SCORE: _("a plain number, like {n}").format(n="70" if figure.high == 100 else "0.5"),
        Unit.COUNT: _("seconds, like 60s") if not figure.params else _("a number"),
    }[figure.unit]


def _fits(figure: Figure, level: float) -> bool:
    low = figure.low if figure.low is not None else None if figure.signed else 0.0
    if figure.unit in COUNTED and not figure.signed and level <= 0:
        return False
    return (low is None or level >= low) and (figure.high is None or level <= figure.high)


def _outside(figure: Figure, typed: Amount) -> str:
    if figure.low is not None and figure.high is not None:
        return _("{figure} goes from {low} to {high}; “{text}” is outside.").format(
            figure=figure.shown, low=level_text(figure.unit, figure.low),
            high=level_text(figure.unit, figure.high), text=quoted(typed.text),
        )  # fmt: skip
    if typed.value <= 0:
        return _("{figure} is always above 0; “{text}” is not.").format(
            figure=figure.shown, text=quoted(typed.text)
        )
    return _("“{text}” is no level of {figure}: that is {unit}.").format(
        text=quoted(typed.text), figure=figure.shown, unit=unit_words(figure)
    )


def _wrong(figure: Figure, typed: Amount) -> list[float]:
    raise refuse(
        _("{figure} is counted in {unit}; “{text}” is something else.").format(
            figure=figure.shown, unit=unit_words(figure), text=quoted(typed.text)
        )
    )


def _money(figure: Figure, typed: Amount) -> list[float]:
    return [float(typed.value)] if typed.unit in ("", "$") else _wrong(figure, typed)


def _coins(figure: Figure, typed: Amount) -> list[float]:
    return [float(typed.value)] if typed.unit in ("", "coins") else _wrong(figure, typed)


def _fraction(figure: Figure, typed: Amount) -> list[float]:
    if typed.unit in ("%", "bp"):
        return [float(typed.value.scaleb(-2 if typed.unit == "%" else -4))]
    if typed.unit or typed.value == 0:
        return _wrong(figure, typed) if typed.unit else [0.0]
    as_percent, as_share = percent(typed.value), float(typed.value)
    if figure.low == 0.0 and figure.high == 1.0 and figure.unit is Unit.FRACTION:
        # a share of something: 0.7 and 70 are the same to everybody, 1 and small ones are not
        if Decimal("0.05") <= typed.value < 1:
            return [as_share]
        if typed.value > 1:
            return [as_percent]
    return [as_percent, as_share]


def _ratio(figure: Figure, typed: Amount) -> list[float]:
    if typed.unit in ("%", "x"):
        return [percent(typed.value) if typed.unit == "%" else float(typed.value)]
    if typed.unit:
        return _wrong(figure, typed)
    if typed.value >= SURE_PERCENT:
        return [percent(typed.value)]
    times = float(typed.value)
    return [times] if typed.value < SURE_TIMES else [percent(typed.value), times]


def _sigma(figure: Figure, typed: Amount) -> list[float]:
    return [float(typed.value)] if typed.unit in ("", "sigma") else _wrong(figure, typed)


def _score(figure: Figure, typed: Amount) -> list[float]:
    fits = typed.unit == "" or (typed.unit == "%" and figure.high == 100)
    return [float(typed.value)] if fits else _wrong(figure, typed)


def _count(figure: Figure, typed: Amount) -> list[float]:
    return [float(typed.value)] if typed.unit == "" else _wrong(figure, typed)


_READERS: dict[Unit, Callable[[Figure, Amount], list[float]]] = {
    Unit.PRICE: _money,
    Unit.MONEY: _money,
    Unit.AMOUNT: _coins,
    Unit.FRACTION: _fraction,
    Unit.RATE: _fraction,
    Unit.RATIO: _ratio,
    Unit.SIGMA: _sigma,
    Unit.SCORE: _score,
    Unit.COUNT: _count,
}
