"""The API of version 1: what the pages show, as JSON, and orders. Times are Unix seconds of the service's clock."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query

from agronomy.units import DAY_S
from compute_service.domain.orders import Hold, OrderRow
from compute_service.domain.ports import Moment
from console import timeline
from console.answers import (
    ERRORS,
    DecisionAnswer,
    FarmAnswer,
    GatewayAnswer,
    HistoryAnswer,
    HoldAnswer,
    JournalAnswer,
    OrderAnswer,
    RunAnswer,
    ZoneAnswer,
)
from console.errors import NotHereError
from console.farm_now import ZoneNow, look
from console.giving import Wish, give
from console.house import FarmDep, HeadDep, HouseDep, PersonDep, ReaderDep
from console.pages import zone_of

MOST_S = 2**40  # a time that is still to come for long
MOST_POINTS = 20_000


router = APIRouter(prefix="/api/v1", responses=ERRORS)

Name = Annotated[str, Path(max_length=100)]
Since = Annotated[int, Query(alias="from", ge=0, le=MOST_S)]
Until = Annotated[int | None, Query(alias="to", ge=0, le=MOST_S)]
Count = Annotated[int, Query(ge=1, le=1000)]


@router.get("/farm")
def farm(farm: HeadDep) -> FarmAnswer:
    """The farm as it stands."""
    return FarmAnswer(
        farm=farm.config.farm,
        timezone=farm.config.timezone,
        now=farm.now,
        speed=farm.beat.speed if farm.beat else 1.0,
        is_serving=farm.is_serving,
        last_beat_at=farm.beat.at if farm.beat else None,
        seq=farm.seq,
        holds=_holds(farm.holds),
    )


@router.get("/zones")
def zones(farm: FarmDep) -> list[ZoneAnswer]:
    """Every zone as it stands."""
    return [_zone(zone) for zone in farm.zones]


@router.get("/zones/{zone_id}")
def zone(house: HouseDep, store: ReaderDep, zone_id: Name) -> ZoneAnswer:
    """One zone as it stands."""
    return _zone(zone_of(look(store, house.wall_clock(), [zone_id], plans=house.plans), zone_id))


@router.get("/zones/{zone_id}/history")
def history(  # noqa: PLR0913, PLR0917  # a question of a time
    house: HouseDep,
    store: ReaderDep,
    zone_id: Name,
    begin: Since = 0,
    end: Until = None,
    points: Annotated[int, Query(ge=2, le=MOST_POINTS)] = 2000,
) -> HistoryAnswer:
    """How a zone was, in at most so many points: each is the last moment of its part of the time, litres summed."""
    farm = look(store, house.wall_clock(), [zone_id])
    zone_of(farm, zone_id)
    until = farm.now + 1 if end is None else end
    return _columns(store.journal.moments(zone_id, begin, until, most=points))


@router.get("/zones/{zone_id}/decisions")
def decisions(house: HouseDep, store: ReaderDep, zone_id: Name, last: Count = 20) -> list[DecisionAnswer]:
    """A zone's last decisions with their checks and receipts, the oldest first."""
    zone_of(look(store, house.wall_clock(), [zone_id]), zone_id)
    return [DecisionAnswer(**row) for row in store.decisions.last(last, zone_id)]


@router.get("/decisions/{decision_id}")
def decision(store: ReaderDep, decision_id: Name) -> DecisionAnswer:
    """One decision."""
    row = store.decisions.get(decision_id)
    if row is None:
        raise NotHereError("no_decision_id", decision=decision_id)
    return DecisionAnswer(**row)


@router.get("/runs")
def runs(
    store: ReaderDep, farm: HeadDep, begin: Since = 0, end: Until = None, zone_id: str | None = None
) -> list[RunAnswer]:
    """What ran in a time (else the last 7 days), by zone."""
    begin = begin or farm.now - 7 * DAY_S
    zones = [zone for zone in farm.config.zones if zone_id in (None, zone.zone_id)]
    return [
        RunAnswer(
            zone_id=row.zone_id,
            begun_at=round(row.at - row.duration_s),
            ended_at=row.at,
            litres=max(row.litres or 0.0, 0.0),
            source=row.source,
        )
        for zone in zones
        for row in timeline.runs(store.journal.water(zone, begin, farm.now + 1 if end is None else end))
    ]


@router.get("/gateways")
def gateways(store: ReaderDep) -> list[GatewayAnswer]:
    """Every gateway as it last described itself: a claim, not a proof."""
    return [GatewayAnswer(**row) for row in store.updates.gateways()]


@router.get("/gateways/{gateway_id}/statuses")
def statuses(
    store: ReaderDep, farm: HeadDep, gateway_id: Name, begin: Since = 0, end: Until = None
) -> list[GatewayAnswer]:
    """A gateway's statuses of a time, else of the last day."""
    rows = store.updates.statuses(gateway_id, begin or farm.now - DAY_S, farm.now + 1 if end is None else end)
    return [GatewayAnswer(**row) for row in rows]


@router.get("/journal")
def journal(
    store: ReaderDep, after: Annotated[int, Query(ge=0, le=2**62)] = 0, limit: Count = 100
) -> list[JournalAnswer]:
    """What happened after a number, the oldest first."""
    return [JournalAnswer(**row) for row in store.journal.after(after, limit)]


@router.get("/orders/{order_id}")
def order(store: ReaderDep, order_id: Name) -> OrderAnswer:
    """An order, and how far it is."""
    row = store.orders.get(order_id)
    if row is None:
        raise NotHereError("no_order", order=order_id)
    return _order(row)


@router.post("/orders", status_code=201)
def give_order(house: HouseDep, farm: HeadDep, person: PersonDep, wish: Wish) -> OrderAnswer:
    """Give an order; under a `key` that was used before it is the order of then, and nothing is ordered again."""
    return _order(give(house, farm, wish, person.by, "api"))


def _columns(moments: Sequence[Moment]) -> HistoryAnswer:
    return HistoryAnswer(
        at=[one.at for one in moments],
        vwc=[one.vwc for one in moments],
        depletion_mm=[one.depletion_mm for one in moments],
        due_mm=[one.due_mm for one in moments],
        litres=[one.litres for one in moments],
    )


def _zone(now: ZoneNow) -> ZoneAnswer:
    zone, moment, receipt = now.zone, now.moment, now.receipt
    return ZoneAnswer(
        zone_id=zone.zone_id,
        gateway_id=zone.gateway_id,
        crop=zone.crop,
        area_m2=zone.area_m2,
        valve=now.valve.state,
        shuts_by=now.valve.shuts_by,
        vwc=moment.vwc if moment else None,
        depletion_mm=receipt.get("depletion_mm"),
        due_mm=receipt.get("due_mm"),
        next_water_at=now.next_at,
        litres_today=receipt.get("used_today_l"),
        litres_season=receipt.get("used_season_l"),
        sentence=now.decision["sentence"] if now.decision else None,
        decision_id=now.decision["decision_id"] if now.decision else None,
        holds=_holds(now.holds),
        notes=list(now.plan.notes(zone.timezone)) if now.plan else [],
    )


def _holds(holds: Iterable[Hold]) -> list[HoldAnswer]:
    return [
        HoldAnswer(kind=one.kind, zone_id=one.zone_id, since=one.since, until=one.until, by=one.by, why=one.why)
        for one in holds
    ]


def _order(row: OrderRow) -> OrderAnswer:
    order = row.order
    return OrderAnswer(
        order_id=order.order_id,
        action=order.action,
        zone_id=order.zone_id,
        by=order.by,
        at=order.at,
        state=row.state,
        reason=row.reason,
    )
