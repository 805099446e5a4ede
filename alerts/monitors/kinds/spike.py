"""Volume spikes, seen inside the candle while it is on pace to one, and told again when it has closed as one.

The detector is the smart one: the percent of the average has to exceed the threshold, and the volume has to be
unusual for the time of day and for how busy the market is. It is the code of `analytics/spike.py`, which the
labelled sets are judged with.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from alerts.monitors.kinds.base import Finding, Learner
from alerts.monitors.view import View
from analytics.spike import NOISY_Z, SpikeWatch
from analytics.spike import Spike as Found
from analytics.state import SymbolState
from analytics.volume import SMART_Z
from market import format as fmt
from market.language import _
from market.types import TIMEFRAMES, Candle, Instrument, Kind, Reading

FRAME = "15m"
STEP = TIMEFRAMES[FRAME]
WHOLE = (
    2100  # candles: 14 days of times of day, 7 days of scatter, and what the first of these need
)
LEAST = 50_000.0  # quote currency in the candle, so that dead markets cannot spike
SILENT = 15_000  # ms after which a feed may be missing trades
PLACED = 16  # candles fetched where only the newest are wanted


class Spike(Learner):
    """Percent of the average volume of 96 candles of 15 minutes."""

    kind = "spike"
    title = _("volume spike")
    about = _(
        "volume of a 15-minute candle, percent of its 96-candle average, and z > 4 for the time of day"
    )
    unit = "%"
    defaults: ClassVar[Mapping[str, float]] = {"BTC": 200.0, "ETH": 250.0, "SOL": 300.0, "*": 300.0}
    low, high = 100.0, 100_000.0
    cooldown = STEP
    timeframe, count = FRAME, WHOLE

    def __init__(self) -> None:
        self._built: dict[str, SpikeWatch] = {}  # made of a whole history, not in use yet
        self._newest: dict[str, Sequence[Candle]] = {}  # fetched, not learnt yet
        self._last: dict[str, int] = {}  # the newest candle that is learnt
        self._open: dict[
            str, tuple[int, float, int]
        ] = {}  # a running candle: open, coins, up to when

    def wanted(self, instrument: Instrument, now: int) -> int:
        """The whole history once, then only what came since."""
        last = self._last.get(instrument.key)
        missing = WHOLE if last is None else (now - last) // STEP
        return PLACED if missing < PLACED else WHOLE

    def learn(self, instrument: Instrument, candles: Sequence[Candle], now: int) -> None:
        """Called outside the event loop: a whole history takes a fifth of a second."""
        if candles and not candles[-1].closed and candles[-1].ts == now // STEP * STEP:
            self._open[instrument.key] = (candles[-1].ts, candles[-1].volume, now)
        if len(candles) <= PLACED:
            self._newest[instrument.key] = candles
            return
        watch = SpikeWatch(FRAME, venues=(instrument.exchange,))
        watch.load(candles, now)
        self._built[instrument.key] = watch

    def look(self, view: View) -> Iterable[Finding]:
        """Each instrument: the running candle, or the one that has just closed."""
        for state in view.states.values():
            watch = self._watch(state, view.now)
            if watch is None:
                view.refused["insufficient"] += 1
                continue
            volume, value = self._running(state, watch, view)
            found = None if volume is None else watch.running(volume, view.now)
            if found is None:
                found = watch.state(view.now)
                value = None
            if found is None or not 0 <= view.now - found.as_of < STEP // 5:
                view.refused["insufficient"] += 1
                continue
            finding = self._finding(state.instrument, found, value, view.now)
            if finding is not None:
                yield finding
        for gone in (self._last.keys() | self._open.keys()) - view.states.keys():
            self._last.pop(gone, None)
            self._open.pop(gone, None)

    def _watch(self, state: SymbolState, now: int) -> SpikeWatch | None:
        """The instrument's own detector, with what was fetched for it meanwhile."""
        key = state.instrument.key
        watch = state.spikes.get(FRAME)
        built = self._built.pop(key, None)
        if built is not None and (watch is None or (watch.last_ts or 0) <= (built.last_ts or 0)):
            watch = state.spikes[FRAME] = built
        newest = self._newest.pop(key, None)
        if watch is not None:
            if newest is not None:
                watch.load(newest, now)
            if watch.last_ts is not None:
                self._last[key] = watch.last_ts
        return watch

    def _running(
        self, state: SymbolState, watch: SpikeWatch, view: View
    ) -> tuple[float | None, float | None]:
        """Coins and quote currency of the open candle; the one before is closed from the same trades.

        None where some of its trades were not seen, or only later: then its candle is waited for.
        """
        now = view.now
        open_ts = now // STEP * STEP
        flow, last = state.flow, watch.last_ts
        heard = state.heard()
        if heard is None or heard < open_ts or now - heard > SILENT:
            return None, None  # what is still on its way belongs to the candle too
        if last == open_ts - 2 * STEP and self._whole(view, state, open_ts - STEP):
            whole = flow.window(open_ts - STEP - 1, open_ts - 1)
            if whole.exact:
                watch.close(_candle(open_ts - STEP, whole.volume))
        if self._whole(view, state, open_ts):
            found = flow.window(open_ts - 1, now)
            return found.volume, found.value
        # Watched since the middle of the candle: what the venue told of it, and the trades since then.
        begun, volume, until = self._open.get(state.instrument.key, (0, 0.0, 0))
        if begun != open_ts or not self._whole(view, state, until):
            return None, None
        return volume + flow.window(until, now).volume, None

    @staticmethod
    def _whole(view: View, state: SymbolState, since: int) -> bool:
        """Whether all trades from a moment on were seen as they happened."""
        started = state.flow.started_ts
        if started is None or started > since:
            return False
        return not view.trouble(state.instrument.key, view.now - since)

    def _finding(
        self, instrument: Instrument, found: Found, value: float | None, now: int
    ) -> Finding | None:
        if found.percent is None:
            return None
        asked = NOISY_Z if found.noisy else SMART_Z
        enough = value is None or value >= LEAST
        pace = found.kind == "pace"
        evidence = {"as_of": found.as_of, "venues": (instrument.exchange,)}
        figures = {
            "volume_ratio": Reading(
                value=found.ratio, unit="fraction", n=96, window=STEP,
                kind=Kind.ESTIMATED if pace else Kind.OBSERVED, note=_("on pace") if pace else "",
                **evidence,  # type: ignore[arg-type]
            )
        }  # fmt: skip
        if found.z is not None:
            figures["volume_z"] = Reading(value=found.z, unit="deviations", **evidence)  # type: ignore[arg-type]
        return Finding(
            kind=self.kind, key=instrument.key, coin=instrument.base, ts=found.as_of,
            value=found.percent, size=found.percent, side=found.kind,
            ripe=enough and found.z is not None and found.z > asked,
            venues=(instrument.exchange,), figures=figures,
            extra={"elapsed": found.elapsed, "open": found.ts, "noisy": found.noisy, "now": now},
        )  # fmt: skip

    def tell(self, finding: Finding) -> tuple[str, str]:
        """`BTC volume on pace to 340 % of average` and `BTC volume 340 % of average`."""
        percent = fmt.percent(finding.value / 100, 0, signed=False)
        z = finding.figures["volume_z"].value or 0.0
        line = _("z {z} for this time of day").format(z=f"{z:.1f}")
        if finding.extra["noisy"]:
            line += fmt.SEPARATOR + _("noisy volume")
        if finding.side == "pace":
            head = _("{coin} volume on pace to {percent} of average")
            share = fmt.percent(finding.extra["elapsed"], 0, signed=False)
            line += fmt.SEPARATOR + _("{share} of the 15 m candle is over").format(share=share)
        else:
            head = _("{coin} volume {percent} of average")
            at = fmt.utc(finding.extra["open"], finding.extra["now"])
            line += fmt.SEPARATOR + _("15 m candle of {at}, closed").format(at=at)
        return head.format(coin=finding.coin, percent=percent), line

    @classmethod
    def short(cls, value: float) -> str:
        """`340%`."""
        return f"{value:.0f}%"


def _candle(ts: int, volume: float) -> Candle:
    """A closed candle of which only the volume is known."""
    return Candle(ts=ts, open=0.0, high=0.0, low=0.0, close=0.0, volume=volume)
