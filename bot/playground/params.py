"""Parameters of one call, from JSON, a form, a query or a multipart body: all of them arrive as text or JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.playground.errors import ApiError, bad

LARGEST = 50 * 1024 * 1024  # bytes of an upload
_UNSET: Any = object()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in the body of a call."""

    name: str
    data: bytes


class Params:
    """Values by name; nothing given is the default, nonsense is a `Bad Request`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self._values.get(name, default)
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number; what is none counts as not given, as with Telegram."""
        value = self._values.get(name)
        try:
            return default if value is None or isinstance(value, Upload) else int(value)
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """A boolean."""
        return str(self._values.get(name, "")).lower() in ("true", "yes", "1")

    def data(self, name: str, default: Any = None) -> Any:
        """A value that is sent as JSON text or, in a JSON body, as itself."""
        value = self._values.get(name, _UNSET)
        if value is _UNSET or value == "":
            return default
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise bad(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def structure(self, name: str) -> dict[str, Any]:
        """A JSON object; {} where it is not given."""
        value = self.data(name, {})
        if not isinstance(value, dict):
            raise bad(f"object expected as {name.replace('_', ' ')}")
        return value

    def rows(self, name: str) -> list[Any]:
        """A JSON array; [] where it is not given."""
        value = self.data(name, [])
        if not isinstance(value, list):
            raise bad(f"expected an Array of {name}")
        return value

    def file(self, name: str) -> Upload | str:
        """An upload, by itself or as `attach://part`; or the text that names a file."""
        value = self._values.get(name, "")
        return value if isinstance(value, Upload) else self.attached(str(value))

    def attached(self, reference: str) -> Upload | str:
        """What `attach://part` points to; any other text as it is."""
        if not reference.startswith("attach://"):
            return reference
        upload = self._values.get(reference.removeprefix("attach://"))
        if not isinstance(upload, Upload):
            raise bad("wrong file identifier/HTTP URL specified")
        return upload

    def logged(self) -> dict[str, Any]:
        """The values for the log of calls: files as name and size, JSON read."""
        return {name: _readable(value) for name, value in self._values.items()}


def _readable(value: Any) -> Any:
    if isinstance(value, Upload):
        return {"file": value.name, "bytes": len(value.data)}
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


async def read_params(request: web.Request) -> Params:
    """Query and body of a request together."""
    values: dict[str, Any] = dict(request.query)
    try:
        if request.content_type == "application/json":
            body = json.loads(await request.read() or b"{}")
            if not isinstance(body, dict):
                raise bad("can't parse request JSON object")
            values.update(body)
        elif request.content_type == "multipart/form-data":
            await _read_parts(request, values)
        elif request.can_read_body:
            values.update(await request.post())
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request Entity Too Large") from None
    except (ValueError, RecursionError):
        raise bad("can't parse request body") from None
    return Params(values)


async def _read_parts(request: web.Request, values: dict[str, Any]) -> None:
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            with value.file as file:
                values[name] = Upload(value.filename or "file", file.read())
        else:
            values[name] = value if isinstance(value, str) else bytes(value).decode()
