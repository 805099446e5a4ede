"""Synthetic answers of a venue as large as Binance's, in its documented format."""

import json
import random
import time
from typing import Any

COUNT = 3400


def symbols(count: int = COUNT) -> list[dict[str, Any]]:
    """`symbols` of exchangeInfo: perps with the fields that clients read, and those that only take room."""
    return [_symbol(f"C{i:04d}") for i in range(count)]


def _symbol(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT", "pair": f"{base}USDT", "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": "TRADING",
        "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000", "baseAsset": base,
        "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 4, "quantityPrecision": 0,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
        "underlyingSubType": ["Layer-1"], "triggerProtect": "0.0500", "liquidationFee": "0.012500",
        "marketTakeBound": "0.05", "maxMoveOrderLimit": 10000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.0001", "maxPrice": "1000", "tickSize": "0.0001"},
            {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "9000000", "stepSize": "1"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "1", "maxQty": "120000", "stepSize": "1"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95",
             "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip


def exchange_info(count: int = COUNT) -> str:
    """The whole exchangeInfo."""
    about = {"timezone": "UTC", "serverTime": _now(), "rateLimits": [], "assets": []}
    return json.dumps({**about, "symbols": symbols(count)})


def day_lines(count: int = COUNT) -> str:
    """ticker/24hr of all perps."""
    chance, now = random.Random(7), _now()
    return json.dumps([_line(chance, f"C{i:04d}USDT", now) for i in range(count)])


def _line(chance: random.Random, symbol: str, now: int) -> dict[str, Any]:
    price = chance.uniform(0.01, 900)
    volume = chance.uniform(1e4, 1e9)
    return {
        "symbol": symbol, "priceChange": f"{price * 0.02:.4f}", "priceChangePercent": "2.000",
        "weightedAvgPrice": f"{price:.4f}", "lastPrice": f"{price:.4f}", "lastQty": "12",
        "openPrice": f"{price * 0.98:.4f}", "highPrice": f"{price * 1.01:.4f}",
        "lowPrice": f"{price * 0.97:.4f}", "volume": f"{volume:.0f}",
        "quoteVolume": f"{volume * price:.2f}", "openTime": now - 86_400_000, "closeTime": now,
        "firstId": 1, "lastId": 99_999, "count": 99_999,
    }  # fmt: skip


def premiums(count: int = COUNT) -> str:
    """premiumIndex of all perps."""
    now = _now()
    rows = [
        {
            "symbol": f"C{i:04d}USDT", "markPrice": "1.0000", "indexPrice": "1.0001",
            "estimatedSettlePrice": "1.0", "lastFundingRate": "0.00010000", "interestRate": "0.0001",
            "nextFundingTime": now + 3_600_000, "time": now,
        }
        for i in range(count)
    ]  # fmt: skip
    return json.dumps(rows)


def trades(count: int = 1000) -> str:
    """aggTrades of one perp."""
    chance, now = random.Random(7), _now()
    rows = [
        {"a": 1000 + i, "p": f"{chance.uniform(90, 110):.1f}", "q": f"{chance.uniform(0.001, 9):.3f}",
         "f": i, "l": i, "T": now + i, "m": chance.random() < 0.5}
        for i in range(count)
    ]  # fmt: skip
    return json.dumps(rows)


def candles(count: int = 1000) -> str:
    """Klines of one perp."""
    chance, now = random.Random(7), _now() // 60_000 * 60_000
    prices = [f"{chance.uniform(90, 110):.1f}" for _ in range(4)]
    rows = [
        [now + i * 60_000, *prices, "812.125", now + i * 60_000 + 59_999, "81212.5", 99, "400.1", "40010.0", "0"]
        for i in range(count)
    ]  # fmt: skip
    return json.dumps(rows)


def _now() -> int:
    return int(time.time() * 1000)
