"""Readings of what one instrument traded: windows, the day's CVD, size classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics.cvd_figures import blind_text
from analytics.flow import SmartMoney
from analytics.orders import OrderFlow
from analytics.rolling import RollingWindows
from market.language import _
from market.types import MINUTE, Gap, Instrument, Reading, Status

SECOND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose figures these are, and what is known of the feed they rest on."""

    instrument: Instrument
    now: int
    heard: int | None  # when the feed was last heard of
    since: int | None  # every trade after it was seen, but for the blind intervals
    silent: bool = False
    blind: Sequence[tuple[int, int]] = field(default_factory=list)

    def edge(self, minutes: float) -> int:
        """Left edge of a window that ends now: windows move on by whole seconds."""
        return -(-self.now // SECOND) * SECOND - round(minutes * MINUTE)

    def refusal(self, minutes: float) -> Reading[Any] | None:
        """Why no figure of that window is known; None where it is."""
        venues = (self.instrument.exchange,)
        if self.since is None or self.heard is None:
            return Reading.missing(_("no trades yet"), Status.INSUFFICIENT, venues=venues)
        if self.silent:
            why = _("the feed is silent")
            return Reading.missing(why, Status.STALE, as_of=self.heard, venues=venues)
        if self.since > self.edge(minutes):
            seen, needed = max(0, self.now - self.since) // 1000, round(minutes * 60)
            text = _("watched for {seen} s of {needed} s").format(seen=seen, needed=needed)
            return Reading.missing(text, Status.INSUFFICIENT, as_of=self.heard, venues=venues)
        return None

    def known(self, value: Any, minutes: int, n: int, unit: str = "") -> Reading[Any]:
        """A figure of the window of so many minutes."""
        since = self.edge(minutes)
        return Reading(
            value=value, as_of=self.heard, since=since, window=minutes * MINUTE, n=n,
            venues=(self.instrument.exchange,), unit=unit,
            note=_("the feed was blind in between") if self.gaps(since) else "",
        )  # fmt: skip

    def undefined(self, why: str, minutes: int, status: Status = Status.UNDEFINED) -> Reading[Any]:
        """A figure that the window does not have."""
        return Reading.missing(
            why, status, as_of=self.heard, since=self.edge(minutes), window=minutes * MINUTE, n=0,
            venues=(self.instrument.exchange,),
        )  # fmt: skip

    def gaps(self, since: int) -> list[tuple[int, int]]:
        """Blind intervals that reach into (since, now]."""
        return [span for span in self.blind if span[1] > since and span[0] < self.now]


def flow_figures(scope: Scope, windows: RollingWindows) -> dict[str, Reading[Any]]:
    """`volume`, `delta`, `trades`, `buy_share` of 1, 5 and 15 minutes; both accelerations; `cvd`."""
    quote, sums = scope.instrument.quote, windows.get(scope.now)
    found: dict[str, Reading[Any]] = {}
    for minutes, each in sums.items():
        names = [f"{name}_{minutes}m" for name in ("volume", "delta", "trades", "buy_share")]
        refusal, share = scope.refusal(minutes), each.buy_share
        if refusal is not None:
            found |= dict.fromkeys(names, refusal)
            continue
        figures = (
            scope.known(each.volume, minutes, each.n, quote),
            scope.known(each.delta, minutes, each.n, quote),
            scope.known(float(each.n), minutes, each.n),
            scope.undefined(_("nothing traded"), minutes) if share is None
            else scope.known(share, minutes, each.n, "fraction"),
        )  # fmt: skip
        found |= zip(names, figures, strict=True)
    refusal = scope.refusal(2)
    found["acceleration"] = refusal or scope.known(
        float(windows.acceleration(scope.now)), 2, sums[1].n, "trades/min"
    )
    found["delta_acceleration"] = refusal or scope.known(
        windows.delta_acceleration(scope.now), 2, sums[1].n, quote
    )
    found["cvd"] = _cvd(scope, windows)
    return found


def _cvd(scope: Scope, windows: RollingWindows) -> Reading[Any]:
    """Taker buys minus taker sells since 00:00 UTC, or since the watch began."""
    day, delta, n = windows.session(scope.now)
    refusal = scope.refusal(0)
    if refusal is not None or scope.since is None:
        return refusal or scope.undefined(_("no trades yet"), 0)
    since, parts = max(day, scope.since), []
    if since >= day + SECOND:
        clock = f"{since // MINUTE // 60 % 24:02d}:{since // MINUTE % 60:02d} UTC"
        parts.append(_("collected since {clock}").format(clock=clock))
    exchange, symbol = scope.instrument.exchange, scope.instrument.symbol
    gaps = [
        Gap(from_ts=start, to_ts=end, exchange=exchange, symbol=symbol)
        for start, end in scope.gaps(since)
    ]
    parts.append(blind_text(gaps))
    return Reading(
        value=delta, as_of=scope.heard, since=since, window=max(0, scope.now - since), n=n,
        venues=(exchange,), unit=scope.instrument.quote, note=", ".join(parts),
    )  # fmt: skip


def money_figures(scope: Scope, orders: OrderFlow) -> dict[str, Reading[Any]]:
    """`whale_net`, `whale_value`, `middle_value`, `retail_value`, `whale_ratio`, `money` of 5, 15, 60 minutes."""
    found: dict[str, Reading[Any]] = {}
    for minutes, each in orders.money(scope.now).items():
        refusal = scope.refusal(minutes)
        if refusal is None and not orders.classed:
            why = _("no limits of size in {quote}").format(quote=scope.instrument.quote)
            refusal = scope.undefined(why, minutes, Status.UNAVAILABLE)
        for name, reading in _money(scope, each, minutes, refusal).items():
            found[f"{name}_{minutes}m"] = reading
    return found


def _money(
    scope: Scope, found: SmartMoney, minutes: int, refusal: Reading[Any] | None
) -> dict[str, Reading[Any]]:
    sums = {
        "whale_net": found.whale_net, "whale_value": found.whale_value,
        "middle_value": found.middle_value, "retail_value": found.retail_value,
    }  # fmt: skip
    if refusal is not None:
        return dict.fromkeys((*sums, "whale_ratio", "money"), refusal)
    quote = scope.instrument.quote
    readings = {name: scope.known(value, minutes, found.n, quote) for name, value in sums.items()}
    neither = _("neither whale nor retail orders")
    if found.whale_ratio is None:
        readings["whale_ratio"] = scope.undefined(neither, minutes)
        readings["money"] = scope.undefined(neither, minutes, Status.INSUFFICIENT)
    else:
        readings["whale_ratio"] = scope.known(found.whale_ratio, minutes, found.n, "fraction")
        readings["money"] = scope.known(str(found.label), minutes, found.n)
    return readings
