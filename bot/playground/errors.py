"""Refusals in the words of the Bot API."""

from typing import Any


class ApiError(Exception):
    """An answer with `ok` false."""

    def __init__(self, code: int, text: str, **parameters: int) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        answer = {"ok": False, "error_code": self.code, "description": self.text}
        return {**answer, "parameters": self.parameters} if self.parameters else answer


def bad(text: str) -> ApiError:
    """400."""
    return ApiError(400, f"Bad Request: {text}")


def forbidden(text: str) -> ApiError:
    """403."""
    return ApiError(403, f"Forbidden: {text}")


def conflict(text: str) -> ApiError:
    """409."""
    return ApiError(409, f"Conflict: {text}")


def too_many(retry_after: int) -> ApiError:
    """429; `retry_after` in whole seconds."""
    text = f"Too Many Requests: retry after {retry_after}"
    return ApiError(429, text, retry_after=retry_after)


def not_found() -> ApiError:
    """404: unknown method, or a token that cannot be one."""
    return ApiError(404, "Not Found")
