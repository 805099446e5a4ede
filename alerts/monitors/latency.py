"""How long it takes from a tick to a fact, and to a message on its way: the newest thousand of each."""

import json
from array import array

import numpy as np

from alerts.channel import Channel, Leave, Sending
from alerts.outcome import Outcome, Sent
from alerts.types import OutboxRow
from market.clock import Clock
from market.language import _
from market.types import Reading, Status

KEPT = 1000


class Ring:
    """The newest thousand durations in wall ms."""

    def __init__(self) -> None:
        self._values = array("d")
        self._next = 0

    def add(self, ms: float) -> None:
        """One more; a negative one is a clock that was set back, and no duration."""
        if ms < 0:
            return
        if len(self._values) < KEPT:
            self._values.append(ms)
        else:
            self._values[self._next] = ms
            self._next = (self._next + 1) % KEPT

    def quantile(self, q: float) -> Reading[float]:
        """A quantile in ms; `q` as a fraction."""
        if not len(self._values):
            return Reading.missing(_("nothing measured yet"), Status.INSUFFICIENT, unit="ms")
        value = float(np.quantile(np.array(self._values), q))
        return Reading(value=value, n=len(self._values), unit="ms")


class Latency:
    """Tick to fact, and tick to message, that is to the row that the channel accepted."""

    def __init__(self) -> None:
        self.fact, self.message = Ring(), Ring()

    def figures(self) -> dict[str, Reading[float]]:
        """`fact_p50`, `fact_p95`, `message_p50`, `message_p95` in wall ms."""
        return {
            f"{name}_p{percent}": ring.quantile(percent / 100)
            for name, ring in (("fact", self.fact), ("message", self.message))
            for percent in (50, 95)
        }


class Timed:
    """A channel whose deliveries are measured: from the tick that the payload names to `Sent`."""

    def __init__(self, channel: Channel, latency: Latency, wall: Clock) -> None:
        self.name = channel.name
        self._channel, self._latency, self._wall = channel, latency, wall

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """The channel's own message, with a watch on its sending."""
        send = await self._channel.prepare(row, repeat=repeat)
        tick = tick_of(row.payload)

        async def timed(leave: Leave) -> Outcome:
            outcome = await send(leave)
            if tick and isinstance(outcome, Sent):
                self._latency.message.add(self._wall.now() - tick)
            return outcome

        return timed


def tick_of(payload: str) -> int:
    """When the datum behind a message was received (wall ms); 0 where it does not say."""
    try:
        tick = json.loads(payload).get("tick", 0)
    except (ValueError, AttributeError):
        return 0
    return tick if isinstance(tick, int) else 0
