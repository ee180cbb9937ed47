"""A farm in the words of a language: the cells of its zones' rows, as page and stream show them."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain.gateway_status import is_gone, wakes_at
from compute_service.domain.orders import Hold
from compute_service.domain.plan import ZonePlan, held_until
from compute_service.domain.ports import DecisionRow, GatewayRow
from compute_service.reading import OPEN, OPENING, SHUT, Valve
from console.farm_now import FarmNow, ZoneNow
from views import why
from views.language import Language

Cells = dict[str, str]
ASLEEP = "asleep"
KNOWN_FOR_SURE_S = 2 * DAY_S  # farther ahead a day is named, and no hour


def zone_cells(zone: ZoneNow, farm: FarmNow, language: Language) -> Cells:
    """What a zone's row says, cell by cell; `state`, `share` and `due` are for the row's look."""
    share, due = zone.level or (0.0, 0.0)
    return {
        "zone_id": zone.zone.zone_id,
        "state": _state(zone),
        "valve": _valve_words(zone, language),
        "until": until(zone.valve, farm, language),
        "left": f"{100 * share:.1f}",
        "due": f"{100 * due:.1f}",
        "is_known": "yes" if zone.level else "",
        "water": water(zone, language),
        "moisture": moisture(zone, language),
        "next": next_water(zone, farm, language),
        "why": why_now(zone, farm, language),
    }


def _state(zone: ZoneNow) -> str:
    if zone.valve.state != SHUT:
        return zone.valve.state
    return "held" if zone.holds else "offline" if zone.is_offline else SHUT


def _valve_words(zone: ZoneNow, language: Language) -> str:
    state = _state(zone)
    return language.say(f"held_by_{zone.holds[0].kind}" if state == "held" else f"valve_{state}")


def until(valve: Valve, farm: FarmNow, language: Language) -> str:
    """When an open valve shuts at the latest; empty for one that is shut."""
    if valve.shuts_by is None:
        return ""
    if valve.state == OPENING:
        return language.say("opening_note")
    left_s = valve.shuts_by - farm.now
    if left_s <= 0:
        return language.say("overdue_note")
    return language.say("open_note", span=language.span(left_s), time=clock(valve.shuts_by, farm))


def water(zone: ZoneNow, language: Language) -> str:
    """What the roots have used, against what they may."""
    return (zone.decision and why.need(zone.decision, language)) or language.say("nothing_known")


def moisture(zone: ZoneNow, language: Language) -> str:
    """The mean of the zone's probes."""
    vwc = zone.moment.vwc if zone.moment else None
    return "" if vwc is None else language.percent(vwc, 1)


def next_water(zone: ZoneNow, farm: FarmNow, language: Language) -> str:
    """When there is water next, as exactly as anybody can know it."""
    if zone.valve.state == OPEN:
        return language.say("next_running")
    if zone.holds:
        return _next_after_holds(zone, farm, language)
    if zone.plan is None:
        return language.say("next_unknown")
    words = _next_run(zone.plan, farm, language)
    return language.say("next_advised", time=words) if zone.plan.is_advice else words


def _next_run(plan: ZonePlan, farm: FarmNow, language: Language) -> str:
    run = next(iter((*plan.runs, *plan.advice)), None)
    if run is None:
        return language.say("next_far")
    if run.likely is None:
        return language.say("plan_perhaps", earliest=moment(run.earliest, farm, language))
    return _next_at(run.likely, farm, language)


def _next_after_holds(zone: ZoneNow, farm: FarmNow, language: Language) -> str:
    ends = [hold.until for hold in zone.holds if hold.until is not None]
    if len(ends) < len(zone.holds):
        return language.say("next_resume")
    return language.say("next_until", time=moment(max(ends), farm, language))


