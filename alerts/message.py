"""What is said when a rule fires, as the JSON of an outbox row; the picture is drawn from its description later."""

import json
import math
from collections.abc import Mapping
from typing import Any

from alerts.conditions import is_simple, leaves
from alerts.describe import Words
from alerts.figures import Figure, Unit
from alerts.kinds import KINDS
from alerts.note import filled
from alerts.shown import INSTEAD, NAMES, SUDDEN, side_text
from alerts.types import (
    AlertRule,
    AllOf,
    Cross,
    Event,
    For,
    Leaf,
    Leg,
    Metric,
    Op,
    Rise,
    Severity,
    Signal,
    State,
    Then,
)
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Reading

GLYPHS = {Severity.INFO: "🔔", Severity.WARNING: "🔔", Severity.CRITICAL: "🚨"}
PICTURE = "15m"  # candle of a picture where the kind has none
SNOOZES = ("15m", "1h", "tomorrow")
BESIDE = {"count": "liquidations", "prints": "trades", "distance": "from the price"}
PRICES = frozenset({"price", "close"})  # a level of these is drawn into the picture
LEGS = 8  # lines about parts in one message
Payload = dict[str, Any]


class Message:
    """Firings in words."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._kinds = {kind.name: kind for kind in KINDS}

    def payload(
        self,
        signal: Signal,
        now: int,
        detail: Mapping[str, Reading[float]],
        chart: str,
        *,
        transition: int = 0,
        test: bool = False,
    ) -> str:
        """The JSON for one firing; `chart` is the instrument to draw, "" for none."""
        rule = signal.rule
        headline = self.headline(signal)
        body: Payload = {
            "glyph": GLYPHS[rule.severity],
            "headline": f"{_('TEST ') if test else ''}{headline}  #{rule.id}",
            "reading": "\n".join(
                [
                    *([self._trial(signal)] if test else []),
                    *self._reading(signal, now, detail, headline),
                ]
            ),
            "evidence": self._evidence(signal, now),
            "buttons": self._buttons(signal, chart),
            "chart": self._chart(signal, chart, headline) if chart else None,
            **self._facts(signal, transition, test=test),
        }
        return json.dumps(body, ensure_ascii=False)

    def _trial(self, signal: Signal) -> str:
        """What a test has to say of itself: its figure is real, and the firing is not."""
        value = self._words.leg_value(Leg(
            leaf=self._leaf(signal), value=signal.value, ts=signal.sample.ts, met=False, sample=signal.sample,
        ))  # fmt: skip
        return _("Only a test of how it looks: nothing fired, {value} is the figure now.").format(
            value=value
        )

    def _facts(self, signal: Signal, transition: int, *, test: bool) -> Payload:
        """The same as plain fields, for ways out that want no sentence."""
        rule, subject = signal.rule, self._leaf(signal).metric.subject
        return {
            "severity": str(rule.severity),
            "kind": rule.kind,
            "rule_id": rule.id,
            "transition": transition,
            "subject": subject,
            "symbol": subject.partition(":")[2],
            "ts": signal.sample.ts,
            "value": signal.value,
            "threshold": signal.threshold,
            "venues": list(_venues(signal, subject)),
            "late": signal.late,
            "test": test,
        }

    def headline(self, signal: Signal) -> str:
        """The finding with its number."""
        found = self._finding(signal)
        condition = signal.rule.condition
        if isinstance(condition, AllOf):
            return _("{finding}; all {n} parts hold").format(finding=found, n=len(condition.parts))
        if isinstance(condition, Then):
            return _("{finding}, after the first step").format(finding=found)
        if isinstance(condition, For):
            time = fmt.duration(condition.duration)
            return _("{finding}, for {time} by now").format(finding=found, time=time)
        return found

    def _finding(self, signal: Signal) -> str:
        leaf = self._leaf(signal)
        words, metric = self._words, leaf.metric
        figure, what = words.figure_of(metric), words.what(metric)
        if isinstance(leaf, Rise):
            return _("{what} {figure} {change} within {window}").format(
                what=what, figure=words.name(metric, change=True),
                change=words.change(leaf, signal.value), window=fmt.duration(metric.window),
            )  # fmt: skip
        if (
            not isinstance(leaf, Event)
            and figure.signed
            and leaf.level == 0
            and leaf.op is not Op.EITHER
        ):
            return self._turned(signal, leaf, figure)
        if isinstance(leaf, Event):
            return self._happening(signal, leaf, figure)
        value, level = words.figure(metric, signal.value), words.level(leaf)
        if figure.unit is Unit.RATIO and isinstance(leaf, Cross):
            return _("{what} {figure} {value} of average").format(
                what=what, figure=_(figure.shown), value=value
            )
        name = "" if figure.name == "price" else f"{words.name(metric)} "
        return _("{what} {figure}{value}, {verb} {level}").format(
            what=what, figure=name, value=value, verb=_happened(leaf, signal), level=level
        )

    def _happening(self, signal: Signal, leaf: Event, figure: Figure) -> str:
        """`BTC perp whale order $2.31M`, `BTC perp bullish CVD divergence`; a mere count says nothing."""
        words, metric = self._words, leaf.metric
        what, name = words.what(metric), words.name(metric)
        value = words.figure(metric, signal.value)
        text = _("{what} {figure} {value}")
        if figure.name in SUDDEN:
            name, happened = SUDDEN[figure.name][signal.value < 0]
            size = fmt.percent(abs(signal.value), signed=False)
            return _("{what} {name}: {happened} {size}").format(
                what=what, name=_(name), happened=_(happened), size=size
            )
        if figure.name in NAMES and figure.signed:
            text = _("{what} {value} {figure}")
        elif figure.name in NAMES:
            text = _("{what} {figure}: {value}")
        elif figure.unit is Unit.COUNT:
            text = _("{what} {figure}")
        return text.format(what=what, figure=name, value=value)

    def _turned(self, signal: Signal, leaf: Cross | State, figure: Figure) -> str:
        """`ETH CVD turned negative: -$48.2M in 4 h`; an event is what it is called."""
        words, metric = self._words, leaf.metric
        value = words.value(metric, signal.sample)
        text = _("{what} {figure} turned {word}: {value}")
        if isinstance(leaf, State):
            text = _("{what} {figure} is {word}: {value}")
        found = text.format(
            what=words.what(metric), figure=_(INSTEAD.get(figure.name, ("", figure.shown))[1]),
            word=side_text(figure, below=leaf.op is Op.BELOW), value=value,
        )  # fmt: skip
        if not metric.window:
            return found
        return _("{finding} in {window}").format(finding=found, window=fmt.duration(metric.window))

    def _leaf(self, signal: Signal) -> Leaf:
        """The part that tipped it, about the subject that is meant."""
        if signal.legs:
            return signal.legs[0].leaf
        return next(leaves(self._words.about(signal.rule, signal.subject)))

    def _reading(
        self, signal: Signal, now: int, detail: Mapping[str, Reading[float]], headline: str
    ) -> list[str]:
        lines = []
        if signal.late:
            at = fmt.utc(signal.sample.ts, now)
            lines.append(
                _("Late: it was true by {at}, when I was not looking all the time.").format(at=at)
            )
        lines.append(self._detail(signal, {**signal.sample.extra, **detail}))
        lines += self._legs(signal)
        rule = signal.rule
        if rule.note:
            lines.append(self._note(signal, now))
        return [line for line in lines if line]

    def _detail(self, signal: Signal, extra: Mapping[str, Reading[float]]) -> str:
        """What else is known of the sample that tipped it."""
        leaf, sample = self._leaf(signal), signal.sample
        words, metric = self._words, leaf.metric
        figure = words.figure_of(metric)
        if figure.unit is Unit.RATIO:
            return _candle(extra, metric.timeframe)
        if isinstance(leaf, Rise):
            value = words.figure(metric, sample.value)
            return _("{figure} {value}").format(figure=_(figure.shown), value=value)
        if figure.name in INSTEAD:
            share = fmt.percent(sample.value)
            return _("{share} of what was traded in the window").format(share=share)
        if isinstance(leaf, Event):
            return fmt.SEPARATOR.join(_beside(extra, words, metric, sample.reading))
        if signal.value != sample.value:
            back = words.figure(metric, sample.value)
            return _("Touched; the last {figure} then was {price}.").format(
                figure=_(figure.shown), price=back
            )
        return ""

    def _legs(self, signal: Signal) -> list[str]:
        """Every part of a composite with its value; nothing where there is only one."""
        legs, rule = signal.legs, signal.rule
        if len(legs) < 2:
            return []
        lines = [self._words.leg(leg, rule=rule) for leg in legs[:LEGS]]
        more = len(legs) - LEGS
        return [*lines, _("and {n} more parts").format(n=more)] if more > 0 else lines

    def _note(self, signal: Signal, now: int) -> str:
        """The person's own words with the four things they can ask for."""
        leaf, words = self._leaf(signal), self._words
        value = (
            words.change(leaf, signal.value)
            if isinstance(leaf, Rise)
            else words.figure(leaf.metric, signal.value)
        )
        price = signal.sample.extra.get("price")
        known = price.value if price is not None and price.value is not None else None
        if known is None and leaf.metric.name == "price":
            known = signal.sample.value
        return filled(
            signal.rule.note,
            value=value,
            price=fmt.NOT_KNOWN if known is None else words.price(leaf.metric, known),
            symbol=words.what(leaf.metric),
            time=fmt.utc(signal.sample.ts, now),
        )

    def _evidence(self, signal: Signal, now: int) -> str:
        leaf, sample, words = self._leaf(signal), signal.sample, self._words
        metric, reading = leaf.metric, sample.reading
        where = words.where(metric)
        if metric.subject.startswith("*") and reading is not None and reading.venues:
            names = "+".join(EXCHANGE_NAMES.get(n, n) for n in reading.venues)
            where = _("{venues} perps").format(venues=names)
        parts = [where]
        age = max(0, now - sample.ts)
        if metric.timeframe and sample.bar_ts:
            parts.append(_("candle {at}").format(at=fmt.utc(sample.bar_ts, now)))
            parts.append(_("{age} after close").format(age=fmt.age(age)))
        else:
            parts += [fmt.utc(sample.ts, now, seconds=True), fmt.age(age)]
        if metric.window and reading is not None and reading.since is not None:
            parts.append(_("since {at}").format(at=fmt.utc(reading.since, now)))
        parts.append(_(reading.kind.value) if reading is not None else _("observed"))
        if signal.rule.severity is not Severity.WARNING:
            parts.append(_(str(signal.rule.severity)))
        if not self._says_its_level(signal, leaf):
            parts.append(_("rule {text}").format(text=words.short(signal.rule)))
        return fmt.SEPARATOR.join(parts)

    def _says_its_level(self, signal: Signal, leaf: Leaf) -> bool:
        """Whether the headline holds the whole rule: what it was against, and that there is no other part."""
        if not is_simple(signal.rule.condition) or signal.rule.subjects or isinstance(leaf, Rise):
            return False
        if isinstance(leaf, Event):
            return leaf.level == 0
        return self._words.figure_of(leaf.metric).unit is not Unit.RATIO

    def _chart(self, signal: Signal, instrument: str, headline: str) -> Payload:
        """What to draw: the instrument and the candle of the firing."""
        rule, leaf = signal.rule, self._leaf(signal)
        timeframe = self._timeframe(signal)
        step = TIMEFRAMES[timeframe]
        bar = signal.sample.bar_ts or (signal.sample.ts - 1) // step * step
        level = None
        if isinstance(leaf, Cross | State) and leaf.metric.name in PRICES:
            level = leaf.level
        data = {
            "instrument": instrument, "timeframe": timeframe, "bar_ts": bar, "alert_id": rule.id,
            "level": level, "headline": headline,
        }  # fmt: skip
        return {"name": "alert", "data": data}

    def _timeframe(self, signal: Signal) -> str:
        kind = self._kinds.get(signal.rule.kind)
        return self._leaf(signal).metric.timeframe or (kind.picture if kind else "") or PICTURE

    def _buttons(self, signal: Signal, chart: str) -> list[list[Payload]]:
        rule, value = signal.rule, str(signal.rule.id)
        first: list[Payload] = [
            {"text": _("✏️ Edit"), "action": "alert:show", "value": value},
            {"text": _("🔕 Mute"), "action": "alert:mute", "value": value},
        ]
        if chart:
            command = f"/chart {chart} {self._timeframe(signal)}"
            first.append({"text": _("📈 Chart"), "command": command})
        snooze: list[Payload] = [
            {
                "text": _("💤 {time}").format(time=_(each)),
                "action": "alert:snooze",
                "value": f"{value} {each}",
            }
            for each in SNOOZES
        ]
        return [
            each
            for each in (first, snooze, self._more(rule, chart, self._timeframe(signal)))
            if each
        ]

    def _more(self, rule: AlertRule, chart: str, timeframe: str) -> list[Payload]:
        """The command of the kind that shows what else there is to know."""
        kind = self._kinds.get(rule.kind)
        if kind is None or not kind.more:
            return []
        command = kind.more.format(coin=rule.coin, chart=chart or rule.coin, timeframe=timeframe)
        return [{"text": _(kind.title), "command": command}]


