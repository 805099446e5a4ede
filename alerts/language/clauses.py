"""One clause to a condition: which figure, how it is compared, with what, over which time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import cast

from alerts.figures import Figure, How, Scope, Unit
from alerts.language.amounts import Amount
from alerts.language.errors import UnknownWord, quoted, refuse
from alerts.language.grammar import Core
from alerts.language.leaves import (
    About,
    Given,
    Leaves,
    first_metric,
    has_change,
    no_change,
    number,
    number_token,
)
from alerts.language.levels import is_percent, unit_words
from alerts.language.metrics import is_line
from alerts.language.slots import Slots, typed_amount
from alerts.language.tokens import AMB, DUR, Lexeme
from alerts.language.vocabulary import CROSS, FIG, MORE, PLAIN, Compare
from alerts.types import AllOf, AnyOf, Condition, Cross, Not, Op, Rise, State
from market.language import _

DEFAULT = "price"  # the figure where none is named
FLATS = (0.002, 0.005, 0.01)  # what "flat" may mean


class ClauseCompiler:
    """The clauses of one sentence, in the order they were typed."""

    def __init__(self, given: Given) -> None:
        self._figures, self._subjects = given.figures, given.subjects
        self._forks, self._said = given.forks, given.said
        self._leaves = Leaves(given)

    def condition(self, slots: Slots, *, lone: bool, held: bool) -> Condition:
        """The condition of a clause; a list of coins joined by “and” is asked about."""
        names = self._subjects.spread(_both(slots))
        question = _("Any one of {names}, or all of them at once?").format(names=", ".join(names))
        if names and self._forks.choose(question, 2) == 1:
            parts = [replace(slots, subjects=None, coins=name.split()[:1], tails=name.split()[1:],
                             times=list(slots.times)) for name in names]  # fmt: skip
            return AllOf(parts=tuple(self._one(each, lone=False, held=held) for each in parts))
        return self._one(slots, lone=lone, held=held)

    def _one(self, slots: Slots, *, lone: bool, held: bool) -> Condition:
        figure = self._figure(slots)
        _one_coin(slots, figure, self._figures)
        about = About(slots=slots, figure=figure, lone=lone, held=held)
        condition = self._made(about)
        self._leaves.last = (figure, first_metric(condition))
        if slots.times or slots.numbers:
            rest = (slots.times or slots.numbers)[0].text
            raise refuse(_no_place(figure, rest, slots))
        _nothing_left(slots, condition)
        return condition

    def _figure(self, slots: Slots) -> Figure:
        """The figure that is named, the one before where nothing is, or the price."""
        price = self._figures[DEFAULT]
        if slots.figure is not None:
            return slots.figure
        if slots.core is None and not slots.numbers:
            word = " ".join(slots.coins) or (slots.times[0].text if slots.times else "")
            text = _("What about “{word}”? Say which figure, and when.").format(word=quoted(word))
            raise UnknownWord(slots.coins[-1] if slots.coins else word, text)
        if self._leaves.last is None or self._leaves.last[0].name == DEFAULT:
            return price
        before = self._leaves.last[0]
        if not slots.named and How.EVENT not in before.hows:
            return before
        fitting = [each for each in (price, before) if _could_be(slots, each)] or [price]
        question = _("Of the {one} or of the {other}?").format(one=before.shown, other=price.shown)
        return fitting[self._forks.choose(question, len(fitting))]

    def _made(self, about: About) -> Condition:
        core = about.slots.core
        if core is None:
            return self._bare(about)
        typed = about.slots.amount()
        if typed is not None and typed.kind == FIG:
            return self._line(about, core, typed)
        make = {
            "change": self._changed, "change_compare": self._changed, "change_to": self._changed,
            "move": self._moved, "move_compare": self._moved, "sign": self._signed, "turn": self._signed,
            "flip": self._signed, "between": self._ranged, "outside": self._ranged, "stay": self._stayed,
            "flat": self._flat, "happens": self._happened,
        }.get(core.how, self._plainly)  # fmt: skip
        return make(about, core)

    def _plainly(self, about: About, core: Core) -> Condition:
        return self._compared(about, self._compare(about, core), about.slots.amount())

    def _happened(self, about: About, core: Core) -> Condition:
        return self._leaves.event(about, Op.ABOVE, None)

    # comparisons

    def _compare(self, about: About, core: Core) -> Compare:
        """Direction and manner of a comparison."""
        token = core.part("CMP")
        if token is None:  # goes to
            return Compare(op=Op.EITHER, how=CROSS)
        compare = token.value
        assert isinstance(compare, Compare)  # noqa: S101 - of the vocabulary
        if core.how == "reach":
            compare = Compare(op=compare.op, how=CROSS)
        turned = about.slots.turned
        if turned is not None:
            if compare.op is not Op.EITHER:
                raise refuse(_("“{word}” goes with “crosses”.").format(word=quoted(turned.text)))
            assert isinstance(turned.value, Op)  # noqa: S101 - of the vocabulary
            compare = Compare(op=turned.value, how=CROSS)
            about.slots.turned = None
        return compare

    def _compared(self, about: About, compare: Compare, typed: Lexeme | None) -> Condition:
        amount = number(about, typed)
        if How.EVENT in about.figure.hows:
            if compare.op is Op.EITHER:
                raise refuse(
                    _("Above or below? {figure} is an event.").format(figure=about.figure.shown)
                )
            return self._leaves.event(about, compare.op, amount)
        if amount.unit == "%" and not is_percent(about.figure) and has_change(about.figure):
            question = _("{text} of the {figure} is a change: which way?")
            signs = self._either_sign(
                about, question.format(text=amount.text, figure=about.figure.shown)
            )
            return self._leaves.rises(about, amount, signs)
        if amount.sign == "+" and has_change(about.figure):
            raise refuse(
                _("A change has its own sign: +5% rises, -5% falls; leave out above and below.")
            )
        figure, level = self._leaves.level(about, amount)
        return self._leaves.compared(replace(about, figure=figure), compare, level)

    def _line(self, about: About, core: Core, typed: Lexeme) -> Condition:
        """`crosses above ema 200`: the distance from a line is above 0."""
        target: Figure = typed.value[0]  # type: ignore[index]
        if about.figure.name != DEFAULT or not is_line(target):
            raise refuse(_("“{word}” is no level; say a number.").format(word=quoted(typed.text)))
        on_line = replace(about, figure=target)
        if core.how in ("change_compare", "compare", "reach"):
            compare = self._compare(about, core)
            if core.how == "change_compare":
                compare = Compare(op=compare.op, how=CROSS)
            return self._leaves.compared(on_line, compare, 0.0)
        raise refuse(_("Say crosses above, or is below “{word}”.").format(word=quoted(typed.text)))

    def _ranged(self, about: About, core: Core) -> Condition:
        numbers = [each for each in core.parts if each.kind in ("NUM", AMB, DUR, FIG)]
        pairs = [self._leaves.level(about, number(about, each)) for each in numbers]
        (figure, low), (other, high) = sorted(pairs, key=lambda each: each[1])
        if figure is not other or low == high or How.EVENT in figure.hows:
            raise refuse(_("A range needs two levels of one sort."))
        metric = self._leaves.metric(replace(about, figure=figure))
        if core.how == "between":
            return AllOf(parts=(State(metric=metric, op=Op.ABOVE, level=low),
                                State(metric=metric, op=Op.BELOW, level=high)))  # fmt: skip
        return AnyOf(parts=(State(metric=metric, op=Op.BELOW, level=low),
                            State(metric=metric, op=Op.ABOVE, level=high)))  # fmt: skip

    def _signed(self, about: About, core: Core) -> Condition:
        """Negative, turns positive, flips."""
        figure = about.figure
        if not figure.signed:
            raise refuse(_("{figure} has no sign.").format(figure=figure.shown))
        token = core.part("SIGN")
        op = token.value if token else Op.EITHER
        assert isinstance(op, Op)  # noqa: S101 - of the vocabulary
        if How.EVENT in figure.hows:
            return self._leaves.event(about, op, None)
        how = PLAIN if core.how == "sign" else CROSS
        compare = core.part("CMP")
        if compare is not None and getattr(compare.value, "op", None) is not Op.EITHER:
            raise refuse(_("I don't understand “{word}” here.").format(word=quoted(compare.text)))
        return self._leaves.compared(about, Compare(op=op, how=how), 0.0)

    # changes

    def _changed(self, about: About, core: Core) -> Condition:
        """Rises 3%, falls by more than 500, rises above 95k, falls to 90k."""
        typed = about.slots.amount()
        rise = core.part("RISE")
        sign = rise.value if rise else 1
        assert isinstance(sign, int)  # noqa: S101 - of the vocabulary
        op = Op.ABOVE if sign > 0 else Op.BELOW
        if core.how == "change_to":
            return self._compared(about, Compare(op=op, how=CROSS), typed)
        if core.how == "change_compare":
            token = core.part("CMP")
            compare = token.value if token else None
            assert isinstance(compare, Compare)  # noqa: S101 - of the vocabulary
            amount = number(about, typed)
            change = compare.how == MORE or (
                amount.unit == "%" and not is_percent(about.figure) and has_change(about.figure)
            )
            if not change and compare.op is op:
                return self._compared(about, Compare(op=op, how=CROSS), typed)
            if not change or compare.op is not Op.ABOVE:
                raise refuse(_("“{word}” and “{other}” do not go together.").format(
                    word=rise.text if rise else "", other=token.text if token else ""))  # fmt: skip
        _not_a_time(typed, about.slots)
        amount = number(about, typed)
        if amount.sign and (amount.sign == "-") != (sign < 0):
            raise refuse(_("“{text}” has the wrong sign for that word.").format(text=amount.text))
        unsigned = replace(amount, value=abs(amount.value))
        if is_percent(about.figure) and How.CHANGE not in about.figure.hows:
            raise refuse(no_change(about.figure))
        return self._leaves.rises(about, unsigned, (sign,))

    def _moved(self, about: About, core: Core) -> Condition:
        typed, token = about.slots.amount(), core.part("CMP")
        amount = number(about, typed)
        compare = token.value if token else None
        if isinstance(compare, Compare) and not (
            compare.op is Op.ABOVE
            and (compare.how == MORE or (amount.unit == "%" and not is_percent(about.figure)))
        ):
            if compare.how == MORE:
                raise refuse(_("A change of less than something is always so; say “within”."))
            return self._compared(about, Compare(op=compare.op, how=CROSS), typed)
        _not_a_time(typed, about.slots)
        if amount.sign:
            raise refuse(_("Moves go both ways: leave out the sign, or say rises or falls."))
        return self._leaves.rises(about, amount, (1, -1))

    def _stayed(self, about: About, core: Core) -> Condition:
        """Within 0.3%: not moved by it; of a distance: nearer than it."""
        figure, amount = about.figure, number(about, about.slots.amount())
        if amount.sign:
            raise refuse(_("“within” takes a size without a sign."))
        if has_change(figure):
            return Not(part=self._leaves.rises(about, amount, (1, -1)))
        if How.EVENT in figure.hows:
            raise refuse(no_change(figure))
        _figure, level = self._leaves.level(about, amount)
        if not figure.signed:
            return self._leaves.compared(about, Compare(op=Op.BELOW, how=PLAIN), level)
        metric = self._leaves.metric(about)
        return AllOf(parts=(State(metric=metric, op=Op.ABOVE, level=-level),
                            State(metric=metric, op=Op.BELOW, level=level)))  # fmt: skip

    def _flat(self, about: About, core: Core) -> Condition:
        if not has_change(about.figure):
            raise refuse(no_change(about.figure))
        metric = self._leaves.metric(about, change=True)
        share = FLATS[self._forks.choose(_("How flat is flat?"), len(FLATS))]
        rises = [Rise(metric=metric, amount=each, relative=True) for each in (share, -share)]
        return Not(part=AnyOf(parts=tuple(rises)))

    def _either_sign(self, about: About, question: str) -> Sequence[int]:
        """Up, down or both, asked for where it was not said."""
        return ((1,), (-1,), (1, -1))[self._forks.choose(question, 3)]

    # events, and numbers without a verb

    def _bare(self, about: About) -> Condition:
        """A figure and a number with nothing between: as the short commands have it, or a question."""
        figure, numbers = about.figure, about.slots.numbers
        if not numbers:
            return self._wordless(about)
        if len(numbers) > 1:
            raise refuse(_("Two numbers: “{first}” and “{second}”. Which is the level?").format(
                first=numbers[0].text, second=numbers[1].text))  # fmt: skip
        if figure.unit is not Unit.MONEY:
            _not_a_time(numbers[0], about.slots)
        amount = number(about, numbers.pop())
        if How.EVENT in figure.hows:
            return self._leaves.event(about, Op.ABOVE, amount)
        if has_change(figure) and (amount.sign or about.slots.either or amount.unit == "%"):
            size = replace(amount, value=abs(amount.value))
            if about.slots.either:
                return self._leaves.rises(about, size, (1, -1))
            if amount.sign:
                return self._leaves.rises(about, size, (1 if amount.sign == "+" else -1,))
            question = _("{text}: up, down, or either way?").format(text=amount.text)
            return self._leaves.rises(about, size, self._either_sign(about, question))
        return self._bare_level(about, amount)

    def _bare_level(self, about: About, amount: Amount) -> Condition:
        figure = about.figure
        if figure.touch and about.lone:
            return self._compared(about, Compare(op=Op.EITHER, how=CROSS), number_token(amount))
        if not figure.signed and figure.unit in (Unit.MONEY, Unit.RATIO) and not has_change(figure):
            self._said.append(_("above {text}, as no other word was said").format(text=amount.text))
            return self._compared(about, Compare(op=Op.ABOVE, how=PLAIN), number_token(amount))
        question = _("{figure} {text}: which way?").format(figure=figure.shown, text=amount.text)
        if not has_change(figure):
            op = (Op.ABOVE, Op.BELOW)[self._forks.choose(question, 2)]
            return self._compared(about, Compare(op=op, how=PLAIN), number_token(amount))
        ways = 5 if figure.unit is Unit.AMOUNT and not amount.unit else 4
        answer = self._forks.choose(question, ways)
        if answer >= 2 and answer < 4:
            return self._leaves.rises(about, amount, ((1,), (-1,))[answer - 2])
        amount = replace(amount, unit="$") if answer == 4 else amount
        op = Op.BELOW if answer == 1 else Op.ABOVE
        return self._compared(about, Compare(op=op, how=PLAIN), number_token(amount))

    def _wordless(self, about: About) -> Condition:
        """Only a figure: an event, or a sign said as a side."""
        figure, sides = about.figure, about.slots.sides
        if How.EVENT in figure.hows:
            return self._leaves.event(about, Op.ABOVE, None)
        way = {"bullish": Op.ABOVE, "buy": Op.ABOVE, "bearish": Op.BELOW, "sell": Op.BELOW}
        if figure.signed and len(sides) == 1 and sides[0].value in way and not figure.params:
            op = way[str(sides.pop().value)]
            return self._leaves.compared(about, Compare(op=op, how=PLAIN), 0.0)
        raise refuse(
            _("What about {figure}? Above or below {unit}?").format(
                figure=figure.shown, unit=unit_words(figure)
            )
        )


def _no_place(figure: Figure, rest: str, slots: Slots) -> str:
    if slots.times:
        text = _(
            "{figure} has no window, so “{rest}” says nothing; “until 2d” ends an alert, “for 5m” is how long."
        )
        return text.format(figure=figure.shown, rest=quoted(rest))
    return _("I don't know what “{rest}” is for.").format(rest=quoted(rest))


def _could_be(slots: Slots, figure: Figure) -> bool:
    """Whether a clause without a figure can be about this one: eth > 0.05% is not about its price."""
    if slots.is_change():
        return has_change(figure)
    typed = slots.amount()
    amount = typed_amount(typed) if typed is not None else None
    return amount is None or amount.unit != "%" or is_percent(figure)


def _nothing_left(slots: Slots, condition: Condition) -> None:
    """Refuse words that changed nothing: what was said has to count."""
    if slots.turned is not None:
        raise refuse(_("“{word}” goes with “crosses”.").format(word=quoted(slots.turned.text)))
    both = isinstance(condition, AnyOf) or (
        isinstance(condition, Cross) and condition.op is Op.EITHER
    )
    if slots.either and not both:
        raise refuse(_("“either way” goes with “moves” and “crosses”."))


def _not_a_time(typed: Lexeme | None, slots: Slots) -> None:
    """`up 15m` has no size: fifteen minutes or millions, nobody can tell."""
    if typed is not None and typed.kind == AMB and not slots.times:
        raise refuse(
            _("“{text}”: minutes, or million? Say how much, and then in which time.").format(
                text=quoted(typed.text)
            ),
        )


def _both(slots: Slots) -> tuple[str, ...]:
    """The names of “btc and eth”."""
    if slots.subjects is None:
        return ()
    how, names = cast(tuple[str, tuple[str, ...]], slots.subjects.value)
    return tuple(names) if how == "both" else ()


def _one_coin(slots: Slots, figure: Figure, figures: Mapping[str, Figure]) -> None:
    """One market in a clause; the second name is a parameter, or a word nobody knows."""
    coins = slots.coins
    if len(coins) == 2 and figure.param.isalpha() and not figure.params and not slots.versus:
        slots.versus = coins.pop()
    if len(coins) > 1:
        words = [
            word for each in figures.values() for phrase in each.words for word in phrase.split()
        ]
        strange = [
            each for each in coins if get_close_matches(each.lower(), [*words, *_VERBS], 1, 0.75)
        ]
        raise UnknownWord((strange or coins[1:])[0])
    if figure.scope is Scope.MARKET and coins:
        raise refuse(
            _("{figure} is of the whole market; leave out the coin.").format(figure=figure.shown)
        )


_VERBS = ("above", "below", "crosses", "rises", "falls", "drops", "within", "positive", "negative")
