"""What the environment says: where raw objects are, where the lake is, how long a window is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ConfigError

DAY_MINUTES = 24 * 60
DATABASE = re.compile(r"[a-z0-9_-]{1,255}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Prefixes end with `/` or are empty; `interval_minutes` is the length of a window and divides a day."""

    source_bucket: str
    source_prefix: str
    dest_bucket: str
    dest_prefix: str
    glue_database: str
    interval_minutes: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check SOURCE_BUCKET, SOURCE_PREFIX, DEST_BUCKET, DEST_PREFIX, GLUE_DATABASE and INTERVAL_MINUTES.

        Raises ConfigError that names the variable.
        """
        settings = cls(
            source_bucket=_bucket(environment, "SOURCE_BUCKET"),
            source_prefix=_prefix(environment, "SOURCE_PREFIX"),
            dest_bucket=_bucket(environment, "DEST_BUCKET"),
            dest_prefix=_prefix(environment, "DEST_PREFIX"),
            glue_database=_database(environment),
            interval_minutes=_interval(environment.get("INTERVAL_MINUTES", "15")),
        )
        if settings.source_bucket == settings.dest_bucket and settings.dest_prefix.startswith(settings.source_prefix):
            raise ConfigError("DEST_PREFIX: must lie outside SOURCE_PREFIX, or the lake would be read as raw objects")
        return settings


def _required(environment: Mapping[str, str], name: str) -> str:
    if name not in environment:
        raise ConfigError(f"{name}: missing in the environment")
    return environment[name]


def _bucket(environment: Mapping[str, str], name: str) -> str:
    value = _required(environment, name)
    if not value or "/" in value:
        raise ConfigError(f"{name}: want the name of a bucket, got {value!r}")
    return value


def _prefix(environment: Mapping[str, str], name: str) -> str:
    value = _required(environment, name)
    if value.startswith("/"):
        raise ConfigError(f"{name}: want a prefix as 'raw/', without a leading slash, got {value!r}")
    return value if not value or value.endswith("/") else value + "/"


def _database(environment: Mapping[str, str]) -> str:
    value = _required(environment, "GLUE_DATABASE")
    if not DATABASE.fullmatch(value):
        raise ConfigError(f"GLUE_DATABASE: want lower case letters, digits, '_' and '-', got {value!r}")
    return value


def _interval(text: str) -> int:
    # A window that crosses midnight would belong to two day partitions.
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) == 0 or DAY_MINUTES % int(text):
        raise ConfigError(f"INTERVAL_MINUTES: want whole minutes that divide a day, as 15, got {text!r}")
    return int(text)
