"""From a sentence of the grammar to a condition.

Wherever a careful person would ask back, the compiler forks: `Forks.choose` stops it, and `Language` compiles
once for each answer. What makes no sense is dropped there; what is left is asked about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerts.conditions import is_pulse, parts_of
from alerts.figures import Figure
from alerts.language.clauses import ClauseCompiler
from alerts.language.errors import refuse
from alerts.language.forks import Forks
from alerts.language.grammar import Chain, Clause, Group, Negation, Node, Sentence, Sequel
from alerts.language.leaves import Given
from alerts.language.names import Names
from alerts.language.slots import Slots, length_of, slots_of
from alerts.language.subjects import Subjects
from alerts.language.tokens import HOLD, WINDOW, WITHIN, Lexeme
from alerts.types import AllOf, AnyOf, Condition, For, Not, Then
from market.language import _
from market.types import DAY, HOUR

SEQUEL = HOUR  # within, where nothing was said
LONGEST_HOLD = 7 * DAY
LONGEST_SEQUEL = 7 * DAY
DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A condition, the subjects it is about each of, and what was filled in."""

    condition: Condition
    subjects: tuple[str, ...]
    said: tuple[str, ...]


def compiled(
    sentence: Sentence, figures: Mapping[str, Figure], names: Names, forks: Forks
) -> Compiled:
    """One reading of a sentence."""
    return _Compiler(sentence, figures, names, forks).run()


class _Compiler:
    def __init__(
        self, sentence: Sentence, figures: Mapping[str, Figure], names: Names, forks: Forks
    ) -> None:
        self._forks = forks
        self._body = sentence.body
        clauses = list(_clauses(sentence.body))
        self._slots: dict[int, Slots] = {id(each): slots_of(each) for each in clauses}
        self._lone = len(clauses) == 1
        self._said: list[str] = []
        self._within: dict[int, int] = {}
        self._find_sequels(sentence.body)
        slots = list(self._slots.values())
        self._subjects = Subjects(names, forks, slots, sentence.head)
        self._clauses = ClauseCompiler(
            Given(
                figures=figures, subjects=self._subjects, forks=forks, clauses=slots, said=self._said
            )
        )  # fmt: skip

    def run(self) -> Compiled:
        condition = self._node(self._body, lone=self._lone)
        _check(condition, 1)
        return Compiled(
            condition=condition,
            subjects=self._subjects.listed(),
            said=tuple(dict.fromkeys(self._said)),
        )

    def _node(self, node: Node, *, lone: bool = False) -> Condition:
        match node:
            case Clause():
                return self._clause(node, lone=lone)
            case Negation():
                return self._negation(node)
            case Group():
                return self._group(node, lone=lone)
            case Sequel():
                return self._sequel(node)
            case Chain():
                return self._chain(node, lone=lone)

    def _clause(self, clause: Clause, *, lone: bool) -> Condition:
        slots = self._slots[id(clause)]
        if slots.hold is not None and slots.is_change() and not slots.times:
            question = _("“{time}”: the window of the change, or how long it has to last?")
            if self._forks.choose(question.format(time=slots.hold.text), 2) == 0:
                slots.times.append(slots.hold)
                slots.hold = None
        hold, negated = slots.take_hold(), slots.negated
        condition = self._clauses.condition(slots, lone=lone and not negated and hold is None,
                                            held=hold is not None)  # fmt: skip
        if hold is None:
            return Not(part=condition) if negated else condition
        return (
            self._held_not(condition, _hold(hold))
            if negated
            else For(part=condition, duration=_hold(hold))
        )

    def _held_not(self, condition: Condition, duration: int) -> Condition:
        question = _("Is it to be untrue for that long, or not to be true for that long?")
        if self._forks.choose(question, 2) == 0:
            return For(part=Not(part=condition), duration=duration)
        return Not(part=For(part=condition, duration=duration))

    def _negation(self, node: Negation) -> Condition:
        clause = node.part if isinstance(node.part, Clause) else None
        slots = self._slots[id(clause)] if clause is not None else None
        hold = slots.take_hold() if slots is not None else None
        if hold is None or slots is None:
            return Not(part=self._node(node.part))
        condition = self._clauses.condition(slots, lone=False, held=True)
        condition = Not(part=condition) if slots.negated else condition
        return self._held_not(condition, _hold(hold))

    def _group(self, node: Group, *, lone: bool) -> Condition:
        holds = [each for each in node.tail if each.kind == HOLD]
        others = [each for each in node.tail if each.kind != HOLD and id(each) not in self._within]
        if others or len(holds) > 1:
            word = (others or holds)[-1].text
            raise refuse(_("I don't know what “{word}” belongs to.").format(word=word))
        condition = self._node(node.part, lone=lone and not holds)
        return For(part=condition, duration=_hold(holds[0])) if holds else condition

    def _sequel(self, node: Sequel) -> Condition:
        if node.backwards:
            second, first = self._node(node.second), self._node(node.first)
        else:
            first, second = self._node(node.first), self._node(node.second)
        within = self._within.get(id(node))
        if within is None:
            within = SEQUEL
            self._said.append(_("the second within 1h of the first, as nothing else was said"))
        return Then(first=first, second=second, within=within)

    def _chain(self, node: Chain, *, lone: bool) -> Condition:
        if len(node.parts) == 1:
            return self._node(node.parts[0], lone=lone)
        hold = self._shared_hold(node)
        joints = _joints(node.joints)
        parts = [
            self._negation(Negation(part=each))
            if place and joints[place - 1] == "UNLESS"
            else self._node(each)
            for place, each in enumerate(node.parts)
        ]
        condition = self._joined(parts, ["OR" if each == "OR" else "AND" for each in joints])
        return condition if hold is None else For(part=condition, duration=_hold(hold))

    def _joined(self, parts: Sequence[Condition], joints: Sequence[str]) -> Condition:
        kinds = set(joints)
        if len(kinds) == 1:
            return AllOf(parts=tuple(parts)) if kinds == {"AND"} else AnyOf(parts=tuple(parts))
        question = _("“and” with “or”: what belongs together?")
        inner = "AND" if self._forks.choose(question, 2) == 0 else "OR"
        runs: list[list[Condition]] = [[parts[0]]]
        for joint, part in zip(joints, parts[1:], strict=True):
            if joint == inner:
                runs[-1].append(part)
            else:
                runs.append([part])
        within, between = (AllOf, AnyOf) if inner == "AND" else (AnyOf, AllOf)
        made = [run[0] if len(run) == 1 else within(parts=tuple(run)) for run in runs]
        return between(parts=tuple(made))

    def _shared_hold(self, node: Chain) -> Lexeme | None:
        """`A and B for 3m`: whether the time is of the last part alone, or of all of them."""
        slots = [self._slots_of(each) for each in node.parts]
        last = slots[-1]
        if last is None or last.hold is None or any(each and each.hold for each in slots[:-1]):
            return None
        question = _("“for {time}”: only the last part, or all of it?").format(
            time=last.hold.text[4:]
        )
        return last.take_hold() if self._forks.choose(question, 2) == 1 else None

    def _slots_of(self, node: Node) -> Slots | None:
        node = node.part if isinstance(node, Negation) else node
        return self._slots[id(node)] if isinstance(node, Clause) else None

    def _find_sequels(self, node: Node) -> None:
        """Give each `then` its time before anything else asks for it."""
        match node:
            case Sequel():
                self._find_sequels(node.first)
                self._find_sequels(node.second)
                self._find_within(node)
            case Chain():
                for each in node.parts:
                    self._find_sequels(each)
            case Negation():
                self._find_sequels(node.part)
            case Group():
                self._find_sequels(node.part)
                inner = node.part
                if isinstance(inner, Sequel) and id(inner) not in self._within:
                    self._take_tail(inner, node)
            case Clause():
                pass

    def _find_within(self, node: Sequel) -> None:
        if node.within is not None:
            self._within[id(node)] = _sequel_length(node.within)
            return
        last = _last(node.second)
        if isinstance(last, Group):
            self._take_tail(node, last)
        elif isinstance(last, Clause):
            taken = self._slots[id(last)].take_within(self._forks)
            first = _last(node.first)
            if taken is None and node.backwards and isinstance(first, Clause):
                taken = self._slots[id(first)].take_within(self._forks)
            if taken is not None:
                self._within[id(node)] = _sequel_length(taken)

    def _take_tail(self, node: Sequel, group: Group) -> None:
        times = [each for each in group.tail if each.kind in (WITHIN, WINDOW)]
        if times and id(times[-1]) not in self._within:
            self._within[id(node)] = _sequel_length(times[-1])
            self._within[id(times[-1])] = 0


