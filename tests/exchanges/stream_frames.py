"""Instruments, and what the venues would say of them."""

import json
from typing import Any

from exchanges.streams.decoder import Channel, Decoder
from market.clock import FixedClock
from market.types import Context, Instrument, Trade

NOW = 1_781_000_000_500
TS = 1_781_000_000_000
TRADES, LIQUIDATIONS, CONTEXT, BOOK = Channel


def instrument(exchange: str, id_: str, **about: Any) -> Instrument:
    told = {"base": "BTC", "quote": "USDT", "perp": True, "symbol": f"{id_}/X:X"} | about
    return Instrument(exchange=exchange, id=id_, **told)


def decoder(kind: type[Decoder], *instruments: Instrument) -> Any:
    made = kind(FixedClock(NOW))
    made.know(instruments)
    return made


def decoded(made: Decoder, message: Any) -> list[Any]:
    return made.decode(json.dumps(message))


def trade(of: Instrument, **told: Any) -> Trade:
    return Trade(instrument=of, ts=TS, recv_ts=NOW, **told)


def context(of: Instrument, **told: Any) -> Context:
    return Context(instrument=of, **{"ts": TS, "recv_ts": NOW} | told)


BN = instrument("binance", "BTCUSDT")
PEPE = instrument("binance", "1000PEPEUSDT", base="PEPE", contract_size=1000.0, multiplier=1000.0)
BY = instrument("bybit", "BTCUSDT")
BY_PEPE = instrument("bybit", "1000PEPEUSDT", base="PEPE", contract_size=1000.0, multiplier=1000.0)
OK = instrument("okx", "BTC-USDT-SWAP", contract_size=0.01)
OK_SPOT = instrument("okx", "BTC-USDT", perp=False)
HL = instrument("hyperliquid", "BTC", quote="USDC")
KPEPE = instrument(
    "hyperliquid", "kPEPE", base="PEPE", quote="USDC", contract_size=1000.0, multiplier=1000.0
)
CB = instrument("coinbase", "BTC-USD", quote="USD", perp=False)


def agg(**told: Any) -> dict[str, Any]:
    row = {"e": "aggTrade", "E": TS + 3, "s": "BTCUSDT", "a": 7, "p": "65000.10", "q": "0.250",
           "f": 9, "l": 12, "T": TS, "m": True}  # fmt: skip
    return row | told
