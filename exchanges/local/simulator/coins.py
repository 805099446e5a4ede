"""What trades in the simulated market: coins, their sizes and the instruments of each exchange."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from market.types import Instrument

_SHARES = {
    ("binance", True): 0.34,
    ("bybit", True): 0.17,
    ("okx", True): 0.14,
    ("hyperliquid", True): 0.10,
    ("binance", False): 0.12,
    ("bybit", False): 0.04,
    ("okx", False): 0.03,
    ("coinbase", False): 0.06,
}  # of a coin's volume, by (exchange, perp)
OI_SHARES = {"binance": 0.42, "bybit": 0.24, "okx": 0.18, "hyperliquid": 0.16}
QUOTES = {
    "binance": "USDT",
    "bybit": "USDT",
    "okx": "USDT",
    "hyperliquid": "USDC",
    "coinbase": "USD",
}
_LETTERS = {"B": "binance", "Y": "bybit", "O": "okx", "H": "hyperliquid", "C": "coinbase"}
_EVERYWHERE = "Bs Bp Ys Yp Os Op Hp Cs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """One coin. `daily` is the standard deviation of a day's log return, `volume` USD a day over all instruments."""

    base: str
    id: str
    name: str
    price: float
    supply: float
    volume: float
    interest: float = 0.0  # open interest in USD over all exchanges
    daily: float = 0.045
    beta: float = 1.0  # to the market factor, whose day has 2 %
    ticks: tuple[str, str] = ("0.01", "0.01")  # price step of spot, of perpetuals, per coin
    lots: tuple[str, str] = ("0.01", "0.01")  # amount step of spot, of perpetuals, in coins
    okx: tuple[str, str] = ("1", "0.1")  # OKX contract in coins and its amount step in coins
    markets: str = _EVERYWHERE
    leverage: int = 50  # highest anywhere
    thousand: bool = False  # perpetuals of Binance, Bybit and Hyperliquid count 1,000 coins
    hours: dict[str, int] = field(
        default_factory=dict
    )  # funding intervals that are not the usual ones
    pegged: bool = False


def _coin(base: str, id_: str, name: str, figures: str, **more: object) -> Coin:
    """`figures`: price, supply, volume and open interest in millions, day's deviation, beta."""
    price, supply, volume, interest, daily, beta = map(float, figures.split())
    return Coin(
        base=base, id=id_, name=name, price=price, supply=supply * 1e6, volume=volume * 1e6,
        interest=interest * 1e6, daily=daily, beta=beta, **more,  # type: ignore[arg-type]
    )  # fmt: skip


_CENT, _MIL, _TENTH = ("0.01", "0.01"), ("0.001", "0.001"), ("0.1", "0.1")
_FOUR, _FIVE, _ONE = ("0.0001", "0.0001"), ("0.00001", "0.00001"), ("1", "1")
_NO_COINBASE = "Bs Bp Ys Yp Os Op Hp"

