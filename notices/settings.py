"""The settings of the notices: a TOML file that names the channels, their language, and when people sleep."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from notices.channels import KINDS
from notices.errors import SettingsError
from notices.outbox import Channel
from notices.quiet import NEVER, Quiet

COMMON = {"name", "kind", "language", "most_level", "group_s", "quiet", "timezone"}
OWN = {"apprise": {"url"}, "sns": {"topic_arn", "endpoint_url"}}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def load(path: Path) -> tuple[Channel, ...]:
    """The channels of a settings file. Raises SettingsError with one sentence."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give the file with the channels") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from error
    rows = document.get("channel", [])
    strange = sorted(set(document) - {"channel", "language", "quiet", "timezone"})
    if strange or not isinstance(rows, list) or not rows:
        why = f"knows no {', '.join(strange)}" if strange else "want one [[channel]] at least"
        raise SettingsError(f"{path}: {why}")
    common: dict[str, Any] = {name: document[name] for name in ("language", "quiet", "timezone") if name in document}
    try:
        channels = tuple(_channel({**common, **row}) for row in rows)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names):
        raise SettingsError(f"{path}: two channels have one name: {', '.join(names)}")
    return channels


def _channel(row: Mapping[str, Any]) -> Channel:
    name, kind = str(row.get("name") or row.get("kind")), str(row.get("kind"))
    if kind not in KINDS:
        raise SettingsError(f"channel {name}: kind {kind!r} is none; there are {', '.join(KINDS)}")
    if strange := sorted(set(row) - COMMON - OWN[kind]):
        raise SettingsError(
            f"channel {name}: knows no {', '.join(strange)}; it has {', '.join(sorted(OWN[kind] | COMMON))}"
        )
    row = {**row, "name": name}
    return Channel(
        name=name,
        send=KINDS[kind](row),
        language=str(row.get("language", "en")),
        most_level=_count(row, "most_level", 9),
        group_s=_count(row, "group_s", 120),
        quiet=_quiet(name, row),
    )


def _count(row: Mapping[str, Any], name: str, usual: int) -> int:
    value = row.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SettingsError(f"channel {row.get('name')}: {name} {value!r}: want a whole number of 0 or more")
    return value


def _quiet(name: str, row: Mapping[str, Any]) -> Quiet:
    hours, timezone = row.get("quiet", []), str(row.get("timezone", "UTC"))
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"channel {name}: timezone {timezone!r} is none; want one like America/Sao_Paulo"
        ) from error
    if hours == []:
        return NEVER
    matches = [_CLOCK.fullmatch(str(hour)) for hour in hours] if isinstance(hours, list) else []
    minutes = [60 * int(match[1]) + int(match[2]) for match in matches if match]
    if len(minutes) != 2 or len(matches) != 2:
        raise SettingsError(f'channel {name}: quiet {hours!r}: want two times, such as ["22:00", "06:00"]')
    return Quiet(minutes[0], minutes[1], timezone)
