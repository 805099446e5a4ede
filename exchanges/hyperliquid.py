"""Hyperliquid: perps in USDC and its spot book. One call, `metaAndAssetCtxs`, answers for every perp."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from exchanges.base import SHARED_TTL, Exchange, day, levels, oldest_first
from exchanges.pacing import Window
from exchanges.payloads.hyperliquid import (
    Book,
    CandleRow,
    Context,
    Contexts,
    FundingRow,
    SpotContexts,
    SpotMeta,
    TradeRow,
    parse_candle,
    parse_pair,
    parse_perp,
    parse_ticker,
    parse_tiers,
    parse_trade,
)
from exchanges.types import Capability
from exchanges.wire import coins, number, per_coin
from market.clock import Clock
from market.errors import SourceError, SourceUnavailable
from market.types import (
    HOUR,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    OpenInterest,
    OrderBook,
    Ticker,
    TierTable,
    Trade,
)

HEAVY = 20.0  # weight of an ordinary request; the venue allows 1200 a minute and address
LIGHT = 2.0  # l2Book, allMids
NEWEST_CANDLES = 5000  # of an interval; older ones do not exist


class Hyperliquid(Exchange):
    """Hyperliquid."""

    id = "hyperliquid"
    ccxt_ids: ClassVar[Mapping[str, str]] = {"": "hyperliquid"}
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {"hyperliquid": {"enableRateLimit": False}}
    capabilities = frozenset(Capability) - {
        Capability.TAKER_VOLUME,
        Capability.OPEN_INTEREST_HISTORY,
    }
    intervals: ClassVar[Mapping[str, str]] = {each: each for each in TIMEFRAMES if each != "6h"}
    candle_page = NEWEST_CANDLES

    @classmethod
    def windows(cls, wall: Clock) -> Mapping[str, Window]:
        """Its own budget: ccxt would go two to five times over the venue's limit."""
        return {"weight": Window(wall, limit=55 * HEAVY, seconds=60)}

    async def load_instruments(self) -> list[Instrument]:
        """Perps and spot pairs."""
        meta, contexts = await self._perps()
        found = [
            parse_perp(coin, context)
            for coin, context in zip(meta.universe, contexts, strict=False)
            if not coin.is_delisted
        ]
        return found + await self._spot_pairs()

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """All 24 h lines; `last` is the middle of the book, as the venue gives no last trade in bulk."""
        now = self.clock.now()
        pairs = await (self._perp_rows() if perp else self._spot_rows())
        found = (parse_ticker(row, each, now) for each, row in pairs)
        return [each for each in found if each]

    async def ticker(self, instrument: Instrument) -> Ticker:
        """The 24 h line with the last trade: the bulk answer knows the middle of the book only."""
        trades = await self.trades(instrument, 1)
        try:
            line = await super().ticker(instrument)
        except SourceUnavailable:
            raise
        except SourceError:
            if not trades:
                raise
            line = Ticker(instrument=instrument, ts=trades[-1].ts, last=trades[-1].price)
        return (
            msgspec.structs.replace(line, last=trades[-1].price, ts=trades[-1].ts)
            if trades
            else line
        )

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """Candles; only the newest 5000 of a timeframe exist."""
        count = (end - start) // TIMEFRAMES[timeframe]
        request = {
            "coin": instrument.id,
            "interval": self.intervals[timeframe],
            "startTime": start,
            "endTime": end - 1,
        }
        rows = await self._info(
            {"type": "candleSnapshot", "req": request}, list[CandleRow], HEAVY + count / 60
        )
        return [parse_candle(row, instrument) for row in rows]

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """The newest ten or so: there is no more by REST."""
        rows = await self._info(
            {"type": "recentTrades", "coin": instrument.id}, list[TradeRow], HEAVY + 1
        )
        now = self.clock.now()
        found = oldest_first([parse_trade(row, instrument, now) for row in rows])
        return found[-limit:]

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """20 levels a side, whatever the depth."""
        row = await self._info({"type": "l2Book", "coin": instrument.id}, Book, LIGHT)
        bids, asks = ([(each.px, each.sz) for each in side] for side in row.levels)
        return OrderBook(
            instrument=instrument,
            ts=row.time,
            bids=levels(instrument, bids),
            asks=levels(instrument, asks),
        )

    async def open_interest_all(self) -> dict[str, OpenInterest]:
        """Open contracts of all perps; the venue does not stamp them, so the time is that of receipt."""
        now = self.clock.now()
        found: dict[str, OpenInterest] = {}
        for instrument, row in await self._perp_rows():
            amount, mark = coins(instrument, row.open_interest), per_coin(instrument, row.mark_px)
            if amount is not None:
                value = None if mark is None else amount * mark
                found[instrument.symbol] = OpenInterest(
                    instrument=instrument, ts=now, amount=amount, value=value
                )
        return found

    async def fundings(self) -> dict[str, FundingRate]:
        """All running rates, paid every hour."""
        now = self.clock.now()
        return {
            instrument.symbol: FundingRate(
                instrument=instrument,
                ts=now,
                rate=rate,
                interval_h=1.0,
                next_ts=(now // HOUR + 1) * HOUR,
                mark=per_coin(instrument, row.mark_px),
                index=per_coin(instrument, row.oracle_px),
            )
            for instrument, row in await self._perp_rows()
            if (rate := number(row.funding)) is not None
        }

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled hours, newest 500 at most."""
        count = min(limit, 500)
        start = self.clock.now() - count * HOUR
        rows = await self._info(
            {"type": "fundingHistory", "coin": instrument.id, "startTime": start},
            list[FundingRow],
            HEAVY + count / 20,
        )
        rates = [
            FundingRate(instrument=instrument, ts=row.time, rate=row.funding_rate, interval_h=1.0)
            for row in rows
        ]
        return sorted(rates, key=lambda row: row.ts)[-limit:]

    async def tiers(self, instrument: Instrument) -> TierTable | None:
        """Maintenance is half the initial margin at the highest leverage of each tier."""
        meta, _contexts = await self._perps()
        coin = next((each for each in meta.universe if each.name == instrument.id), None)
        if coin is None or not instrument.perp:
            return None
        tiers = parse_tiers(coin, dict(meta.margin_tables))
        if not tiers:
            return None
        return TierTable(
            exchange=self.id,
            base=instrument.base,
            tiers=tiers,
            as_of=day(self.clock.now()),
            source="Hyperliquid margin tables",
        )

    async def _spot_pairs(self) -> list[Instrument]:
        meta, contexts = await self._spot()
        tokens = {token.index: token for token in meta.tokens}
        states = _by_name(meta, contexts)
        return [
            parse_pair(pair, tokens[pair.tokens[0]], tokens[pair.tokens[1]], states.get(pair.name))
            for pair in meta.universe
            if pair.tokens[0] in tokens and pair.tokens[1] in tokens
        ]

    async def _perp_rows(self) -> list[tuple[Instrument, Context]]:
        meta, contexts = await self._perps()
        pairs = zip(meta.universe, contexts, strict=False)
        found = ((self.by_id(coin.name, perp=True), row) for coin, row in pairs)
        return [(instrument, row) for instrument, row in found if instrument]

    async def _spot_rows(self) -> list[tuple[Instrument, Context]]:
        states = _by_name(*await self._spot())
        found = ((self.by_id(name, perp=False), row) for name, row in states.items())
        return [(instrument, row) for instrument, row in found if instrument]

    async def _perps(self) -> Contexts:
        async def fetch() -> Contexts:
            return await self._info({"type": "metaAndAssetCtxs"}, Contexts, HEAVY)

        return await self._shared.get("perps", SHARED_TTL, fetch)

    async def _spot(self) -> SpotContexts:
        async def fetch() -> SpotContexts:
            return await self._info({"type": "spotMetaAndAssetCtxs"}, SpotContexts, HEAVY)

        return await self._shared.get("spot", SHARED_TTL, fetch)

    async def _info(self, params: Mapping[str, Any], shape: Any, weight: float) -> Any:
        return await self.caller.ask(
            "publicPostInfo", params, shape, window="weight", weight=weight
        )


def _by_name(meta: SpotMeta, contexts: list[Context]) -> dict[str, Context]:
    """The state of each pair: by the name in it, else by its place in the list."""
    named = {row.coin: row for row in contexts if row.coin}
    placed = {
        pair.name: contexts[pair.index]
        for pair in meta.universe
        if pair.index < len(contexts) and not contexts[pair.index].coin
    }
    return placed | named
