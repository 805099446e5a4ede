"""Contexts carry what a message told and nothing else; books keep the numbers that chain them."""

from typing import Any

import pytest
from stream_frames import (
    BN,
    BY,
    BY_PEPE,
    CONTEXT,
    HL,
    KPEPE,
    NOW,
    OK,
    PEPE,
    TS,
    context,
    decoded,
    decoder,
)

from exchanges.streams.binance import BinanceBooks, BinancePerps, BinanceSpot
from exchanges.streams.bybit import BybitPerps
from exchanges.streams.decoder import Topic
from exchanges.streams.hyperliquid import Hyperliquid
from exchanges.streams.okx import OkxPublic
from market.clock import FixedClock
from market.types import HOUR, BookChange, Instrument


def change(of: Instrument, **told: Any) -> BookChange:
    return BookChange(instrument=of, **{"ts": TS, "recv_ts": NOW} | told)


def ticker(kind: str = "delta", **told: Any) -> dict[str, Any]:
    data = {"symbol": "BTCUSDT", "lastPrice": "17216.00"} | told
    return {"topic": f"tickers.{data['symbol']}", "type": kind, "ts": TS, "data": data, "cs": 1}


def test_bybit_tickers_carry_what_changed_and_nothing_else() -> None:
    made = decoder(BybitPerps, BY, BY_PEPE)
    full = ticker(
        "snapshot", markPrice="17217.33", indexPrice="17227.36", openInterest="68744.761",
        openInterestValue="1183601235.91", fundingRate="-0.000212",
        nextFundingTime="1673280000000", fundingIntervalHour="4",
    )  # fmt: skip
    assert decoded(made, full) == [
        context(
            BY, mark=17217.33, index=17227.36, interest=68744.761, interest_value=1183601235.91,
            rate=-0.000212, next_ts=1673280000000, interval_h=4.0,
        )
    ]  # fmt: skip
    assert decoded(made, ticker(openInterest="68744.5")) == [context(BY, interest=68744.5)]
    assert decoded(made, ticker(fundingRate="0")) == [context(BY, rate=0.0)]
    assert decoded(made, ticker(bid1Price="17215.50")) == []
    unknown = ticker(openInterest="", openInterestValue="0", fundingRate="", nextFundingTime="")
    assert decoded(made, unknown) == []
    pepe = ticker(symbol="1000PEPEUSDT", markPrice="0.0123", openInterest="500")
    assert decoded(made, pepe) == [context(BY_PEPE, mark=0.0000123, interest=500_000.0)]
    assert made.bad == 0
    assert decoded(made, ticker(openInterest="-5")) == []
    assert decoded(made, ticker(markPrice="nan")) == []
    assert decoded(made, ticker(openInterest=True)) == []
    assert made.bad == 3


def orderbook(kind: str, u: int, **told: Any) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": [["100", "2"]], "a": [["101", "0"]], "u": u, "seq": 7} | told
    return {
        "topic": f"orderbook.200.{data['s']}", "type": kind, "ts": TS + 9, "cts": TS, "data": data,
    }  # fmt: skip


def test_bybit_books_count_their_messages_and_begin_anew_with_one() -> None:
    made = decoder(BybitPerps, BY, BY_PEPE)
    levels = {"bids": ((100.0, 2.0),), "asks": ((101.0, 0.0),)}
    assert decoded(made, orderbook("snapshot", 40)) == [
        change(BY, whole=True, first=40, last=40, **levels)
    ]
    assert decoded(made, orderbook("delta", 41)) == [
        change(BY, first=41, last=41, before=40, **levels)
    ]
    assert decoded(made, orderbook("delta", 1)) == [
        change(BY, whole=True, first=1, last=1, **levels)
    ]
    (pepe,) = decoded(made, orderbook("delta", 3, s="1000PEPEUSDT", b=[["0.012", "4"]], a=[]))
    assert (pepe.bids, pepe.asks) == (((0.000012, 4000.0),), ())
    assert made.bad == 0


@pytest.mark.parametrize("level", [["0", "1"], ["-1", "1"], ["100", "-1"], ["nan", "1"], ["100"]])
def test_a_bad_level_leaves_out_its_whole_message_so_that_the_numbers_show_a_hole(
    level: list[str],
) -> None:
    made = decoder(BybitPerps, BY)
    assert decoded(made, orderbook("delta", 41, b=[["99", "1"], level])) == []
    futures = decoder(BinanceBooks, BN)
    assert decoded(futures, depth(b=[["99", "1"], level])) == []
    okx = decoder(OkxPublic, OK)
    four = [*level, "0", "1"] if len(level) == 2 else level
    assert decoded(okx, okx_book("update", 5, 4, bids=[four])) == []
    assert (made.bad, futures.bad, okx.bad) == (1, 1, 1)


def depth(**told: Any) -> dict[str, Any]:
    row = {"e": "depthUpdate", "E": TS + 3, "T": TS, "s": "BTCUSDT", "U": 157, "u": 160, "pu": 149,
           "b": [["0.0024", "10"]], "a": [["0.0026", "0"]]} | told  # fmt: skip
    return {"stream": "btcusdt@depth@100ms", "data": row}


def test_binance_books_have_first_last_and_the_one_before() -> None:
    made = decoder(BinanceBooks, BN, PEPE)
    told = {"bids": ((0.0024, 10.0),), "asks": ((0.0026, 0.0),), "first": 157, "last": 160}
    assert decoded(made, depth()) == [change(BN, before=149, **told)]
    spot = depth(T=None, pu=None)
    assert decoded(decoder(BinanceSpot, BN), spot) == [change(BN, ts=TS + 3, **told)]
    (pepe,) = decoded(made, depth(s="1000PEPEUSDT"))
    assert (pepe.bids, pepe.asks) == (((0.0000024, 10_000.0),), ((0.0000026, 0.0),))