COINS: tuple[Coin, ...] = (
    _coin("BTC", "bitcoin", "Bitcoin", "94200 19.96 24000 17000 0.022 1.0",
          ticks=("0.01", "0.1"), lots=("0.00001", "0.001"), okx=("0.01", "0.0001"), leverage=125),
    _coin("ETH", "ethereum", "Ethereum", "3140 120.7 15000 9500 0.031 1.3",
          lots=("0.0001", "0.001"), okx=("0.1", "0.001"), leverage=125),
    _coin("SOL", "solana", "Solana", "142.6 556 4200 2900 0.038 1.5",
          lots=("0.001", "0.01"), okx=("1", "0.01"), leverage=100),
    _coin("BNB", "binancecoin", "BNB", "893 137.7 1100 720 0.026 0.9",
          lots=("0.001", "0.01"), okx=("0.01", "0.01"), markets=_NO_COINBASE, leverage=75),
    _coin("XRP", "ripple", "XRP", "2.214 60300 3100 1900 0.036 1.2",
          ticks=_FOUR, lots=_TENTH, okx=("100", "1"), leverage=75),
    _coin("DOGE", "dogecoin", "Dogecoin", "0.1582 151800 1500 900 0.042 1.5",
          ticks=_FIVE, lots=_ONE, okx=("1000", "10"), leverage=75),
    _coin("ADA", "cardano", "Cardano", "0.4641 35900 620 400 0.04 1.35",
          ticks=_FOUR, lots=("0.1", "1"), okx=("100", "10")),
    _coin("AVAX", "avalanche-2", "Avalanche", "14.82 429 420 260 0.042 1.45",
          ticks=("0.01", "0.001"), lots=("0.01", "1"), okx=("1", "0.1")),
    _coin("LINK", "chainlink", "Chainlink", "13.54 697 520 330 0.041 1.4",
          ticks=("0.01", "0.001"), lots=_CENT, okx=("1", "0.1")),
    _coin("LTC", "litecoin", "Litecoin", "92.4 76.6 430 240 0.035 1.1", lots=_MIL, okx=("1", "0.1")),
    _coin("DOT", "polkadot", "Polkadot", "2.744 1640 210 140 0.041 1.35",
          ticks=("0.001", "0.001"), lots=("0.01", "0.1"), okx=("1", "1")),
    _coin("ARB", "arbitrum", "Arbitrum", "0.2236 5630 190 120 0.047 1.5",
          ticks=_FOUR, lots=_TENTH, okx=("10", "1"), hours={"okx": 4}),
    _coin("OP", "optimism", "Optimism", "0.3384 1880 130 85 0.048 1.5",
          ticks=_FOUR, lots=_TENTH, okx=("1", "1"), markets="Bs Bp Yp Op Hp Cs"),
    _coin("WIF", "dogwifcoin", "dogwifhat", "0.3921 998.8 180 110 0.06 1.8",
          ticks=_FOUR, lots=("0.01", "0.1"), okx=("1", "1"), markets="Bs Bp Yp Op Hp Cs", hours={"binance": 4}),
    _coin("PEPE", "pepe", "Pepe", "0.00000451 420690000 700 380 0.055 1.8",
          ticks=("0.00000001", "0.0000000001"), lots=("1", "1000"), okx=("10000000", "1000000"),
          markets="Bs Bp Ys Yp Op Hp", thousand=True),
    _coin("SHIB", "shiba-inu", "Shiba Inu", "0.00000852 589240000 260 120 0.04 1.4",
          ticks=("0.00000001", "0.000000001"), lots=("1", "1000"), okx=("1000000", "1000000"),
          markets="Bs Bp Ys Yp Op Hp Cs", thousand=True),
    _coin("BONK", "bonk", "Bonk", "0.00000968 83000000 210 95 0.058 1.8",
          ticks=("0.00000001", "0.000000001"), lots=("1", "1000"), okx=("100000", "100000"),
          markets="Bs Bp Yp Op Hp Cs", thousand=True),
    _coin("SUI", "sui", "Sui", "1.562 3680 780 480 0.05 1.6",
          ticks=_FOUR, lots=_TENTH, okx=("1", "1")),
    _coin("TRX", "tron", "TRON", "0.2814 94680 310 210 0.02 0.5",
          ticks=_FIVE, lots=("0.1", "1"), okx=("1000", "100"), markets="Bs Bp Yp Os Op Hp"),
    _coin("NEAR", "near", "NEAR Protocol", "2.163 1280 260 170 0.048 1.5",
          ticks=("0.001", "0.001"), lots=("0.1", "1"), okx=("10", "1"), markets="Bs Bp Yp Os Op Hp Cs"),
    _coin("ATOM", "cosmos", "Cosmos Hub", "2.512 481 110 70 0.042 1.3",
          ticks=("0.001", "0.001"), lots=("0.01", "0.01"), okx=("1", "1"), markets="Bs Bp Yp Op Hp"),
    _coin("APT", "aptos", "Aptos", "2.934 731 150 90 0.046 1.5",
          ticks=("0.001", "0.001"), lots=("0.01", "0.1"), okx=("1", "1"), markets="Bp Yp Op Hp Cs"),
    _coin("HYPE", "hyperliquid", "Hyperliquid", "36.24 270.8 1300 1600 0.05 1.4",
          ticks=_MIL, lots=_CENT, okx=("0.1", "0.1"), markets="Bp Ys Yp Op Hp", hours={"binance": 4, "okx": 4}),
    _coin("TON", "the-open-network", "Toncoin", "1.644 2450 140 95 0.037 1.1",
          ticks=("0.001", "0.0001"), lots=("0.01", "0.1"), okx=("1", "1"), markets="Bs Bp Yp Os Op"),
    _coin("BCH", "bitcoin-cash", "Bitcoin Cash", "512.6 19.96 360 260 0.036 1.1",
          lots=_MIL, okx=("0.1", "0.1"), markets="Bs Bp Yp Op Hp Cs"),
    _coin("UNI", "uniswap", "Uniswap", "6.217 630 280 190 0.05 1.5",
          ticks=("0.001", "0.001"), lots=("0.01", "1"), okx=("1", "1"), markets="Bs Bp Yp Op Hp Cs"),
    _coin("USDT", "tether", "Tether", "0.9994 184600 90 0 0.0003 0",
          ticks=_FIVE, lots=("0.01", "0.01"), markets="Cs", pegged=True),
    _coin("USDC", "usd-coin", "USDC", "0.9998 75200 420 0 0.0002 0",
          ticks=_FIVE, lots=("1", "1"), markets="Bs Cs", pegged=True),
)  # fmt: skip


