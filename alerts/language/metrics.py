"""Over which time, on which candle and with which parameter a clause means its figure."""

import re
from collections.abc import Callable, Sequence

from alerts.figures import Figure, How, Unit
from alerts.language.errors import quoted, refuse
from alerts.language.forks import Forks
from alerts.language.slots import Slots, length_of
from alerts.lengths import length_text
from alerts.types import Metric
from market.language import _
from market.types import TIMEFRAMES

_ALIKE = {"buy": "bid", "sell": "ask", "bid": "buy", "ask": "sell"}  # a buy wall is one of bids


class Shapes:
    """The metrics of one sentence, without their subjects; times said once hold for the clauses without."""

    def __init__(self, clauses: Sequence[Slots], forks: Forks, said: list[str]) -> None:
        self._forks = forks
        self._said = said
        changes = [each for each in clauses if each.is_change()]
        self._windows = [_time(each) for each in changes if each.times]
        self._groups = _groups(clauses)
        candles = [
            each for group in self._groups for each in group
            if group[0].figure and group[0].figure.timeframes and each.times
        ]  # fmt: skip
        self._candles = [_time(each) for each in candles]
        self._later = {id(group[0]): _time(each) for group in self._groups
                       for each in reversed(group[1:]) if each.times and not group[0].times}  # fmt: skip

    def of(self, slots: Slots, figure: Figure, *, change: bool, before: Metric | None) -> Metric:
        """`before` is the metric this clause goes on about: rsi above 70 or below 30."""
        param = self._param(slots, figure, before)
        if change:
            return Metric(
                subject="", name=figure.name, window=self._change(slots, figure), param=param
            )
        if figure.timeframes:
            frame = self._frame(slots, figure, before)
            return Metric(subject="", name=figure.name, timeframe=frame, param=param)
        window = 0
        if figure.windows and How.CHANGE not in figure.hows:
            window = self._window(slots, figure, before)
        return Metric(subject="", name=figure.name, window=window, param=param)

    def _change(self, slots: Slots, figure: Figure) -> int:
        """The window of a change: said here, said of another change, or the usual one."""
        ms = slots.take_time()
        if ms is None:
            ms = self._from_others(figure, self._windows, lambda each: _spans(figure, each))
        if ms is None:
            self._default(figure, length_text(figure.window))
            return figure.window
        return self._allowed(figure, ms)

    def _window(self, slots: Slots, figure: Figure, before: Metric | None) -> int:
        ms = slots.take_time() or self._later.get(id(slots))
        if ms is None and before is not None:
            return before.window
        if ms is None:
            self._default(figure, length_text(figure.window))
            return figure.window
        return self._allowed(figure, ms)

    def _frame(self, slots: Slots, figure: Figure, before: Metric | None) -> str:
        ms = slots.take_time() or self._later.get(id(slots))
        if ms is None and before is not None:
            return before.timeframe
        if ms is None:
            ms = self._from_others(figure, self._candles, lambda each: _candle(figure, each) != "")
        if ms is None:
            if len(figure.timeframes) > 1:
                text = _("{figure} of {time} candles, as no time was said")
                self._said.append(text.format(figure=figure.shown, time=figure.timeframe))
            return figure.timeframe
        frame = _candle(figure, ms)
        if not frame:
            raise refuse(_("{figure} has candles of {frames}, not of {time}.").format(
                figure=figure.shown, frames=", ".join(figure.timeframes), time=length_text(ms)))  # fmt: skip
        return frame

    def _from_others(
        self, figure: Figure, times: Sequence[int], fits: Callable[[int], bool]
    ) -> int | None:
        """The one time that was said elsewhere in the sentence; two are asked about."""
        found = [each for each in dict.fromkeys(times) if fits(each)]
        if not found:
            return None
        question = _("{figure}: over which time?").format(figure=figure.shown)
        ms = found[self._forks.choose(question, len(found))]
        self._said.append(
            _("{figure} over {time} too").format(figure=figure.shown, time=length_text(ms))
        )
        return ms

    def _default(self, figure: Figure, time: str) -> None:
        text = _("{figure} over {time}, as no time was said")
        self._said.append(text.format(figure=figure.shown, time=time))

    def _allowed(self, figure: Figure, ms: int) -> int:
        if _spans(figure, ms):
            return ms
        if _exact(figure):
            known = ", ".join(length_text(each) for each in figure.windows)
            raise refuse(_("{figure} has windows of {known}, not of {time}.").format(
                figure=figure.shown, known=known, time=length_text(ms)))  # fmt: skip
        raise refuse(_("{figure} has windows of {low} to {high}, not of {time}.").format(
            figure=figure.shown, low=length_text(figure.windows[0]), high=length_text(figure.windows[-1]),
            time=length_text(ms)))  # fmt: skip

    def _param(self, slots: Slots, figure: Figure, before: Metric | None) -> str:
        """What sets the figure apart: a side, a number, a coin, a time of day."""
        said = [*slots.params, *self._sides(slots, figure)]
        if slots.versus:
            said.append(slots.versus.upper())
        if len(said) > 1:
            raise refuse(_("“{one}” and “{other}”: one of them, please.").format(
                one=quoted(said[0]), other=quoted(said[1])))  # fmt: skip
        if not said:
            return before.param if before is not None else figure.param
        if not _takes(figure, said[0]):
            raise refuse(_("{figure} does not take “{word}”.").format(
                figure=figure.shown, word=quoted(said[0])))  # fmt: skip
        return said[0].upper() if slots.versus else said[0]

    def _sides(self, slots: Slots, figure: Figure) -> list[str]:
        found = []
        for each in slots.sides:
            side = str(each.value)
            side = side if side in figure.params else _ALIKE.get(side, side)
            if side not in figure.params:
                raise refuse(_("{figure} has no side “{word}”.").format(
                    figure=figure.shown, word=quoted(each.text)))  # fmt: skip
            found.append(side)
        return found


