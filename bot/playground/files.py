"""Files the bot sent, kept in memory up to a total size."""

import hashlib
import mimetypes
import struct
from dataclasses import dataclass, field
from typing import Any

from bot.playground.errors import bad
from bot.playground.params import Upload

KEPT = 256 * 1024 * 1024  # bytes; the oldest files go first
PHOTO_LARGEST = 10 * 1024 * 1024
DOWNLOAD_LARGEST = 20 * 1024 * 1024
SIDES = (90, 320, 800, 1280, 2560)  # longest sides of the sizes Telegram makes of a picture


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file and what a message says about it: a `photo` array or a `document` object."""

    id: str
    name: str
    path: str
    data: bytes = field(repr=False)
    kind: str
    shown: Any
    ids: tuple[str, ...]  # all ids it goes by; a picture has one for each of its sizes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture."""
        return self.shown[-1]["width"], self.shown[-1]["height"]

    @property
    def mime(self) -> str:
        """The type its name tells."""
        return mimetypes.guess_type(self.path)[0] or "application/octet-stream"


class FileStore:
    """Files by id and by path."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._order: list[StoredFile] = []
        self._bytes = 0
        self._made = 0

    def add(self, kind: str, upload: Upload) -> StoredFile:
        """Keep an upload as `photo` or `document`; refused like Telegram refuses it."""
        if not upload.data:
            raise bad("file must be non-empty")
        self._made += 1
        digest = hashlib.sha256(upload.data).hexdigest()
        unique = f"{digest[:12]}{self._made:x}"
        stored = (_photo if kind == "photo" else _document)(upload, unique, self._made)
        self._order.append(stored)
        self._files.update(dict.fromkeys((*stored.ids, stored.path), stored))
        self._bytes += len(upload.data)
        while self._bytes > KEPT and len(self._order) > 1:
            self._forget(self._order.pop(0))
        return stored

    def find(self, key: str) -> StoredFile | None:
        """By any of its ids, or by its path."""
        return self._files.get(key)

    def take(self, kind: str, given: Upload | str) -> StoredFile:
        """The file a call sends: uploaded with it, or named by the id of an earlier one."""
        if isinstance(given, Upload):
            return self.add(kind, given)
        if not given:
            raise bad(f"there is no {kind} in the request")
        if "://" in given:
            raise bad("failed to get HTTP URL content")
        stored = self.find(given)
        if stored is None or stored.path == given:
            raise bad("wrong file identifier/HTTP URL specified")
        if stored.kind != kind:
            raise bad(f"can't use file of type {stored.kind.title()} as {kind.title()}")
        return stored

    def _forget(self, stored: StoredFile) -> None:
        self._bytes -= len(stored.data)
        for key in (*stored.ids, stored.path):
            self._files.pop(key, None)


def _photo(upload: Upload, unique: str, number: int) -> StoredFile:
    if len(upload.data) > PHOTO_LARGEST:
        raise bad("too big for a photo")
    kind, width, height = _picture(upload.data)
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    sizes = []
    for side in SIDES:
        scale = min(1.0, side / max(width, height))
        sizes.append({
            "file_id": f"AgAD{unique}s{side}",
            "file_unique_id": f"AQAD{unique}s{side}",
            "width": max(1, round(width * scale)),
            "height": max(1, round(height * scale)),
        })  # fmt: skip
        if scale == 1.0:
            sizes[-1]["file_size"] = len(upload.data)
            break
    return StoredFile(
        id=str(sizes[-1]["file_id"]), name=upload.name, path=f"photos/file_{number}.{kind}",
        data=upload.data, kind="photo", shown=sizes, ids=tuple(str(s["file_id"]) for s in sizes),
    )  # fmt: skip


def _document(upload: Upload, unique: str, number: int) -> StoredFile:
    name = upload.name.replace("/", "_").replace("\\", "_")
    suffix = name.rpartition(".")[2] if "." in name else "bin"
    suffix = suffix if suffix.isalnum() and suffix.isascii() else "bin"
    shown = {
        "file_id": f"BQAD{unique}",
        "file_unique_id": f"AgADd{unique}",
        "file_name": name,
        "mime_type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "file_size": len(upload.data),
    }
    return StoredFile(
        id=f"BQAD{unique}", name=name, path=f"documents/file_{number}.{suffix}",
        data=upload.data, kind="document", shown=shown, ids=(f"BQAD{unique}",),
    )  # fmt: skip


def _picture(data: bytes) -> tuple[str, int, int]:
    """Format, width and height of a PNG or JPEG."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack(">II", data[16:24])
            kind = "png"
        elif data.startswith(b"\xff\xd8"):
            kind, (width, height) = "jpg", _jpeg(data)
        else:
            raise bad("IMAGE_PROCESS_FAILED")
    except (struct.error, IndexError):
        raise bad("IMAGE_PROCESS_FAILED") from None
    if not width or not height:
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return kind, width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    """Width and height from the frame header."""
    at = 2
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0xD9, 0xDA):
            raise bad("IMAGE_PROCESS_FAILED")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