def _last(node: Node) -> Node:
    """The rightmost part that is not inside brackets."""
    match node:
        case Chain():
            return _last(node.parts[-1])
        case Negation():
            return _last(node.part)
        case Sequel():
            return _last(node.second)
        case _:
            return node


def _clauses(node: Node) -> Sequence[Clause]:
    """All clauses in the order they were typed."""
    match node:
        case Clause():
            return [node]
        case Chain():
            return [found for each in node.parts for found in _clauses(each)]
        case Sequel():
            parts = (node.second, node.first) if node.backwards else (node.first, node.second)
            return [found for each in parts for found in _clauses(each)]
        case Negation() | Group():
            return _clauses(node.part)


def _joints(joints: Sequence[str]) -> list[str]:
    """A comma stands for the word that comes later in the list."""
    found = list(joints)
    if set(found) == {"COMMA"}:
        raise refuse(_("Say “and” or “or” between the parts."))
    for place in range(len(found) - 1, -1, -1):
        if found[place] == "COMMA":
            later = found[place + 1] if place + 1 < len(found) else ""
            found[place] = later or next(each for each in found if each != "COMMA")
            found[place] = "AND" if found[place] == "UNLESS" else found[place]
    return found


def _hold(token: Lexeme) -> int:
    ms = length_of(token)
    if not 1000 <= ms <= LONGEST_HOLD:
        raise refuse(_("“{text}”: it can be held for 1s to 7d.").format(text=token.text))
    return ms


def _sequel_length(token: Lexeme) -> int:
    ms = length_of(token)
    if not 1000 <= ms <= LONGEST_SEQUEL:
        raise refuse(
            _("“{text}”: what follows can be waited for 1s to 7d.").format(text=token.text)
        )
    return ms


def _check(condition: Condition, depth: int) -> None:
    """Refuse what can never become true, or always is, and what is nested too deep."""
    if depth > DEEPEST:
        raise refuse(_("That is nested too deep: 8 levels at most."))
    match condition:
        case AllOf() if sum(is_pulse(each) for each in condition.parts) > 1:
            raise refuse(
                _(
                    "Two crossings or events are never at one moment; say “is above” for one of them, or “then”."
                )
            )
        case Not() if is_pulse(condition.part):
            raise refuse(
                _(
                    "“not” needs something that lasts, like “is above”; a crossing or an event is over at once."
                )
            )
        case For() if is_pulse(condition.part):
            raise refuse(
                _(
                    "“for” needs something that lasts, like “is above”; a crossing or an event is over at once."
                )
            )
    for part in parts_of(condition):
        _check(part, depth + 1)
