"""What /price says beside the prices: changes, the day's range, the volume of all venues."""

from collections.abc import Iterable
from typing import Any

from handlers.app import App
from handlers.dollars import dollars
from market.errors import SourceError
from market.language import _
from market.types import DAY, EXCHANGE_NAMES, MINUTE, Reading, Ticker

QUARTER = 15 * MINUTE
BRIDGED = 3 * MINUTE  # so long a market may have been without a trade at the left edge


def day_figures(head: Ticker) -> dict[str, Reading[float]]:
    """`change_24h`, `high_24h` and `low_24h` as the venue tells them."""
    i = head.instrument

    def told(value: float | None, unit: str) -> Reading[float]:
        if value is None:
            why = _("{venue} does not tell it").format(venue=EXCHANGE_NAMES[i.exchange])
            return Reading.missing(why, venues=(i.exchange,), unit=unit)
        return Reading(value=value, as_of=head.ts, window=DAY, venues=(i.exchange,), unit=unit)

    return {
        "change_24h": told(head.change_24h, "fraction"),
        "high_24h": told(head.high_24h, i.quote),
        "low_24h": told(head.low_24h, i.quote),
    }


async def change_15m(app: App, head: Ticker) -> Reading[float]:
    """The price against the last one 15 minutes before it, to the minute: `since` is the real left edge."""
    i = head.instrument
    venues = (i.exchange,)
    edge = (head.ts - QUARTER) // MINUTE * MINUTE
    try:
        candles = await app.market.candles(i, "1m", 20)
    except SourceError as error:
        return Reading.missing(error.reason, venues=venues, unit="fraction")
    before = [c for c in candles if c.ts + MINUTE <= edge]
    if not before or edge - (before[-1].ts + MINUTE) > BRIDGED or before[-1].close <= 0:
        why = _("no candle from 15 minutes ago")
        return Reading.missing(why, venues=venues, unit="fraction")
    return Reading(
        value=head.last / before[-1].close - 1, as_of=head.ts, since=edge, window=head.ts - edge,
        venues=venues, unit="fraction",
    )  # fmt: skip


async def volume_figures(app: App, tickers: Iterable[Ticker]) -> dict[str, Reading[float]]:
    """24 h volume over the markets that tell theirs: `volume_24h` in coins, `volume_24h_usd`."""
    told = [(t, t.volume_24h) for t in tickers if t.volume_24h is not None]
    if not told:
        missing = Reading[float].missing(_("24 h volume not known"))
        return {"volume_24h": missing, "volume_24h_usd": missing}
    rates = await dollars(app, {t.instrument.quote for t, _coins in told})
    evidence: dict[str, Any] = {
        "as_of": min(t.ts for t, _coins in told), "window": DAY, "n": len(told),
        "venues": tuple(dict.fromkeys(t.instrument.exchange for t, _coins in told)),
    }  # fmt: skip
    values = [
        rates.of(
            coins * t.last if t.quote_volume_24h is None else t.quote_volume_24h, t.instrument.quote
        )
        for t, coins in told
    ]
    known = [value for value in values if value is not None]
    total = Reading[float].missing(_("no rate in USD"), unit="USD")
    if len(known) == len(values):
        total = Reading(value=sum(known), unit="USD", note=rates.note, **evidence)
    base = told[0][0].instrument.base
    coins_traded = Reading(value=sum(coins for _t, coins in told), unit=base, **evidence)
    return {"volume_24h": coins_traded, "volume_24h_usd": total}
