"""All live figures of one instrument, kept up by its trades."""

from collections.abc import Iterable

from analytics.cvd import FlowLog
from analytics.rolling import MINUTES, RollingWindows
from market.language import _
from market.types import MINUTE, Instrument, Reading, Side, Status, Trade

SILENT = 30_000  # ms without any sign of the feed after which windows are no longer known
PRICE_AGE = 15 * MINUTE  # a last price older than this is no price
_BUY = Side.BUY


class SymbolState:
    """The flow log, the 1, 5 and 15 minute windows and the last trade of one instrument.

    `alive` tells that the feed lives though nothing traded; without it the newest trade has to do.
    """

    def __init__(self, instrument: Instrument, started_ts: int | None = None) -> None:
        self.instrument = instrument
        self.flow = FlowLog(instrument, started_ts)
        self.windows = RollingWindows()
        self.last: Trade | None = None
        self._alive: int | None = None

    def update(self, trades: Iterable[Trade]) -> list[Trade]:
        """Take the trades of one frame; returns those that were new."""
        new = []
        for trade in trades:
            if not self.flow.add(trade):
                continue
            new.append(trade)
            self.windows.update(trade.ts, trade.price * trade.amount, bought=trade.side is _BUY)
            if self.last is None or trade.ts >= self.last.ts:
                self.last = trade
        return new

    def alive(self, ts: int) -> None:
        """The feed was heard of at `ts`, with or without a trade."""
        self._alive = max(ts, self._alive or 0)

    def heard(self) -> int | None:
        """When the feed was last heard of."""
        stamps = [ts for ts in (self._alive, self.flow.last_ts) if ts is not None]
        return max(stamps) if stamps else None

    def snapshot(self, now: int) -> dict[str, Reading[float]]:
        """`price`, `volume_5m` and `delta_5m` (value; also 1m, 15m), `trades_5m`, `acceleration`."""
        found = {"price": self._price(now)}
        windows = self.windows.get(now)
        for minutes in MINUTES:
            each = windows[minutes]
            for name, value in (("volume", each.volume), ("delta", each.delta), ("trades", each.n)):
                unit = "" if name == "trades" else self.instrument.quote
                found[f"{name}_{minutes}m"] = self._windowed(
                    float(value), minutes, now, each.n, unit
                )
        rate = self.windows.acceleration(now)
        found["acceleration"] = self._windowed(float(rate), 2, now, windows[1].n, "trades/min")
        return found

    def _price(self, now: int) -> Reading[float]:
        venues = (self.instrument.exchange,)
        if self.last is None:
            return Reading.missing(_("no trades yet"), Status.INSUFFICIENT, venues=venues)
        if now - self.last.ts > PRICE_AGE:
            old = _("the last trade is old")
            return Reading.missing(old, Status.STALE, as_of=self.last.ts, venues=venues)
        return Reading(
            value=self.last.price, as_of=self.last.ts, venues=venues, unit=self.instrument.quote
        )

    def _windowed(self, value: float, minutes: int, now: int, n: int, unit: str) -> Reading[float]:
        venues, heard, since = (self.instrument.exchange,), self.heard(), now - minutes * MINUTE
        started = self.flow.started_ts
        if started is None or heard is None:
            return Reading.missing(_("no trades yet"), Status.INSUFFICIENT, venues=venues)
        if now - heard > SILENT:
            return Reading.missing(
                _("the feed is silent"), Status.STALE, as_of=heard, venues=venues
            )
        if started > since:
            seen = max(0, now - started) // 1000
            text = _("watched for {seen} s of {needed} s").format(seen=seen, needed=minutes * 60)
            return Reading.missing(text, Status.INSUFFICIENT, as_of=heard, venues=venues)
        gaps = self.flow.gaps(since, now)
        return Reading(
            value=value,
            as_of=heard,
            since=since,
            window=minutes * MINUTE,
            n=n,
            venues=venues,
            unit=unit,
            note=_("the feed was blind in between") if gaps else "",
        )
