"""Trades of the streams into the engine, in the loop turn that brought them."""

from collections.abc import Callable, Iterable, Sequence

from alerts.fast.engine import Engine, Fired
from alerts.types import Metric
from exchanges.streams.decoder import News
from market.types import Instrument, Trade

PRICE = "price"
Entry = Callable[[int, float], Sequence[Fired]]  # one number to the rules of one metric


class TradeFeed:
    """Price rules see every trade, in order. Only instruments that a rule is about cost anything."""

    def __init__(self, engine: Engine, fired: Callable[[Sequence[Fired]], None]) -> None:
        self._engine, self._fired = engine, fired
        self._metrics: dict[str, Metric] = {}  # by instrument key
        self._places: dict[int, tuple[Instrument, Entry | None]] = {}  # by id of the object
        self.open = False  # nothing is judged before the past is known

    def follow(self, metrics: Iterable[Metric]) -> None:
        """The price metrics there are rules about."""
        self._metrics = {m.subject: m for m in metrics if m.name == PRICE and not m.window}
        self._places.clear()

    def take(self, news: Sequence[News]) -> None:
        """Events as they came; everything but trades is passed over."""
        if not self.open or not self._metrics:
            return
        places = self._places
        last: Instrument | None = None
        entry: Entry | None = None
        for each in news:
            if type(each) is not Trade:
                continue
            instrument = each.instrument
            if instrument is not last:
                last = instrument
                place = places.get(id(instrument))
                entry = place[1] if place and place[0] is instrument else self._place(instrument)
            if entry is not None and (fired := entry(each.ts, each.price)):
                self._fired(fired)

    def _place(self, instrument: Instrument) -> Entry | None:
        """Instruments are a few long-lived objects: their key is made once."""
        metric = self._metrics.get(instrument.key)
        entry = self._engine.entry(metric) if metric is not None else None
        if len(self._places) > 10_000:
            self._places.clear()
        self._places[id(instrument)] = (instrument, entry)
        return entry
