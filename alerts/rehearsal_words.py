"""A rehearsal in sentences: how often, how evenly, from what, and what followed, with no claim beyond its interval."""

from alerts.rehearsal import NotRehearsed, Rehearsal
from analytics.lift import Lift, Verdict
from market import format as fmt
from market.language import _
from market.types import DAY, HOUR


def lines(found: Rehearsal | NotRehearsed, horizon: int = HOUR) -> list[str]:
    """One line about how often; one about what followed within `horizon`, where it fired at all."""
    if isinstance(found, NotRehearsed):
        return [_("cannot be rehearsed: {reason}").format(reason=found.reason)]
    followed = next((each for each in found.followed if each.horizon == horizon), None)
    out = [counted(found)]
    if followed is not None:
        out.append(after(followed))
    elif found.count:
        out.append(_("what followed: n/a ({reason})").format(reason=found.unmeasured))
    return out


def counted(found: Rehearsal) -> str:
    """`would have fired 14 times in 30 d (median gap 40 m, most on 05-12: 6), from 1m candles`."""
    span = fmt.duration(round(found.span / DAY) * DAY) if found.span >= DAY else fmt.age(found.span)
    about = []
    if found.gap is not None:
        about.append(_("median gap {gap}").format(gap=fmt.age(found.gap)))
    if found.busiest is not None and found.busiest[1] > 1:
        day, count = found.busiest
        about.append(_("most on {day}: {n}").format(day=_date(day), n=count))
    once, often = _("would have fired once in {span}"), _("would have fired {n} times in {span}")
    text = (once if found.count == 1 else often).format(n=found.count, span=span)
    if about:
        text += f" ({', '.join(about)})"
    if found.made_of:
        text += _(", from {candles}").format(candles=_(" and ").join(found.made_of))
    if found.markets < found.of_markets:
        looked = _(", looked at {n} of {all} markets")
        text += looked.format(n=found.markets, all=found.of_markets)
    return text


def after(lift: Lift) -> str:
    """`1 h later: moved 0.62 %, usually 0.41 %; more than usual in 64 % (52 to 75 %, chance 50 %, n 14)`."""
    text = _("{after} later: moved {moved}, usually {usual}").format(
        after=fmt.duration(lift.horizon),
        moved=fmt.percent(lift.moved, 2, signed=False),
        usual=fmt.percent(lift.usual, 2, signed=False),
    )
    size = lift.size
    if size.verdict is Verdict.FEW:
        return text + _("; n {n}: not enough to say more").format(n=lift.windows)
    return text + _("; more than usual in {share} ({low} to {high}, chance 50 %, n {n})").format(
        share=fmt.percent(size.value, 0, signed=False),
        low=f"{size.low * 100:.0f}",
        high=fmt.percent(size.high, 0, signed=False),
        n=lift.windows,
    )


def _date(day: int) -> str:
    return fmt.utc(day)[:10]
