"""Secrets never reach a log: the token is in every request address and in some of the library's errors."""

import logging
import re
import traceback
from collections.abc import Iterable

HIDDEN = "<hidden>"
TOKEN = re.compile(r"(?<!\d)\d{5,}:[A-Za-z0-9_-]{20,}")


class Redactor(logging.Filter):
    """Rewrites a record so that neither its text nor its traceback holds a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = {secret for secret in secrets if secret}

    def hide(self, secret: str) -> None:
        """One more that was learnt later."""
        if secret:
            self._secrets.add(secret)

    def text(self, text: str) -> str:
        """`text` without the secrets and without anything that looks like a bot token."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # no part of one stays
            text = text.replace(secret, HIDDEN)
        return TOKEN.sub(HIDDEN, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, cleaned."""
        record.msg, record.args = self.text(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if record.exc_text:
            record.exc_text = self.text(record.exc_text)
        record.exc_info = None
        if record.stack_info:
            record.stack_info = self.text(record.stack_info)
        return True


def guard_logs(redactor: Redactor) -> None:
    """Clean what the root's handlers write, and keep the HTTP client from logging request addresses."""
    handlers = list(logging.getLogger().handlers)
    if logging.lastResort is not None:
        handlers.append(logging.lastResort)
    for handler in handlers:
        handler.addFilter(redactor)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
