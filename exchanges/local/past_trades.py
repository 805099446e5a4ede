"""Past trades by time and by number, without generating a day of them."""

from exchanges.local.source import Source
from market.types import DAY, HOUR, MINUTE, Instrument, Trade

REACH = 24 * HOUR  # how far a search by time looks for the first trade
OLDEST = 90 * DAY  # how far back numbers are searched


def trades_from(
    source: Source, instrument: Instrument, start: int, end: int, limit: int
) -> list[Trade]:
    """The first `limit` trades with start <= ts <= end."""
    found: list[Trade] = []
    end = min(end, source.clock.now())
    left, step = start - 1, MINUTE
    while len(found) < limit and left < end and left - start < REACH:
        right = min(left + step, end)
        found += source.trades(instrument, left, right)
        left, step = right, step * 2
    return found[:limit]


def trades_until(source: Source, instrument: Instrument, end: int, limit: int) -> list[Trade]:
    """The last `limit` trades with ts <= end, oldest first."""
    found: list[Trade] = []
    right, step = min(end, source.clock.now()), MINUTE
    floor = right - REACH
    while len(found) < limit and right > floor:
        left = max(right - step, floor)
        found = source.trades(instrument, left, right) + found
        right, step = left, step * 2
    return found[-limit:]


def trades_after(
    source: Source, instrument: Instrument, number: int, limit: int
) -> list[Trade] | None:
    """`limit` trades from a trade number on; None where the number is older than what can be searched."""
    newest = source.recent_trades(instrument, limit)
    if not newest or int(newest[-1].id) < number:
        return []
    if int(newest[0].id) <= number:
        return [each for each in newest if int(each.id) >= number]
    moment = _before(source, instrument, number)
    if moment is None:
        return None
    found: list[Trade] = []
    left, step = moment, MINUTE
    while len(found) < limit and left < source.clock.now():
        right = left + step
        found += [each for each in source.trades(instrument, left, right) if int(each.id) >= number]
        left, step = right, step * 2
    return found[:limit]


def trades_between(
    source: Source, instrument: Instrument, newer: int | None, older: int | None, limit: int
) -> list[Trade]:
    """The newest `limit` trades with newer < number < older, oldest first; none where trades have no numbers."""
    newest = source.recent_trades(instrument, limit)
    if not all(each.id.isdigit() for each in newest):
        return []
    if newest and older is not None and int(newest[-1].id) >= older:
        newest = _last_before(source, instrument, older, limit)
    low, high = -1 if newer is None else newer, older
    return [
        each for each in newest if low < int(each.id) and (high is None or int(each.id) < high)
    ][-limit:]


def _last_before(source: Source, instrument: Instrument, number: int, limit: int) -> list[Trade]:
    """At least the `limit` trades before a number that is over, and some from there on."""
    moment = _before(source, instrument, number)
    if moment is None:
        return []
    after = source.trades(instrument, moment, moment + 2 * MINUTE)
    inside = [each for each in after if int(each.id) < number]
    return trades_until(source, instrument, moment, limit - len(inside)) + inside


def _before(source: Source, instrument: Instrument, number: int) -> int | None:
    """A moment before the trade of this number and not long before it."""
    now = source.clock.now()
    early, back = now, MINUTE
    while (first := _first(source, instrument, early, now)) is None or first > number:
        if back > OLDEST:
            return None
        early, back = now - back, back * 2
    late = now
    while late - early > MINUTE:
        middle = (early + late) // 2
        first = _first(source, instrument, middle, late)
        if first is None or first > number:
            late = middle
        else:
            early = middle
    return early


def _first(source: Source, instrument: Instrument, after: int, until: int) -> int | None:
    """The number of the first trade later than `after`."""
    step = MINUTE
    while after < until:
        found = source.trades(instrument, after, min(after + step, until))
        if found:
            return int(found[0].id)
        after, step = after + step, step * 2
    return None
