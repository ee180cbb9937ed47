"""What the API answers, as models: a program reads them in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel


class ErrorAnswer(BaseModel):
    """What is wrong, in one sentence."""

    error: str


class HoldAnswer(BaseModel):
    """What keeps a zone, or with `zone_id` null the farm, shut."""

    kind: str
    zone_id: str | None
    since: int
    until: int | None
    by: str
    why: str


class ZoneAnswer(BaseModel):
    """A zone and its valve: `shut`, `opening`, `open` once the board said so, or `closing`.

    `next_water_at` is by the plan, null where none is foreseen or nothing opens by itself; `notes` say what keeps it
    shut.
    """

    zone_id: str
    gateway_id: str
    crop: str
    area_m2: float
    valve: str
    shuts_by: int | None
    vwc: float | None
    depletion_mm: float | None
    due_mm: float | None
    next_water_at: int | None
    litres_today: float | None
    litres_season: float | None
    sentence: str | None
    decision_id: str | None
    holds: list[HoldAnswer]
    notes: list[str]


class FarmAnswer(BaseModel):
    """The farm: its service's time, whether that lives, and what holds it."""

    farm: str
    timezone: str
    now: int
    speed: float
    is_serving: bool
    last_beat_at: int | None
    seq: int
    holds: list[HoldAnswer]


class HistoryAnswer(BaseModel):
    """A zone's moments as columns of one length."""

    at: list[int]
    vwc: list[float | None]
    depletion_mm: list[float | None]
    due_mm: list[float | None]
    litres: list[float]


class RunAnswer(BaseModel):
    """A run that is over."""

    zone_id: str
    begun_at: int
    ended_at: int
    litres: float
    source: str


class OrderAnswer(BaseModel):
    """An order and what became of it."""

    order_id: str
    action: str
    zone_id: str | None
    by: str
    at: int
    state: str
    reason: str


class DecisionAnswer(BaseModel):
    """A decision with its reasons as they were recorded."""

    decision_id: str
    zone_id: str
    at: int
    command_id: str | None
    sentence: str
    intent: dict[str, Any] | None
    checks: list[dict[str, Any]]
    receipt: dict[str, Any]


class GatewayAnswer(BaseModel):
    """What a gateway's status claimed, whole; `at` is its own time, `heard_at` the service's."""

    gateway_id: str
    state: str
    at: int
    heard_at: int
    status: dict[str, Any]


class JournalAnswer(BaseModel):
    """Something that happened."""

    seq: int
    at: int
    kind: str
    zone_id: str | None
    gateway_id: str | None
    body: dict[str, Any]


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 405, 409, 413, 422, 503)
}
