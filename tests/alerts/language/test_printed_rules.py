"""Ten thousand sentences of an independent printer: none becomes another rule than the one that was printed."""

from collections import Counter

import pytest
from printer import RulePrinter
from rule_world import FIGURES, names

from alerts.language.rules import Language
from market.errors import UserError

NAMES = names()
MOST_UNANSWERED = 0.10  # asked about or refused


def outcomes(seed: int, count: int) -> Counter[str]:
    """How many sentences were understood, and how many not; another rule than the printed one fails."""
    language, printer = Language(FIGURES), RulePrinter(seed)
    found: Counter[str] = Counter()
    for _ in range(count):
        rule = printer.rule()
        try:
            parsed = language.parse(rule.text, NAMES)
        except UserError as e:
            found[type(e).__name__] += 1
            continue
        read = (parsed.condition, parsed.subjects, parsed.options)
        assert read == (rule.condition, rule.subjects, rule.options), rule.text
        found["understood"] += 1
    return found


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_no_sentence_becomes_another_rule(seed: int) -> None:
    found = outcomes(seed, 2500)
    print(seed, dict(found))  # noqa: T201 - the share that asks is of interest
    assert 2500 - found["understood"] <= MOST_UNANSWERED * 2500


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_no_sentence_of_many_becomes_another_rule(seed: int) -> None:
    found = outcomes(seed, 20_000)
    assert 20_000 - found["understood"] <= MOST_UNANSWERED * 20_000
