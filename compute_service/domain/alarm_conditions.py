"""What each kind of alarm looks for, in facts only: what is found, None, or that it cannot be known yet.

A condition of an alarm that already stands is laxer: here is the one place where hysteresis by value lives.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain.alarms import (
    UNKNOWN,
    Answer,
    Condition,
    FarmState,
    Finding,
    GatewayFacts,
    Identity,
    Subject,
    ZoneFacts,
)
from compute_service.domain.forecast import FRESH_S

MINUTE_S = 60
SILENT_S = 3 * HOUR_S  # three statuses that did not come
OFFLINE_S = 10 * MINUTE_S  # the broker has told, and it may just be booting
LATE_SHARE = 1.25  # of the age that a reading may have
BEYOND_S = 120  # so long after its deadline an open valve is no matter of two clocks
STOP_S = 5 * MINUTE_S  # a gateway that is there answers in seconds
FLOWS, FLOWS_AGAIN = (0.5, 1.5), (0.6, 1.4)  # of the nominal flow: outside it is odd, and inside it is well again
NO_STATUS_S = HOUR_S + 5 * MINUTE_S  # a gateway says how it is once an hour, and when it connects
LOST_STATUS_S = 25 * HOUR_S  # of one that did: it may have been told to say so once a day
UNSURE_S = HOUR_S  # so long after the last sample of an unsure time there may come another
USEFUL_H, USEFUL_AGAIN_H = 12, 18
EXPIRES_S, EXPIRES_SOON_S = 60 * DAY_S, 7 * DAY_S  # before a certificate ends
FREE_BYTES, FREE_AGAIN_BYTES = 500_000_000, 750_000_000


def silent(state: FarmState, subject: Subject, stands: bool) -> Answer:
    """Nothing is heard of a gateway, or its broker says that it is gone."""
    facts = state.gateways[subject.place]
    if not _is_silent(state, facts, stands):
        return None
    zones = sum(subject.place in {zone.gateway_id, *zone.measured_by} for zone in state.zones.values())
    return Finding(facts.heard_at or state.listening_since, {"zones": zones})


def _is_silent(state: FarmState, facts: GatewayFacts, stands: bool) -> bool:
    """Nobody could be heard before the service listened; but what stood then stands until something is heard."""
    age_s = state.now - max(facts.heard_at, facts.wakes_at, 0 if stands else state.listening_since)
    most_s = OFFLINE_S if facts.state == "offline" else max(SILENT_S, facts.sleeps_s)
    return age_s > (most_s / 2 if stands else most_s)


def stale(state: FarmState, subject: Subject, stands: bool) -> Answer:
    """Of a gateway that is silent all readings are: that is one alarm, and not one a zone."""
    zone = state.zones[subject.place]
    measuring = [gateway for name in zone.measured_by if (gateway := state.gateways.get(name))]
    if measuring and all(_is_silent(state, gateway, stands=False) for gateway in measuring):
        return UNKNOWN if stands else None
    woken_at = max((gateway.wakes_at for gateway in measuring), default=0)
    heard_at = max(zone.heard_at or 0, woken_at, 0 if stands else state.listening_since)
    most_s = zone.max_reading_age_s * (1 if stands else LATE_SHARE)
    if state.now - heard_at <= most_s:
        return None
    return Finding(zone.heard_at or heard_at, {"most_s": zone.max_reading_age_s})


def verdict(kind: str) -> Condition:
    """A probe is of such a kind, by the verdict of its zone's model."""

    def condition(state: FarmState, subject: Subject, _stands: bool) -> Answer:
        zone = state.zones[subject.zone_id or ""]
        if zone.verdicts is None:
            return UNKNOWN
        name, why = zone.verdicts[subject.place]
        return Finding(state.now, {"why": why}) if name == kind else None

    return condition


