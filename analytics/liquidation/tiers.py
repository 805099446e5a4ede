"""Tier tables that come with the product, dated. For estimates only: live trading needs the venue's own of today.

Figures are those the venues published at the date given; leverage limits are left at the highest a tier allows.
"""

from analytics.liquidation.model import bracket_table, by_leverage
from market.types import TierTable

_BINANCE_BTC = (
    (50e3, 0.004, 125), (600e3, 0.005, 100), (3e6, 0.0065, 75), (12e6, 0.01, 50), (70e6, 0.02, 25),
    (100e6, 0.025, 20), (230e6, 0.05, 10), (480e6, 0.10, 5),
)  # fmt: skip
_MAJOR = ((300e3, 0.01, 50), (2e6, 0.02, 25), (10e6, 0.05, 10), (30e6, 0.10, 5))
_OTHER = ((25e3, 0.02, 25), (200e3, 0.05, 10), (1e6, 0.10, 5), (5e6, 0.125, 4))
_MAJORS = frozenset(
    {"ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "LINK", "AVAX", "LTC", "SUI", "BCH", "TRX"}
)
_SIMPLIFIED = "simplified"


def bundled_tiers(exchange: str, base: str) -> TierTable:
    """The table for a coin on a venue; simplified ones say so in `source`. An estimate by all means."""
    if exchange == "hyperliquid":
        return _hyperliquid(base)
    if base == "BTC":
        source = "published" if exchange == "binance" else _SIMPLIFIED
        return bracket_table(exchange, base, _BINANCE_BTC, as_of="2024-10", source=source)
    steps = _MAJOR if base in _MAJORS else _OTHER
    return bracket_table(exchange, base, steps, as_of="2025-01", source=_SIMPLIFIED)


def _hyperliquid(base: str) -> TierTable:
    if base == "BTC":
        return by_leverage(
            "hyperliquid", base, ((150e6, 40), (1e9, 20)), as_of="2025", source="published"
        )
    if base == "ETH":
        return by_leverage(
            "hyperliquid", base, ((100e6, 25), (1e9, 15)), as_of="2025", source="published"
        )
    if base == "SOL":
        return by_leverage(
            "hyperliquid", base, ((70e6, 20), (1e9, 10)), as_of="2025", source="published"
        )
    return by_leverage(
        "hyperliquid", base, ((20e6, 10), (1e9, 5)), as_of="2025", source=_SIMPLIFIED
    )
