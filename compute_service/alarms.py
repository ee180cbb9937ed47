"""Alarms of the running service: what it hears goes into facts, facts become alarms, and alarms are kept.

Facts live in memory and are gathered anew at the start from the store, so a restart neither loses an alarm nor ends
one: what cannot be known yet stays as it was. Looking costs no query but the commands under way, and only what a
message was about is looked at between two looks at everything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agronomy.units import DAY_S, HOUR_S
from checked_yaml.checks import did_you_mean
from compute_service.domain.alarm_kinds import BUDGETS, KINDS, SERVICE_STILL, service_still
from compute_service.domain.alarms import (
    Alarm,
    AlarmRow,
    CommandFacts,
    FarmState,
    ForecastFacts,
    GatewayFacts,
    Identity,
    Key,
    Standing,
    ZoneFacts,
    evaluate,
    remember,
)
from compute_service.domain.forecast import Forecast
from compute_service.domain.gateway_status import wakes_at
from compute_service.domain.model_check import ModelError
from compute_service.domain.ports import Beat, CommandRow, JournalRow, Store
from compute_service.domain.zone import Config, Zone
from compute_service.domain.zone_model import ZoneModel
from compute_service.errors import AlarmError
from compute_service.orders import is_serving
from compute_service.zone_models import Work

if TYPE_CHECKING:
    from protocol.messages import Status

LOOK_EVERY_S = 60  # at everything; what a message was about is looked at with the next tick
JUDGED_S = 60  # a run shorter than this says little about the flow
KEPT_S = 400 * DAY_S  # an alarm that has ended
LEAK_CODE = "flow_while_shut"  # of an error report
HOLDS = ("not_stopped", "not_paused", "not_closed", "no_leak")


class AlarmWatch:
    """The alarms of a farm, as its service sees them. `free_bytes` is of the disk that the store is on.

    `identities` are the certificates that the service itself goes by, and are looked at once a day.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        forecast: Callable[[], Forecast | None],
        free_bytes: Callable[[], int | None] = lambda: None,
        identities: Callable[[], Sequence[Identity]] = tuple,
    ) -> None:
        self._config, self._store = config, store
        self._forecast, self._free_bytes, self._identities = forecast, free_bytes, identities
        self._own: tuple[Identity, ...] = ()  # the service's own, as they were on the day of `_own_on`
        self._own_on = 0
        self._of_boards: dict[str, tuple[Identity, ...]] = {}  # by gateway, as its last status told
        self._zones = {zone.zone_id: _zone_facts(zone) for zone in config.zones}
        self._zone_ids: dict[str, list[str]] = {}
        for name in sorted(config.gateway_ids):
            of_it = [zone.zone_id for zone in config.zones if name in {zone.gateway_id, *zone.measured_by}]
            self._zone_ids[name] = of_it
        sleeps_s = {
            name: max((self._zones[one].max_reading_age_s for one in ids), default=0)
            for name, ids in self._zone_ids.items()
        }
        self._gateways = {name: GatewayFacts(gateway_id=name, sleeps_s=2 * sleeps_s[name]) for name in self._zone_ids}
        self._memory: dict[Key, Standing] = {}
        self._news: set[str] = set()  # zones and gateways that something was heard of
        self._listening_since = self._looked_at = 0
        self._mistakes: tuple[str, ...] = ()

    def start(self, now: int) -> None:
        """Gather what is known, and take up the alarms that stand."""
        self._listening_since = now
        self._memory = remember(self._store.alarms.open(), now)
        for row in self._store.updates.gateways():
            if row["gateway_id"] in self._gateways:
                self.hear_status(row["status"], row["heard_at"])
        for zone_id, facts in self._zones.items():
            for note in self._store.journal.last(2, ("ack",), zone_id):
                self.hear_note(note["kind"], zone_id, note["gateway_id"], note["body"], note["at"])
            zone = next(zone for zone in self._config.zones if zone.zone_id == zone_id)
            with suppress(ModelError):  # the service has told of it, and made another
                if model := self._store.zones.model(zone):
                    _follow_model(facts, model)
        for note in self._store.journal.last(1, ("settings",)):
            self.hear_settings(tuple(note["body"].get("mistakes", ())))
        for note in self._store.journal.last(200, ("error",)):
            self.hear_note(note["kind"], note["zone_id"], note["gateway_id"], note["body"], note["at"])
        self._news.clear()

    # what is heard

    def hear(self, gateway_id: str, now: int) -> None:
        """A gateway lives."""
        if gateway := self._gateways.get(gateway_id):
            gateway.heard_at = max(gateway.heard_at, now)
            gateway.spoke_at = gateway.spoke_at or now

    def hear_status(self, status: "Status | Mapping[str, Any]", heard_at: int) -> None:
        """A gateway's last status, also its last will; none is missed that is no more of the farm."""
        gateway = self._gateways.get(status["gateway_id"])
        if gateway is None:
            return
        gateway.state, gateway.status_at = status["state"], status["at"]
        gateway.heard_at = max(gateway.heard_at, heard_at)
        gateway.status_heard_at = heard_at
        gateway.open_valves = tuple(status.get("open_valves") or ())
        gateway.wakes_at = wakes_at(status, heard_at)
        if status.get("latched") is not None or not (status["state"] == "offline" and gateway.latched is None):
            gateway.latched = tuple(status.get("latched") or ())
        self._of_boards[gateway.gateway_id] = tuple(_identities_of(status))
        count = status.get("outbox_dropped")
        if count is not None:
            before = gateway.outbox_dropped
            gateway.dropped_before, gateway.outbox_dropped = before if before is not None else count, count
            if before is not None and count > before:
                gateway.dropped_at = heard_at
        self._touch(gateway.gateway_id, *self._zone_ids[gateway.gateway_id])

    def hear_settings(self, mistakes: tuple[str, ...]) -> None:
        """The zones file is another one: with mistakes, so that the farm goes by what it said before, or with none."""
        self._mistakes, self._looked_at = mistakes, 0

    def hear_clock(self, gateway_id: str, is_sure: bool, now: int) -> None:
        """A sample of a sure or unsure time, or a command that was rejected for it."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return
        if is_sure:
            gateway.unsure_since = None
        else:
            gateway.unsure_since = now if gateway.unsure_since is None else gateway.unsure_since
            gateway.unsure_at = now

    def hear_note(
        self, kind: str, zone_id: str | None, gateway_id: str | None, body: Mapping[str, Any], at: int
    ) -> None:
        """Something was noted in the journal, now or before the service was started."""
        if kind == "ack" and zone_id in self._zones:
            self._hear_ack(self._zones[zone_id], body, at)
        elif kind == "error":
            zone = self._zones.get(body.get("zone_id") or "")
            is_own = zone is not None and zone.gateway_id == gateway_id  # no gateway speaks for another's zones
            if is_own and body["code"] == LEAK_CODE:
                self.hear_leak(body["zone_id"], body.get("volume_l") or 0.0, at)

    def hear_leak(self, zone_id: str, litres: float, at: int) -> None:
        """Its own gateway saw water run through a zone's valve that should be shut."""
        zone = self._zones[zone_id]
        zone.leak_at, zone.leak_l = at, litres
        self._touch(zone_id)

    def _hear_ack(self, zone: ZoneFacts, body: Mapping[str, Any], at: int) -> None:
        if body.get("action"):  # of a plan, or of the end of a latch: no run
            return
        zone.is_answered = body["state"] != "expired"
        if not zone.is_answered:
            zone.unanswered_at, zone.unanswered_id = at, body["command_id"]
            command = self._store.commands.get(body["command_id"])
            zone.run_ended_at = max(zone.run_ended_at, _shuts_by(command) if command else at)
        elif body["state"] in {"done", "failed", "rejected"}:
            zone.run_ended_at = body.get("at") or at
        if body.get("code") == "clock_untrusted":
            self.hear_clock(zone.gateway_id, is_sure=False, now=at)
        seconds, litres = body.get("duration_s"), body.get("volume_l")
        if body.get("volume_source") == "measured" and litres is not None and (seconds or 0) >= JUDGED_S:
            zone.run_flow_l_min, zone.run_flow_at = round(litres / (seconds or JUDGED_S) * 60, 2), at
        self._touch(zone.zone_id)

    def decide(self, work: Work) -> None:
        """A zone was decided about."""
        zone = self._zones[work.zone.zone_id]
        _follow_model(zone, work.model)
        failures = [check.name for check in work.decision.checks if not check.passed]
        wants_water = any(check.name == "needs_water" and check.passed for check in work.decision.checks)
        zone.is_decided, zone.is_held = True, any(name in HOLDS for name in failures)
        zone.budget = next((name for name in failures if name in BUDGETS), None) if wants_water else None
        zone.lacks_mm = round(work.model.belief.depletion_mm, 1)
        self._touch(zone.zone_id)

    def _touch(self, *names: str) -> None:
        self._news.update(names)

    # what comes of it

    def look(self, now: int) -> None:
        """Raise and end alarms: of everything once a minute, else of what something was heard of since."""
        self._listening_since = self._listening_since or now
        is_whole = now - self._looked_at >= LOOK_EVERY_S or now < self._looked_at
        if not is_whole and not self._news:
            return
        changes = evaluate(KINDS, self._state(now, is_whole), self._memory, None if is_whole else self._news)
        if changes.opened or changes.ended:
            with self._store.transaction():
                for alarm in changes.opened:
                    self._store.alarms.add(alarm)
                    note(self._store, alarm, "opened", now)
                for alarm in changes.ended:
                    self._store.alarms.end(alarm.alarm_id, now)
                    note(self._store, alarm, "ended", now)
        self._memory, self._news = changes.memory, set()
        self._looked_at = now if is_whole else self._looked_at

    def forget(self, now: int) -> None:
        """Alarms that ended too long ago to be asked for are forgotten; once a day is enough."""
        self._store.alarms.forget(now - KEPT_S)

    def _state(self, now: int, is_whole: bool) -> FarmState:
        return FarmState(
            now=now,
            listening_since=self._listening_since,
            zones=self._zones,
            gateways=self._gateways,
            commands=tuple(_command_facts(row) for row in self._store.commands.open()),
            forecast=self._forecast_facts(now) if is_whole else None,
            disk_free_bytes=self._free_bytes() if is_whole else None,
            mistakes=self._mistakes,
            identities=self._identities_by_place(now) if is_whole else {},
        )

    def _identities_by_place(self, now: int) -> dict[str, tuple[Identity, ...]]:
        if self._own_on != now // DAY_S:
            self._own, self._own_on = tuple(self._identities()), now // DAY_S
        by_place: dict[str, tuple[Identity, ...]] = {}
        for one in (*self._own, *(one for name in sorted(self._of_boards) for one in self._of_boards[name])):
            by_place[one.place] = (*by_place.get(one.place, ()), one)
        return by_place

    def _forecast_facts(self, now: int) -> ForecastFacts | None:
        newest = self._forecast()
        if newest is None:
            return ForecastFacts(fetched_at=None, hours_ahead=0) if self._config.forecast else None
        ahead = [hour.at for hour in newest.hours if hour.rain_mm is not None and hour.at + HOUR_S > now]
        return ForecastFacts(fetched_at=newest.fetched_at, hours_ahead=len(ahead))