def is_line(figure: Figure) -> bool:
    """Whether it is the distance of the price from a line, so that the price can cross it."""
    return bool(figure.timeframes) and figure.unit is Unit.FRACTION and figure.signed


def says_each_way(figure: Figure) -> bool:
    """Whether an event of it is one of two kinds, of which nobody named one."""
    return figure.signed and figure.unit is Unit.SCORE


def _time(slots: Slots) -> int:
    return length_of(slots.times[0])


def _groups(clauses: Sequence[Slots]) -> list[list[Slots]]:
    """Clauses with those that go on about the same figure: rsi above 70 or below 30 on 4h."""
    found: list[list[Slots]] = []
    for each in clauses:
        if found and each.figure is None and not each.named and not each.is_change():
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _exact(figure: Figure) -> bool:
    return bool(getattr(figure, "exact", False))


def _spans(figure: Figure, ms: int) -> bool:
    if not figure.windows:
        return False
    return ms in figure.windows if _exact(figure) else figure.windows[0] <= ms <= figure.windows[-1]


def _candle(figure: Figure, ms: int) -> str:
    return next((each for each in figure.timeframes if TIMEFRAMES.get(each) == ms), "")


def _takes(figure: Figure, said: str) -> bool:
    """Whether a figure can have this parameter: one of its own, or one made like its default."""
    if figure.params:
        return said in figure.params
    shape = figure.param
    if re.fullmatch(r"\d+", shape):
        return re.fullmatch(r"[1-9]\d{0,2}", said) is not None
    if re.fullmatch(r"\d+(,\d+)+", shape):
        parts = said.split(",")
        return len(parts) == shape.count(",") + 1 and all(
            re.fullmatch(r"[1-9]\d{0,2}(\.\d)?", each) for each in parts
        )
    if re.fullmatch(r"\d\d:\d\d", shape):
        return re.fullmatch(r"\d\d:\d\d", said) is not None
    return bool(shape.isalpha() and re.fullmatch(r"[A-Z0-9]{1,15}", said.upper()))
