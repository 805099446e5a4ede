"""Rules made of parts: what their leaves say, when that fires, and what outlives a restart.

A leaf is true, false, or not known. Crossings, events and sequences are true for a moment only, so each moment is
judged with them and after them. Whether a leaf is too old to go by is asked only when the
rule is about to fire.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from alerts.parts import Node, Truth
from alerts.types import AlertState, Event, Leaf, Repeat

PASSES = 8  # over a tree at one moment: what is true for a moment may make something else so


@dataclass(slots=True, kw_only=True)
class LegState:
    """What is known of one leaf. `truth` is what holds beyond the moment, `pulse` what is true for it alone."""

    leaf: Leaf
    fresh: int  # ms its newest sample may be old; 0: it does not age
    truth: Truth = None
    pulse: bool = False
    armed: bool = True
    side: int = 0
    ts: int = 0
    value: float | None = None
    bar: int = 0
    taught: int = 0  # ts of a sample from before it was there, where it knows no later one

    @classmethod
    def of(cls, leaf: Leaf, fresh: int) -> "LegState":
        """Before its first sample: what happens has not happened, all else is not known."""
        happens = isinstance(leaf, Event)
        return cls(leaf=leaf, fresh=0 if happens else fresh, truth=False if happens else None)

    def newest(self) -> int:
        """Ts of the newest sample of its metric."""
        return self.ts

    def latest(self) -> float | None:
        """The value of that sample."""
        return self.value

    def candle(self) -> int:
        """And its candle."""
        return self.bar

    def is_stale(self, now: int) -> bool:
        """Whether it is too old to go by."""
        return self.fresh > 0 and now - (self.taught or self.newest()) > self.fresh

    def may_learn(self) -> bool:
        """Whether a sample from before it was there tells it anything: how a figure stands, if nothing else does."""
        return not isinstance(self.leaf, Event) and (self.truth is None or self.taught > 0)

    def forget(self) -> None:
        """Nothing is known of it until its next sample."""
        self.truth = None


@dataclass(slots=True, kw_only=True)
class Compound:
    """One rule of parts, of one subject. `told`: it fired since it became true."""

    root: Node
    legs: Sequence[LegState]
    repeat: Repeat
    cooldown: int
    armed: bool = True
    side: int = 0  # what was last known of the root
    told: bool = False
    fired_ts: int = 0
    fired_count: int = 0
    bar_ts: int = 0
    waiting: bool = field(default=False, init=False)  # true, and would fire again if it might

    def __post_init__(self) -> None:
        if self.repeat is Repeat.ALWAYS:
            self.cooldown = 0
        self.begin(0)

    def begin(self, now: int) -> None:
        """How the root stands by what is known before anything is judged: true is learnt, and not told."""
        found = self.root.value([leg.truth for leg in self.legs], now)
        if found is not None:
            self.side, self.armed = (1, False) if found else (-1, True)

    def moment(self, ts: int) -> int:
        """The time to judge at: no leaf is from the future, so time never goes back where `ts` does not."""
        return max(ts, *(leg.newest() for leg in self.legs))

    def judge(self, now: int) -> bool:
        """Whether it fires now. Takes the pulses of the legs."""
        legs = self.legs
        bar = max(leg.candle() for leg in legs)
        settled: list[Truth] = [leg.truth for leg in legs]
        moment: list[Truth] = [leg.pulse or leg.truth for leg in legs]
        stale = [leg.is_stale(now) for leg in legs]
        found = [self.root.value(moment, now)]
        sound = found[0] is True and self._sound(moment, stale, now)
        while len(found) == 1 or (self.root.is_fleeting() and len(found) < PASSES):
            found.append(self.root.value(settled, now))
            sound = sound or (found[-1] is True and self._sound(settled, stale, now))
        first = True if True in found[:-1] else found[0]
        for leg in legs:
            leg.pulse = False
        fires = self._step(first, found[-1], sound=sound and self._may_fire(now, bar))
        if fires:
            self.fired_ts, self.fired_count = now, self.fired_count + 1
            self.bar_ts = max(self.bar_ts, bar)
        return fires

    def _sound(self, truths: Sequence[Truth], stale: Sequence[bool], now: int) -> bool:
        """Whether it holds by what is not too old alone."""
        known = [None if old else truth for truth, old in zip(truths, stale, strict=True)]
        return self.root.glance(known, now) is True

    def _step(self, first: Truth, then: Truth, *, sound: bool) -> bool:
        """Whether it fires, where the root is `first` at the moment and `then` after it."""
        was, self.waiting = self.armed, False
        if then is not True:
            if then is False:
                self.side, self.armed, self.told = -1, True, False
            return first is True and was and sound
        if self.side == 0:  # true when it was first known: learnt
            self.side, self.armed = 1, False
            return False
        self.side = 1
        fires = sound and (was or (self.told and self.cooldown > 0))
        self.armed = was and not fires
        self.told = self.told or fires
        self.waiting = self.armed or (self.told and self.cooldown > 0)
        return fires

    def _may_fire(self, now: int, bar: int) -> bool:
        """Whether repeat mode, candle and cooldown let it fire; never twice at one moment."""
        if self.is_done():
            return False
        if self.repeat is Repeat.PER_BAR and bar <= self.bar_ts:
            return False
        return self.fired_ts == 0 or now - self.fired_ts >= max(self.cooldown, 1)

    def is_done(self) -> bool:
        """Whether it never fires again."""
        return self.repeat is Repeat.ONCE and self.fired_count > 0

    def is_held_back(self, now: int) -> bool:
        """Whether any next sample may make it fire: a candle, or a figure that was too old, kept it back."""
        return self.waiting and now - self.fired_ts >= self.cooldown

    def due(self, now: int) -> int:
        """When it has to be judged even if no leg says anything; 0: never."""
        own = self.fired_ts + self.cooldown if self.waiting else 0
        return min((each for each in (own, self.root.due(now)) if each > now), default=0)

    def looked(self) -> int:
        """Up to when every leaf was looked at."""
        return min(leg.newest() for leg in self.legs)

    def memory(self) -> str:
        """What has to outlive a restart, as JSON."""
        legs = [
            [
                leg.truth, leg.armed, leg.side, leg.newest(), leg.latest(), leg.candle(), leg.taught,
            ]
            for leg in self.legs
        ]  # fmt: skip
        return json.dumps({"legs": legs, "tree": list(self.root.memory()), "told": self.told})

    def recall(self, state: AlertState) -> None:
        """Go on from a stored state; memory of another condition is not used.

        A state may say that all leaves were looked at up to a later time than its memory does.
        """
        self.armed, self.fired_ts = state.armed, state.fired_ts
        self.fired_count, self.bar_ts = state.fired_count, state.bar_ts
        if state.side:
            self.side = state.side
        found: dict[str, Any] = json.loads(state.memory) if state.memory else {"legs": ()}
        if len(found["legs"]) != len(self.legs):
            for leg in self.legs:
                leg.ts = state.last_ts
            return
        self.told = found["told"]
        for leg, row in zip(self.legs, found["legs"], strict=True):
            leg.truth, leg.armed, leg.side, leg.ts, leg.value, leg.bar, leg.taught = row
            leg.ts = max(leg.ts, state.last_ts)
        self.root.recall(iter(found["tree"]))
