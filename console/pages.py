"""The pages on which people see the farm, each a template over what the store says."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from agronomy.units import DAY_S
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain import alarm_kinds
from compute_service.domain.gateway_status import latched
from console import news, receipts, rows, timeline
from console.errors import NotHereError
from console.farm_now import FarmNow, ZoneNow, look
from console.house import PAGES, FarmDep, HeadDep, HouseDep, LanguageDep, ReaderDep
from console.languages import language_of

router = APIRouter(include_in_schema=False)
NEWS, DECISIONS, STATUSES = 12, 12, 60
MOMENTS = 200  # in a table beside the charts
LANES = 50  # zones on a page of the timeline
SPANS = {"1": 1, "7": 7, "30": 30, "150": 150}  # days of a chart

OrderId = Annotated[str, Query(max_length=40)]
ZoneId = Annotated[str, Path(max_length=100)]


@router.get("/")
def farm_page(request: Request, store: ReaderDep, farm: FarmDep, order: OrderId = "") -> HTMLResponse:
    """The farm: water first, then what happened; with what came of an order."""
    return PAGES.show(
        request,
        "farm.html",
        farm,
        happenings=list(reversed(store.journal.last(NEWS, news.KINDS))),
        order=store.orders.get(order),
        pause_until=_in_hours(farm, 3),
        alarm_words=lambda row: alarm_kinds.words(row.alarm, language_of(request).code[:2]),
    )


@router.get("/zones/{zone_id}")
def zone_page(  # noqa: PLR0913, PLR0917  # a page's whole question
    request: Request, house: HouseDep, store: ReaderDep, zone_id: ZoneId, days: str = "7", order: OrderId = ""
) -> HTMLResponse:
    """A zone: its water, its past, its decisions, and what one can order for it."""
    farm = look(store, house.wall_clock(), [zone_id], house.access.names(), house.plans)
    zone = zone_of(farm, zone_id)
    span_days = SPANS.get(days, 7)
    begin = farm.now - span_days * DAY_S
    decisions = store.decisions.last(DECISIONS, zone_id)
    return PAGES.show(
        request,
        "zone.html",
        farm,
        zone=zone,
        latched=_latched(store, zone.zone.gateway_id),
        days=str(span_days),
        spans=SPANS,
        begin=begin,
        moments=store.journal.moments(zone_id, begin, farm.now + 1, MOMENTS),
        decisions=list(reversed(decisions)),
        receipts=receipts,
        planned=timeline.coming_words(zone, farm, language_of(request)),
        happenings=list(reversed(store.journal.last(NEWS, news.KINDS, zone_id))),
        order=store.orders.get(order),
        pause_until=_in_hours(farm, 3),
    )


def zone_of(farm: FarmNow, zone_id: str) -> ZoneNow:
    """A zone of the farm. Raises NotHereError."""
    zone = next((zone for zone in farm.zones if zone.zone.zone_id == zone_id), None)
    if zone is None:
        raise NotHereError("no_zone", zone=zone_id, zones=", ".join(zone.zone_id for zone in farm.config.zones[:20]))
    return zone


def _in_hours(farm: FarmNow, hours: int) -> str:
    """A time to come on the farm's clock, as a form's field wants it."""
    local = rows.local_time(farm.now, farm) + timedelta(hours=hours)
    return f"{local.replace(minute=0):%Y-%m-%dT%H:%M}"


@router.get("/timeline")
def timeline_page(  # noqa: PLR0913, PLR0917  # a page's whole question
    request: Request, house: HouseDep, store: ReaderDep, head: HeadDep, language: LanguageDep, first: int = 0
) -> HTMLResponse:
    """What ran yesterday and today, and what is due; of a big farm so many zones at once, from the first on."""
    zone_ids = [zone.zone_id for zone in head.config.zones]
    parts = [zone_ids[begin : begin + LANES] for begin in range(0, len(zone_ids), LANES)]
    number = min(max(first, 0) // LANES, max(len(parts) - 1, 0))
    farm = look(store, house.wall_clock(), parts[number] if parts else (), house.access.names(), house.plans)
    return PAGES.show(
        request,
        "timeline.html",
        farm,
        chart=timeline.chart(store, farm, language),
        parts=[(place * LANES, part[0], part[-1]) for place, part in enumerate(parts)],
        first=number * LANES,
    )


@router.get("/gateways")
def gateways_page(request: Request, store: ReaderDep, farm: HeadDep) -> HTMLResponse:
    """Every gateway as it last described itself."""
    return PAGES.show(
        request, "gateways.html", farm, gateways=store.updates.gateways(), by_gateway=_zones_by_gateway(farm)
    )


@router.get("/gateways/{gateway_id}")
def gateway_page(
    request: Request, store: ReaderDep, farm: HeadDep, gateway_id: Annotated[str, Path(max_length=100)]
) -> HTMLResponse:
    """One gateway: its history, and what it complained of."""
    row = next((row for row in store.updates.gateways() if row["gateway_id"] == gateway_id), None)
    if row is None:
        raise NotHereError("no_gateway", gateway=gateway_id)
    statuses = store.updates.statuses(gateway_id, row["heard_at"] - 7 * DAY_S, row["heard_at"] + 1)
    errors = [one for one in store.journal.last(200, ("error", "status")) if one["gateway_id"] == gateway_id]
    return PAGES.show(
        request,
        "gateway.html",
        farm,
        gateway=row,
        latched=latched(row["status"]),
        clear_zone=next(iter(_zones_by_gateway(farm).get(gateway_id, ())), ""),
        statuses=list(reversed(statuses))[:STATUSES],
        happenings=list(reversed(errors))[:NEWS],
    )


def _latched(store: SqliteStore, gateway_id: str) -> tuple[str, ...]:
    return next((latched(row["status"]) for row in store.updates.gateways() if row["gateway_id"] == gateway_id), ())


def _zones_by_gateway(farm: FarmNow) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for zone in farm.config.zones:
        for name in dict.fromkeys((zone.gateway_id, *zone.measured_by)):
            zones.setdefault(name, []).append(zone.zone_id)
    return zones
