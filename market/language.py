"""The words a user reads go through gettext from the start; English is the text in the code itself."""

import gettext
from pathlib import Path

_translation: gettext.NullTranslations = gettext.NullTranslations()


def use_language(code: str, folder: Path) -> None:
    """Load the catalogue of `code` from `folder`; English where there is none."""
    global _translation  # noqa: PLW0603 - the one language of the process
    _translation = gettext.translation("tidemark", folder, [code], fallback=True)


def _(text: str) -> str:
    """The translation of `text`."""
    return _translation.gettext(text)


def plural(one: str, many: str, n: int) -> str:
    """The translation of `one` or `many` for the count `n`."""
    return _translation.ngettext(one, many, n)
