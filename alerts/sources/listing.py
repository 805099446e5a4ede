"""New and gone markets: each venue's list against the list before. The first list of a venue is learnt, never told."""

import logging
from collections.abc import Mapping, Sequence

from alerts.types import Metric, Sample
from exchanges.hub import Market, settle
from market.errors import SourceError, SourceUnavailable
from market.format import venues as venue_names
from market.language import _
from market.types import MINUTE, Instrument, Reading

logger = logging.getLogger(__name__)

EVERY = 10 * MINUTE  # market ms between two questions: a list is a large answer
SHRUNK = 0.8  # a list that lost more than the rest of it is not believed
NAMED = 8  # coins that one sample names
KEPT = 200  # samples
NEW, GONE = "new", "gone"


class ListingSource:
    """Remembers what each venue listed when it was last asked."""

    names = frozenset({"listing"})

    def __init__(self, market: Market) -> None:
        self._market = market
        self._known: dict[str, dict[str, Instrument]] = {}  # by venue, by instrument key
        self._samples: dict[str, list[Sample]] = {NEW: [], GONE: [], "": []}
        self._looked: int | None = None
        self.bad = 0  # lists that were not believed

    def every(self, metric: Metric) -> int:
        """A list is a large answer."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """It is over when it has happened."""
        return MINUTE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """What was listed, or went, since then."""
        if self._looked is None or now - self._looked >= EVERY // 2:
            await self._look(now)
        return [each for each in self._samples[metric.param] if each.ts > since_ts]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Only what was seen since the start."""
        raise SourceError(_("Listings"), _("lists of the past are not kept"))

    async def _look(self, now: int) -> None:
        lists, errors = await settle(
            {name: venue.load_instruments() for name, venue in self._market.venues.items()}
        )
        for name, error in errors.items():
            logger.info("list not loaded exchange=%s reason=%s", name, error.reason)
        if not lists:
            raise SourceUnavailable(_("Listings"), _("no venue answers"))
        self._looked = now
        new: list[Instrument] = []
        gone: list[Instrument] = []
        for name, instruments in lists.items():
            fresh, lost = self._compared(name, instruments)
            new += fresh
            gone += lost
        self._tell(NEW, new, now)
        self._tell(GONE, gone, now)
        self._tell("", [*new, *gone], now)

    def _compared(
        self, name: str, instruments: Sequence[Instrument]
    ) -> tuple[list[Instrument], list[Instrument]]:
        """What is new and what is gone on one venue; nothing of a list that cannot be."""
        listed = {each.key: each for each in instruments if each.active}
        before = self._known.get(name)
        if not listed or (before is not None and len(listed) < SHRUNK * len(before)):
            self.bad += 1
            return [], []
        self._known[name] = listed
        if before is None:
            return [], []
        return _of(listed, before), _of(before, listed)

    def _tell(self, what: str, instruments: Sequence[Instrument], now: int) -> None:
        if not instruments:
            return
        venues = tuple(dict.fromkeys(each.exchange for each in instruments))
        reading = Reading(
            value=float(len(instruments)), as_of=now, n=len(instruments), venues=venues,
            note=_words(instruments),
        )  # fmt: skip
        kept = self._samples[what]
        kept.append(Sample(ts=now, value=float(len(instruments)), reading=reading))
        del kept[:-KEPT]


def _of(one: Mapping[str, Instrument], other: Mapping[str, Instrument]) -> list[Instrument]:
    return [one[key] for key in sorted(one.keys() - other.keys())]


def _words(instruments: Sequence[Instrument]) -> str:
    """`ABC/USDT perp on Binance, XYZ/USDT on Bybit and 3 more`."""
    parts = [
        _("{pair}{perp} on {venue}").format(
            pair=f"{each.base}/{each.quote}", perp=_(" perp") if each.perp else "",
            venue=venue_names((each.exchange,)),
        )
        for each in instruments[:NAMED]
    ]  # fmt: skip
    more = len(instruments) - NAMED
    text = ", ".join(parts)
    return _("{text} and {n} more").format(text=text, n=more) if more > 0 else text
