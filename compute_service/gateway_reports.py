"""What gateways say of themselves, and what somebody merely says in their name.

A report on a gateway's own topic is that gateway's: the broker lets nobody else publish there. It is for people, and
for the gateway's own alarms and epochs; what is believed of a zone comes from its readings and acks alone. On the
topics of older firmware everybody may speak for everybody, so what comes there is shown as unproven, and that is all.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agronomy.units import HOUR_S
from compute_service import commands, events
from compute_service.alarms import AlarmWatch
from compute_service.catch_up import CatchUp
from compute_service.domain.gateway_status import OUTLIVES_A_WILL
from compute_service.domain.ports import CommandRow, Store
from compute_service.domain.zone import Zone
from compute_service.rate_limits import NOTES_BURST, NOTES_PER_S, RateLimits
from compute_service.untrusted_reports import one_line

if TYPE_CHECKING:
    from protocol.events import Event
    from protocol.messages import Ack, ErrorReport, Reading, Status

SEEN_V = 0.05  # of a supply's voltage
UNPROVEN_AGAIN_S = HOUR_S  # what is said in a gateway's name is shown so often, whoever floods the old topics

log = logging.getLogger(__name__)

Note = Callable[[str, str | None, str | None, Mapping[str, Any]], None]  # kind, zone_id, gateway_id, body
Refuse = Callable[[str, str, str], None]  # thing, what, why


class GatewayReports:
    """Takes in statuses and error reports, inside the caller's transaction."""

    def __init__(self, store: Store, record: "Callable[[Event], None]", note: Note, refuse: Refuse) -> None:
        self._store, self._record, self._note, self._refuse = store, record, note, refuse
        self._last_status: dict[str, tuple[str, str]] = {}  # of each gateway: its state, its boot
        self._newest: dict[str, Mapping[str, Any]] = {}  # the last status of each gateway, as it is kept
        self._wills: dict[str, Status] = {}  # of the gateways of which nothing was heard since
        self._unproven_at: dict[tuple[str, str], int] = {}  # when something was last shown: of whom, of which kind
        self._notes = RateLimits(NOTES_PER_S, NOTES_BURST)
        self._zones: Mapping[str, Zone] = {}
        self._catch_up = CatchUp(store)

    def go_by(self, zones: Mapping[str, Zone], alarms: AlarmWatch) -> None:
        """Go by these zones and alarms from now on."""
        self._zones, self._alarms = zones, alarms

    def start(self) -> None:
        """Take up again what was heard before."""
        for row in self._store.updates.gateways():
            last: Any = row["status"]
            self._newest[row["gateway_id"]] = last
            self._keep_will(last)

    def newest(self, gateway_id: str) -> Mapping[str, Any]:
        """A gateway's last status; empty if it never told one."""
        return self._newest.get(gateway_id, {})

    def hear_latch(self, command: CommandRow, ack: "Ack", now: int) -> None:
        """A leak ended or forbade a run, or a latch has ended: the gateway's next status will say the same."""
        last: Any = self.newest(ack["gateway_id"])
        if not last or ack["at"] < last["at"]:
            return
        if command.message["action"] == "clear":
            if ack["state"] == "done" and last.get("latched"):
                self._save_latched(last, [], now)
        elif "leak" in {ack["code"], ack.get("end_reason")} and not last.get("latched"):
            self._save_latched(last, [command.zone_id or command.gateway_id], now)

    def hear_plan_end(self, command: CommandRow, ack: "Ack", now: int) -> None:
        """A stop was obeyed, which deleted what it found: the gateway's next status will say the same."""
        last: Any = self.newest(ack["gateway_id"])
        days = last.get("fallback_days") if last else None
        if not days or ack["state"] != "done" or ack["at"] < last["at"]:
            return
        if commands.stops(command) and command.zone_id in {None, *days}:
            left = {name: count for name, count in days.items() if command.zone_id not in {None, name}}
            after: Any = {**last, "fallback_days": left}
            self._save(after, now)

    def hear_battery(self, reading: "Reading", now: int) -> None:
        """A gateway's supply stands beside its status; a change that nobody would see is not written."""
        volts = [sample["battery_v"] for sample in reading["samples"] if sample.get("battery_v") is not None]
        last: Any = self.newest(reading["gateway_id"])
        if not (volts and last) or abs(volts[-1] - last.get("battery_v", 0.0)) < SEEN_V:
            return
        after: Any = {**last, "battery_v": volts[-1]}
        self._save(after, now)

    def _save_latched(self, status: Mapping[str, Any], zone_ids: list[str], now: int) -> None:
        after: Any = {**status, "latched": zone_ids}
        self._save(after, now)

    def status(self, status: "Status", now: int) -> None:
        """A gateway's status on its own topic, or its last will, which is a hint."""
        gateway_id = status["gateway_id"]
        is_behind = self._hear_epochs(gateway_id, status.get("epochs") or {})
        self._catch_up.hear_status(self._zones.values(), status, is_behind, now)
        self._save(self._of_its_own(status), now)
        state, boot_id = status["state"], status["boot_id"]
        if self._last_status.get(gateway_id) == (state, boot_id):
            return
        self._last_status[gateway_id] = (state, boot_id)  # a gateway that is gone, or back, or booted, is news
        if not self._is_worth_a_note(gateway_id, now):
            return
        self._record(events.status(status, now))
        self._note("status", None, gateway_id, {"state": state, "reset_cause": status.get("reset_cause")})

    def former(self, status: "Status", now: int) -> None:
        """A gateway that is no more of the farm, and may hold a plan of when it was: only that is of interest."""
        self._save(self._of_its_own(status), now)

    def speaks(self, gateway_id: str, now: int) -> None:
        """A reading or an ack of it came: whatever its will said, it is there."""
        if will := self._wills.get(gateway_id):
            self.status({**will, "state": "online"}, now)

    def error(self, report: "ErrorReport", now: int) -> None:
        """A gateway reports what is wrong at it."""
        if not self._is_worth_a_note(report["gateway_id"], now):
            return
        gateway_id, code, text = report["gateway_id"], report["code"], report["text"]
        log.warning("%s reports %s: %s", gateway_id, code, one_line(text))
        self._record(events.error(report, now))
        about = {name: report[name] for name in ("zone_id", "volume_l", "duration_s") if report.get(name) is not None}
        self._note("error", None, gateway_id, {"code": code, "text": text, **about})

    def unproven(self, topic: str, kind: str, message: Mapping[str, Any], now: int) -> None:
        """Somebody, perhaps a gateway of older firmware, says this in the name of a gateway."""
        name = message["gateway_id"]
        self._store.updates.count("unproven_messages")
        shown_at = self._unproven_at.get((name, kind))
        if shown_at is not None and 0 <= now - shown_at < UNPROVEN_AGAIN_S:
            return
        self._unproven_at[name, kind] = now
        text = str(message.get("text") or message.get("state") or "")
        log.warning("unproven, in the name of %s on %s: %s", name, topic, one_line(text))
        self._record(events.unproven(name, topic, text, now))
        self._note("unproven", None, None, {"named": name, "topic": topic, "text": text})

    def stale(self, command: CommandRow, ack: "Ack", now: int) -> None:
        """A gateway rejected a command since it holds a greater epoch: perhaps one that this store has forgotten."""
        held_epoch = ack.get("held_epoch") or 0
        if (
            command.zone_id is not None
            and self._store.commands.epoch(command.zone_id) < held_epoch <= commands.MOST_EPOCH
        ):
            self._catch_up.hear_rejection(self._zones.values(), command.gateway_id, now)

    def _hear_epochs(self, gateway_id: str, epochs: Mapping[str, int]) -> bool:
        """Continue from these epochs; True if one is above ours, so that our store is behind."""
        is_behind = False
        for zone_id, epoch in epochs.items():
            zone = self._zones.get(zone_id)  # not every valve is used
            if zone is None:
                continue
            if zone.gateway_id != gateway_id:
                self._refuse(gateway_id, f"epoch of {zone_id}", f"that is a zone of {zone.gateway_id} by the settings")
                continue
            is_above = epoch > self._store.commands.epoch(zone_id)
            if commands.hear_epoch(self._store.commands, zone_id, epoch):
                is_behind |= is_above
            else:
                self._refuse(gateway_id, f"epoch of {zone_id}", f"claims epoch {epoch}, which no count of runs reaches")
        return is_behind

    def _is_worth_a_note(self, gateway_id: str, now: int) -> bool:
        if self._notes.take(gateway_id, now):
            return True
        self._store.updates.count("reports_not_noted")
        return False

    def _may_tell_of(self, gateway_id: str, zone_id: str) -> bool:
        zone = self._zones.get(zone_id)
        return zone is None or zone.gateway_id == gateway_id

    def _of_its_own(self, status: "Status") -> "Status":
        """A gateway tells of its own valves; and its last will, which is older, does not undo what it told since.

        Plans that it holds stay named, also of zones that are another's by now: these are to be ended.
        """
        own: Any = dict(status)
        gateway_id = own["gateway_id"]
        if own.get("open_valves") is not None:
            own["open_valves"] = [name for name in own["open_valves"] if self._may_tell_of(gateway_id, name)]
        if own.get("latched"):  # it opens nothing, whatever zone it names
            own["latched"] = [name if self._may_tell_of(gateway_id, name) else gateway_id for name in own["latched"]]
        last = self.newest(gateway_id)
        if "battery_v" in last:
            own["battery_v"] = last["battery_v"]
        if _is_will(status):
            own |= {name: last[name] for name in OUTLIVES_A_WILL if own.get(name) is None and name in last}
        outcome: Status = own
        return outcome

    def _save(self, status: "Status", now: int) -> None:
        self._store.updates.save_gateway(status, now)
        self._newest[status["gateway_id"]] = status
        self._alarms.hear_status(status, now)
        self._keep_will(status)

    def _keep_will(self, status: "Status") -> None:
        """A gateway that takes leave itself tells how long it has run; its will was written before it could know."""
        self._wills.pop(status["gateway_id"], None)
        if _is_will(status):
            self._wills[status["gateway_id"]] = status


def _is_will(status: Mapping[str, Any]) -> bool:
    return status["state"] == "offline" and status.get("uptime_s") is None
