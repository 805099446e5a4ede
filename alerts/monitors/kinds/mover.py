"""The whole market once a minute: prices that move fast, and volumes far above their day."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.view import View
from analytics.scan import Mover as Fast
from analytics.scan import Scan, ScanResult, VolumeSpike
from market import format as fmt
from market.language import _
from market.types import MINUTE, Kind, Reading, Ticker

FIVE, ONE = 5.0, 2.0  # percent in 5 minutes and in 1: what counts alike
LOWEST = 0.4  # of the usual thresholds: what a chat may ask for
OLD = 2 * MINUTE  # market ms of a ticker, and of a look that nobody has judged


class Market:
    """Looks at all perps, and keeps what it found until it was judged."""

    def __init__(self) -> None:
        self._scan = Scan({1: ONE / 100 * LOWEST, 5: FIVE / 100 * LOWEST}, spike=Surge.low / 100)
        self.result: ScanResult | None = None
        self.coins: dict[str, str] = {}  # by instrument key
        self.old = 0  # tickers that were not of now

    def feed(self, now: int, tickers: Sequence[Ticker]) -> ScanResult:
        """One look at tickers of all venues; those that are not of now are left out."""
        rows: dict[str, tuple[float, float | None]] = {}
        for each in tickers:
            if now - each.ts > OLD:
                self.old += 1
                continue
            rows[each.instrument.key] = (each.last, each.quote_volume_24h)
            self.coins[each.instrument.key] = each.instrument.base
        self.coins = {key: coin for key, coin in self.coins.items() if key in rows}
        self.result = self._scan.update(now, rows)
        return self.result


class _Scanned(Monitor):
    """One finding for each coin of a look, the largest of its venues."""

    whole_market = True
    cooldown = 15 * MINUTE
    rearm = 1.0

    def __init__(self, market: Market) -> None:
        self._market = market
        self._judged = 0
        self._above: dict[str, str] = {}  # sides of the coins of the look before

    def look(self, view: View) -> Iterable[Finding]:
        """The newest look, once."""
        result = self._market.result
        if result is None or result.ts <= self._judged or not 0 <= view.now - result.ts <= OLD:
            return
        self._judged = result.ts
        found: dict[str, Finding] = {}
        for each in self._findings(result):
            if each.coin not in found or each.size > found[each.coin].size:
                found[each.coin] = each
        for coin, side in self._above.items():
            if coin not in found or found[coin].side != side:
                yield Finding(
                    kind=self.kind, key=coin, coin=coin, ts=result.ts, value=0.0, size=0.0, side=side
                )  # fmt: skip
        self._above = {coin: each.side for coin, each in found.items()}
        yield from found.values()

    def _findings(self, result: ScanResult) -> Iterable[Finding]:
        raise NotImplementedError


class Mover(_Scanned):
    """Percent that a price moved in 5 minutes, or in one minute at two fifths of it."""

    kind = "mover"
    title = _("fast mover")
    about = _("percent in 5 minutes (in 1 minute two fifths of it) of any perp of the market")
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"*": FIVE}
    low, high = FIVE * LOWEST, 1000.0

    def _findings(self, result: ScanResult) -> Iterable[Finding]:
        for each in result.movers:
            coin = self._market.coins.get(each.key)
            if coin is not None:
                yield self._finding(each, coin)

    def _finding(self, mover: Fast, coin: str) -> Finding:
        venue = mover.key.partition(":")[0]
        scale = 1.0 if mover.minutes == 5 else FIVE / ONE
        figures = {
            "change": Reading(
                value=mover.change, as_of=mover.ts, since=mover.since, window=mover.minutes * MINUTE,
                venues=(venue,), unit="fraction",
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=coin, coin=coin, ts=mover.ts, value=mover.change,
            size=abs(mover.change) * 100 * scale, side="up" if mover.change > 0 else "down",
            venues=(venue,), figures=figures,
            extra={"minutes": mover.minutes, "price": mover.price, "before": mover.before},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`DOGE +6.20 % in 5 m`."""
        head = _("{coin} {change} in {n} m").format(
            coin=finding.coin, change=fmt.percent(finding.value), n=finding.extra["minutes"]
        )
        before = fmt.significant(finding.extra["before"], 6)
        return head, _("{before} to {price}, by the venue's ticker").format(
            before=before, price=fmt.significant(finding.extra["price"], 6)
        )

    @classmethod
    def short(cls, value: float) -> str:
        """`+6.20%`."""
        return fmt.percent(value, tight=True)


class Surge(_Scanned):
    """Percent of the day's average that was traded in 5 minutes, at least, of any perp."""

    kind = "surge"
    title = _("volume surge")
    about = _("5-minute volume of any perp of the market, percent of its average of 24 h, a floor")
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"*": 800.0}
    low, high = 300.0, 100_000.0

    def _findings(self, result: ScanResult) -> Iterable[Finding]:
        for each in result.spikes:
            coin = self._market.coins.get(each.key)
            if coin is not None:
                yield self._finding(each, coin)

    def _finding(self, spike: VolumeSpike, coin: str) -> Finding:
        venue = spike.key.partition(":")[0]
        figures = {
            "volume_ratio": Reading(
                value=spike.ratio, as_of=spike.ts, since=spike.since, window=spike.minutes * MINUTE,
                venues=(venue,), unit="fraction", kind=Kind.APPROX, note=_("floor"),
            )
        }  # fmt: skip
        return Finding(
            kind=self.kind, key=coin, coin=coin, ts=spike.ts, value=spike.ratio * 100,
            size=spike.ratio * 100, side="", venues=(venue,), figures=figures,
            extra={"value": spike.value, "change": spike.change},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`DOGE volume at least 950 % of usual in 5 m`."""
        head = _("{coin} volume at least {percent} of usual in 5 m").format(
            coin=finding.coin, percent=fmt.percent(finding.value / 100, 0, signed=False)
        )
        return head, _("≥ {value} traded, price {change}; from 24 h volumes").format(
            value=fmt.money(finding.extra["value"]), change=fmt.percent(finding.extra["change"])
        )

    @classmethod
    def short(cls, value: float) -> str:
        """`950%`."""
        return f"{value:.0f}%"
