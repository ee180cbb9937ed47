"""A day decided again, from the inputs that were kept with its decisions: bit for bit the same, or it is told.

A zone's whole model is kept with its first decision of a day (UTC) and of each start of the service; from there on the
model moves by what is kept, as it did then.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from agronomy.units import DAY_S
from compute_service.adapters import crops_table
from compute_service.domain.decide import Decision
from compute_service.domain.inputs import Inputs, conclude, zone_from
from compute_service.domain.model_check import ModelError
from compute_service.domain.ports import DecisionBook, DecisionRow
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import ZoneModel


@dataclass(frozen=True, slots=True)
class Repeated:
    """A decision that was made again; `differs` says in what it came out otherwise."""

    decision_id: str
    zone_id: str
    differs: str = ""


def day(book: DecisionBook, begin: int) -> Iterator[Repeated]:
    """Make all decisions of the day that begins then (Unix s) again, zone by zone, in the order they were made."""

    @cache
    def zone_of(digest: str) -> Zone:
        return zone_from(book.settings(digest), crops_table.crop)

    models: dict[str, ZoneModel | None] = {}
    for row, inputs in book.with_inputs(begin, begin + DAY_S):
        zone = zone_of(inputs["zone"])
        if "model" in inputs:
            models.pop(zone.zone_id, None)
            with suppress(ModelError):  # of a service before this one; what followed from it is not to be repeated
                models[zone.zone_id] = ZoneModel.from_json(zone.place, inputs["model"]) if inputs["model"] else None
        if zone.zone_id not in models:
            yield Repeated(row["decision_id"], zone.zone_id, "the model before it was not kept")
            continue
        decision, models[zone.zone_id] = conclude(zone, models[zone.zone_id], Inputs.from_json(inputs), row["at"])
        yield Repeated(row["decision_id"], zone.zone_id, "; ".join(_otherwise(row, decision)))


def _otherwise(row: DecisionRow, decision: Decision) -> Iterator[str]:
    before, after = dict(row), json.loads(json.dumps(decision.to_json()))
    return (f"{name} was {before[name]}, is {after[name]}" for name in after if after[name] != before[name])
