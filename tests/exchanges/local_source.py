"""A small market for the local exchange server: every figure is a plain function of time, so tests can say it."""

from market.clock import Clock
from market.types import (
    DAY,
    HOUR,
    MINUTE,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarketCap,
    OpenInterest,
    OrderBook,
    PositionSide,
    Side,
    Ticker,
    TierTable,
    Trade,
)

START = 1_780_272_000_000  # 2026-06-01 00:00 UTC, a multiple of a day
TRADE_STEP = 500  # ms from trade to trade
FIRST = START - 40 * DAY  # the history begins


def instrument(
    exchange: str, base: str, quote: str, *, perp: bool, multiplier: float = 1.0
) -> Instrument:
    """One instrument with the venue's own id."""
    name = f"{base}/{quote}"
    plain = base.removeprefix("1000")
    step = {"BTC": 0.1, "ETH": 0.01, "PEPE": 1e-10, "USDT": 0.0001}[plain]
    lot = {"BTC": 0.001, "ETH": 0.01, "PEPE": 1000.0, "USDT": 0.01}[plain]
    return Instrument(
        exchange=exchange,
        symbol=f"{name}:{quote}" if perp else name,
        base=plain,
        quote=quote,
        perp=perp,
        contract_size=multiplier,
        multiplier=multiplier,
        price_step=step,
        amount_step=lot,
        id=f"{base}-{quote}" if exchange == "coinbase" else f"{base}{quote}",
        min_value=5.0,
    )


BTC = instrument("binance", "BTC", "USDT", perp=False)
ETH = instrument("binance", "ETH", "USDT", perp=False)
BTC_PERP = instrument("binance", "BTC", "USDT", perp=True)
PEPE_PERP = instrument("binance", "1000PEPE", "USDT", perp=True, multiplier=1000.0)
BTC_USD = instrument("coinbase", "BTC", "USD", perp=False)
ETH_USD = instrument("coinbase", "ETH", "USD", perp=False)
USDT_USD = instrument("coinbase", "USDT", "USD", perp=False)
EVERY = (BTC, ETH, BTC_PERP, PEPE_PERP, BTC_USD, ETH_USD, USDT_USD)
PRICES = {"BTC": 94_000.0, "ETH": 3100.0, "PEPE": 0.0000123, "USDT": 0.9998}
HOURS = {"BTC": 8.0, "PEPE": 4.0}