def _identities_of(status: "Status | Mapping[str, Any]") -> Iterator[Identity]:
    """What a board tells of the certificate that it connected with, and of the CA that it trusts."""
    name = status["gateway_id"]
    for key, is_ca in (("certificate_expires_at", False), ("ca_expires_at", True)):
        expires_at: Any = status.get(key)
        if expires_at is not None:
            yield Identity(thing=name, is_ca=is_ca, expires_at=expires_at, gateway_id=name)


def _zone_facts(zone: Zone) -> ZoneFacts:
    return ZoneFacts(
        zone_id=zone.zone_id,
        gateway_id=zone.gateway_id,
        measured_by=zone.measured_by,
        max_reading_age_s=zone.max_reading_age_s,
        flow_l_min=round(zone.flow_l_min, 2),
    )


def _follow_model(facts: ZoneFacts, model: ZoneModel) -> None:
    facts.probes_heard_at = {name: probe.heard_at for name, probe in model.probes.items()}
    facts.heard_at = max(facts.probes_heard_at.values(), default=0) or None
    facts.verdicts = {name: (verdict.kind, verdict.why) for name, verdict in model.verdicts.items()}
    facts.unseen_mm = model.unseen_mm


def _command_facts(row: CommandRow) -> CommandFacts:
    opens = row.message["action"] == "open"
    issued_at = row.message["issued_at"]
    return CommandFacts(
        command_id=row.command_id,
        zone_id=row.zone_id,
        gateway_id=row.gateway_id,
        opens=opens,
        issued_at=issued_at,
        shuts_by=_shuts_by(row) if opens else issued_at,
    )


