"""Random rules in the words of traders, written without the product's grammar: what a sentence means is known first.

A rule is made, then worded from the phrase tables below. Nothing here looks at the language; the tests compare.
"""

from dataclasses import dataclass, field
from random import Random

from rule_expectation import crossing
from rule_world import BY_NAME, COINS

from alerts.figures import Figure, How, Scope, Unit
from alerts.options import Options
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    AllOf,
    AnyOf,
    Condition,
    Event,
    For,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    Severity,
    State,
    Then,
)

PLAIN = {
    Op.ABOVE: ("above", "over", "higher than", "greater than"),
    Op.BELOW: ("below", "under", "lower than"),
}
STATE = {
    Op.ABOVE: (
        ">",
        "is above",
        "is over",
        ">=",
        "is greater than",
        "stays above",
        "is still above",
    ),
    Op.BELOW: ("<", "is below", "is under", "<=", "is lower than", "stays below"),
}
CROSS = {
    Op.ABOVE: (
        "crosses above",
        "breaks above",
        "goes above",
        "rises above",
        "crosses over",
        "climbs above",
    ),
    Op.BELOW: (
        "crosses below",
        "breaks below",
        "goes below",
        "falls below",
        "drops under",
        "crosses under",
    ),
}
UP = ("rises", "rises by", "is up", "up", "gains", "increases by", "jumps", "climbs", "goes up", "is up more than",
      "rises by more than", "rises at least", "pumps")  # fmt: skip
DOWN = ("falls", "falls by", "is down", "down", "drops", "decreases by", "loses", "drops by more than", "dumps",
        "goes down", "falls at least", "declines")  # fmt: skip
BOTH = ("moves", "changes by", "moves by more than", "swings", "moves at least")
STAYS = ("within", "stays within", "is within", "remains within")
LENGTHS = {
    60_000: ("1m", "1 minute", "a minute"), 300_000: ("5m", "5 minutes", "five minutes", "5min", "5 mins"),
    600_000: ("10m", "10 minutes", "10 min"), 900_000: ("15m", "15 minutes", "15min", "fifteen minutes"),
    1_800_000: ("30m", "30 minutes", "half an hour", "30 mins"), 3_600_000: ("1h", "1 hour", "an hour", "60m", "1hr"),
    7_200_000: ("2h", "2 hours", "two hours", "2hrs"), 14_400_000: ("4h", "4 hours", "four hours"),
    28_800_000: ("8h", "8 hours"), 43_200_000: ("12h", "12 hours"), 86_400_000: ("1d", "1 day", "24h", "a day"),
}  # fmt: skip
CANDLES = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
           "4h": 14_400_000, "12h": 43_200_000, "1d": 86_400_000}  # fmt: skip
HOLDS = ("for {t}", "for at least {t}", "for more than {t}")
LEADS = (
    "",
    "",
    "",
    "when ",
    "alert me when ",
    "tell me if ",
    "if ",
    "notify me when ",
    "whenever ",
    "ping me when ",
)
SIDES = {
    "buy": ("buy", "buys"), "sell": ("sell", "sells"), "long": ("long", "longs"), "short": ("short",),
    "bid": ("bid",), "ask": ("ask",), "new": ("new",), "gone": ("gone",),
}  # fmt: skip


@dataclass
class Rule:
    """What was made, and the sentence for it."""

    text: str
    condition: Condition
    subjects: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)