class LocalSource:
    """A trade every half second; candles, tickers and books follow from the number of the moment."""

    mark = "SIMULATED"
    title = "a test market"

    def __init__(self, clock: Clock, without: frozenset[str] = frozenset()) -> None:
        self.clock = clock
        self.without = without  # tables it does not have
        self.away: set[str] = set()
        self.closed: list[Liquidation] = []

    def instruments(self, exchange: str | None = None) -> list[Instrument]:
        return [each for each in EVERY if exchange in (None, each.exchange)]

    def tables(self, exchange: str) -> frozenset[str]:
        return frozenset({"trades", "candles", "books", "funding", "open_interest"}) - self.without

    def down(self, exchange: str) -> bool:
        return exchange in self.away

    def price(self, one: Instrument, ts: int) -> float:
        """The price at a moment: ten steps up and down again within twenty seconds."""
        wave = ts // 1000 % 20
        return round(PRICES[one.base] + one.price_step * (wave if wave < 10 else 20 - wave), 12)

    def trade(self, one: Instrument, number: int) -> Trade:
        """The trade of a number: two buys, then a sale."""
        ts = FIRST + number * TRADE_STEP
        return Trade(
            instrument=one,
            ts=ts,
            price=self.price(one, ts),
            amount=one.amount_step * (1 + number % 7),
            side=Side.SELL if number % 3 == 2 else Side.BUY,
            id=str(number),
        )

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        if "trades" in self.without:
            return []
        end = min(end, self.clock.now())
        first = max((start - FIRST) // TRADE_STEP + 1, 0)
        return [self.trade(instrument, n) for n in range(first, (end - FIRST) // TRADE_STEP + 1)]

    def recent_trades(self, instrument: Instrument, limit: int) -> list[Trade]:
        now = self.clock.now()
        return self.trades(instrument, now - limit * TRADE_STEP, now)[-limit:]

    def candles(self, instrument: Instrument, timeframe: str, start: int, end: int) -> list[Candle]:
        step, now = TIMEFRAMES[timeframe], self.clock.now()
        first = -(-max(start, FIRST) // step) * step
        return [
            self.candle(instrument, ts, step, closed=ts + step <= now)
            for ts in range(first, min(end, now + 1), step)
        ]

    def candle(self, one: Instrument, ts: int, step: int, *, closed: bool = True) -> Candle:
        """The candle of a moment: its figures name the moment, they are no sums."""
        low, lots = self.price(one, ts), 10 + ts // step % 90
        split = "taker" not in self.without
        return Candle(
            ts=ts,
            open=low,
            high=low + 5 * one.price_step,
            low=low,
            close=low + one.price_step,
            volume=lots * one.amount_step,
            quote_volume=lots * one.amount_step * low,
            taker_buy_volume=one.amount_step * (lots - 4) if split else None,
            taker_buy_quote=one.amount_step * (lots - 4) * low if split else None,
            closed=closed,
        )

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        if "books" in self.without:
            return None
        now = self.clock.now() // 100 * 100
        middle, step = self.price(instrument, now), instrument.price_step
        lots = 1 + now // 100 % 5
        rows = range(1, min(depth, 50) + 1)
        side = {
            sign: tuple(
                (round(middle + sign * n * step, 12), instrument.amount_step * (lots + n))
                for n in rows
            )
            for sign in (-1, 1)
        }
        return OrderBook(instrument=instrument, ts=now, bids=side[-1], asks=side[1])

    def ticker(self, instrument: Instrument) -> Ticker | None:
        now = self.clock.now()
        last, step = self.price(instrument, now), instrument.price_step
        return Ticker(
            instrument=instrument,
            ts=now,
            last=last,
            bid=last - step,
            ask=last + step,
            high_24h=last + 100 * step,
            low_24h=last - 100 * step,
            change_24h=0.025,
            volume_24h=5000 * instrument.amount_step,
            quote_volume_24h=5000 * instrument.amount_step * last,
        )

    def open_interest(self, instrument: Instrument) -> OpenInterest | None:
        if "open_interest" in self.without or not instrument.perp:
            return None
        return self._interest(instrument, self.clock.now())

    def open_interest_history(
        self, instrument: Instrument, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        if "open_interest" in self.without or not instrument.perp:
            return []
        first = -(-max(start, FIRST) // step) * step
        return [
            self._interest(instrument, ts)
            for ts in range(first, min(end, self.clock.now() + 1), step)
        ]

    def _interest(self, one: Instrument, ts: int) -> OpenInterest:
        amount = one.amount_step * (1_000_000 + ts // MINUTE % 1000)
        return OpenInterest(instrument=one, ts=ts, amount=amount, value=amount * PRICES[one.base])

    def funding(self, instrument: Instrument) -> FundingRate | None:
        if "funding" in self.without or not instrument.perp:
            return None
        now, step = self.clock.now(), int(HOURS[instrument.base] * HOUR)
        return self._rate(instrument, now, next_ts=now - now % step + step)

    def _rate(self, one: Instrument, ts: int, next_ts: int | None = None) -> FundingRate:
        mark = PRICES[one.base] * 1.0001 if "mark" not in self.without else None
        return FundingRate(
            instrument=one,
            ts=ts,
            rate=0.0001 + ts // HOUR % 24 * 0.00001,
            interval_h=HOURS[one.base],
            next_ts=next_ts,
            mark=mark,
            index=PRICES[one.base],
        )

    def funding_history(self, instrument: Instrument, start: int, end: int) -> list[FundingRate]:
        if "funding" in self.without or not instrument.perp:
            return []
        step = int(HOURS[instrument.base] * HOUR)
        first = -(-max(start, FIRST) // step) * step
        return [
            self._rate(instrument, ts) for ts in range(first, min(end, self.clock.now() + 1), step)
        ]

    def close_position(
        self, one: Instrument, ts: int, amount: float, position: PositionSide
    ) -> None:
        """Put a forced close into the market."""
        price = self.price(one, ts)
        self.closed.append(
            Liquidation(instrument=one, ts=ts, price=price, amount=amount, position=position)
        )

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        found = [each for each in self.closed if each.instrument.exchange == exchange]
        return [each for each in found if start < each.ts <= min(end, self.clock.now())]

    def market_caps(self) -> list[MarketCap]:
        now = self.clock.now()
        rows = [("ethereum", "ETH", "Ethereum", 3.7e11), ("bitcoin", "BTC", "Bitcoin", 1.85e12)]
        return [
            MarketCap(
                coin=coin,
                symbol=symbol,
                name=name,
                market_cap_usd=cap,
                ts=now,
                price_usd=PRICES[symbol],
            )
            for coin, symbol, name, cap in rows
        ]

    def tiers(self, instrument: Instrument) -> TierTable | None:
        return None
