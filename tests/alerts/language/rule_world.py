"""Figures and markets for the tests of the language, written from the table of figures and not from the product."""

from alerts.figures import Figure, How, Scope, Unit
from alerts.language.names import MarketNames
from exchanges.selection import Selection
from market.symbols import Directory
from market.types import DAY, HOUR, MINUTE, Instrument

TIMED = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
LEVEL, CHANGE, EVENT = How.LEVEL, How.CHANGE, How.EVENT
INSTRUMENT, COIN, MARKET = Scope.INSTRUMENT, Scope.COIN, Scope.MARKET


def _figure(
    name: str,
    words: str,
    unit: Unit,
    scope: Scope,
    hows: tuple[How, ...] = (LEVEL,),
    **more: object,
) -> Figure:
    return Figure(
        name=name, words=tuple(words.split(", ")), unit=unit, scope=scope, hows=frozenset(hows),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


FIGURES = (
    _figure("price", "price, last", Unit.PRICE, INSTRUMENT, (LEVEL, CHANGE), windows=(MINUTE, 7 * DAY),
            window=15 * MINUTE, touch=True, rearm=0.001),
    _figure("volume_ratio", "volume, vol", Unit.RATIO, INSTRUMENT, timeframes=TIMED, timeframe="15m", rearm=0.2),
    _figure("volume_z", "volume z", Unit.SIGMA, INSTRUMENT, timeframes=TIMED, timeframe="15m", signed=True, band=0.5),
    _figure("volume_pace", "volume pace", Unit.RATIO, INSTRUMENT, timeframes=TIMED, timeframe="15m", rearm=0.2),
    _figure("turnover", "turnover, traded value", Unit.MONEY, INSTRUMENT, windows=(MINUTE, 5 * MINUTE, 15 * MINUTE),
            window=5 * MINUTE, rearm=0.3),
    _figure("delta", "delta", Unit.MONEY, INSTRUMENT, windows=(MINUTE, 5 * MINUTE, 15 * MINUTE), window=5 * MINUTE,
            signed=True, rearm=0.3),
    _figure("cvd_share", "cvd", Unit.FRACTION, COIN, windows=(15 * MINUTE, DAY), window=4 * HOUR, signed=True,
            band=0.02, low=-1.0, high=1.0),
    _figure("cvd_slope", "cvd slope", Unit.MONEY, COIN, windows=(15 * MINUTE, DAY), window=HOUR, signed=True,
            rearm=0.2),
    _figure("divergence", "divergence, cvd divergence", Unit.SCORE, INSTRUMENT, (EVENT,),
            timeframes=("15m", "30m", "1h", "2h", "4h"), timeframe="1h", signed=True, low=-1.0, high=1.0),
    _figure("whale", "whale, whale print, whale order", Unit.MONEY, INSTRUMENT, (EVENT,), params=("buy", "sell"),
            low=500_000.0),
    _figure("liquidation", "liquidation, liq", Unit.MONEY, COIN, (EVENT,), params=("long", "short"), low=0.0),
    _figure("liquidations", "liquidations, liqs", Unit.MONEY, COIN,
            windows=(MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR), window=5 * MINUTE, params=("long", "short"), rearm=0.3),
    _figure("liq_cluster", "liquidation cluster, cluster", Unit.FRACTION, COIN, params=("long", "short"), rearm=0.3,
            low=0.0, high=1.0),
    _figure("cascade", "cascade", Unit.MONEY, COIN, (EVENT,)),
    _figure("open_interest", "open interest, oi", Unit.AMOUNT, COIN, (LEVEL, CHANGE), windows=(5 * MINUTE, DAY),
            window=HOUR, rearm=0.005),
    _figure("open_interest_usd", "open interest usd, oi usd", Unit.MONEY, COIN, (LEVEL, CHANGE),
            windows=(5 * MINUTE, DAY), window=HOUR, rearm=0.005),
    _figure("funding", "funding, funding rate", Unit.RATE, INSTRUMENT, signed=True, band=1e-5, low=-0.5, high=0.5),
    _figure("funding_apr", "funding apr", Unit.FRACTION, INSTRUMENT, signed=True, band=0.005),
    _figure("premium", "premium, basis", Unit.FRACTION, INSTRUMENT, signed=True, band=0.0001),
    _figure("imbalance", "book imbalance, imbalance, bid share", Unit.FRACTION, INSTRUMENT, band=0.05, low=0.0,
            high=1.0),
    _figure("wall", "wall", Unit.MONEY, INSTRUMENT, (EVENT,), params=("bid", "ask")),
    _figure("correlation", "correlation", Unit.SCORE, COIN, timeframes=("1h",), timeframe="1h", param="BTC",
            signed=True, band=0.05, low=-1.0, high=1.0),
    _figure("regime", "volatility regime, regime", Unit.COUNT, COIN, (EVENT,), low=1.0, high=6.0),
    _figure("rsi", "rsi", Unit.SCORE, INSTRUMENT, timeframes=TIMED, timeframe="1h", param="14", band=2.0, low=0.0,
            high=100.0),
    _figure("macd", "macd, macd histogram", Unit.PRICE, INSTRUMENT, timeframes=TIMED, timeframe="1h",
            param="12,26,9", signed=True),
    _figure("bollinger", "bollinger, %b", Unit.SCORE, INSTRUMENT, timeframes=TIMED, timeframe="1h", param="20,2",
            signed=True, band=0.05),
    _figure("close", "close, closes, closing price, close price", Unit.PRICE, INSTRUMENT, timeframes=TIMED,
            timeframe="1h", rearm=0.001, low=0.0),
    _figure("ma_distance", "ma, moving average", Unit.FRACTION, INSTRUMENT, timeframes=TIMED, timeframe="1h",
            param="sma50", params=("sma20", "sma50", "sma200", "ema20", "ema50", "ema200"), signed=True, band=0.001),
    _figure("stochastic", "stochastic, stoch", Unit.SCORE, INSTRUMENT, timeframes=TIMED, timeframe="1h",
            param="14,3", band=2.0, low=0.0, high=100.0),
    _figure("ichimoku", "ichimoku, cloud", Unit.FRACTION, INSTRUMENT, timeframes=TIMED, timeframe="1h", signed=True),
    _figure("atr", "atr", Unit.FRACTION, INSTRUMENT, timeframes=TIMED, timeframe="1h", param="14", rearm=0.1),
    _figure("vwap_distance", "vwap", Unit.FRACTION, INSTRUMENT, timeframes=TIMED, timeframe="15m", signed=True,
            band=0.001),
    _figure("crash", "crash, flash crash", Unit.FRACTION, INSTRUMENT, (EVENT,), signed=True, low=-1.0, high=1.0),
    _figure("anomaly", "anomaly", Unit.SCORE, COIN, (EVENT,)),
    _figure("listing", "listing", Unit.COUNT, MARKET, (EVENT,), params=("new", "gone")),
    _figure("blind", "blindness, feed silence", Unit.COUNT, INSTRUMENT, rearm=0.5, low=0.0),
    _figure("report", "report", Unit.COUNT, MARKET, (EVENT,), param="08:00"),
)  # fmt: skip
BY_NAME = {each.name: each for each in FIGURES}
COINS = ("BTC", "ETH", "SOL", "DOGE", "PEPE", "XRP", "AVAX", "NOT")


def _instrument(exchange: str, base: str, *, perp: bool) -> Instrument:
    symbol = f"{base}/USDT:USDT" if perp else f"{base}/USDT"
    return Instrument(exchange=exchange, symbol=symbol, base=base, quote="USDT", perp=perp)


def names() -> MarketNames:
    """Eight coins, each a perp on three venues and a spot pair on one."""
    perps = [
        _instrument(venue, base, perp=True)
        for venue in ("binance", "bybit", "okx")
        for base in COINS
    ]
    spots = [_instrument("binance", base, perp=False) for base in COINS]
    return MarketNames(Selection(Directory([*perps, *spots]), lambda: ()), "binance")
