"""The simulated market as a source: a few dozen coins on five exchanges, the same for the same seed and scenarios."""

from collections.abc import Sequence

import numpy as np

from exchanges.local.simulator import derivatives
from exchanges.local.simulator.coins import COINS, Coin, Grid, instruments
from exchanges.local.simulator.desk import Desk, quote_price
from exchanges.local.simulator.forced import forced_closes
from exchanges.local.simulator.nodes import Bars
from exchanges.local.simulator.noise import key
from exchanges.local.simulator.paths import Stretch
from exchanges.local.simulator.scenarios import OUTAGE, Event, Scenario, check
from exchanges.local.simulator.tape import Recent
from exchanges.local.simulator.tiers import tier_table
from exchanges.local.simulator.view import Looked, View
from market.clock import Clock, MarketClock
from market.types import (
    EXCHANGES,
    MINUTE,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarketCap,
    OpenInterest,
    OrderBook,
    Ticker,
    TierTable,
    Trade,
)

_SPOT_TABLES = frozenset({"trades", "candles", "books"})
_PERP_TABLES = _SPOT_TABLES | {"open_interest", "funding", "mark"}
_TABLES = {
    "binance": _PERP_TABLES | {"liquidations"},
    "bybit": _PERP_TABLES | {"liquidations"},
    "okx": _PERP_TABLES | {"liquidations"},
    "hyperliquid": _PERP_TABLES,
    "coinbase": _SPOT_TABLES,
    "coingecko": frozenset({"market_caps"}),
}
_BASES = {coin.base: coin for coin in COINS}
_BOOKS = 300  # books that are remembered for as long as nothing happens


