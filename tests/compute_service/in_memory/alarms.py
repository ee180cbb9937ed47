"""The alarms that were raised, who has seen them, and when they ended, in memory."""

import json
from dataclasses import replace

from compute_service.domain.alarms import Alarm, AlarmRow
from tests.compute_service.in_memory.tables import Tables


class AlarmsInMemory:
    """A `domain.ports.AlarmBook`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, alarm: Alarm) -> bool:
        """An alarm is raised; False if one of its id is there."""
        values = json.loads(json.dumps(dict(alarm.values)))
        return self._tables.alarms.add_once(alarm.alarm_id, AlarmRow(alarm=replace(alarm, values=values)))

    def get(self, alarm_id: str) -> AlarmRow | None:
        """An alarm and what became of it, or None."""
        return self._tables.alarms.get(alarm_id)

    def open(self) -> list[AlarmRow]:
        """The alarms that have not ended, in the order in which they were raised."""
        return [row for row in self._rows() if row.ended_at is None]

    def last(self, count: int = 20) -> list[AlarmRow]:
        """The last alarms, the oldest first."""
        return self._rows()[-count:] if count else []

    def _rows(self) -> list[AlarmRow]:
        rows = (row for _, row in self._tables.alarms.items())
        return sorted(rows, key=lambda row: (row.alarm.raised_at, row.alarm.alarm_id))

    def acknowledge(self, alarm_id: str, by: str, at: int) -> bool:
        """Somebody has seen it; False if somebody had before, or there is none. The first stays."""
        with self._tables.transactions.transaction():
            row = self._tables.alarms.get(alarm_id)
            if row is None or row.acknowledged_at is not None:
                return False
            self._tables.alarms.put(alarm_id, replace(row, acknowledged_by=by, acknowledged_at=at))
            return True

    def end(self, alarm_id: str, at: int) -> bool:
        """It is over; False if it was before, or there is none."""
        with self._tables.transactions.transaction():
            row = self._tables.alarms.get(alarm_id)
            if row is None or row.ended_at is not None:
                return False
            self._tables.alarms.put(alarm_id, replace(row, ended_at=at))
            return True

    def forget(self, before: int) -> int:
        """Forget the alarms that ended before a time; gives how many."""
        with self._tables.transactions.transaction():
            gone = [row.alarm.alarm_id for row in self._rows() if row.ended_at is not None and row.ended_at < before]
            for alarm_id in gone:
                self._tables.alarms.remove(alarm_id)
        return len(gone)
