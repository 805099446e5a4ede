"""The language as its users have it: text to a rule, a rule to text, and to plain words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from alerts.conditions import metrics_of
from alerts.figures import Figure
from alerts.language.compile import Compiled, compiled
from alerts.language.echo import Echo
from alerts.language.errors import NoCoin, Unclear, UnknownWord, quoted, refuse
from alerts.language.forks import Fork, Forks
from alerts.language.grammar import Grammar, Sentence
from alerts.language.names import Names
from alerts.language.scan import DEEPEST, Scanner, folded, without_lead
from alerts.language.text import Printer
from alerts.language.tokens import Lexeme
from alerts.language.vocabulary import Vocabulary
from alerts.options import Options, split_options
from alerts.types import (
    ANYTHING,
    EACH,
    WATCHED,
    Condition,
    Metric,
    Sample,
)
from market.errors import UserError
from market.language import _

MOST_READINGS = 24  # compiled for one text
MOST_CHOICES = 8
SPOKEN = (  # names of coins that are mistyped
    "bitcoin", "ethereum", "solana", "ripple", "dogecoin", "cardano", "litecoin", "chainlink",
    "avalanche", "polkadot", "toncoin", "hyperliquid",
)  # fmt: skip
LIKENESS = 0.74  # of a mistyped word


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A rule without its owner. `said` is what was filled in, in words."""

    condition: Condition
    subjects: tuple[str, ...]
    coin: str
    options: Options
    said: tuple[str, ...]


class Language:
    """The rule language over a table of figures; build it once, it keeps its grammar."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        known = tuple(figures)
        self.figures: Mapping[str, Figure] = {each.name: each for each in known}
        self._vocabulary = Vocabulary(known)
        self._grammar = Grammar()

    def parse(self, text: str, names: Names) -> Parsed:
        """The rule a text means; `Unclear` where it can mean more than one, UserError where it means none."""
        try:
            return self._parse(text, names)
        except NoCoin as e:
            raise NoCoin(e.text, without_lead(text)) from e
        except UnknownWord as e:
            choices = self._mended(text, e, names)
            if not choices:
                raise
            question = _("“{word}” is unknown here. Did you mean this?").format(word=quoted(e.word))
            raise Unclear(question, choices) from e

    def rule_text(
        self,
        condition: Condition,
        *,
        subjects: Sequence[str] = (),
        options: Options | None = None,
        names: Names,
    ) -> str:
        """The canonical text; it parses back to the same rule."""
        return Printer(self.figures, names).rule(condition, subjects, options or Options())

    def echo(
        self,
        condition: Condition,
        *,
        subjects: Sequence[str] = (),
        names: Names,
        values: Mapping[Metric, Sample | str] | None = None,
        said: Sequence[str] = (),
        now: int | None = None,
    ) -> list[str]:
        """The rule in plain words, a line for each part, with what is known now."""
        return Echo(self.figures, names, values or {}, now).lines(condition, subjects, said)

    def _parse(self, text: str, names: Names) -> Parsed:
        plain = folded(text)
        words, options = split_options(plain.split())
        sentence = self._sentence(" ".join(words))
        readings = self._readings(sentence, names)
        found = readings.found
        if not found:
            raise readings.error or refuse(_("I can't read that as a rule."))
        if len(found) > 1:
            printer = Printer(self.figures, names)
            texts = [printer.rule(each.condition, each.subjects, options) for each in found]
            if (
                len(texts) > MOST_CHOICES
            ):  # a choice that is not shown could be the one that is meant
                raise _too_many()
            raise Unclear(readings.question, texts)
        only = found[0]
        return Parsed(
            condition=only.condition,
            subjects=only.subjects,
            coin=coin_of(only.condition, only.subjects, names),
            options=options,
            said=only.said,
        )

    def _sentence(self, text: str) -> Sentence:
        tokens: list[Lexeme] = Scanner(self._vocabulary, text).tokens()
        depth = 0
        for each in tokens:
            depth += (each.kind == "OPEN") - (each.kind == "CLOSE")
            if depth > DEEPEST:
                raise refuse(_("That is nested too deep: 8 levels at most."))
        return self._grammar.sentence(tokens)

    def _readings(self, sentence: Sentence, names: Names) -> "_Readings":
        """Every reading that makes sense, each condition once."""
        readings = _Readings()
        waiting: list[tuple[int, ...]] = [()]
        while waiting and readings.tried < MOST_READINGS:
            made = waiting.pop(0)
            readings.tried += 1
            try:
                readings.take(compiled(sentence, self.figures, names, Forks(made)))
            except Fork as fork:
                readings.question = readings.question or fork.question
                waiting += [(*made, each) for each in range(fork.count)]
            except UserError as e:
                readings.error = readings.error or e
        if waiting:
            raise _too_many()
        return readings

    def _mended(self, text: str, unknown: UnknownWord, names: Names) -> list[str]:
        """The rules it would be with the word spelled like one that is known."""
        word = unknown.word
        near = list(unknown.near) + get_close_matches(
            word.lower(), [*self._vocabulary.words, *SPOKEN], 3, LIKENESS
        )
        found: list[str] = []
        for each in dict.fromkeys(near):
            mended = _replaced(text, word, each)
            if mended == text:
                continue
            try:
                parsed = self._parse(mended, names)
            except Unclear as e:
                found += e.choices
            except UserError:
                continue
            else:
                found.append(self.rule_text(parsed.condition, subjects=parsed.subjects,
                                            options=parsed.options, names=names))  # fmt: skip
        return list(dict.fromkeys(found))[:MOST_CHOICES]


def _too_many() -> UserError:
    return refuse(
        _("That can mean too many things. Use brackets, units, and name the coin in each part.")
    )


def _replaced(text: str, word: str, other: str) -> str:
    """The text with the first such word spelled otherwise."""
    match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)
    return text if match is None else text[: match.start()] + other + text[match.end() :]


class _Readings:
    """What one text can mean."""

    def __init__(self) -> None:
        self.found: list[Compiled] = []
        self.question = ""
        self.error: UserError | None = None
        self.tried = 0

    def take(self, found: Compiled) -> None:
        """Keep a reading that is not there yet."""
        known = [(each.condition, each.subjects) for each in self.found]
        if (found.condition, found.subjects) not in known:
            self.found.append(found)


def coin_of(condition: Condition, subjects: Sequence[str], names: Names) -> str:
    """What a rule is grouped under: its first coin, its list, or the watch list."""
    if subjects:
        shown = {WATCHED: _("watch list"), ANYTHING: _("any coin")}
        return ",".join(shown.get(each, names.coin(each)) for each in subjects)
    for metric in metrics_of(condition):
        if metric.subject != EACH and (coin := names.coin(metric.subject)):
            return coin
    return ""