class RulePrinter:
    """Rules from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._subject: str | None = None  # EACH while the rule is about a list
        self._coin: str | None = (
            None  # the one coin of the whole rule, which later parts need not name
        )
        self._named = False

    def rule(self) -> Rule:
        """A rule of one to three parts with its sentence."""
        r = self.random
        self._named, self._subject = False, None
        self._coin = r.choice(COINS[:6]) if r.random() < 0.4 else None
        shape = r.random()
        if shape < 0.12:
            return self._finished(*self._listed())
        if shape < 0.5:
            return self._finished(*self._lone())
        make = r.choice(
            [self._joined, self._joined, self._sequel, self._held, self._negated, self._nested]
        )
        return self._finished(*make())

    def _finished(self, text: str, condition: Condition, subjects: tuple[str, ...] = ()) -> Rule:
        r = self.random
        words, options = self._options()
        text = f"{r.choice(LEADS)}{text}"
        draw = r.random()
        if draw < 0.08:
            text = text.upper()
        elif draw < 0.14:
            text = f"{text[0].upper()}{text[1:]}"
        elif draw < 0.2:
            text = text.replace(" ", "  ")
        end = f"{r.choice(['', ','])} {words}" if words else r.choice(["", "", "", ".", " "])
        return Rule(text=f"{text}{end}", condition=condition, subjects=subjects, options=options)

    def _options(self) -> tuple[str, Options]:
        r = self.random
        if r.random() < 0.7:
            return "", Options()
        return r.choice([
            ("once", Options(repeat=Repeat.ONCE)),
            ("every 2h", Options(repeat=Repeat.EVERY, cooldown=7_200_000)),
            ("critical", Options(severity=Severity.CRITICAL)),
            ("always info", Options(repeat=Repeat.ALWAYS, severity=Severity.INFO)),
            ("until 3d", Options(expires="3d")),
            ('once note "sell half"', Options(repeat=Repeat.ONCE, note="sell half")),
            ("cap 5/day", Options(daily_cap=5)),
            ("per bar until 2026-12-31", Options(repeat=Repeat.PER_BAR, expires="2026-12-31")),
        ])  # fmt: skip

    # what rules are made of

    def _listed(self) -> tuple[str, Condition, tuple[str, ...]]:
        r = self.random
        coins = r.sample(COINS[:6], r.choice([2, 3]))
        self._subject = EACH
        leaf = r.choice([self._change, self._level])
        text, condition = leaf(lone=True)
        figure = BY_NAME[_metric(condition).name]
        kind = r.random()
        if kind < 0.2:
            return (
                f"{r.choice(['watchlist', 'my watchlist', 'anything on my watchlist'])} {text}",
                condition,
                (WATCHED,),
            )
        if kind < 0.4:
            return (
                f"{r.choice(['any coin', 'any perp', 'every coin'])} {text}",
                condition,
                (ANYTHING,),
            )
        keys = tuple(_subject(each, figure) for each in coins)
        lower = [each.lower() if r.random() < 0.5 else each for each in coins]
        joined = r.choice([", ".join(lower), ",".join(lower), f"{', '.join(lower[:-1])} and {lower[-1]}",
                           f"{', '.join(lower[:-1])} or {lower[-1]}"])  # fmt: skip
        return f"{r.choice(['any of', 'one of'])} {joined} {text}", condition, keys

    def _lone(self) -> tuple[str, Condition]:
        return self.random.choice(
            [self._change, self._level, self._level, self._event, self._move, self._signed]
        )(lone=True)

    def _leg(self, *, lasting: bool = False) -> tuple[str, Condition]:
        """A part of something; `lasting`: no crossing and no event."""
        makes = [self._change, self._level, self._level, self._stay, self._signed]
        return self.random.choice(makes)(lone=False, lasting=lasting)

    def _joined(self) -> tuple[str, Condition]:
        r = self.random
        count = r.choice([2, 2, 3])
        union = r.random() < 0.4
        parts = [self._leg(lasting=bool(place) and not union) for place in range(count)]
        word = (
            r.choice([" or ", " or "])
            if union
            else r.choice([" and ", " and ", " while ", " & ", ", and "])
        )
        texts, conditions = [each[0] for each in parts], [each[1] for each in parts]
        if not union and r.random() < 0.25:
            text, condition = self._leg(lasting=True)
            texts[-1] += f"{r.choice([' unless ', ' but not ', ' and not '])}{text}"
            conditions.append(Not(part=condition))
        if count == 3 and r.random() < 0.3:
            return f"{texts[0]}, {texts[1]}{word}{''.join(texts[2:])}", _all(
                conditions, union=union
            )
        return word.join(texts), _all(conditions, union=union)

    def _sequel(self) -> tuple[str, Condition]:
        r = self.random
        first, one = self._leg()
        second, two = self._leg()
        ms = r.choice([900_000, 1_800_000, 3_600_000, 14_400_000])
        time = self._length(ms)
        condition = Then(first=one, second=two, within=ms)
        then = r.choice([" then ", ", then ", " and then ", " followed by "])
        if r.random() < 0.4:
            return f"{first}{r.choice([' then ', ' and then '])}within {time} {second}", condition
        return f"{first}{then}{second} within {time}", condition

    def _held(self) -> tuple[str, Condition]:
        text, condition = self._leg(lasting=True)
        ms = self.random.choice([60_000, 300_000, 900_000, 3_600_000])
        hold = self.random.choice(HOLDS).format(t=self._length(ms))
        return f"{text} {hold}", For(part=condition, duration=ms)

    def _negated(self) -> tuple[str, Condition]:
        text, condition = self._leg(lasting=True)
        if self.random.random() < 0.5:
            return f"not ({text})", Not(part=condition)
        return f"not {text}", Not(part=condition)

    def _nested(self) -> tuple[str, Condition]:
        r = self.random
        texts, conditions = zip(*(self._leg(lasting=True) for _ in range(3)), strict=True)
        union = r.random() < 0.5
        inner, outer = (" or ", " and ") if union else (" and ", " or ")
        within = _all(list(conditions[1:]), union=union)
        ms = 300_000
        if r.random() < 0.3:
            return (f"{texts[0]}{outer}(({texts[1]}{inner}{texts[2]}) for 5m)",
                    _all([conditions[0], For(part=within, duration=ms)], union=not union))  # fmt: skip
        return (f"{texts[0]}{outer}({texts[1]}{inner}{texts[2]})",
                _all([conditions[0], within], union=not union))  # fmt: skip

    # leaves

    def _change(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        r = self.random
        figure = BY_NAME[r.choice(["price", "price", "open_interest", "open_interest_usd"])]
        up, ms = (
            r.random() < 0.5,
            r.choice([each for each in LENGTHS if 600_000 <= each <= 86_400_000]),
        )
        relative = r.random() < 0.75
        size, shown = self._percent() if relative else self._size(figure)
        metric = self._metric(figure, window=ms)
        if lone and r.random() < 0.15:
            verb = f"{'+' if up else '-'}{shown}"
        else:
            verb = f"{r.choice(UP if up else DOWN)} {shown}"
        text = f"{self._head(metric, figure)} {verb} {self._window(ms)}"
        return text, Rise(metric=metric, amount=size if up else -size, relative=relative)

    def _move(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        r = self.random
        figure = BY_NAME[r.choice(["price", "open_interest"])]
        ms = r.choice([900_000, 3_600_000, 14_400_000])
        size, shown = self._percent()
        metric = self._metric(figure, window=ms)
        tail = r.choice(["", "", " either way"])
        text = f"{self._head(metric, figure)} {r.choice(BOTH)} {shown} {self._window(ms)}{tail}"
        return text, _moves(metric, size)

    def _stay(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        figure = BY_NAME["price"]
        ms = self.random.choice([900_000, 3_600_000])
        size, shown = self._percent()
        metric = self._metric(figure, window=ms)
        time = self._length(ms)
        said = self.random.choice([f"in {time}", f"over the last {time}", f"in the past {time}"])
        text = f"{self._head(metric, figure)} {self.random.choice(STAYS)} {shown} {said}"
        return text, Not(part=_moves(metric, size))

    def _level(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        r = self.random
        figure = BY_NAME[r.choice(LEVELS)]
        op = r.choice([Op.ABOVE, Op.BELOW])
        level, shown = self._value(figure)
        time = self._time(figure)
        metric = self._metric(figure, **time)
        sort = r.choice(["plain", "plain", "state", "cross"])
        sort = "plain" if sort == "cross" and lasting else sort
        words = {"plain": PLAIN, "state": STATE, "cross": CROSS}[sort][op]
        how = r.choice(words)
        text = self._sentence(metric, figure, f"{how} {shown}", lone=lone)
        if sort == "state" or (sort == "plain" and not lone):
            return text, State(metric=metric, op=op, level=level)
        return text, crossing(metric, op, level)

    def _signed(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        r = self.random
        figure = BY_NAME[r.choice(["funding", "cvd_share", "premium", "macd", "delta"])]
        op = r.choice([Op.ABOVE, Op.BELOW])
        word = "positive" if op is Op.ABOVE else "negative"
        metric = self._metric(figure, **self._time(figure))
        turns = not lasting and r.random() < 0.4
        how = (
            r.choice(["turns", "flips", "goes", "becomes"])
            if turns
            else r.choice(["", "is"])
            if not lone
            else "is"
        )
        text = self._sentence(metric, figure, f"{how} {word}".strip(), lone=lone)
        return text, crossing(metric, op, 0.0) if turns else State(metric=metric, op=op, level=0.0)

    def _event(self, *, lone: bool, lasting: bool = False) -> tuple[str, Condition]:
        r = self.random
        figure = BY_NAME[
            r.choice(["whale", "liquidation", "wall", "cascade", "regime", "anomaly", "divergence"])
        ]
        if figure.name == "divergence":
            up, frame = r.random() < 0.5, r.choice(["15m", "30m", "1h", "4h"])
            metric = self._metric(figure, timeframe=frame)
            side = "bullish" if up else "bearish"
            text = f"{side} {r.choice(figure.words)} on {self._coin_of(metric).lower()} {frame}"
            return text, Event(metric=metric, op=Op.ABOVE if up else Op.BELOW)
        side = r.choice(["", *figure.params])
        metric = self._metric(figure, param=side)
        word = (
            f"{r.choice(SIDES[side])} {r.choice(figure.words)}" if side else r.choice(figure.words)
        )
        if figure.unit is not Unit.MONEY or r.random() < 0.2:
            text = r.choice(
                [f"{self._coin_of(metric)} {word}", f"{word} on {self._coin_of(metric)}"]
            )
            return text, Event(metric=metric)
        level = r.choice([600_000, 1_000_000, 2_500_000, 5_000_000])
        shown = self._money(level)
        how = r.choice([*PLAIN[Op.ABOVE], ">"])
        coin = self._coin_of(metric)
        text = r.choice(
            [
                f"{coin} {word} {how} {shown}",
                f"{word} {how} {shown} on {coin}",
                f"{word} on {coin} {how} {shown}",
            ]
        )
        return text, Event(metric=metric, op=Op.ABOVE, level=float(level))

    # words

    def _sentence(self, metric: Metric, figure: Figure, said: str, *, lone: bool) -> str:
        """Subject, figure, time and comparison in one of several orders; a lone rule may leave out the usual time."""
        r = self.random
        param = self._param(figure, metric)
        ms = metric.window or (CANDLES[metric.timeframe] if metric.timeframe else 0)
        default = ms == figure.window if metric.window else metric.timeframe == figure.timeframe
        coin = self._typed(metric)
        word = f"{r.choice(figure.words)}{param}"
        if figure.name == "price" and coin and r.random() < 0.6:
            word = ""
        if not ms or (default and lone and r.random() < 0.5):
            return r.choice(
                [
                    f"{coin} {word} {said}",
                    f"{word} of {coin} {said}" if coin and word else f"{coin} {word} {said}",
                ]
            ).strip()
        short = LENGTHS[ms][0]
        where = r.choice(["before", "after", "prefix"])
        time = f"on {short}" if metric.timeframe else f"in {self._length(ms)}"
        if metric.timeframe and r.random() < 0.3:
            time = f"on the {short}"
        if where == "prefix" and metric.timeframe:
            return f"{coin} {short} {word} {said}".strip()
        if where == "before":
            return f"{coin} {word} {time} {said}".strip()
        return f"{coin} {word} {said} {time}".strip()

    def _head(self, metric: Metric, figure: Figure) -> str:
        r = self.random
        coin = self._typed(metric)
        if figure.name == "price" and coin and r.random() < 0.6:
            return coin
        word = r.choice(figure.words)
        return f"{word} of {coin}" if coin and r.random() < 0.2 else f"{coin} {word}".strip()

    def _typed(self, metric: Metric) -> str:
        """The coin as it is typed; nothing where the rule is about one coin that was named before."""
        r = self.random
        if metric.subject == EACH:
            return ""
        if self._coin is not None and self._named and r.random() < 0.6:
            return ""
        self._named = True
        return self._coin_of(metric)

    def _coin_of(self, metric: Metric) -> str:
        r = self.random
        if metric.subject == EACH:
            return ""
        coin = metric.subject.partition(":")[2].partition("/")[0]
        venue = metric.subject.partition(":")[0]
        self._named = True
        if venue == "bybit":
            return r.choice(
                [f"bybit:{coin}", f"{coin} bybit", f"{coin} on bybit", f"{coin} perp on bybit"]
            ).lower()
        return r.choice(
            [
                coin,
                coin,
                coin.lower(),
                coin.lower(),
                f"${coin}",
                f"{coin}-PERP",
                f"{coin.lower()} perp",
            ]
        )

    def _metric(
        self, figure: Figure, *, window: int = 0, timeframe: str = "", param: str | None = None
    ) -> Metric:
        r = self.random
        subject = self._subject
        if subject is None:
            coin = self._coin or r.choice(COINS[:7])
            subject = _subject(coin, figure)
            if self._coin is None and r.random() < 0.1:
                subject = f"bybit:{coin}/USDT:USDT"
        param = figure.param if param is None else param
        if param == "14" and r.random() < 0.4:
            param = r.choice(["7", "21"])
        return Metric(
            subject=subject, name=figure.name, window=window, timeframe=timeframe, param=param
        )

    def _param(self, figure: Figure, metric: Metric) -> str:
        if metric.param == figure.param:
            return ""
        return self.random.choice([f" {metric.param}", f"({metric.param})"])

    def _time(self, figure: Figure) -> dict[str, object]:
        r = self.random
        if figure.timeframes:
            return {"timeframe": r.choice([each for each in CANDLES if each in figure.timeframes])}
        if figure.windows and How.CHANGE not in figure.hows:
            fitting = [each for each in LENGTHS if figure.windows[0] <= each <= figure.windows[-1]]
            return {
                "window": r.choice(
                    [each for each in fitting if each in (300_000, 900_000, 3_600_000)] or fitting
                )
            }
        return {}

    def _window(self, ms: int) -> str:
        time, short = self._length(ms), LENGTHS[ms][0]
        return self.random.choice([f"in {time}", f"within {time}", f"in the last {time}", f"over {time}",
                                   f"over the past {time}", short])  # fmt: skip

    def _length(self, ms: int) -> str:
        return self.random.choice(LENGTHS[ms])

    def _percent(self) -> tuple[float, str]:
        points = self.random.choice([0.5, 1, 1.5, 2, 2.75, 3, 5, 7.5, 10, 12])
        return points / 100, self.random.choice(
            [f"{points:g}%", f"{points:g} %", f"{points:g} percent"]
        )

    def _size(self, figure: Figure) -> tuple[float, str]:
        r = self.random
        size = r.choice([500, 1000, 2500, 10_000])
        if figure.unit is Unit.MONEY:
            return float(size * 1000), self._money(size * 1000)
        if figure.unit is Unit.AMOUNT:
            return float(size), r.choice(
                [f"{size}", f"{size:,}", f"{size} coins", f"{size / 1000:g}k"]
            )
        return float(size), r.choice([f"${size}", f"{size}", f"{size} dollars", f"{size:,}"])

    def _money(self, value: float) -> str:
        return self.random.choice([f"${value / 1e6:g}m", f"${value:,.0f}", f"{value / 1e6:g} million",
                                   f"${value / 1e6:g} million", f"{value / 1e3:g}k", f"{value / 1e6:g}mm"])  # fmt: skip

    def _value(self, figure: Figure) -> tuple[float, str]:
        """A level that makes sense, and one way to write it."""
        r = self.random
        match figure.unit:
            case Unit.PRICE if figure.name == "price":
                level = r.choice([95_000, 90_500, 3_200, 150, 0.25])
                texts = [f"{level:g}" if level < 1000 else f"{level}", f"${level:,}"]
                texts += [f"{level / 1000:g}k"] * 2 if level >= 1000 else []
                return float(level), r.choice(texts)
            case Unit.PRICE:
                level = r.choice([-50, 25, 120])
                return float(level), f"{level}"
            case Unit.MONEY:
                level = r.choice([1_000_000, 2_500_000, 20_000_000])
                if figure.signed and r.random() < 0.4:
                    return -float(level), r.choice(
                        [f"-${level / 1e6:g}m", f"-{level / 1e6:g}m", f"-${level:,}"]
                    )
                return float(level), self._money(level)
            case Unit.AMOUNT:
                level = r.choice([50_000, 120_000, 2_000_000])
                return float(level), r.choice(
                    [f"{level}", f"{level / 1000:g}k", f"{level:,} coins"]
                )
            case Unit.RATIO:
                times = r.choice([1.5, 2, 3, 5])
                return float(times), r.choice(
                    [f"{times:g}x", f"{times * 100:g}%", f"{times:g} times"]
                )
            case Unit.RATE:
                points = r.choice([0.01, 0.03, 0.05, -0.02])
                return float(f"{points / 100:.6f}"), r.choice([f"{points:g}%", f"{points:g} %"])
            case Unit.FRACTION:
                points = r.choice([20, 45, 70] if figure.name == "imbalance" else [0.5, 1, 4])
                return points / 100, r.choice([f"{points:g}%", f"{points:g} percent"])
            case Unit.SIGMA:
                level = r.choice([2, 3, 3.5])
                return float(level), r.choice([f"{level:g}", f"{level:g} sigma"])
            case _:
                level = (
                    r.choice([20, 30, 70, 80]) if figure.high == 100 else r.choice([0.2, 0.5, 0.8])
                )
                return float(level), f"{level:g}"


LEVELS = ("price", "price", "price", "volume_ratio", "volume_z", "turnover", "delta", "cvd_share", "liquidations",
          "open_interest", "open_interest_usd", "funding", "funding", "funding_apr", "premium", "imbalance", "rsi",
          "rsi", "macd", "stochastic", "atr", "bollinger", "correlation")  # fmt: skip


def _metric(condition: Condition) -> Metric:
    while not hasattr(condition, "metric"):
        condition = condition.parts[0] if hasattr(condition, "parts") else condition.part  # type: ignore[union-attr]
    return condition.metric


def _subject(coin: str, figure: Figure) -> str:
    return f"*:{coin}" if figure.scope is Scope.COIN else f"binance:{coin}/USDT:USDT"


def _moves(metric: Metric, size: float) -> AnyOf:
    return AnyOf(
        parts=tuple(Rise(metric=metric, amount=each, relative=True) for each in (size, -size))
    )


def _all(parts: list[Condition], *, union: bool) -> Condition:
    return AnyOf(parts=tuple(parts)) if union else AllOf(parts=tuple(parts))
