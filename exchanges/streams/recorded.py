"""Watched instruments of a recording begin with its past: fetched once, then what a lost connection missed."""

import asyncio
import logging
from collections.abc import Callable

from exchanges.streams.decoder import Channel, Decoder, Topic
from exchanges.streams.intake import Intake
from exchanges.streams.protocols import socket_of
from exchanges.streams.warm import NoTrades, past_gaps, past_trades
from exchanges.streams.watched import Watched
from market.clock import Clock
from market.errors import SourceError

logger = logging.getLogger(__name__)

FILL_TIMEOUT = 300.0  # seconds for the past of a recording


class Recorded:
    """Fetches from the server at `warm_url`. Live trades wait meanwhile and are counted where the past ends."""

    def __init__(
        self,
        warm_url: str,
        clock: Clock,
        intake: Intake,
        decoder: Callable[[type[Decoder]], Decoder],
        serves: Callable[[Topic], bool],
    ) -> None:
        self._warm_url, self._clock = warm_url, clock
        self._intake, self._decoder, self._serves = intake, decoder, serves

    def begin(self, record: Watched) -> None:
        """The trades of an instrument arrive from now on."""
        if record.filling is not None:
            record.filling.cancel()
        record.mark(self._clock.now())
        record.hold()
        record.filling = asyncio.get_running_loop().create_task(
            self._fill(record), name=f"fill {record.instrument.key}"
        )

    async def _fill(self, record: Watched) -> None:
        """Fetch what a recording has from before the live trades; then count those that waited."""
        key, began = record.instrument.key, self._clock.now()
        try:
            async with asyncio.timeout(FILL_TIMEOUT):
                after = await self._fetch(record)
        except NoTrades:
            self._intake.refuse(record, Channel.TRADES, "the recording has no trades of it")
            return
        except (SourceError, TimeoutError) as error:
            logger.warning("past not fetched instrument=%s reason=%s", key, error)
            if record.begun:
                record.blind(0)
            record.begin(began)
            record.sees(self._clock.now())
            after = record.complete_until() or began
        now = self._clock.now()
        new = record.release(after, now)
        record.filling = None
        record.settled.set()
        self._intake.tell(list(self._intake.counted(record, new)), now)

    async def _fetch(self, record: Watched) -> int:
        """Count the recorded trades that are missing; returns up to when they are whole."""
        instrument, since = record.instrument, record.complete_until()
        topic = Topic(Channel.TRADES, instrument)
        socket = socket_of(topic)
        if socket is None:
            raise NoTrades
        decoder = self._decoder(socket)
        decoder.know([instrument])
        async with past_trades(self._warm_url, instrument, decoder, since) as past:
            state = record.begin(past.after)
            async for trades in past.trades:
                state.update(trades)
        if decoder.bad:
            raise SourceError(instrument.exchange, "the recorded past made no sense")
        record.filled(past.after, past.until, serves=self._serves(topic))
        self._intake.ledger.filled(topic, past.after, past.until)
        for start, end in await past_gaps(self._warm_url, instrument):
            state.flow.mark_gap(start, end)
        return past.until