def instruments(coin: Coin) -> list[Instrument]:
    """Every instrument of a coin, in the order of its markets."""
    return [_instrument(coin, _LETTERS[code[0]], code[1] == "p") for code in coin.markets.split()]


def volume_share(coin: Coin, exchange: str, perp: bool) -> float:
    """An instrument's share of what the coin trades. Coinbase hardly trades the smallest coins."""
    places = [(_LETTERS[code[0]], code[1] == "p") for code in coin.markets.split()]
    return _weight(coin, exchange, perp) / sum(_weight(coin, *place) for place in places)


def _weight(coin: Coin, exchange: str, perp: bool) -> float:
    thin = exchange == "coinbase" and coin.volume < 200e6
    return _SHARES[exchange, perp] * (0.05 if thin else 1.0)


def funding_hours(coin: Coin, exchange: str) -> int:
    """Hours between two funding settlements."""
    return coin.hours.get(exchange, 1 if exchange == "hyperliquid" else 8)


def _instrument(coin: Coin, exchange: str, perp: bool) -> Instrument:
    quote = QUOTES[exchange]
    multiplier = 1000.0 if coin.thousand and perp and exchange != "okx" else 1.0
    contract = float(coin.okx[0]) if perp and exchange == "okx" else multiplier
    lot = coin.okx[1] if perp and exchange == "okx" else coin.lots[perp]
    name = {1.0: ""}.get(multiplier, "k" if exchange == "hyperliquid" else "1000") + coin.base
    tick = _five_digits(coin.price) if exchange == "hyperliquid" else float(coin.ticks[perp])
    return Instrument(
        exchange=exchange,
        symbol=f"{name}/{quote}:{quote}" if perp else f"{name}/{quote}",
        base=coin.base,
        quote=quote,
        perp=perp,
        contract_size=contract,
        multiplier=multiplier,
        price_step=tick,
        amount_step=float(lot),
        id=_id(exchange, name, quote, perp),
        min_value=None
        if exchange == "okx"
        else {"hyperliquid": 10.0, "coinbase": 1.0}.get(exchange, 5.0),
    )


def _id(exchange: str, name: str, quote: str, perp: bool) -> str:
    if exchange == "okx":
        return f"{name}-{quote}" + ("-SWAP" if perp else "")
    return {"hyperliquid": name, "coinbase": f"{name}-{quote}"}.get(exchange, name + quote)


def _five_digits(price: float) -> float:
    """Hyperliquid gives prices five significant digits; fixed here at those of the usual price."""
    return float(f"1e{math.floor(math.log10(price)) - 4}")


class Grid:
    """Whole steps to the nearest float of their decimal value, and back."""

    def __init__(self, step: float) -> None:
        exact = Fraction(repr(step))
        self.step = step
        self.over = exact.denominator
        self.times = exact.numerator

    def value(self, steps: int) -> float:
        """The price or amount of so many steps."""
        return steps * self.times / self.over
