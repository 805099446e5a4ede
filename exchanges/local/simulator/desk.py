"""Everything the simulated market knows of one coin: its past, its engine and the tapes of its instruments."""

from collections.abc import Sequence

import numpy as np

from exchanges.local.simulator.climate import DAY_MINUTES, basis, peg, premium
from exchanges.local.simulator.coins import COINS, Coin, Grid, volume_share
from exchanges.local.simulator.engine import Engine
from exchanges.local.simulator.nodes import Bars, Terms
from exchanges.local.simulator.noise import Floats, Ints, key
from exchanges.local.simulator.paths import History, Stretch
from exchanges.local.simulator.scenarios import Event, premium_push
from exchanges.local.simulator.tape import Recent, Tape
from market.types import MINUTE, Instrument

_PEGS = {coin.base: coin for coin in COINS if coin.pegged}
_SMALL, _LARGE = 120.0, 18_000.0  # USD, usual size of a print of thin and of busy instruments
_LEAST = 25.0  # USD that trade at one point, if anything does


class Desk:
    """One coin on all its exchanges."""

    def __init__(
        self,
        seed: int,
        coin: Coin,
        start: int,
        *,
        past: "Recent[tuple[int, int], Bars]",
        paths: "Recent[tuple[str, int], Stretch]",
        positions: bool = True,
    ) -> None:
        self._seed, self.coin = seed, coin
        self.history = History(seed, coin, start)
        self.engine = Engine(seed, coin, self.history, positions=positions)
        self._paths = paths
        self._past = past
        self._tapes: dict[Instrument, Tape] = {}

    def add_events(self, events: Sequence[Event]) -> None:
        """Scenarios that are to work on this coin."""
        self.engine.events.extend(events)

    def rewind(self, minute: int) -> None:
        """Forget that minute and later ones."""
        self.engine.rewind(minute)
        for tape in self._tapes.values():
            tape.forget(minute)

    def tape(self, instrument: Instrument) -> Tape:
        """The tape of one of the coin's instruments."""
        if instrument not in self._tapes:
            self._tapes[instrument] = Tape(
                terms=terms(self._seed, self.coin, instrument),
                exchange=instrument.exchange if instrument.perp else "",
                first=self.history.first,
                start=self.history.start,
                path=self.path,
                offset=lambda minutes: self.offset(instrument, minutes),
                past=self._past,
            )
        return self._tapes[instrument]

    def path(self, first: int, last: int) -> Stretch:
        """The coin's path; the past comes in whole days (the last may end at the start)."""
        if first >= self.history.start:
            return self.engine.stretch(first, last)
        return self._paths.get((self.coin.base, first), lambda: self.history.stretch(first, last))

    def log_price(self, ts: int) -> float:
        """Log USD price at `ts`, not before the start."""
        return float(self.engine.minute(ts // MINUTE).price[ts % MINUTE // 1000])

    def offset(self, instrument: Instrument, minutes: Ints) -> Floats:
        """What takes the coin's log USD price to one instrument's price in its quote currency."""
        away = -quote_price(self._seed, instrument.quote, minutes)
        if instrument.perp:
            return away + self.premium(instrument.exchange, minutes)
        return away + basis(self._seed, self.coin, instrument.exchange, minutes)

    def premium(self, exchange: str, minutes: Ints) -> Floats:
        """Perpetual over index as a fraction, scenarios included."""
        usual = premium(self._seed, self.coin, exchange, minutes)
        squeezes = [e for e in self.engine.events if e.scenario.name == "funding-squeeze"]
        if not squeezes or int(minutes[-1]) < self.history.start:
            return usual
        return usual + premium_push(squeezes, minutes.astype(np.float64) * MINUTE)

    def spot_price(self, instrument: Instrument, ts: int) -> float:
        """The coin's price in the quote currency of an instrument, without basis and premium."""
        quote = quote_price(self._seed, instrument.quote, np.array([ts // MINUTE], dtype=np.int64))
        return float(np.exp(self.log_price(ts) - quote[0]))

    def fair_price(self, instrument: Instrument, ts: Ints) -> Floats:
        """Mark price at rising times; before the start it is known by the minute."""
        minutes = ts // MINUTE
        split = int(np.searchsorted(ts, self.history.start * MINUTE))
        past = self.history.close[minutes[:split] - 1 - self.history.first]
        level = np.concatenate((past, [self.log_price(int(t)) for t in ts[split:]]))
        return np.exp(level + self.offset(instrument, minutes))

    def lean(self, ts: int) -> float:
        """Mean taker imbalance of the seconds of the running minute so far."""
        minute = self.engine.minute(ts // MINUTE)
        return float(minute.lean[: ts % MINUTE // 1000 + 1].mean())

    def thickness(self, ts: int) -> float:
        """Resting orders relative to the usual: scenarios thin them out."""
        return float(self.engine.minute(ts // MINUTE).depth[ts % MINUTE // 1000])

    def forced_minutes(self, exchange: str, first: int, last: int) -> list[int]:
        """Minutes first <= m < last in which positions on this exchange were closed by force."""
        if exchange not in self.engine.exchanges or not self.coin.interest:
            return []
        start = self.history.start
        rows = slice(
            max(first - self.history.first, 0), max(min(last, start) - self.history.first, 0)
        )
        any_forced = self.history.forced_long[rows] + self.history.forced_short[rows]
        past = (np.flatnonzero(any_forced) + rows.start + self.history.first).tolist()
        live = range(max(first, start), last)
        return past + [minute for minute in live if self.engine.minute(minute).forced]

    def forced_at(self, exchange: str, minute: int) -> tuple[Floats, Floats]:
        """Coins of longs and shorts closed by force at each point of a minute."""
        if minute >= self.history.start:
            path, row = self.path(minute, minute + 1), 0
        else:
            day = minute // DAY_MINUTES * DAY_MINUTES
            path, row = self.path(day, min(day + DAY_MINUTES, self.history.start)), minute - day
        points = path.price.shape[1]
        longs, shorts = np.zeros(points), np.zeros(points)
        if path.forced:
            here = path.forced.points // points == row
            places = path.forced.points[here] % points
            for into, coins in zip((longs, shorts), path.forced.of(exchange), strict=True):
                np.add.at(into, places, coins[here])
        return longs, shorts

    def interest(self, exchange: str, ts: Ints) -> Floats:
        """Open interest in coins at rising times; before the start it is known by the minute."""
        split = int(np.searchsorted(ts, self.history.start * MINUTE))
        past = self.history.interest(exchange, ts[:split] // MINUTE) if split else np.zeros(0)
        return np.concatenate((past, [self.engine.interest(exchange, int(t)) for t in ts[split:]]))


def quote_price(seed: int, quote: str, minutes: Ints) -> Floats:
    """Log USD price of a quote currency."""
    return peg(seed, _PEGS[quote], minutes) if quote in _PEGS else np.zeros(len(minutes))


def terms(seed: int, coin: Coin, instrument: Instrument) -> Terms:
    """Sizes of one instrument, from its share of what the coin trades."""
    share = volume_share(coin, instrument.exchange, instrument.perp)
    a_minute = coin.volume * share / DAY_MINUTES
    lot_value = instrument.amount_step * coin.price
    usual = min(max(a_minute / 250, _SMALL), _LARGE)
    apart = {True: 0.000002, False: 0.000003}[instrument.perp] * (24e9 / coin.volume) ** 0.7
    return Terms(
        stream=key(seed, "tape", instrument.key),
        tick=Grid(instrument.price_step).value(1),
        spread=max(1, round(apart * coin.price / instrument.price_step)),
        lots=a_minute / lot_value,
        lot_print=max(1.0, usual / lot_value),
        least=max(1.0, _LEAST / lot_value),
        lot=instrument.amount_step,
    )
