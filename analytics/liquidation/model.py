"""The exact price at which an isolated linear position is liquidated, with each venue's tiers.

A position is liquidated where margin + s * amount * (P - entry) = maintenance(P), s = +1 long, -1 short. The
tier is the one in which the position's value lies AT that price. Prices are mark prices.

Two forms of tier tables, told apart by `TierTable.extra["form"]`:
- "bracket" (default; Binance, Bybit, Hyperliquid): maintenance = value * rate - offset, continuous over caps;
- "whole" (OKX): the rate of the tier applies to the whole position, the taker fee (`extra["taker_fee"]`) is part
  of the requirement. With `extra["contract_size"]` (coins) the caps count contracts, else the value at entry.
"""

import math
from collections.abc import Sequence

from market.language import _
from market.types import Kind, PositionSide, Reading, Status, TierTable

Tier = tuple[float, float, float, float]  # cap, maintenance rate, offset, maximum leverage


def bracket_table(
    exchange: str,
    base: str,
    steps: Sequence[tuple[float, float, float]],
    *,
    as_of: str,
    source: str,
    extra: dict[str, str] | None = None,
) -> TierTable:
    """A continuous table from (cap, rate, maximum leverage): each offset follows from the one before."""
    tiers: list[Tier] = []
    offset = 0.0
    for i, (cap, rate, leverage) in enumerate(steps):
        if i:
            before = steps[i - 1]
            offset += before[0] * (rate - before[1])
        tiers.append((cap, rate, offset, leverage))
    return TierTable(
        exchange=exchange,
        base=base,
        tiers=tuple(tiers),
        as_of=as_of,
        source=source,
        extra=extra or {},
    )


def by_leverage(
    exchange: str, base: str, steps: Sequence[tuple[float, float]], *, as_of: str, source: str
) -> TierTable:
    """A table from (cap, maximum leverage), as Hyperliquid has it: maintenance is half the initial rate."""
    return bracket_table(
        exchange,
        base,
        [(cap, 1 / (2 * top), top) for cap, top in steps],
        as_of=as_of,
        source=source,
    )


def maintenance(value: float, table: TierTable) -> float:
    """Maintenance margin of a position of this value; bracket form."""
    _cap, rate, offset, _top = _tier(value, table)
    return value * rate - offset


def liquidation_price(
    *,
    position: PositionSide,
    entry: float,
    amount: float,
    leverage: float,
    table: TierTable,
    extra_margin: float = 0.0,
    fixed_maintenance: bool = False,
) -> Reading[float]:
    """The mark price of liquidation; a reading without value where there is none, with the reason.

    `fixed_maintenance`: maintenance of the entry value instead of the value at the price, an older published
    form of Bybit. The reading is an estimate as long as the table is not the venue's own of today.
    """
    numbers = (entry, amount, leverage)
    if not all(math.isfinite(each) and each > 0 for each in numbers) or not math.isfinite(
        extra_margin
    ):
        return _none(_("entry, amount and leverage have to be positive"), table)
    top = _size_tier(entry, amount, table)[3]
    if leverage > top * (1 + 1e-9):
        text = _("{leverage}x is above the {top}x that this size allows")
        return _none(text.format(leverage=f"{leverage:g}", top=f"{top:g}"), table)
    sign = 1.0 if position is PositionSide.LONG else -1.0
    margin = amount * entry / leverage + extra_margin
    price = _root(sign, entry, amount, margin, table, fixed_maintenance)
    if price is None or price <= 0:
        return _none(_("cannot be liquidated"), table)
    if sign * (entry - price) <= 0:
        return _none(_("the margin does not cover the maintenance margin at entry"), table)
    return Reading(
        value=price,
        kind=Kind.ESTIMATED,
        venues=(table.exchange,),
        unit="price",
        note=table_note(table),
    )


def table_note(table: TierTable) -> str:
    """Which tiers a figure rests on."""
    return _("tiers of {date}").format(date=table.as_of) if table.as_of else ""


def distance_ratio(
    position: PositionSide, value: float, leverage: float, table: TierTable, price: float = 1.0
) -> float | None:
    """Liquidation price over entry price of a position worth `value` at entry; None where there is none.

    `price` matters only to tables whose caps count contracts.
    """
    found = liquidation_price(
        position=position, entry=price, amount=value / price, leverage=leverage, table=table
    )
    return None if found.value is None else found.value / price


def _root(
    sign: float, entry: float, amount: float, margin: float, table: TierTable, fixed: bool
) -> float | None:
    if table.extra.get("form") == "whole":
        rate = _size_tier(entry, amount, table)[1] + float(table.extra.get("taker_fee", "0"))
        return (margin - sign * amount * entry) / (amount * (rate - sign))
    if fixed:
        return entry - sign * (margin - maintenance(amount * entry, table)) / amount
    floor = 0.0
    for i, (cap, rate, offset, _top) in enumerate(table.tiers):
        price = (margin + offset - sign * amount * entry) / (amount * (rate - sign))
        value, last = amount * price, i == len(table.tiers) - 1
        if value <= 0 and i == 0:
            return None
        if floor * (1 - 1e-12) <= value and (last or value <= cap * (1 + 1e-12)):
            return price
        floor = cap
    return None


def _size_tier(entry: float, amount: float, table: TierTable) -> Tier:
    contracts = _contracts(amount, table)
    return _tier(amount * entry if contracts is None else contracts, table)


def _contracts(amount: float, table: TierTable) -> float | None:
    """Contracts in an amount of coins where the caps count those."""
    size = table.extra.get("contract_size")
    return None if size is None else amount / float(size)


def _tier(size: float, table: TierTable) -> Tier:
    """The tier of a size; the last where it is above every cap."""
    for tier in table.tiers:
        if size <= tier[0] * (1 + 1e-9):
            return tier
    return table.tiers[-1]


def _none(reason: str, table: TierTable) -> Reading[float]:
    return Reading.missing(
        reason,
        Status.UNDEFINED,
        venues=(table.exchange,),
        kind=Kind.ESTIMATED,
        note=table_note(table),
    )
