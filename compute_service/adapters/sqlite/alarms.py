"""The alarms that were raised, who has seen them, and when they ended."""

import json
from typing import Any

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.alarms import Alarm, AlarmRow

_ALARM = "alarm_id, kind, place, zone_id, gateway_id, severity, since, raised_at, facts"
_ROW = f"{_ALARM}, acknowledged_by, acknowledged_at, ended_at"


class AlarmTables:
    """A `domain.ports.AlarmBook` over the table alarms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, alarm: Alarm) -> bool:
        """An alarm is raised; False if one of its id is there."""
        is_new = self._database.run(
            f"INSERT OR IGNORE INTO alarms ({_ALARM}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own words
            *(alarm.alarm_id, alarm.kind, alarm.place, alarm.zone_id, alarm.gateway_id, alarm.severity),
            *(alarm.since, alarm.raised_at, json.dumps(dict(alarm.values))),
        )
        return bool(is_new)

    def get(self, alarm_id: str) -> AlarmRow | None:
        """An alarm and what became of it, or None."""
        return next(iter(self._rows("WHERE alarm_id = ?", alarm_id)), None)

    def open(self) -> list[AlarmRow]:
        """The alarms that have not ended, in the order in which they were raised."""
        return self._rows("WHERE ended_at IS NULL ORDER BY raised_at, alarm_id")

    def last(self, count: int = 20) -> list[AlarmRow]:
        """The last alarms, the oldest first."""
        return self._rows("ORDER BY raised_at DESC, alarm_id DESC LIMIT ?", count)[::-1]

    def _rows(self, rest: str, *values: object) -> list[AlarmRow]:
        return [_row(*row) for row in self._database.all(f"SELECT {_ROW} FROM alarms {rest}", *values)]  # noqa: S608 - our own words

    def acknowledge(self, alarm_id: str, by: str, at: int) -> bool:
        """Somebody has seen it; False if somebody had before, or there is none. The first stays."""
        statement = "UPDATE alarms SET acknowledged_by = ?, acknowledged_at = ?"
        return bool(self._database.run(f"{statement} WHERE alarm_id = ? AND acknowledged_at IS NULL", by, at, alarm_id))

    def end(self, alarm_id: str, at: int) -> bool:
        """It is over; False if it was before, or there is none."""
        statement = "UPDATE alarms SET ended_at = ? WHERE alarm_id = ? AND ended_at IS NULL"
        return bool(self._database.run(statement, at, alarm_id))

    def forget(self, before: int) -> int:
        """Forget the alarms that ended before a time; gives how many."""
        return self._database.run("DELETE FROM alarms WHERE ended_at IS NOT NULL AND ended_at < ?", before)


def _row(*row: Any) -> AlarmRow:
    *of_alarm, facts, acknowledged_by, acknowledged_at, ended_at = row
    alarm_id, kind, place, zone_id, gateway_id, severity, since, raised_at = of_alarm
    alarm = Alarm(
        alarm_id=alarm_id,
        kind=kind,
        place=place,
        zone_id=zone_id,
        gateway_id=gateway_id,
        severity=severity,
        since=since,
        raised_at=raised_at,
        values=json.loads(facts),
    )
    return AlarmRow(alarm=alarm, acknowledged_by=acknowledged_by, acknowledged_at=acknowledged_at, ended_at=ended_at)
