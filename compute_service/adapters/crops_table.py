"""The crops of FAO-56's tables, as `crops.yaml` has them, each with its page; read once."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from agronomy.crops import Crop
from compute_service.errors import ComputeError

_FILE = Path(__file__).with_name("crops.yaml")


class UnknownCropError(ComputeError):
    """No such crop, or no such calendar of it, in the tables; the text names what is near."""


def names() -> tuple[str, ...]:
    """The crops of the tables, in their order."""
    return tuple(_tables())


def calendars(name: str) -> tuple[str, ...]:
    """Where, and when planted, the tables know the stages of a crop; the first is the default.

    Raises UnknownCropError.
    """
    return tuple(_row(name)[1]["days"])


def crop(name: str, calendar: str | None = None, *, rainfed: bool = False) -> Crop:
    """A crop of the tables by its English or Brazilian name; raises UnknownCropError.

    Rainfed roots go deeper than those that irrigation is planned for.
    """
    key, row = _row(name)
    days = row["days"]
    if calendar is not None and calendar not in days:
        raise UnknownCropError(f"{name}: no calendar {calendar!r}{_near(calendar, days)}; known: {', '.join(days)}")
    lengths = days[calendar] if calendar is not None else next(iter(days.values()))
    return Crop(
        name=key,
        name_pt=row["pt"],
        days=tuple(lengths),
        single=tuple(row["kc"]),
        basal=tuple(row["kcb"]),
        height_m=row["height"],
        roots_m=row["roots"][rainfed],
        depletion_fraction=row["p"],
        perennial=row.get("cycle", False),
        closes=row.get("closes"),
    )


@cache
def _tables() -> dict[str, dict[str, Any]]:
    # libyaml's, where PyYAML has it: ten times as fast, and the service reads this at each start.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows: dict[str, dict[str, Any]] = yaml.load(_FILE.read_bytes(), Loader=loader)  # noqa: S506  # both are safe
    return rows


def _row(name: str) -> tuple[str, dict[str, Any]]:
    rows = _tables()
    key = next((key for key, row in rows.items() if name in {key, row["pt"]}), None)
    if key is None:
        raise UnknownCropError(f"no crop {name!r}{_near(name, rows)}; known: {', '.join(rows)}")
    return key, rows[key]


def _near(name: str, names: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(names), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
