"""The alarms: what is wrong and what to do, seen by people, the worst first."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel

from compute_service import alarms
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.alarm_kinds import words
from compute_service.domain.alarms import AlarmRow, worst
from console.answers import ERRORS
from console.farm_now import FarmNow
from console.house import PAGES, FarmDep, HeadDep, HouseDep, LanguageDep, PersonDep, ReaderDep
from views.language import Language

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", responses=ERRORS)
HISTORY = 50


def standing(house: HouseDep, store: SqliteStore, farm: FarmNow) -> list[AlarmRow]:
    """What is wrong now, the worst first."""
    return list(worst(alarms.standing(store, farm.beat, house.wall_clock(), farm.now)))


@router.get("/alarms")
def alarms_page(
    request: Request, house: HouseDep, store: ReaderDep, farm: HeadDep, language: LanguageDep
) -> HTMLResponse:
    """What is wrong, what to do, and what was wrong before."""
    ended = [row for row in reversed(store.alarms.last(HISTORY)) if row.ended_at is not None]
    return PAGES.show(
        request,
        "alarms.html",
        farm,
        standing=standing(house, store, farm),
        ended=ended,
        tell=lambda row: words(row.alarm, short_code(language)),
    )


def short_code(language: Language) -> str:
    """The language as the alarms' words know it."""
    return language.code[:2]


@router.post("/alarms")
def see(house: HouseDep, farm: HeadDep, person: PersonDep, alarm_id: Annotated[str, Form(max_length=200)]) -> Response:
    """Somebody has seen an alarm."""
    with house.writer() as store:
        alarms.acknowledge(store, alarm_id, person.by, farm.now)
    return RedirectResponse("/alarms", 303)


class AlarmAnswer(BaseModel):
    """An alarm: what is wrong, what to do, who has seen it."""

    alarm_id: str
    kind: str
    severity: str
    zone_id: str | None
    gateway_id: str | None
    since: int
    wrong: str
    to_do: str
    acknowledged_by: str | None
    ended_at: int | None


class PlannedRunAnswer(BaseModel):
    """A run to come: not before `earliest`; a time that is null is beyond what can be foreseen.

    `is_advice`: its zone only advises, and nobody opens it but a person.
    """

    zone_id: str
    earliest: int
    likely: int | None
    latest: int | None
    litres: float
    duration_s: int
    is_advice: bool


@api.get("/alarms")
def list_alarms(
    house: HouseDep, store: ReaderDep, farm: HeadDep, last: Annotated[int, Query(ge=0, le=1000)] = 0
) -> list[AlarmAnswer]:
    """The alarms that stand, and of the last so many those that have ended."""
    before = [row for row in store.alarms.last(last) if row.ended_at is not None] if last else []
    return [_alarm(row) for row in (*standing(house, store, farm), *before)]


@api.post("/alarms/{alarm_id}/ack")
def acknowledge(
    house: HouseDep, farm: HeadDep, person: PersonDep, alarm_id: Annotated[str, Path(max_length=200)]
) -> AlarmAnswer:
    """Somebody, or a machine, has seen an alarm."""
    with house.writer() as store:
        return _alarm(alarms.acknowledge(store, alarm_id, person.by, farm.now))


@api.get("/plan")
def plan(farm: FarmDep) -> list[PlannedRunAnswer]:
    """The runs that come, zone by zone."""
    return [
        PlannedRunAnswer(
            zone_id=one.zone_id,
            earliest=run.earliest,
            likely=run.likely,
            latest=run.latest,
            litres=run.litres,
            duration_s=run.duration_s,
            is_advice=one.is_advice,
        )
        for one in (zone.plan for zone in farm.zones)
        if one
        for run in (*one.runs, *one.advice)
    ]


def _alarm(row: AlarmRow) -> AlarmAnswer:
    alarm, texts = row.alarm, words(row.alarm)
    return AlarmAnswer(
        alarm_id=alarm.alarm_id,
        kind=alarm.kind,
        severity=alarm.severity,
        zone_id=alarm.zone_id,
        gateway_id=alarm.gateway_id,
        since=alarm.since,
        wrong=texts[0],
        to_do=texts[1],
        acknowledged_by=row.acknowledged_by,
        ended_at=row.ended_at,
    )
