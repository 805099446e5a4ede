"""A rule about another coin: each part on the same venue and kind of market as before.

A price, or a number of coins, belongs to the coin it was said of: $94,000 means nothing on ETH. Such thresholds
are carried by the price instead (as far from it as before, or worth as much), and shown before they are armed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alerts.conditions import leaves, metrics_of, with_parts
from alerts.figures import Figure, Scope, Unit
from alerts.kinds.words import number_text
from alerts.language.names import EVERYTHING, EVERYWHERE, MarketNames, Names
from alerts.language.rules import Language
from alerts.options import split_options
from alerts.types import EACH, AlertRule, Condition, Cross, Event, Leaf, Metric, Rise, State
from market.errors import UserError
from market.format import price
from market.language import _
from market.symbols import Query

DIGITS = 5  # of a threshold that was carried over: below a hundredth of a percent off


class CoinLevels(UserError):
    """A copy whose thresholds belong to the coin it is copied from, so it was not made.

    `rule` is the copy with its thresholds carried by the price, `line` the command that arms it, `prices` what the
    old and the new coin cost at that moment, in their quote currencies.
    """

    def __init__(
        self, rule: AlertRule, line: str, coins: tuple[str, str], prices: tuple[float, float]
    ) -> None:
        text = _("Its level belongs to {coin}; carried over by the price it is another one.")
        super().__init__(text.format(coin=coins[0]), line)
        self.rule, self.line = rule, line
        self.coins, self.prices = coins, prices

    @property
    def moved(self) -> str:
        """By which prices the thresholds were carried."""
        return " → ".join(
            f"{coin} {price(each)}" for coin, each in zip(self.coins, self.prices, strict=True)
        )


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


def belongs(condition: Condition, figures: Mapping[str, Figure]) -> bool:
    """Whether a threshold of it is a price or a number of coins, which says nothing of another coin."""
    return any(
        _threshold(leaf) != 0
        and not (isinstance(leaf, Rise) and leaf.relative)
        and figures[leaf.metric.name].unit in (Unit.PRICE, Unit.AMOUNT)
        for leaf in leaves(condition)
    )


def carried(condition: Condition, figures: Mapping[str, Figure], ratio: float) -> Condition:
    """Prices times `ratio`, the new coin's price by the old one's; numbers of coins by it. The rest stays."""
    if not isinstance(condition, Cross | State | Rise | Event):
        return with_parts(condition, lambda part: carried(part, figures, ratio))
    if not belongs(condition, figures):
        return condition
    factor = ratio if figures[condition.metric.name].unit is Unit.PRICE else 1 / ratio
    old = _threshold(condition)
    new = float(f"{old * factor:.{DIGITS}g}")
    if isinstance(condition, Rise):
        return replace(condition, amount=new)
    if isinstance(condition, Event) or condition.rearm is None:
        return replace(condition, level=new)
    return replace(condition, level=new, rearm=condition.rearm * new / old)


def retold(rule: AlertRule, condition: Condition, language: Language, names: Names) -> list[str]:
    """The words after the command for `rule` with another condition: short where they were, else in full."""
    words = rule.text.split()[1:]
    if isinstance(condition, Leaf) and isinstance(rule.condition, Leaf):
        before, after = (number_text(abs(_threshold(leaf))) for leaf in (rule.condition, condition))
        places = [n for n, word in enumerate(words) if word.lstrip("+-") == before]
        if before == after or len(places) == 1:
            words[0] = names.words(condition.metric.subject)
            for n in places:
                words[n] = words[n].replace(before, after)
            return words
    options = split_options(words)[1]
    return language.rule_text(condition, options=options, names=names).split()


def _threshold(leaf: Leaf) -> float:
    return leaf.amount if isinstance(leaf, Rise) else leaf.level


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