def _shuts_by(row: CommandRow) -> int:
    """The last moment at which a run's valve may be open, had it begun as late as it could."""
    return int(row.message["expires_at"]) + (row.message.get("duration_s") or 0)


def note(store: Store, alarm: Alarm, state: str, now: int, by: str | None = None) -> None:
    """What became of an alarm: into the journal, in the transaction of the change."""
    body = {
        "alarm_id": alarm.alarm_id,
        "kind": alarm.kind,
        "place": alarm.place,
        "severity": alarm.severity,
        "since": alarm.since,
        "values": dict(alarm.values),
        "state": state,
        "by": by,
    }
    store.journal.add(now, "alarm", alarm.zone_id, alarm.gateway_id, body)


def noted(row: JournalRow) -> Alarm:
    """The alarm that such a row of the journal is about."""
    body = row["body"]
    return Alarm(
        alarm_id=body["alarm_id"],
        kind=body["kind"],
        place=body["place"],
        zone_id=row["zone_id"],
        gateway_id=row["gateway_id"],
        severity=body["severity"],
        since=body["since"],
        raised_at=row["at"],
        values=body["values"],
    )


def acknowledge(store: Store, alarm_id: str, by: str, now: int) -> AlarmRow:
    """A person has seen an alarm: from a shell, a page or a bridge. Seen twice it stays the first's.

    Raises AlarmError, and changes nothing, if there is no such alarm.
    """
    with store.transaction(durable=True):
        row = store.alarms.get(alarm_id)
        if row is None:
            raise AlarmError(_why_not(store, alarm_id))
        if store.alarms.acknowledge(alarm_id, by, now):
            note(store, row.alarm, "acknowledged", now, by)
        after = store.alarms.get(alarm_id)
    assert after is not None
    return after


def _why_not(store: Store, alarm_id: str) -> str:
    if alarm_id.startswith(f"{SERVICE_STILL}:"):
        return "that the service does not move ends when it moves again; there is nothing to acknowledge"
    names = [row.alarm.alarm_id for row in store.alarms.open()]
    which = ", ".join(names) if names else "no alarm stands"
    return f"there is no alarm {alarm_id!r}{did_you_mean(alarm_id, names)}; {which}"


def standing(store: Store, beat: Beat | None, wall_s: float, now: int) -> list[AlarmRow]:
    """The alarms that stand, for readers: those of the store, and that the service does not move."""
    rows = store.alarms.open()
    if beat is not None and not is_serving(beat, wall_s):
        rows.append(AlarmRow(alarm=service_still(beat.at, max(now, beat.at))))
    return rows