def silent_probe(state: FarmState, subject: Subject, stands: bool) -> Answer:
    """One of several: where none is heard it is the zone's reading that is stale."""
    zone, gateway = state.zones[subject.zone_id or ""], state.gateways.get(subject.gateway_id or "")
    if gateway and _says_nothing_of(subject.place, zone, gateway, state.now):
        return UNKNOWN if stands else None
    verdicts = zone.verdicts or {}
    if all(kind == "silent" for kind, _ in verdicts.values()):
        return None
    return verdict("silent")(state, subject, stands)


def _says_nothing_of(probe: str, zone: ZoneFacts, gateway: GatewayFacts, now: int) -> bool:
    """Is the probe's gateway itself not heard, or asleep since it last brought a reading of it?"""
    if now <= gateway.wakes_at + OFFLINE_S:
        return gateway.heard_at - zone.probes_heard_at.get(probe, 0) <= zone.max_reading_age_s
    return now - max(gateway.heard_at, gateway.wakes_at) > zone.max_reading_age_s


def unanswered(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A run was commanded, and no ack told how it ended, nor did any later one."""
    zone = state.zones[subject.place]
    if zone.is_answered is None:
        return UNKNOWN
    if zone.is_answered:
        return None
    return Finding(zone.unanswered_at, {"command_id": zone.unanswered_id})


def open_beyond(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A status says that a valve is open after the last moment at which it may be."""
    zone = state.zones[subject.place]
    gateway = state.gateways.get(zone.gateway_id)
    if gateway is None or gateway.state is None:
        return UNKNOWN
    if subject.place not in gateway.open_valves:
        return None
    shuts_by = [command.shuts_by for command in state.commands if command.opens and command.zone_id == subject.place]
    allowed_until = max([zone.run_ended_at, *shuts_by])
    if gateway.status_at <= allowed_until + BEYOND_S:
        return None
    return Finding(gateway.status_at, {})


def stop_unanswered(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A stop or close without an ack."""
    stop = next((command for command in state.commands if command.command_id == subject.place), None)
    if stop is None or state.now - stop.issued_at < STOP_S:
        return None
    return Finding(stop.issued_at, {})


def unseen(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """No probe saw the zone's last run."""
    unseen_mm = state.zones[subject.place].unseen_mm
    if unseen_mm is None:
        return UNKNOWN
    return Finding(state.now, {"unseen_mm": unseen_mm}) if unseen_mm else None


def leaking(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A gateway told of water through a valve that is shut."""
    zone = state.zones[subject.place]
    if not zone.leak_at or state.now - zone.leak_at > HOUR_S:
        return None
    return Finding(zone.leak_at, {"leak_l": zone.leak_l})


def latch(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A gateway opens nothing any more, for it saw a leak."""
    facts = state.gateways[subject.place]
    if facts.latched is None:
        return UNKNOWN
    return Finding(facts.status_at, {"zones": ", ".join(facts.latched)}) if facts.latched else None


def expires(least_s: int, most_s: int) -> Condition:
    """A certificate ends within so many seconds, and not within so few."""

    def condition(state: FarmState, subject: Subject, _stands: bool) -> Answer:
        ones = state.identities[subject.place]
        left_s = ones[0].expires_at - state.now
        if left_s > most_s or (least_s and left_s <= least_s):
            return None
        return Finding(state.now, _of_identities(ones))

    return condition


def _of_identities(ones: tuple[Identity, ...]) -> dict[str, str]:
    first, more = ones[0], len(ones) - 1
    file = f" ({first.file})" if first.file else ""
    return {
        "identity": "ca" if first.is_ca else "certificate",
        "who": f"{first.thing}{file}{f' (+{more})' if more else ''}",
        "thing": first.thing,
        "expires_on": datetime.fromtimestamp(first.expires_at, UTC).strftime("%Y-%m-%d"),
    }


def flow(is_odd: Callable[[float, tuple[float, float]], bool]) -> Condition:
    """The last measured run flowed otherwise than it should."""

    def condition(state: FarmState, subject: Subject, stands: bool) -> Answer:
        zone = state.zones[subject.place]
        if zone.run_flow_l_min is None or not zone.flow_l_min:
            return UNKNOWN
        share = zone.run_flow_l_min / zone.flow_l_min
        if not is_odd(share, FLOWS_AGAIN if stands else FLOWS):
            return None
        return Finding(zone.run_flow_at, {"flow_l_min": zone.run_flow_l_min, "nominal_l_min": zone.flow_l_min})

    return condition


def budget(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A zone that people hold gets no water anyway."""
    zone = state.zones[subject.place]
    if not zone.is_decided:
        return UNKNOWN
    if zone.budget is None or zone.is_held:
        return None
    return Finding(state.now, {"lacks_mm": zone.lacks_mm, "budget": zone.budget})


def dropping(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A gateway's outbox has dropped messages since the status before."""
    facts = state.gateways[subject.place]
    if facts.outbox_dropped is None or facts.dropped_before is None:
        return UNKNOWN
    if state.now - facts.dropped_at > HOUR_S:
        return None
    return Finding(facts.dropped_at, {"dropped": facts.outbox_dropped - facts.dropped_before})


def unsure(state: FarmState, subject: Subject, _stands: bool) -> Answer:
    """A gateway's clock is not to be trusted."""
    facts = state.gateways[subject.place]
    if facts.unsure_since is None or state.now - facts.unsure_at > UNSURE_S:
        return None
    return Finding(facts.unsure_since, {})


def too_old(state: FarmState, subject: Subject, stands: bool) -> Answer:
    """A gateway is at work, and says nothing on the topics that are its own: its firmware does not know them.

    What somebody says in its name on the older topics counts for nothing here either.
    """
    facts = state.gateways[subject.place]
    if stands and facts.heard_at <= state.listening_since:
        return UNKNOWN
    if facts.state is None:
        is_old = stands or (bool(facts.spoke_at) and facts.heard_at - facts.spoke_at >= NO_STATUS_S)
        return Finding(facts.spoke_at, {}) if is_old else None
    is_lost = facts.heard_at - facts.status_heard_at >= LOST_STATUS_S
    return Finding(facts.status_heard_at, {}) if is_lost else None


def forecast_stale(state: FarmState, _subject: Subject, stands: bool) -> Answer:
    """The farm's forecast is old, or none came."""
    if state.forecast is None:
        return None
    fetched_at = state.forecast.fetched_at
    if stands and fetched_at is None:
        return UNKNOWN
    since = fetched_at if fetched_at is not None else state.listening_since
    if state.now - since <= (FRESH_S if stands else FRESH_S + HOUR_S):
        return None
    return Finding(since + FRESH_S, {"age_s": state.now - since})


def forecast_useless(state: FarmState, _subject: Subject, stands: bool) -> Answer:
    """It comes, and tells too little: no rain, or of too few hours."""
    facts = state.forecast
    if facts is None or facts.fetched_at is None or state.now - facts.fetched_at > FRESH_S:
        return None
    if facts.hours_ahead >= (USEFUL_AGAIN_H if stands else USEFUL_H):
        return None
    return Finding(facts.fetched_at, {"hours": int(facts.hours_ahead)})


def disk(state: FarmState, _subject: Subject, stands: bool) -> Answer:
    """The disk is nearly full."""
    free = state.disk_free_bytes
    if free is None:
        return UNKNOWN
    if free >= (FREE_AGAIN_BYTES if stands else FREE_BYTES):
        return None
    return Finding(state.now, {"free_bytes": free})


def mistaken(state: FarmState, _subject: Subject, _stands: bool) -> Answer:
    """The zones file was changed, and has mistakes."""
    more = len(state.mistakes) - 1
    return Finding(state.now, {"mistake": state.mistakes[0], "more": f" (+{more})" if more else ""})


def never(_state: FarmState, _subject: Subject, _stands: bool) -> Answer:
    """Whoever does not move cannot say so: readers find it by the beat, see `service_still`."""
    return None
