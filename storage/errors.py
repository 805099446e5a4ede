"""What goes wrong with the database, in one sentence and without any stored data."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from market.errors import AssistantError


class StorageError(AssistantError):
    """The database refused, is away, is damaged, or was asked for something it cannot do."""


def sentence(error: BaseException) -> str:
    """The driver's own words; statements and their parameters stay out of logs and messages."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        text = text.split(" (Background on this error")[0]
    return f"The database did not do it: {text.rpartition('>: ')[2]}"
