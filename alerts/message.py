"""What is said when a rule fires, as the JSON of an outbox row; the picture is drawn from its description later."""

import json
from collections.abc import Mapping
from typing import Any

from alerts.describe import Words
from alerts.metrics import CVD, PRICE, VOLUME
from alerts.types import AlertRule, Cross, Op, Rise, Signal, State
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Reading

GLYPH = "🔔"
PICTURE = {"price": "5m", "oi": "15m", "cvd": "15m"}  # candles of a picture where the rule has none
Payload = dict[str, Any]


class Message:
    """Firings in words."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def payload(
        self, signal: Signal, now: int, detail: Mapping[str, Reading[float]], chart: str
    ) -> str:
        """The JSON for one firing; `chart` is the instrument to draw, "" for none."""
        rule = signal.rule
        headline = self.headline(signal)
        body: Payload = {
            "glyph": GLYPH,
            "headline": f"{headline}  #{rule.id}",
            "reading": "\n".join(self._reading(signal, now, detail)),
            "evidence": self._evidence(signal, now),
            "buttons": _buttons(rule, chart),
            "chart": self._chart(signal, chart, headline) if chart else None,
        }
        return json.dumps(body, ensure_ascii=False)

    def headline(self, signal: Signal) -> str:
        """The finding with its number."""
        rule, condition = signal.rule, signal.rule.condition
        metric, what = condition.metric, self._words.what(condition.metric)
        level = self._words.threshold(rule)
        if isinstance(condition, Rise):
            change = self._words.change(condition, signal.value)
            return _("{what} open interest {change} within {window}").format(
                what=what, change=change, window=fmt.duration(metric.window)
            )
        if metric.name == CVD:
            word = _("negative") if condition.op is Op.BELOW else _("positive")
            return _("{what} CVD turned {word}: {cvd} in {window}").format(
                what=what,
                word=word,
                cvd=self._words.cvd(signal.sample),
                window=fmt.duration(metric.window),
            )
        value = self._words.figure(metric, signal.value)
        if metric.name == VOLUME:
            return _("{what} volume {value} of average").format(what=what, value=value)
        figure = "" if metric.name == PRICE else _("open interest ")
        return _("{what} {figure}{value}, {verb} {level}").format(
            what=what, figure=figure, value=value, verb=_happened(condition, signal), level=level
        )

    def _reading(self, signal: Signal, now: int, detail: Mapping[str, Reading[float]]) -> list[str]:
        lines = []
        if signal.late:
            at = fmt.utc(signal.sample.ts, now)
            lines.append(
                _("Late: it was true by {at}, when I was not looking all the time.").format(at=at)
            )
        condition, sample = signal.rule.condition, signal.sample
        if condition.metric.name == VOLUME:
            lines.append(self._candle(signal, {**sample.extra, **detail}))
        elif not isinstance(condition, Rise) and condition.metric.name != CVD:
            if signal.value != sample.value:
                back = self._words.figure(condition.metric, sample.value)
                lines.append(_("Touched; the last price then was {price}.").format(price=back))
        elif isinstance(condition, Rise):
            lines.append(
                _("open interest {value}").format(
                    value=self._words.figure(condition.metric, sample.value)
                )
            )
        else:
            share = fmt.percent(sample.value)
            lines.append(_("{share} of what was traded in the window").format(share=share))
        return [line for line in lines if line]

    def _candle(self, signal: Signal, extra: Mapping[str, Reading[float]]) -> str:
        """`3,120 BTC in 15 m · z 5.1 for this time of day · price +0.9 % · buyers 63 %`."""
        parts = []
        metric = signal.rule.condition.metric
        volume, value = extra.get("volume"), extra.get("value")
        if volume is not None and volume.value is not None:
            traded = fmt.amount_and_value(volume.value, volume.unit, value.value if value else None)
            window = fmt.duration(TIMEFRAMES[metric.timeframe])
            parts.append(_("{traded} in {window}").format(traded=traded, window=window))
        z = extra.get("z")
        if z is not None and z.value is not None:
            parts.append(_("z {z} for this time of day").format(z=f"{z.value:.1f}"))
        change = extra.get("price_change")
        if change is not None and change.value is not None:
            parts.append(_("price {change}").format(change=fmt.percent(change.value)))
        share = extra.get("buy_share")
        if share is not None and share.value is not None:
            parts.append(
                _("buyers {share}").format(share=fmt.percent(share.value, 0, signed=False))
            )
        return fmt.SEPARATOR.join(parts)

    def _evidence(self, signal: Signal, now: int) -> str:
        metric, sample = signal.rule.condition.metric, signal.sample
        named = sample.reading.venues if sample.reading else ()
        where = self._words.where(metric)
        if metric.subject.startswith("*"):
            where = _("{venues} perps").format(venues="+".join(EXCHANGE_NAMES[n] for n in named))
        parts = [where]
        age = max(0, now - sample.ts)
        if metric.name == VOLUME:
            parts.append(_("candle {at}").format(at=fmt.utc(sample.bar_ts, now)))
            parts.append(_("{age} after close").format(age=fmt.age(age)))
        else:
            parts += [fmt.utc(sample.ts, now, seconds=True), fmt.age(age)]
        if metric.name == CVD and sample.reading and sample.reading.since is not None:
            parts.append(_("since {at}").format(at=fmt.utc(sample.reading.since, now)))
        parts.append(_("observed"))
        return fmt.SEPARATOR.join(parts)

    def _chart(self, signal: Signal, instrument: str, headline: str) -> Payload:
        """What to draw: the instrument and the candle of the firing."""
        rule, metric = signal.rule, signal.rule.condition.metric
        timeframe = metric.timeframe or PICTURE[rule.kind]
        step = TIMEFRAMES[timeframe]
        bar = signal.sample.bar_ts or (signal.sample.ts - 1) // step * step
        level = (
            None
            if isinstance(rule.condition, Rise) or metric.name != PRICE
            else rule.condition.level
        )
        data = {
            "instrument": instrument, "timeframe": timeframe, "bar_ts": bar, "alert_id": rule.id,
            "level": level, "headline": headline,
        }  # fmt: skip
        return {"name": "alert", "data": data}


def _happened(condition: Cross | State, signal: Signal) -> str:
    if isinstance(condition, State):
        return _("below") if condition.op is Op.BELOW else _("above")
    met = signal.value
    if condition.touch and abs(met - condition.level) <= 1e-9 * abs(condition.level):
        return _("reached")
    down = condition.op is Op.BELOW or (condition.op is Op.EITHER and met < condition.level)
    return _("crossed below") if down else _("crossed above")


def _buttons(rule: AlertRule, chart: str) -> list[list[Payload]]:
    timeframe = rule.condition.metric.timeframe or PICTURE[rule.kind]
    first: list[Payload] = [
        {"text": _("✏️ Edit"), "action": "alert:show", "value": str(rule.id)},
        {"text": _("🔕 Mute"), "action": "alert:mute", "value": str(rule.id)},
    ]
    if chart:
        first.append({"text": _("📈 Chart"), "command": f"/chart {chart} {timeframe}"})
    more = {
        "volume": [{"text": _("Volume"), "command": f"/volume {chart} {timeframe}"}],
        "oi": [{"text": "OI", "command": f"/oi {rule.coin}"}],
        "cvd": [{"text": "CVD", "command": f"/cvd {rule.coin} 4h"}],
        "price": [{"text": _("Price"), "command": f"/price {rule.coin}"}],
    }
    return [first, more[rule.kind]]


def delisted_payload(rule: AlertRule, sentence: str, reason: str) -> str:
    """The JSON of the message that an alert has been paused because its market is gone."""
    body: Payload = {
        "glyph": "⚠️",
        "headline": _("Alert paused  #{id}").format(id=rule.id),
        "reading": f"{sentence}\n{reason}",
        "evidence": _("nothing trades there any more; delete it, or resume it when it does again"),
        "buttons": [
            [
                {"text": _("▶️ Resume"), "action": "alert:resume", "value": str(rule.id)},
                {"text": _("✖ Delete"), "action": "alert:delete", "value": str(rule.id)},
            ]
        ],
        "chart": None,
    }
    return json.dumps(body, ensure_ascii=False)