def test_binance_marks_carry_the_running_rate_and_no_interval() -> None:
    row = {"e": "markPriceUpdate", "E": TS, "s": "BTCUSDT", "p": "11794.15", "i": "11784.62",
           "P": "11784.25", "r": "0.00038167", "T": 1562306400000}  # fmt: skip
    made = decoder(BinancePerps, BN, PEPE)
    assert decoded(made, {"stream": "btcusdt@markPrice@1s", "data": row}) == [
        context(BN, mark=11794.15, index=11784.62, rate=0.00038167, next_ts=1562306400000)
    ]
    none = row | {"s": "1000PEPEUSDT", "p": "0.01", "i": "0.00000000", "r": "", "T": 0}
    assert decoded(made, none) == [context(PEPE, mark=0.00001)]
    assert made.bad == 0


def okx_state(channel: str, **told: Any) -> dict[str, Any]:
    row = {"instId": OK.id, "instType": "SWAP", "ts": str(TS)} | told
    return {"arg": {"channel": channel, "instId": row["instId"]}, "data": [row]}


def test_okx_contexts_come_in_parts_and_contracts_become_coins() -> None:
    made = OkxPublic(FixedClock(NOW))
    made.subscribe([Topic(CONTEXT, OK)])
    interest = okx_state("open-interest", oi="250000", oiCcy="2500", oiUsd="162500000")
    assert decoded(made, interest) == [context(OK, interest=2500.0, interest_value=162_500_000.0)]
    assert decoded(made, okx_state("mark-price", markPx="65000.1")) == [context(OK, mark=65000.1)]
    rate = okx_state(
        "funding-rate", fundingRate="0.0001", nextFundingRate="",
        fundingTime=str(TS + HOUR), nextFundingTime=str(TS + 5 * HOUR),
    )  # fmt: skip
    assert decoded(made, rate) == [context(OK, rate=0.0001, next_ts=TS + HOUR, interval_h=4.0)]
    index = okx_state("index-tickers", instId="BTC-USDT", idxPx="64990")
    assert decoded(made, index) == [context(OK, index=64990.0)]
    assert made.bad == 0
    assert decoded(made, okx_state("mark-price", markPx="dear")) == []
    assert decoded(made, okx_state("mark-price", markPx="1", ts="")) == []
    assert decoded(made, okx_state("mark-price", markPx="1", instId="DOGE-USDT-SWAP")) == []
    assert made.bad == 3
    made.unsubscribe([Topic(CONTEXT, OK)])
    assert decoded(made, index) == []


def okx_book(action: str, last: int, before: int, **told: Any) -> dict[str, Any]:
    row = {"asks": [["101", "0", "0", "0"]], "bids": [["100", "25", "0", "3"]], "ts": str(TS),
           "checksum": -855196043, "prevSeqId": before, "seqId": last} | told  # fmt: skip
    return {"arg": {"channel": "books", "instId": OK.id}, "action": action, "data": [row]}


def test_okx_books_are_chained_and_count_what_nobody_compared() -> None:
    made = decoder(OkxPublic, OK)
    levels = {"bids": ((100.0, 0.25),), "asks": ((101.0, 0.0),)}
    assert decoded(made, okx_book("snapshot", 123, -1)) == [
        change(OK, whole=True, first=123, last=123, **levels)
    ]
    assert decoded(made, okx_book("update", 130, 123)) == [
        change(OK, first=130, last=130, before=123, **levels)
    ]
    quiet = okx_book("update", 130, 130, bids=[], asks=[], checksum=0)
    assert decoded(made, quiet) == [change(OK, first=130, last=130, before=130, bids=(), asks=())]
    assert (made.unchecked, made.bad) == (2, 0)
    assert decoded(made, okx_book("", 131, 130)) == []
    assert made.bad == 1


def test_hyperliquid_contexts_are_stamped_on_receipt_and_hourly() -> None:
    made = decoder(Hyperliquid, HL, KPEPE)
    ctx = {"markPx": "0.02", "oraclePx": "0.0201", "openInterest": "500", "funding": "0.0000125",
           "premium": "0.5", "midPx": None}  # fmt: skip
    found = decoded(made, {"channel": "activeAssetCtx", "data": {"coin": "kPEPE", "ctx": ctx}})
    assert found == [
        context(
            KPEPE, ts=NOW, mark=0.00002, index=0.0000201, interest=500_000.0, interest_value=10.0,
            rate=0.0000125, interval_h=1.0,
        )
    ]  # fmt: skip
    empty = {"coin": "BTC", "ctx": {"markPx": None, "openInterest": None}}
    assert decoded(made, {"channel": "activeAssetCtx", "data": empty}) == []
    assert made.bad == 0


def test_hyperliquid_books_come_whole() -> None:
    made = decoder(Hyperliquid, HL, KPEPE)
    levels = [[{"px": "0.012", "sz": "2", "n": 4}], [{"px": "0.013", "sz": "1", "n": 1}]]
    data = {"coin": "kPEPE", "time": TS, "levels": levels}
    assert decoded(made, {"channel": "l2Book", "data": data}) == [
        change(KPEPE, whole=True, bids=((0.000012, 2000.0),), asks=((0.000013, 1000.0),))
    ]
    levels[0][0]["px"] = "none"
    assert decoded(made, {"channel": "l2Book", "data": data}) == []
    assert made.bad == 1
