"""Forced closes of each venue: what was held, coins at the price of one, and whether the venue shows them all."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from exchanges.streams.binance import BinancePerps
from exchanges.streams.bybit import BybitPerps
from exchanges.streams.decoder import Accepted, Channel, Decoder, Refused, Topic
from exchanges.streams.okx import OkxPublic
from market.clock import FixedClock
from market.types import Instrument, Liquidation, PositionSide

NOW = 1_781_000_000_500
TS = 1_781_000_000_000
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data"))
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here")


def perp(exchange: str, id_: str, **about: Any) -> Instrument:
    told = {"base": "BTC", "quote": "USDT", "symbol": f"{id_}/X:X"} | about
    return Instrument(exchange=exchange, id=id_, perp=True, **told)


THOUSAND: dict[str, Any] = {"base": "PEPE", "contract_size": 1000.0, "multiplier": 1000.0}
BN = perp("binance", "BTCUSDT")
BN_PEPE = perp("binance", "1000PEPEUSDT", **THOUSAND)
BY = perp("bybit", "BTCUSDT")
BY_PEPE = perp("bybit", "1000PEPEUSDT", **THOUSAND)
OK = perp("okx", "BTC-USDT-SWAP", contract_size=0.01)
OK_PEPE = perp("okx", "PEPE-USDT-SWAP", base="PEPE", contract_size=1e7)


def decoder(kind: type[Decoder], *instruments: Instrument) -> Any:
    made = kind(FixedClock(NOW))
    made.subscribe([Topic(Channel.LIQUIDATIONS, each) for each in instruments])
    return made


def decoded(made: Decoder, message: Any) -> list[Any]:
    return made.decode(json.dumps(message))


def closed(of: Instrument, price: float, amount: float, position: PositionSide, **told: Any) -> Any:
    return Liquidation(
        instrument=of, price=price, amount=amount, position=position,
        **{"ts": TS, "recv_ts": NOW} | told,
    )  # fmt: skip


def order(**told: Any) -> dict[str, Any]:
    row = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.020", "p": "9900.5",
           "ap": "9910.25", "X": "FILLED", "l": "0.003", "z": "0.014", "T": TS} | told  # fmt: skip
    event = {"e": "forceOrder", "E": TS + 4, "o": {k: v for k, v in row.items() if v != "-"}}
    return {"stream": "btcusdt@forceOrder", "data": event}


def test_binance_sale_closed_a_long_and_what_was_filled_counts_at_its_average() -> None:
    made = decoder(BinancePerps, BN, BN_PEPE)
    (long,) = decoded(made, order())
    assert long == closed(BN, 9910.25, 0.014, LONG, sample=True, id=f"{TS}SELL")
    assert long.value == pytest.approx(9910.25 * 0.014)
    (short,) = decoded(made, order(S="BUY"))
    assert short.position is SHORT
    (pepe,) = decoded(made, order(s="1000PEPEUSDT", z="5", ap="0.0123"))
    assert (pepe.price, pepe.amount) == (0.0000123, 5000.0)
    assert made.bad == 0


@pytest.mark.parametrize(
    ("told", "amount", "price"),
    [
        ({"z": "-"}, 0.003, 9910.25),
        ({"z": "-", "l": "-"}, 0.02, 9910.25),
        ({"ap": "0"}, 0.014, 9900.5),
        ({"ap": "-"}, 0.014, 9900.5),
    ],
)
def test_binance_fields_that_are_missing_have_their_next_of_kin(
    told: dict[str, str], amount: float, price: float
) -> None:
    (found,) = decoded(decoder(BinancePerps, BN), order(**told))
    assert (found.amount, found.price) == (amount, price)


@pytest.mark.parametrize(
    "told",
    [
        {"z": "0", "X": "NEW"}, {"z": "nan"}, {"z": "-0.1"}, {"z": True}, {"S": "HOLD"}, {"T": 0},
        {"ap": "0", "p": "0"}, {"ap": "many"}, {"s": "DOGEUSDT"}, {"z": "1" * 1000}, {"s": "-"},
    ],
)  # fmt: skip
def test_binance_orders_that_make_no_sense_or_filled_nothing_are_counted(
    told: dict[str, Any],
) -> None:
    made = decoder(BinancePerps, BN)
    assert decoded(made, order(**told)) == []
    assert made.bad == 1


def bybit(*rows: dict[str, Any], id_: str = "BTCUSDT") -> dict[str, Any]:
    base = {"T": TS, "s": id_, "S": "Sell", "v": "2", "p": "0.04499"}
    data = [base | row for row in rows]
    return {"topic": f"allLiquidation.{id_}", "type": "snapshot", "ts": TS + 9, "data": data}


def test_bybit_names_the_position_and_shows_every_entry_of_a_message() -> None:
    made = decoder(BybitPerps, BY, BY_PEPE)
    rows: list[dict[str, Any]] = [{}, {"S": "Buy", "v": "3"}, {"S": "Buy", "v": "3"}]
    assert decoded(made, bybit(*rows)) == [
        closed(BY, 0.04499, 2.0, SHORT),
        closed(BY, 0.04499, 3.0, LONG),
        closed(BY, 0.04499, 3.0, LONG),
    ]
    (pepe,) = decoded(made, bybit({}, id_="1000PEPEUSDT"))
    assert pepe == closed(BY_PEPE, 0.00004499, 2000.0, SHORT)
    assert made.bad == 0


def test_one_broken_bybit_entry_leaves_the_others() -> None:
    made = decoder(BybitPerps, BY)
    rows = [{"v": "1"}, {"v": None}, {"S": "Up"}, {"s": "ELSEUSDT"}, {"p": "nan"}, {"v": "6"}]
    assert [each.amount for each in decoded(made, bybit(*rows))] == [1.0, 6.0]
    assert made.bad == 4


def detail(**told: Any) -> dict[str, Any]:
    return {
        "bkLoss": "0", "bkPx": "65000.5", "ccy": "", "posSide": "long", "side": "sell",
        "sz": "250", "ts": str(TS),
    } | told  # fmt: skip


def okx(*rows: tuple[str, list[Any]]) -> dict[str, Any]:
    data = [
        {"details": details, "instFamily": "X", "instId": id_, "instType": "SWAP", "uly": "X"}
        for id_, details in rows
    ]
    return {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": data}


def test_okx_contracts_become_coins_in_every_detail_of_every_row() -> None:
    made = decoder(OkxPublic, OK, OK_PEPE)
    short = detail(posSide="short", side="buy", sz="1", ts=str(TS + 1))
    rows = [
        (OK.id, [detail(), short]),
        (OK_PEPE.id, [detail(bkPx="0.0000123", sz="3")]),
        ("DOGE-USDT-SWAP", [detail()]),
    ]
    assert decoded(made, okx(*rows)) == [
        closed(OK, 65000.5, 2.5, LONG, sample=True),
        closed(OK, 65000.5, 0.01, SHORT, sample=True, ts=TS + 1),
        closed(OK_PEPE, 0.0000123, 3e7, LONG, sample=True),
    ]
    assert made.bad == 0  # what was closed in another swap is nobody's fault


@pytest.mark.parametrize(
    ("pos", "side", "position"),
    [("net", "sell", LONG), ("net", "buy", SHORT), ("", "buy", SHORT), ("short", "buy", SHORT)],
)
def test_okx_one_way_positions_are_known_by_the_closing_order(
    pos: str, side: str, position: PositionSide
) -> None:
    (found,) = decoded(decoder(OkxPublic, OK), okx((OK.id, [detail(posSide=pos, side=side)])))
    assert found.position is position


def test_one_broken_okx_detail_leaves_the_others() -> None:
    made = decoder(OkxPublic, OK)
    broken: list[Any] = [
        detail(sz="0"), detail(side="hold"), detail(side="buy"), detail(bkPx=""), 7, {},
        detail(ts="1" * 400),
    ]  # fmt: skip
    found = decoded(made, okx((OK.id, [detail(sz="1"), *broken, detail(sz="2")])))
    assert [each.amount for each in found] == [0.01, 0.02]
    assert made.bad == len(broken)
    none: Any = None
    empty: Any = {}
    found = decoded(made, okx((OK.id, none), (OK.id, empty), (OK.id, [detail(sz="5")])))
    assert [each.amount for each in found] == [0.05]
    assert made.bad == len(broken) + 2


ARG = {"channel": "liquidation-orders", "instType": "SWAP"}
EVENT = {"event": "subscribe", "arg": ARG, "connId": "a"}


def args(requests: list[str]) -> list[Any]:
    return [arg for text in requests for arg in json.loads(text)["args"]]


def test_okx_serves_all_swaps_by_one_subscription() -> None:
    made = OkxPublic(FixedClock(NOW))
    first, second = (Topic(Channel.LIQUIDATIONS, each) for each in (OK, OK_PEPE))
    context = Topic(Channel.CONTEXT, OK_PEPE)
    assert args(made.subscribe([first])) == [ARG]
    assert decoded(made, EVENT) == [Accepted(first)]
    assert decoded(made, EVENT) == []
    assert args(made.subscribe([second])) == [ARG]
    assert made.decode("pong") == [Accepted(second)]  # it is served already
    made.subscribe([context])
    assert args(made.unsubscribe([second])) == []  # the other one needs it
    assert decoded(made, okx((OK_PEPE.id, [detail()]))) == []
    assert len(decoded(made, okx((OK.id, [detail()])))) == 1
    assert args(made.unsubscribe([first])) == [ARG]
    made.subscribe([first])
    assert made.decode("pong") == []  # it ended in between
    assert decoded(made, EVENT) == [Accepted(first)]
    made.subscribe([second])
    made.renew()
    assert made.decode("pong") == []
    made.subscribe([first, second])
    wrong = "Wrong URL or channel:liquidation-orders,instType:SWAP doesn't exist."
    refused = decoded(made, {"event": "error", "code": "60018", "msg": wrong})
    assert refused == [Refused(each, f"60018 {wrong}") for each in (first, second)]
    assert made.bad == 0


@recorded
@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["2024_08_17_18", "2025_07_18", "2025_12_27_28"],
)  # fmt: skip
def test_binance_recorded_orders_keep_their_side_and_sum(name: str) -> None:
    with (DATA / f"liquidations/binance_um_force_orders_{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    made = decoder(
        BinancePerps, *(perp("binance", f"{b}USDT") for b in {r["symbol"] for r in rows})
    )
    found = [
        event
        for row in rows
        for event in decoded(
            made,
            order(
                s=f"{row['symbol']}USDT", S=row["side"], q=row["original_quantity"],
                p=row["price"], ap=row["average_price"] or "-", X=row["order_status"],
                l=row["last_filled_quantity"] or "-", z=row["accumulated_filled_quantity"] or "-",
                T=int(row["ts_ms"]),
            ),
        )
    ]  # fmt: skip
    assert (len(found), made.bad) == (len(rows), 0)
    for row, each in zip(rows, found, strict=True):
        assert (each.position is LONG) == (row["side"] == "SELL")
        assert each.sample
        assert each.amount == float(row["accumulated_filled_quantity"])
        assert each.price == float(row["average_price"] or row["price"])
    total = sum(float(row["notional_usd"]) for row in rows)  # at the limits of the orders
    assert sum(each.value for each in found) == pytest.approx(total, rel=0.02)


@recorded
@pytest.mark.data
def test_three_venues_of_one_day_agree_with_who_was_liquidated() -> None:
    with (DATA / "liquidations/multi_venue_eth_liquidations_2026_04_03.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["venue"] for row in rows} == {"binance", "bybit", "okx"}
    for row in rows:
        found = _of_venue(row)
        assert found.position.value == row["liquidated_position"]
        assert found.ts == int(row["ts_ms"])
        assert found.value == pytest.approx(float(row["notional_usd"]), rel=0.01)


def _of_venue(row: dict[str, str]) -> Liquidation:
    """A recorded close as its venue sent it. The file has OKX's own count, by the tenth of an ETH."""
    ts, amount, side = int(row["ts_ms"]), row["qty_coin"], row["raw_side"]
    message: Any
    if row["venue"] == "binance":
        made = decoder(BinancePerps, perp("binance", "ETHUSDT"))
        message = order(s="ETHUSDT", S=side, z=amount, ap=row["price"], T=ts)
    elif row["venue"] == "bybit":
        made = decoder(BybitPerps, perp("bybit", "ETHUSDT"))
        message = bybit({"S": side, "v": amount, "p": row["price"], "T": ts}, id_="ETHUSDT")
    else:
        made = decoder(OkxPublic, perp("okx", "ETH-USDT-SWAP", contract_size=0.1))
        pos, _, closing = side.partition(":")
        told = detail(posSide=pos, side=closing, sz=amount, bkPx=row["price"])
        message = okx(("ETH-USDT-SWAP", [told | {"ts": str(ts)}]))
    (found,) = decoded(made, message)
    assert isinstance(found, Liquidation)
    return found