def _next_at(at: int, farm: FarmNow, language: Language) -> str:
    ahead_s = at - farm.now
    if ahead_s <= HOUR_S:
        return language.say("next_now")
    local = local_time(at, farm)
    if ahead_s < KNOWN_FOR_SURE_S:
        return language.say("next_about", time=language.moment(local.replace(minute=0)))
    return language.say("next_not_before", day=language.date("weekday", local))


def why_now(zone: ZoneNow, farm: FarmNow, language: Language) -> str:
    """Who holds the zone, or the last decision's sentence."""
    if zone.holds:
        return hold_words(zone.holds[0], farm, language)
    return decision_words(zone.decision, farm, language) if zone.decision else language.say("no_decision")


def decision_words(decision: DecisionRow, farm: FarmNow, language: Language) -> str:
    """A decision in one sentence."""
    return farm.named(why.sentence(decision, language))


def hold_words(hold: Hold, farm: FarmNow, language: Language) -> str:
    """Who holds what since when, until when, and why."""
    end = language.say("until_resume")
    if hold.until is not None:
        end = language.say("until_time", time=moment(hold.until, farm, language))
    key = f"hold_{hold.kind}_{'farm' if hold.zone_id is None else 'zone'}"
    words = language.say(key, by=hold.by, since=moment(hold.since, farm, language), until=end)
    return farm.named(f"{words} ({hold.why})" if hold.why else words)


def plan_notes(zone: ZoneNow, farm: FarmNow, language: Language) -> list[str]:
    """What keeps the service from opening: who holds the zone until when, or that it only advises."""
    if zone.plan is None:
        return []
    end = held_until(zone.plan.holds)
    then = language.say("plan_held")
    if end is not None:
        then = language.say("plan_held_until", time=moment(end, farm, language))
    notes = [f"{hold_words(hold, farm, language)}: {then}" for hold in zone.plan.holds]
    return [*notes, language.say("plan_advice")] if zone.plan.is_advice else notes


def gateway_state(row: GatewayRow, farm: FarmNow) -> str:
    """`online`, `offline`, or `asleep` where it is neither missed nor heard."""
    if wakes_at(row["status"], row["heard_at"]) > farm.now:
        return ASLEEP
    return "offline" if is_gone(row, farm.now) else "online"


def gateway_words(row: GatewayRow, farm: FarmNow, language: Language) -> str:
    """The same in words, with the end of its sleep."""
    state = gateway_state(row, farm)
    if state == ASLEEP:
        return language.say("gateway_asleep", time=moment(wakes_at(row["status"], row["heard_at"]), farm, language))
    return language.say("gateway_online") if state == "online" else language.say("gateway_offline")


def day(at: int, farm: FarmNow) -> str:
    """A day of a year to come."""
    return f"{local_time(at, farm):%Y-%m-%d}"


def local_time(at: int, farm: FarmNow) -> datetime:
    """A time on the farm's own clock."""
    return datetime.fromtimestamp(at, ZoneInfo(farm.config.timezone))


def moment(at: int, farm: FarmNow, language: Language) -> str:
    """A time as a grower says it."""
    return language.moment(local_time(at, farm))


def clock(at: int, farm: FarmNow) -> str:
    """The time of day on the farm's clock."""
    return f"{local_time(at, farm):%H:%M}"


def summary(farm: FarmNow, language: Language) -> str:
    """The farm in half a sentence: what runs, what is held, what comes next."""
    parts = [_counted(farm.zones, state, language) for state in (OPEN, OPENING, "closing", "held", "offline")]
    words = " · ".join(part for part in parts if part) or language.say("all_shut")
    zone = farm.next_zone
    if zone is None or farm.holds:
        return words
    return f"{words} · {language.say('summary_next', zone=zone.zone.zone_id, time=next_water(zone, farm, language))}"


def _counted(zones: Iterable[ZoneNow], state: str, language: Language) -> str:
    count = sum(_state(zone) == state for zone in zones)
    return language.say(f"count_{state}", count=language.number(count)) if count else ""
