"""Where one text has more than one reading."""

from collections.abc import Sequence


class Fork(Exception):
    """The compiler came to a question that was not answered."""

    def __init__(self, question: str, count: int) -> None:
        super().__init__(question)
        self.question = question
        self.count = count


class Forks:
    """The answers given so far, in the order the questions come; the next question stops the compiler."""

    def __init__(self, made: Sequence[int] = ()) -> None:
        self._made = tuple(made)
        self._next = 0

    def choose(self, question: str, count: int) -> int:
        """The answer, or a `Fork`."""
        if count == 1:
            return 0
        if self._next == len(self._made):
            raise Fork(question, count)
        self._next += 1
        return self._made[self._next - 1]
