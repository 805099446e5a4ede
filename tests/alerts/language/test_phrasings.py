"""Two hundred phrasings, written before the parser: each is the rule it has to be, a question, or a refusal."""

from pathlib import Path

import pytest
from rule_expectation import expected
from rule_world import FIGURES, names

from alerts.language.errors import Unclear
from alerts.language.rules import Language
from market.errors import UserError

LINES = [
    line.split("\t")
    for line in (Path(__file__).parent / "phrasings.txt").read_text().splitlines()
    if not line.startswith("#")
]
NAMES = names()
MOST_QUESTIONS = 0.10


@pytest.fixture(scope="module")
def language() -> Language:
    return Language(FIGURES)


def outcome(language: Language, text: str) -> object:
    try:
        parsed = language.parse(text, NAMES)
    except Unclear:
        return "ASK"
    except UserError:
        return "REFUSE"
    return parsed.condition, parsed.subjects, parsed.options


def test_there_are_two_hundred() -> None:
    assert len(LINES) == 200


@pytest.mark.parametrize(("text", "meaning"), LINES, ids=[line[0] for line in LINES])
def test_it_is_understood(language: Language, text: str, meaning: str) -> None:
    wanted = meaning if meaning in ("ASK", "REFUSE") else expected(meaning)
    assert outcome(language, text) == wanted


def test_few_of_them_are_asked_about(language: Language) -> None:
    asked = sum(outcome(language, text) == "ASK" for text, _meaning in LINES)
    print(f"asked back: {asked} of {len(LINES)}")  # noqa: T201 - the share is what the test is about
    assert asked <= MOST_QUESTIONS * len(LINES)


@pytest.mark.parametrize("text", [text for text, meaning in LINES if meaning == "ASK"], ids=str)
def test_each_answer_to_a_question_is_one_rule(language: Language, text: str) -> None:
    with pytest.raises(Unclear) as caught:
        language.parse(text, NAMES)
    assert caught.value.choices
    assert caught.value.question
    rules = [language.parse(each, NAMES) for each in caught.value.choices]
    assert len({repr((each.condition, each.subjects)) for each in rules}) == len(rules)


@pytest.mark.parametrize(
    "text",
    [text for text, meaning in LINES if meaning not in ("ASK", "REFUSE")],
    ids=str,
)
def test_its_canonical_text_is_the_same_rule(language: Language, text: str) -> None:
    parsed = language.parse(text, NAMES)
    written = language.rule_text(
        parsed.condition, subjects=parsed.subjects, options=parsed.options, names=NAMES
    )
    again = language.parse(written, NAMES)
    assert (again.condition, again.subjects, again.options) == (
        parsed.condition,
        parsed.subjects,
        parsed.options,
    )
    assert again.coin == parsed.coin
