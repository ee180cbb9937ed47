"""The zones file as a form: its fields with their values, and the same file with some of them changed.

Comments, order and anchors of the file stay: only what somebody changed is another line.
"""

import io
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import date
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from console.errors import FormError

TEXT, NUMBER, DAY, LIST = "text", "number", "date", "list"


class Field(NamedTuple):
    """A key of the file, and what its value is; one with a dot is in the mapping that stands before it."""

    name: str
    kind: str
    choices: tuple[str, ...] = ()


MODES = ("", "act", "advice")
FARM = (
    Field("farm", TEXT),
    Field("timezone", TEXT),
    Field("latitude", NUMBER),
    Field("longitude", NUMBER),
    Field("elevation_m", NUMBER),
    Field("pump_l_min", NUMBER),
    Field("forecast", TEXT),
    Field("weather_stations", LIST),
    Field("nodes", LIST),
    Field("mode", TEXT, MODES),
    Field("water_price_m3", NUMBER),
    Field("energy_price_m3", NUMBER),
    Field("currency", TEXT),
)
ZONE = (
    Field("mode", TEXT, MODES),
    Field("crop", TEXT),
    Field("sown", DAY),
    Field("soil", TEXT),
    Field("field_capacity", NUMBER),
    Field("wilting_point", NUMBER),
    Field("root_depth_m", NUMBER),
    Field("allowed_depletion", NUMBER),
    Field("area_m2", NUMBER),
    Field("application_rate_mm_h", NUMBER),
    Field("efficiency", NUMBER),
    Field("infiltration_mm_h", NUMBER),
    Field("max_run_s", NUMBER),
    Field("cooldown_s", NUMBER),
    Field("daily_cap_s", NUMBER),
    Field("max_reading_age_s", NUMBER),
    Field("limits.daily_l", NUMBER),
    Field("limits.seasonal_l", NUMBER),
    Field("limits.hours", LIST),
    Field("limits.frost_c", NUMBER),
    Field("limits.wind_m_s", NUMBER),
    Field("fallback.run_s", NUMBER),
    Field("fallback.days", NUMBER),
    Field("fallback.after_offline_s", NUMBER),
    Field("calendar", TEXT),
    Field("gateway_id", TEXT),
    Field("sensor_id", TEXT),
    Field("probe_depth_m", NUMBER),
)


def values(text: str, zone_id: str | None) -> dict[str, str]:
    """Every field of the farm, or of a zone, as a form shows it. Raises FormError."""
    row = _row(_load(text), zone_id)
    return {field.name: _shown(_get(row, field.name)) for field in (FARM if zone_id is None else ZONE)}


def changed(text: str, zone_id: str | None, form: Mapping[str, str]) -> str:
    """The file with the fields that are other than before; what is left empty is left away. Raises FormError."""
    document = _load(text)
    row = _row(document, zone_id)
    is_other = False
    for field in FARM if zone_id is None else ZONE:
        if field.name in form and form[field.name].strip() != _shown(_get(row, field.name)):
            _set(row, field, form[field.name].strip())
            is_other = True
    if not is_other:
        return text
    file = io.StringIO()
    _yaml(text).dump(document, file)
    return file.getvalue()


def zone_ids(text: str) -> list[str]:
    """The zones of a file, in its order. Raises FormError."""
    return [str(row.get("zone_id")) for row in _rows(_load(text))]


def _yaml(text: str) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    if re.search(r"^zones:[^\n]*\n(\s*#[^\n]*\n)*  - ", text, re.MULTILINE):
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _load(text: str) -> Any:
    try:
        document = _yaml(text).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise FormError("file_unreadable", why=" ".join(str(error).split())[:300]) from error
    if not isinstance(document, MutableMapping):
        raise FormError("file_unreadable", why="—")
    return document


def _rows(document: Any) -> Iterator[MutableMapping[str, Any]]:
    zone_rows = document.get("zones")
    yield from (row for row in zone_rows if isinstance(row, MutableMapping)) if isinstance(zone_rows, list) else ()


def _row(document: Any, zone_id: str | None) -> MutableMapping[str, Any]:
    if zone_id is None:
        row: MutableMapping[str, Any] = document
        return row
    zone_row = next((row for row in _rows(document) if str(row.get("zone_id")) == zone_id), None)
    if zone_row is None:
        names = ", ".join(str(row.get("zone_id")) for row in _rows(document))
        raise FormError("no_zone", zone=zone_id, zones=names[:300])
    return zone_row


def _get(row: Mapping[str, Any], name: str) -> Any:
    outer, _, own = name.rpartition(".")
    if not outer:
        return row.get(name)
    inner = row.get(outer)
    return inner.get(own) if isinstance(inner, Mapping) else None


def _set(row: MutableMapping[str, Any], field: Field, text: str) -> None:
    outer, _, name = field.name.rpartition(".")
    inner = row
    if outer:
        if not isinstance(row.get(outer), MutableMapping):
            row[outer] = {}
        inner = row[outer]
    if text:
        inner[name] = _value(field, text)
    else:
        inner.pop(name, None)
    if outer and not inner:
        row.pop(outer)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _value(field: Field, text: str) -> Any:
    """What a field's text stands for; one that cannot be stays a text, and the file's own check says what it wants."""
    if field.kind == LIST:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        if field.kind == NUMBER:
            plain = text.replace(",", ".")
            return int(plain) if re.fullmatch(r"-?\d{1,12}", plain) else float(plain)
        return date.fromisoformat(text) if field.kind == DAY else text
    except ValueError:
        return text
