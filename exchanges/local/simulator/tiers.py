"""Leverage tiers of the simulated venues, in bracket form with continuous offsets."""

from exchanges.local.simulator.coins import Coin
from market.types import Instrument, TierTable

# (cap USD, maintenance rate, maximum leverage); Bitcoin's as published by Binance in 2024-10.
_BTC = (
    (50e3, 0.004, 125.0), (600e3, 0.005, 100.0), (3e6, 0.0065, 75.0), (12e6, 0.01, 50.0),
    (70e6, 0.02, 25.0), (100e6, 0.025, 20.0), (230e6, 0.05, 10.0), (480e6, 0.10, 5.0),
)  # fmt: skip
_CAPS = (50e3, 600e3, 3e6, 12e6, 40e6, 100e6, 250e6)


def tier_table(coin: Coin, instrument: Instrument) -> TierTable:
    """The table of one perpetual."""
    if instrument.exchange == "hyperliquid":
        rows = _hyperliquid(coin)
    elif coin.base == "BTC":
        rows = _BTC
    else:
        rows = _falling(coin)
    tiers: list[tuple[float, float, float, float]] = []
    offset, floor, before = 0.0, 0.0, rows[0][1]
    for cap, maintenance, leverage in rows:
        offset += floor * (maintenance - before)
        tiers.append((cap, maintenance, round(offset, 6), leverage))
        floor, before = cap, maintenance
    return TierTable(
        exchange=instrument.exchange,
        base=coin.base,
        tiers=tuple(tiers),
        as_of="2026-01-01",
        source="simulated market",
    )


def _hyperliquid(coin: Coin) -> tuple[tuple[float, float, float], ...]:
    """Maintenance is half the initial margin at the tier's highest leverage."""
    top = {"BTC": 40.0, "ETH": 25.0, "SOL": 20.0, "XRP": 20.0}.get(coin.base, 10.0)
    bound = 150e6 if coin.base == "BTC" else 100e6 if coin.base == "ETH" else 20e6
    return ((bound, 0.5 / top, top), (1e9, 1.0 / top, top / 2))


def _falling(coin: Coin) -> tuple[tuple[float, float, float], ...]:
    """Half the initial margin at leverages that fall with size; smaller coins have lower caps."""
    scale = min(max(coin.volume / 4e9, 0.1), 2.0)
    leverages = [
        min(float(coin.leverage), most) for most in (125.0, 75.0, 50.0, 25.0, 20.0, 10.0, 5.0)
    ]
    rows = zip(_CAPS, leverages, strict=True)
    return tuple((cap * scale, 0.5 / leverage, leverage) for cap, leverage in rows)