class SimulatedMarket:
    """Implements `Source` and `Control`. `start` (ms, floored to the minute) is when it goes live.

    `positions=False` leaves the ledger of leveraged positions empty: then nothing is liquidated live.
    """

    mark = "SIMULATED"

    def __init__(
        self,
        seed: int,
        start: int,
        clock: Clock,
        scenarios: Sequence[Scenario] = (),
        *,
        positions: bool = True,
    ) -> None:
        self.clock = clock
        self.start = start // MINUTE * MINUTE
        self.title = f"Simulated market, seed {seed}"
        self._seed, self._positions = seed, positions
        self._events: list[Event] = []
        self._desks: dict[str, Desk] = {}
        self._past: Recent[tuple[int, int], Bars] = Recent(900)
        self._paths: Recent[tuple[str, int], Stretch] = Recent(128)
        self._listed = {coin.base: instruments(coin) for coin in COINS}
        self._instruments = [
            instrument for listed in self._listed.values() for instrument in listed
        ]
        self._books: dict[tuple[Instrument, int], Looked] = {}
        self._grids = {i: (Grid(i.price_step), Grid(i.amount_step)) for i in self._instruments}
        for scenario in scenarios:
            self._add(check(scenario), self.start + int(scenario.seconds * 1000))

    # --- control

    def play(self, scenario: str, base: str) -> None:
        """Start a scenario with the next second."""
        wanted = check(Scenario(name=scenario, symbol=base or "BTC"))
        self._add(wanted, (self.clock.now() // 1000 + 1) * 1000)

    def set_speed(self, speed: float) -> None:
        """Let the market clock run `speed` times as fast from now on."""
        if not isinstance(self.clock, MarketClock) or not 0 < speed < float("inf"):
            raise ValueError("The speed has to be a number above 0.")
        self.clock.run(speed)

    def _add(self, scenario: Scenario, at: int) -> None:
        event = Event(self._seed, scenario, at)
        self._events.append(event)
        desk = self._desks.get(scenario.symbol)
        if desk and scenario.name != "outage":
            desk.add_events([event])
            desk.rewind(at // MINUTE)
            self._books.clear()

    # --- what there is

    def instruments(self, exchange: str | None = None) -> list[Instrument]:
        """All instruments, or those of one exchange."""
        return [i for i in self._instruments if exchange in (None, i.exchange)]

    def tables(self, exchange: str) -> frozenset[str]:
        """What the venue has."""
        return _TABLES.get(exchange, frozenset())

    def down(self, exchange: str) -> bool:
        """Whether an outage of this venue is on now."""
        now = self.clock.now()
        return any(
            event.scenario.name == "outage"
            and event.at <= now < event.at + OUTAGE
            and _venue(event) == exchange
            for event in self._events
        )

    # --- trading

    def candles(self, instrument: Instrument, timeframe: str, start: int, end: int) -> list[Candle]:
        """Candles with start <= open time < end; the one still forming is the last."""
        view = self._view(instrument)
        return (
            view.candles(TIMEFRAMES[timeframe], start, end)
            if view and timeframe in TIMEFRAMES
            else []
        )

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        """Trades with start < ts <= end and not after now, in order."""
        view = self._view(instrument)
        return view.trades(start, end) if view else []

    def recent_trades(self, instrument: Instrument, limit: int) -> list[Trade]:
        """The newest `limit` trades, oldest first; not further back than two days."""
        view = self._view(instrument)
        return view.recent_trades(limit) if view and limit > 0 else []

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        """Resting orders around the last trade."""
        view = self._view(instrument)
        if not view or depth <= 0:
            return None
        place = (instrument, depth)
        looked = view.book(key(self._seed, instrument.key), depth, self._books.get(place))
        if len(self._books) > _BOOKS:
            self._books.clear()
        self._books[place] = looked
        return looked.book

    def ticker(self, instrument: Instrument) -> Ticker | None:
        """The last 1440 minutes, the running one included."""
        view = self._view(instrument)
        return view.ticker() if view else None

    # --- derivatives

    def open_interest(self, instrument: Instrument) -> OpenInterest | None:
        """Open contracts now."""
        view = self._perp(instrument)
        return derivatives.open_interest(view, [view.now])[0] if view else None

    def open_interest_history(
        self, instrument: Instrument, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples at whole multiples of `step` with start <= ts < end."""
        view = self._perp(instrument)
        if not view or step < MINUTE:
            return []
        return derivatives.open_interest(view, derivatives.interest_times(view, step, start, end))

    def funding(self, instrument: Instrument) -> FundingRate | None:
        """The running rate; mark is the middle of the book, index the mean of the spot markets."""
        view = self._perp(instrument)
        return derivatives.running_rate(view, self._index(view)) if view else None

    def funding_history(self, instrument: Instrument, start: int, end: int) -> list[FundingRate]:
        """Settled rates with start <= ts < end."""
        view = self._perp(instrument)
        return derivatives.settled_rates(view, start, end) if view else []

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        """Forced closes that the venue publishes, with start < ts <= end and not after now."""
        if "liquidations" not in self.tables(exchange):
            return []
        found: list[Liquidation] = []
        for instrument in self.instruments(exchange):
            if view := self._perp(instrument):
                found += forced_closes(
                    view, key(self._seed, "forced", instrument.key), start, min(end, view.now)
                )
        return sorted(found, key=lambda one: (one.ts, one.instrument.symbol))

    def tiers(self, instrument: Instrument) -> TierTable | None:
        """The leverage tiers of a perpetual."""
        if instrument not in self._grids or not instrument.perp:
            return None
        return tier_table(_BASES[instrument.base], instrument)

    # --- capitalisation

    def market_caps(self) -> list[MarketCap]:
        """Supply times price, largest first."""
        now = self.clock.now()
        prices = {coin.base: float(np.exp(self._desk(coin.base).log_price(now))) for coin in COINS}
        ranked = sorted(COINS, key=lambda coin: (-coin.supply * prices[coin.base], coin.id))
        return [
            MarketCap(
                coin=coin.id,
                symbol=coin.base,
                name=coin.name,
                market_cap_usd=coin.supply * prices[coin.base],
                ts=now,
                price_usd=prices[coin.base],
                volume_24h_usd=self._spot_volume(coin, now),
                rank=rank,
            )
            for rank, coin in enumerate(ranked, start=1)
        ]

    def _spot_volume(self, coin: Coin, now: int) -> float:
        """USD traded in 24 hours on the coin's spot markets, stablecoins counted as dollars."""
        return sum(self._look(i, now).quote_volume() for i in self._listed[coin.base] if not i.perp)

    def _index(self, view: View) -> float:
        """Mean price of the coin's spot markets in the perpetual's quote currency; the coin's own without any."""
        minute = np.array([view.now // MINUTE], dtype=np.int64)
        quote = quote_price(self._seed, view.instrument.quote, minute)[0]
        prices = [
            self._grids[spot][0].value(self._look(spot, view.now).last()[0])
            * float(np.exp(quote_price(self._seed, spot.quote, minute)[0] - quote))
            for spot in self._listed[view.instrument.base]
            if not spot.perp
        ]
        return (
            sum(prices) / len(prices) if prices else view.desk.spot_price(view.instrument, view.now)
        )

    # --- parts

    def _perp(self, instrument: Instrument) -> View | None:
        return self._view(instrument) if instrument.perp else None

    def _view(self, instrument: Instrument) -> View | None:
        """The instrument as it is now; None where it is unknown or its exchange is down."""
        if instrument not in self._grids or self.down(instrument.exchange):
            return None
        return self._look(instrument, self.clock.now())

    def _look(self, instrument: Instrument, now: int) -> View:
        price, lot = self._grids[instrument]
        return View(
            desk=self._desk(instrument.base), instrument=instrument, price=price, lot=lot, now=now
        )

    def _desk(self, base: str) -> Desk:
        if base not in self._desks:
            desk = Desk(
                self._seed,
                _BASES[base],
                self.start // MINUTE,
                past=self._past,
                paths=self._paths,
                positions=self._positions,
            )
            desk.add_events(
                [
                    e
                    for e in self._events
                    if e.scenario.symbol == base and e.scenario.name != "outage"
                ]
            )
            self._desks[base] = desk
        return self._desks[base]


def _venue(outage: Event) -> str:
    """The exchange an outage hits: the one named, or the first that has the coin."""
    symbol = outage.scenario.symbol
    return symbol if symbol in EXCHANGES else instruments(_BASES[symbol])[0].exchange
