"""The rule language: what traders type to conditions, conditions back to text, and never a guess in between."""

from alerts.language.errors import Unclear
from alerts.language.names import MarketNames, Names
from alerts.language.rules import Language, Parsed

__all__ = ["Language", "MarketNames", "Names", "Parsed", "Unclear"]
