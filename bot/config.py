"""Settings: from the environment or `.env`, checked at start, refused in one sentence a person can act on."""

import difflib
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alerts.channels.types import ChannelSettings
from bot.channel_settings import CHANNEL_NAMES, channel_settings
from market.clock import Clock
from market.types import EXCHANGES, MINUTE

LIVE_API = "https://api.telegram.org/bot"
LIVE_FILES = "https://api.telegram.org/file/bot"
LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost):\d{1,5}/?")
ENVIRONMENT_ONLY = (
    "WEBHOOK_ALLOW",
)  # nothing that can write a file opens the way to private hosts
NEAR = 0.86  # likeness from which a foreign name counts as a misspelt one of ours


class SettingsError(ValueError):
    """Something in the environment or `.env` has to be changed; the text says what."""


class Settings(BaseModel):
    """All settings of the product by their fixed names (upper case in the environment)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telegram_bot_token: str = ""
    telegram_base_url: str = LIVE_API
    telegram_base_file_url: str = LIVE_FILES
    telegram_webhook_url: str = ""
    telegram_webhook_secret: str = ""
    port: int = Field(default=8443, ge=0, le=65535)
    admin_ids: tuple[int, ...] = ()
    access: Literal["request", "open", "closed"] = "request"
    database_url: str = ""
    market: Literal["live", "sim", "recording"] | None = None
    recording_dir: Path | None = None
    recording_at: str = ""
    sim_seed: int = Field(default=1, ge=0)
    sim_start: str = ""
    sim_scenario: str = ""
    market_speed: float = Field(default=1.0, gt=0, le=3600)
    market_url: str = ""
    record: Path | None = None
    record_max_gb: float = Field(default=20.0, gt=0)
    watch_top: int = Field(default=20, ge=0, le=100)
    exchanges: tuple[str, ...] = EXCHANGES
    playground_port: int = Field(default=8080, ge=0, le=65535)
    channels: ChannelSettings = ChannelSettings()  # by their own names, each typed like all else
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, values: Mapping[str, object]) -> dict[str, object]:
        own = {name: value for name, value in values.items() if name in CHANNEL_NAMES}
        return {n: v for n, v in values.items() if n not in own} | {"channels": own}

    @field_validator("channels", mode="before")
    @classmethod
    def _channels(cls, values: Mapping[str, str]) -> ChannelSettings:
        return channel_settings(values)

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        if bad := [word for word in words if not word.isdecimal()]:
            raise ValueError(
                f"{bad[0]!r} is not a Telegram user id; write numbers, like 12345,67890"
            )
        return tuple(int(word) for word in words)

    @field_validator("exchanges", mode="before")
    @classmethod
    def _venues(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        words = tuple(dict.fromkeys(w.lower() for w in value.replace(",", " ").split()))
        if bad := [word for word in words if word not in EXCHANGES]:
            raise ValueError(f"{bad[0]!r} is not one of {' '.join(EXCHANGES)}")
        if not words:
            raise ValueError(f"name at least one of {' '.join(EXCHANGES)}")
        return words

    @field_validator("log_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("recording_at", "sim_start")
    @classmethod
    def _moment(cls, value: str, info: ValidationInfo) -> str:
        words = ("start", "end") if info.field_name == "recording_at" else ()
        if value and value not in words:
            moment(value)
        return value

    @field_validator("market_url")
    @classmethod
    def _local(cls, value: str) -> str:
        if value and not LOCAL.fullmatch(value):
            raise ValueError(
                f"{value!r} is no address on this machine; write what `python -m bot market` printed, "
                "like http://127.0.0.1:9000"
            )
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        schemes = (
            "sqlite:///",
            "sqlite+aiosqlite:///",
            "postgres://",
            "postgresql://",
            "postgresql+asyncpg://",
        )
        if value and not value.startswith(schemes):
            raise ValueError(
                "write a database URL like sqlite:///data/tidemark.db or postgresql://user:password@host/name"
            )
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        if self.mode == "recording" and self.recording_dir is None:
            raise ValueError("MARKET=recording needs RECORDING_DIR, the folder with recording.json")
        folder = self.recording_dir
        if self.mode == "recording" and folder and not (folder / "recording.json").is_file():
            raise ValueError(f"RECORDING_DIR {folder} has no recording.json")
        if self.market_url and self.mode == "live":
            raise ValueError(
                "MARKET_URL is a local market; it needs MARKET=sim or MARKET=recording"
            )
        if self.telegram_webhook_url and not self.telegram_webhook_secret:
            raise ValueError(
                "TELEGRAM_WEBHOOK_URL needs TELEGRAM_WEBHOOK_SECRET, 1-256 of A-Z a-z 0-9 _ -"
            )
        if self.telegram_webhook_url and not self.telegram_webhook_url.startswith("https://"):
            raise ValueError("TELEGRAM_WEBHOOK_URL must start with https://")
        if self.telegram_webhook_url and not self.telegram_bot_token:
            raise ValueError("TELEGRAM_WEBHOOK_URL needs TELEGRAM_BOT_TOKEN")
        return self

    @property
    def mode(self) -> Literal["live", "sim", "recording"]:
        """Where market data come from: live with a token, simulated without, unless MARKET says otherwise."""
        return self.market or ("live" if self.telegram_bot_token else "sim")

    @property
    def playground(self) -> bool:
        """Whether the chat is the local page."""
        return not self.telegram_bot_token

    @property
    def database(self) -> str:
        """Where things are kept. By default real, simulated and replayed markets never share a file."""
        name = "tidemark" if self.mode == "live" else f"tidemark-{self.mode}"
        return self.database_url or f"sqlite:///data/{name}.db"

    def start_of_sim(self, wall: Clock) -> int:
        """The moment at which a simulated market starts, floored to the minute."""
        at = moment(self.sim_start) if self.sim_start else wall.now()
        return at // MINUTE * MINUTE


NAMES = tuple(
    name.upper()
    for field in Settings.model_fields
    for name in (CHANNEL_NAMES if field == "channels" else (field,))
)


def moment(text: str) -> int:
    """Milliseconds UTC of `text`: a number of ms or an ISO time (UTC where it names no zone)."""
    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment; write ms since 1970 or an ISO time like 2026-06-14T12:00:00Z"
        ) from None
    return int((at if at.tzinfo else at.fromisoformat(f"{text}+00:00")).timestamp() * 1000)


def load(
    environment: Mapping[str, str] | None = None, dotenv: Path = Path(".env"), **overrides: object
) -> Settings:
    """Settings of this process: `overrides` beat the environment, which beats `.env`."""
    environment = dict(os.environ) if environment is None else environment
    filed = (
        {k.upper(): v or "" for k, v in dotenv_values(dotenv).items()} if dotenv.is_file() else {}
    )
    _refuse_unknown(filed, dotenv)
    _refuse_near_misses(environment)
    for name in ENVIRONMENT_ONLY:
        if filed.get(name):
            raise SettingsError(f"{dotenv} sets {name}, which is taken from the environment alone.")
    values: dict[str, object] = {}
    for name in NAMES:
        text = environment.get(name) or filed.get(name)
        if text:
            values[name.lower()] = text.strip()
    values |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """The first complaint of a validation as one sentence that names the setting."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if part != "channels").upper()
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "literal_error":
        text = f"{first['input']!r} is not one of {first['ctx']['expected']}"
    elif name and first["type"] != "value_error":
        text = f"{first['input']!r}: {text[0].lower()}{text[1:]}"
    return f"{name}: {text}." if name else f"{text}."


def _refuse_unknown(filed: Mapping[str, str], dotenv: Path) -> None:
    for name in filed:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(NAMES)}"
            raise SettingsError(f"{dotenv} sets {name}, which is not a setting of Tidemark{hint}")


def _refuse_near_misses(environment: Mapping[str, str]) -> None:
    """A misspelt name would be ignored silently, and the default would be traded on."""
    for name in environment:
        if name in NAMES or len(name) < 6:
            continue
        close = difflib.get_close_matches(name.upper(), NAMES, 1, NEAR)
        if close:
            raise SettingsError(f"The environment sets {name}; did you mean {close[0]}?")
