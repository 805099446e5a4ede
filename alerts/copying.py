"""A rule about another coin: each part on the same venue and kind of market as before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alerts.conditions import metrics_of, with_parts
from alerts.figures import Figure, Scope
from alerts.language.names import EVERYTHING, EVERYWHERE, MarketNames
from alerts.types import EACH, Condition, Cross, Event, Metric, Rise, State
from market.errors import UserError
from market.language import _
from market.symbols import Query


def coin_of(condition: Condition, names: MarketNames, example: str) -> str:
    """The one coin a rule is about; UserError where it is about several, or about none."""
    subjects = [metric.subject for metric in metrics_of(condition)]
    coins = list(dict.fromkeys(names.coin(s) for s in subjects if s not in (EVERYTHING, EACH)))
    if EACH in subjects:
        raise UserError(_("It is about a list of coins; say it anew for another list."), example)
    if not coins:
        raise UserError(_("It is about the whole market, so there is nothing to copy."), example)
    if len(coins) > 1:
        text = _("It is about {coins} together; say it anew for other coins.")
        raise UserError(text.format(coins=_(" and ").join(coins)), example)
    return coins[0]


def about_coin(
    condition: Condition, query: Query, figures: Mapping[str, Figure], names: MarketNames
) -> Condition:
    """The same about the coin of `query`; UserError where it has no such market.

    A venue, or spot or perp, that is named goes for every part; else each part keeps its own.
    """
    if not isinstance(condition, Cross | State | Rise | Event):
        return with_parts(condition, lambda part: about_coin(part, query, figures, names))
    metric = condition.metric
    figure = figures[metric.name]
    if figure.scope is Scope.MARKET:
        return condition
    if metric.param.upper() == query.base:
        text = _("{figure} of {coin} with itself says nothing.")
        raise UserError(text.format(figure=figure.shown, coin=query.base))
    subject = _subject(metric, query, figure, names)
    return replace(condition, metric=replace(metric, subject=subject))


def _subject(metric: Metric, query: Query, figure: Figure, names: MarketNames) -> str:
    error: UserError | None = None
    for text in _spellings(metric.subject, query, names):
        try:
            return names.subject(text, figure.scope, figure)
        except UserError as e:
            error = error or e
    raise error or UserError(_("Which coin?"))


def _spellings(subject: str, query: Query, names: MarketNames) -> Sequence[str]:
    """How the market is called that is to stand for `subject`, the most alike first."""
    if query.exchange is not None or query.perp is not None or query.quote is not None:
        return [query.text]
    if subject.startswith(EVERYWHERE):
        _coin, slash, quote = subject.removeprefix(EVERYWHERE).partition("/")
        return [names.words(f"{EVERYWHERE}{query.base}{slash}{quote}")]
    exchange, _colon, symbol = subject.partition(":")
    rest = symbol.partition("/")[2]
    sort = "perp" if ":" in rest else "spot"
    return [f"{exchange}:{query.base}/{rest}", f"{query.base} {sort} {exchange}"]
