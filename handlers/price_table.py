"""The table of /price: venues below each other, at most 32 columns whatever the price."""

import math
from collections.abc import Mapping

from handlers.dollars import priced
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, Reading, Ticker

Pair = tuple[Ticker | None, Ticker | None]  # spot and perp of one venue


def price_table(pairs: Mapping[str, Pair]) -> list[str]:
    """Spot, perp and their difference; a kind nobody has is left out. Tiny prices are scaled, and say so."""
    kinds = [k for k in (0, 1) if any(pair[k] for pair in pairs.values())]
    rows = _rows(pairs, kinds, 0)
    if _too_wide(rows):
        rows = [[row[0], *(cell.replace(",", "") for cell in row[1:])] for row in rows]
    if _too_wide(rows):
        lowest = min(t.last for pair in pairs.values() for t in pair if t and t.last > 0)
        rows = _rows(pairs, kinds, 3 * math.floor(math.log10(lowest) / 3))
    return fmt.table(rows)


def _rows(pairs: Mapping[str, Pair], kinds: list[int], power: int) -> list[list[str]]:
    """With `power` prices are in units of that power of ten: x1e-6 in the corner."""
    both = len(kinds) == 2
    names = [_("spot"), _("perp")]
    rows = [[f"x1e{power}" if power else "", *(names[k] for k in kinds), *([_("diff")] * both)]]
    for name, pair in pairs.items():
        cells = [_price(pair[k], power) for k in kinds]
        rows.append([EXCHANGE_NAMES[name][:8], *cells, *([_difference(*pair)] * both)])
    return rows


def _price(ticker: Ticker | None, power: int) -> str:
    if ticker is None:
        return fmt.NOT_KNOWN
    unit = 10.0**power
    return fmt.price(ticker.last / unit, ticker.instrument.price_step / unit)


def _difference(spot: Ticker | None, perp: Ticker | None) -> str:
    """The perp against the spot price in the same currency."""
    if not spot or not perp or spot.last <= 0 or spot.instrument.quote != perp.instrument.quote:
        return fmt.NOT_KNOWN
    return fmt.percent(perp.last / spot.last - 1, 2, tight=True)


def _too_wide(rows: list[list[str]]) -> bool:
    widths = [max(fmt.columns_of(row[i]) for row in rows) for i in range(len(rows[0]))]
    return sum(widths) + len(widths) - 1 > fmt.COLUMNS


def summary(
    head: Ticker, quarter: Reading[float], volume: Mapping[str, Reading[float]], unit: str
) -> list[str]:
    """The changes in percent and money, the range of the day, the volume."""
    return [
        _change("15m", quarter.value, head),
        _change("24h", head.change_24h, head),
        *_range(head),
        *_volume(head.instrument.base, volume, unit),
    ]


def _change(name: str, change: float | None, head: Ticker) -> str:
    """`15m +0.21% (+$198.0)`: what the price was before follows from the change."""
    if change is None or change <= -1:
        return f"{name} {fmt.NOT_KNOWN}"
    i = head.instrument
    moved = head.last - head.last / (1 + change)
    sign = "+" if moved > 0 else "-" if moved < 0 else ""
    part = fmt.percent(change, tight=True)
    exact = priced(fmt.price(abs(moved), i.price_step), i.quote)
    rough = priced(fmt.significant(abs(moved), 3), i.quote)
    return _fitting(
        f"{name} {part} ({sign}{exact})", f"{name} {part} ({sign}{rough})", f"{name} {part}"
    )


def _range(head: Ticker) -> list[str]:
    if head.high_24h is None or head.low_24h is None:
        return []
    step = head.instrument.price_step
    both = (head.low_24h, head.high_24h)
    exact = "…".join(fmt.price(each, step) for each in both)
    rough = "…".join(fmt.significant(each, 4) for each in both)
    low, high = (f"{each:.4g}" for each in both)
    return [_fitting(f"24h {exact}", f"24h {rough}", f"24h {low}…{high}")]


def _volume(base: str, volume: Mapping[str, Reading[float]], unit: str) -> list[str]:
    """`vol 7,281 BTC ($686.7M)`; coins alone in a chat that counts in coins."""
    coins, value = volume["volume_24h"].value, volume["volume_24h_usd"].value
    if coins is None:
        return []
    alone = fmt.amount(coins, base)
    short = f"{fmt.compact(coins)} {base}"
    if unit == "coin" or value is None:
        return [_fitting(f"vol {alone}", f"vol {short}", f"vol {fmt.compact(coins)}")]
    money = fmt.money(value)
    return [_fitting(f"vol {alone} ({money})", f"vol {short} ({money})", f"vol {money}")]


def _fitting(*texts: str) -> str:
    """The first that fits a line."""
    return next((t for t in texts if fmt.columns_of(t) <= fmt.COLUMNS), texts[-1])
