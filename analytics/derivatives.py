"""Mark, index, funding and open interest of one perp, kept up by messages that carry only part of them.

Each field keeps the time of the message that carried it: a message about the mark price makes no open
interest younger. Open interest is compared in coins, rates as what longs pay shorts (fractions).
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from analytics.funding import apr, eq_8h
from analytics.interest import STEP_LIMIT, TOLERANCE
from analytics.minutes import MinuteRing, Steady
from market.language import _
from market.types import DAY, HOUR, MINUTE, Context, Instrument, Kind, Reading, Status

MARK_AGE = 90_000  # ms: streamed each second
INTEREST_AGE = 3 * MINUTE  # polled where the venue does not stream it
CONTEXT_AGE = 3 * MINUTE  # without any message about the perp its rate is not known to hold
RATE_AGE = 2 * HOUR  # of a rate whose settlement is not known
OVERDUE = 2 * MINUTE  # after its settlement a rate is that of an interval that is over
INTERVAL_AGE = DAY  # venues change the interval of a symbol
APART = 30_000  # ms between mark and index beyond which they make no basis
AHEAD = 60_000  # ms a venue's clock may be ahead of ours
JUMP = 5.0  # a price this many times off is held back until the next one agrees
RATE_LIMIT = 0.5  # per interval; more is nonsense
MINUTES = (5, 15, 30, 60)

Series = Literal["interest", "mark", "funding"]


class _Interest(Steady):
    """Open interest: more than 25 % either way is a jump, exactly as in `interest.usable`."""

    def _jumps(self, before: float, after: float) -> bool:
        return abs(after / before - 1) > self._limit


class Derivatives:
    """What the venue tells of one perp beside its trades. O(1) per message."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.refused = 0  # fields without a usable value or time
        self.heard: int | None = None  # ts of the newest message of any kind
        self._mark, self._index = Steady(JUMP - 1), Steady(JUMP - 1)
        self._interest = _Interest(STEP_LIMIT)
        self._value: tuple[int, float] | None = (
            None  # interest in quote currency, as the venue says it
        )
        self._rate: tuple[int, float] | None = None
        self._predicted: tuple[int, float] | None = None
        self._interval: tuple[int, float] | None = None
        self._next: tuple[int, int] | None = None
        self._rings: dict[Series, MinuteRing] = {
            "interest": MinuteRing(offsets=True),
            "mark": MinuteRing(),
            "funding": MinuteRing("f"),
        }

    def take(self, context: Context) -> None:
        """Keep what a message carried; what it did not carry stays as it was, with its own age."""
        ts = context.ts
        if ts <= 0 or (context.recv_ts and ts > context.recv_ts + AHEAD):
            self.refused += 1
            return
        self.heard = max(ts, self.heard or 0)
        self._take_prices(context)
        self._take_interest(context)
        self._take_rate(context)

    @property
    def next_ts(self) -> int | None:
        """Settlement of the running interval, where the venue tells it."""
        return None if self._next is None else self._next[1]

    def series(self, name: Series, since: int) -> list[tuple[int, float]]:
        """(ts, value) by the minute: `interest` in coins, `mark`, `funding` per 8 h."""
        return self._rings[name].since(since)

    def rate(self, now: int) -> Reading[float]:
        """The running rate per interval; what longs pay shorts."""
        found = self._rate
        if found is None:
            return self._missing(_("no funding rate yet"), Status.INSUFFICIENT)
        ts, value = found
        if self.heard is None or now - self.heard > CONTEXT_AGE:
            return self._missing(_("the funding feed is silent"), Status.STALE, ts)
        over = self.next_ts is not None and now > self.next_ts + OVERDUE
        if over or (self.next_ts is None and now - ts > RATE_AGE):
            return self._missing(_("the rate is of an interval that is over"), Status.STALE, ts)
        hours = self.interval_h(now)
        note = _("interval not known") if hours is None else _("per {h} h").format(h=f"{hours:g}")
        return self._known(value, ts, "fraction", note=note)

    def interval_h(self, now: int) -> float | None:
        """Hours between two settlements, as the venue said within a day."""
        found = self._interval
        return None if found is None or now - found[0] > INTERVAL_AGE else found[1]

    def readings(self, now: int) -> dict[str, Reading[float]]:
        """`mark`, `index`, `basis`, `oi`, `oi_usd`, `oi_change_5m` (also 15m, 30m, 60m), `oi_delta_usd_30m`,
        `funding`, `funding_apr`, `funding_8h`, `funding_momentum`.

        `oi` in coins, its changes fractions of coins; rates are fractions, `funding_momentum` per 8 h.
        """
        quote = self.instrument.quote
        mark = self._price(self._mark, now, _("no mark price yet"), _("the mark price is old"))
        index = self._price(self._index, now, _("no index price yet"), _("the index price is old"))
        interest = self._interest_now(now)
        found = {"mark": mark, "index": index, "basis": self._basis(mark, index), "oi": interest}
        found["oi_usd"] = self._interest_value(interest, mark, quote)
        for minutes in MINUTES:
            found[f"oi_change_{minutes}m"] = self._change(
                interest, minutes * MINUTE, now, relative=True
            )
        found["oi_delta_usd_30m"] = _times(self._change(interest, 30 * MINUTE, now), mark, quote)
        found.update(self._funding(now))
        return found

    def dump(self) -> dict[str, Any]:
        """Everything as plain values, for `restore`."""
        pairs = (self._value, self._rate, self._predicted, self._interval)
        return {
            "refused": self.refused,
            "heard": self.heard,
            "next": None if self._next is None else list(self._next),
            "steady": [each.dump() for each in (self._mark, self._index, self._interest)],
            "pairs": [None if pair is None else list(pair) for pair in pairs],
            "rings": {name: ring.dump() for name, ring in self._rings.items()},
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a dump of the same instrument."""
        self.refused, self.heard = body["refused"], body["heard"]
        self._next = None if body["next"] is None else (body["next"][0], body["next"][1])
        steady = (self._mark, self._index, self._interest)
        for each, row in zip(steady, body["steady"], strict=True):
            each.restore(row)
        pairs = [None if pair is None else (pair[0], pair[1]) for pair in body["pairs"]]
        self._value, self._rate, self._predicted, self._interval = pairs
        for name, ring in self._rings.items():
            ring.restore(body["rings"][name])

    def _take_prices(self, context: Context) -> None:
        if context.mark is not None and self._positive(context.mark):
            for ts, value in self._mark.take(context.ts, context.mark):
                self._rings["mark"].put(ts, value)
        if context.index is not None and self._positive(context.index):
            self._index.take(context.ts, context.index)

    def _take_interest(self, context: Context) -> None:
        if context.interest is not None and self._positive(context.interest):
            for ts, value in self._interest.take(context.ts, context.interest):
                self._rings["interest"].put(ts, value)
        if context.interest_value is not None and self._positive(context.interest_value):
            self._value = (context.ts, context.interest_value)

    def _take_rate(self, context: Context) -> None:
        ts = context.ts
        if context.interval_h is not None and self._positive(context.interval_h):
            self._interval = (ts, context.interval_h)
        if context.next_ts is not None and ts >= (self._next or (0, 0))[0]:
            if ts - OVERDUE < context.next_ts <= ts + 2 * DAY:
                self._next = (ts, context.next_ts)
            else:
                self.refused += 1
        if context.predicted is not None and self._usable(context.predicted):
            self._predicted = (ts, context.predicted)
        if context.rate is None or not self._usable(context.rate):
            return
        if self._rate is None or ts >= self._rate[0]:
            self._rate = (ts, context.rate)
            hours = self.interval_h(ts)
            if hours is not None:
                self._rings["funding"].put(ts, eq_8h(context.rate, hours))

    def _positive(self, value: float) -> bool:
        good = math.isfinite(value) and value > 0
        self.refused += not good
        return good

    def _usable(self, rate: float) -> bool:
        good = abs(rate) <= RATE_LIMIT  # False for NaN
        self.refused += not good
        return good

    def _price(self, price: Steady, now: int, none: str, old: str) -> Reading[float]:
        if price.ts is None:
            return self._missing(none, Status.INSUFFICIENT)
        if now - price.ts > MARK_AGE:
            return self._missing(old, Status.STALE, price.ts)
        return self._known(price.value, price.ts, self.instrument.quote)

    def _basis(self, mark: Reading[float], index: Reading[float]) -> Reading[float]:
        if mark.value is None or index.value is None:
            return mark if mark.value is None else index
        stamps = (mark.as_of or 0, index.as_of or 0)
        if abs(stamps[0] - stamps[1]) > APART:
            reason = _("mark and index are not of the same moment")
            return self._missing(reason, Status.STALE, min(stamps))
        return self._known(mark.value / index.value - 1, min(stamps), "fraction")

    def _interest_now(self, now: int) -> Reading[float]:
        last = self._interest
        if last.ts is None:
            return self._missing(_("no open interest yet"), Status.INSUFFICIENT)
        if now - last.ts > INTEREST_AGE:
            return self._missing(_("open interest is old"), Status.STALE, last.ts)
        return self._known(last.value, last.ts, self.instrument.base)

    def _interest_value(
        self, interest: Reading[float], mark: Reading[float], quote: str
    ) -> Reading[float]:
        value = self._value
        if interest.value is not None and value is not None and value[0] == interest.as_of:
            return self._known(value[1], value[0], quote)
        return _times(interest, mark, quote)

    def _change(
        self, last: Reading[float], window: int, now: int, *, relative: bool = False
    ) -> Reading[float]:
        """As `interest.change`: both ends are the newest samples not after them, within a tolerance."""
        limit = min(TOLERANCE, window // 2)
        if last.value is None or last.as_of is None:
            return last
        if now - last.as_of > limit:
            return self._missing(_("open interest is old"), Status.STALE, last.as_of)
        first = self._rings["interest"].at(now - window, limit)
        if first is None:
            reason = _("no open interest that long ago")
            return self._missing(reason, Status.INSUFFICIENT, last.as_of)
        difference = last.value - first[1]
        return self._known(
            difference / first[1] if relative else difference, last.as_of,
            "fraction" if relative else self.instrument.base,
            since=first[0], window=last.as_of - first[0],
        )  # fmt: skip

    def _funding(self, now: int) -> dict[str, Reading[float]]:
        rate, hours = self.rate(now), self.interval_h(now)
        found = {"funding": rate}
        if rate.value is None or rate.as_of is None:
            return found | dict.fromkeys(("funding_apr", "funding_8h", "funding_momentum"), rate)
        if hours is None:
            reason = _("the venue has not told how often it settles")
            unknown = self._missing(reason, Status.INSUFFICIENT, rate.as_of)
            return found | dict.fromkeys(("funding_apr", "funding_8h", "funding_momentum"), unknown)
        found["funding_apr"] = self._known(apr(rate.value, hours), rate.as_of, "fraction")
        found["funding_8h"] = self._known(eq_8h(rate.value, hours), rate.as_of, "fraction")
        found["funding_momentum"] = self._momentum(rate.value, rate.as_of, hours, now)
        return found

    def _momentum(self, rate: float, as_of: int, hours: float, now: int) -> Reading[float]:
        predicted = self._predicted
        if predicted is not None and now - predicted[0] <= CONTEXT_AGE:
            return self._known(
                eq_8h(predicted[1] - rate, hours), min(as_of, predicted[0]), "fraction",
                note=_("predicted minus current, per 8 h"),
            )  # fmt: skip
        before = self._rings["funding"].at(now - HOUR, 10 * MINUTE)
        if before is None:
            return self._missing(_("no rate of an hour ago"), Status.INSUFFICIENT, as_of)
        return self._known(
            eq_8h(rate, hours) - before[1], as_of, "fraction",
            since=before[0], window=HOUR, note=_("change over 1 h, per 8 h"),
        )  # fmt: skip

    def _known(
        self, value: float, as_of: int, unit: str, *,
        since: int | None = None, window: int | None = None, note: str = "",
    ) -> Reading[float]:  # fmt: skip
        return Reading(
            value=value, as_of=as_of, since=since, window=window, n=1,
            venues=(self.instrument.exchange,), unit=unit, note=note,
        )  # fmt: skip

    def _missing(self, reason: str, status: Status, as_of: int | None = None) -> Reading[float]:
        venues = (self.instrument.exchange,)
        return Reading.missing(reason, status, as_of=as_of, venues=venues)


def _times(coins: Reading[float], mark: Reading[float], quote: str) -> Reading[float]:
    """Coins at the mark price."""
    if coins.value is None or mark.value is None:
        return coins if coins.value is None else mark
    stamps = [each.as_of for each in (coins, mark) if each.as_of is not None]
    return Reading(
        value=coins.value * mark.value, as_of=min(stamps, default=None), since=coins.since,
        window=coins.window, n=coins.n, venues=coins.venues, kind=Kind.OBSERVED, unit=quote,
        note=_("coins at the mark price"),
    )  # fmt: skip