def _happened(leaf: Cross | State, signal: Signal) -> str:
    if isinstance(leaf, State):
        return _("below") if leaf.op is Op.BELOW else _("above")
    met = signal.value
    if leaf.touch and abs(met - leaf.level) <= 1e-9 * abs(leaf.level):
        return _("reached")
    down = leaf.op is Op.BELOW or (leaf.op is Op.EITHER and met < leaf.level)
    return _("crossed below") if down else _("crossed above")


def _candle(extra: Mapping[str, Reading[float]], timeframe: str) -> str:
    """`3,120 BTC in 15 m · z 5.1 for this time of day · price +0.9 % · buyers 63 %`."""
    parts = []
    volume, value = extra.get("volume"), extra.get("value")
    if volume is not None and volume.value is not None:
        traded = fmt.amount_and_value(volume.value, volume.unit, value.value if value else None)
        if timeframe:
            window = fmt.duration(TIMEFRAMES[timeframe])
            traded = _("{traded} in {window}").format(traded=traded, window=window)
        parts.append(traded)
    z = extra.get("z")
    if z is not None and z.value is not None:
        parts.append(_("z {z} for this time of day").format(z=f"{z.value:.1f}"))
    change = extra.get("price_change")
    if change is not None and change.value is not None:
        parts.append(_("price {change}").format(change=fmt.percent(change.value)))
    share = extra.get("buy_share")
    if share is not None and share.value is not None:
        parts.append(_("buyers {share}").format(share=fmt.percent(share.value, 0, signed=False)))
    return fmt.SEPARATOR.join(parts)


def _beside(
    extra: Mapping[str, Reading[float]],
    words: Words,
    metric: Metric,
    reading: Reading[float] | None,
) -> list[str]:
    """What an event tells of itself: its note, then its other figures by their unit."""
    parts = [reading.note] if reading is not None and reading.note else []
    for name, each in extra.items():
        if each.value is None or not math.isfinite(each.value):
            continue
        if name == "price":
            value = words.price(metric, each.value)
        elif each.unit == "USD":
            value = fmt.money(each.value)
        elif each.unit == "fraction":
            value = fmt.percent(each.value)
        else:
            value = f"{fmt.significant(each.value, 6)} {each.unit}".rstrip()
        parts.append(f"{_(BESIDE.get(name, name.replace('_', ' ')))} {value}")
    return parts


def _venues(signal: Signal, subject: str) -> tuple[str, ...]:
    """Where the figure is from: the venues that were counted, else the one it is of."""
    reading = signal.sample.reading
    if reading is not None and reading.venues:
        return reading.venues
    exchange = subject.partition(":")[0]
    return (exchange,) if exchange in EXCHANGE_NAMES else ()
