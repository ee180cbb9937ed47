"""An update file: settings for one gateway or for a group of them, such as `all`."""

from pathlib import Path
from typing import Any

from checked_yaml import document
from checked_yaml.checks import did_you_mean
from checked_yaml.errors import CheckedYamlError
from compute_service.errors import ConfigError
from protocol import messages, topics
from protocol.errors import MessageError

_KEYS = ("device_id", "settings")


def load(path: Path) -> tuple[str, dict[str, int]]:
    """Read `{device_id: all, settings: {...}}` from YAML or JSON; raises ConfigError."""
    try:
        update = document.plain(document.read(path, "docs/compute.md"), path)
    except CheckedYamlError as error:
        raise ConfigError(path, error.mistakes) from error
    if not isinstance(update, dict):
        raise ConfigError(path, [f"{path}: want the keys {' and '.join(_KEYS)}"])
    unknown = [f"{path}: unknown key {key!r}{did_you_mean(str(key), _KEYS)}" for key in update if key not in _KEYS]
    unknown += _unknown_settings(path, update.get("settings"))
    if unknown:
        raise ConfigError(path, unknown)
    sample = {"update_id": "check", "device_id": update.get("device_id"), "issued_at": messages.EARLIEST}
    try:
        messages.check("update", {**sample, "settings": update.get("settings")})
    except MessageError as error:
        remedy = f" (such as {topics.GROUP_ALL})" if error.field == "device_id" else ""
        raise ConfigError(path, [f"{path}: {error.field}: {error.why}{remedy}"]) from error
    return update["device_id"], update["settings"]


def _unknown_settings(path: Path, settings: Any) -> list[str]:
    names = settings if isinstance(settings, dict) else ()
    limits = messages.SETTINGS
    return [
        f"{path}: settings: unknown {name!r}{did_you_mean(str(name), limits)}; known: {', '.join(sorted(limits))}"
        for name in names
        if name not in limits
    ]
