"""What happened, in the order in which it did; how the zones were; and that the service lives."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.ports import Beat, JournalRow, Moment, WaterRow
from compute_service.domain.zone import Zone

_ROW = "seq, at, kind, zone_id, gateway_id, body"
_MOMENT = "zone_id, at, vwc, depletion_mm, due_mm, sigma_mm, litres"
_OF_TIME = "FROM history WHERE zone_id = :zone_id AND at >= :begin AND at < :end"
_HEAD = f"SELECT count(*), min(at) FROM (SELECT at {_OF_TIME} ORDER BY at LIMIT :most + 1)"  # noqa: S608 - our own words
_LAST = f"SELECT max(at) {_OF_TIME}"
_WATER = f"SELECT at, litres {_OF_TIME} AND litres <> 0 ORDER BY at"
# From the last moment backwards, each time to the last one before the part in which that lies.
_THIN = f"""
WITH RECURSIVE parts (at) AS (
    SELECT :last UNION ALL
    SELECT (
        SELECT max(history.at) FROM history WHERE zone_id = :zone_id
        AND history.at >= :first AND history.at < :first + (parts.at - :first) / :width_s * :width_s
    ) FROM parts WHERE parts.at >= :first + :width_s
)
SELECT {_MOMENT} FROM parts CROSS JOIN history USING (at) WHERE zone_id = :zone_id
"""  # noqa: S608 - our own words


class JournalTables:
    """A `domain.ports.Journal` over the tables journal, history and beats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, at: int, kind: str, zone_id: str | None, gateway_id: str | None, body: Mapping[str, Any]) -> int:
        """Something happened; gives its number."""
        with self._database.transaction():
            self._database.run(
                "INSERT INTO journal (at, kind, zone_id, gateway_id, body) VALUES (?, ?, ?, ?, ?)",
                *(at, kind, zone_id, gateway_id, json.dumps(body)),
            )
            return self.newest()

    def after(self, seq: int, limit: int = 1000) -> list[JournalRow]:
        """What came after a number, the oldest first."""
        query = f"SELECT {_ROW} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - our own words
        return [_row(*row) for row in self._database.all(query, seq, limit)]

    def last(self, count: int = 100, kinds: Iterable[str] = (), zone_id: str | None = None) -> list[JournalRow]:
        """The last of what happened, of some kinds or of all, at one zone or anywhere, the oldest first."""
        rows: list[JournalRow] = []
        choices: list[str | None] = [*sorted(set(kinds))]
        for kind in choices or [None]:  # each by its index
            conditions = {"kind": kind, "zone_id": zone_id}
            names = [name for name, value in conditions.items() if value is not None]
            where = f"WHERE {' AND '.join(f'{name} = ?' for name in names)}" if names else ""
            query = f"SELECT {_ROW} FROM journal {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - our own words
            rows += [_row(*row) for row in self._database.all(query, *[conditions[name] for name in names], count)]
        return sorted(rows, key=lambda row: row["seq"])[-count:] if count else []

    def newest(self) -> int:
        """The number of what happened last; 0 if nothing did."""
        row = self._database.one("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")
        return int(row[0]) if row else 0

    def forget(self, kinds: Iterable[str], before: int) -> int:
        """Forget what happened of some kinds before a time; gives how much."""
        with self._database.transaction():
            return sum(
                self._database.run("DELETE FROM journal WHERE kind = ? AND at < ?", kind, before)
                for kind in sorted(set(kinds))
            )

    def add_moment(self, moment: Moment) -> None:
        """How a zone was when it was decided about; one a zone and time, the first of them."""
        self._database.run(
            f"INSERT OR IGNORE INTO history ({_MOMENT}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own words
            *(moment.zone_id, moment.at, moment.vwc, moment.depletion_mm, moment.due_mm, moment.sigma_mm),
            moment.litres,
        )

    def moments(
        self, zone_id: str, begin: int, end: int, last: int | None = None, *, most: int | None = None
    ) -> list[Moment]:
        """How a zone was in a time (`end` is not in it), the oldest first; all of them, or the last so many.

        Or in at most so many: where there are more, their time is parted evenly, and each is the last of its part, with
        the litres of all of it to a tenth.
        """
        if most is not None:
            return self._thin(zone_id, begin, end, most)
        query = f"SELECT {_MOMENT} FROM history WHERE zone_id = ? AND at >= ? AND at < ? ORDER BY at DESC LIMIT ?"  # noqa: S608 - our own words
        return self._moments(query, zone_id, begin, end, -1 if last is None else last)[::-1]

    def _thin(self, zone_id: str, begin: int, end: int, most: int) -> list[Moment]:
        """Sought by the index, one a part: what lies between is not read."""
        of_time = {"zone_id": zone_id, "begin": begin, "end": end}
        count, first = self._database.all(_HEAD, **of_time, most=most)[0]
        if count <= most:
            return self.moments(zone_id, begin, end)
        [(last,)] = self._database.all(_LAST, **of_time)
        width_s = -(-(last + 1 - first) // most)
        litres: dict[int, float] = {}
        for at, litres_then in self._database.all(_WATER, **of_time):
            part = (at - first) // width_s
            litres[part] = litres.get(part, 0.0) + litres_then
        moments = self._moments(_THIN, zone_id=zone_id, first=first, last=last, width_s=width_s)
        moments.sort(key=lambda moment: moment.at)
        return [replace(one, litres=round(litres.get((one.at - first) // width_s, 0.0), 1)) for one in moments]

    def shorten_moments(self, before: int, begin: int, end: int) -> None:
        """Forget how the zones were before a time, and from `begin` to `end` keep one moment a zone and hour.

        That is the hour's last, with the litres of all of them; `end` is not in it.
        """
        hours = (
            "SELECT min(at), max(at), sum(litres) FROM history WHERE zone_id = ? AND at >= ? AND at < ?"
            " GROUP BY at / 3600 HAVING count(*) > 1"
        )
        delete = "DELETE FROM history WHERE zone_id = ? AND at >= ? AND at < ?"
        with self._database.transaction():
            for zone_id in self._zone_ids():
                self._database.run(delete, zone_id, 0, before)
                for first, last, litres in self._database.all(hours, zone_id, begin, end):
                    self._database.run(
                        "UPDATE history SET litres = ? WHERE zone_id = ? AND at = ?", litres, zone_id, last
                    )
                    self._database.run(delete, zone_id, first, last)

    def _zone_ids(self) -> list[str]:
        """Every zone that there ever was: each has its own part of the index."""
        return [zone_id for (zone_id,) in self._database.all("SELECT zone_id FROM zones")]

    def newest_moments(self, zone_ids: Iterable[str] | None = None) -> list[Moment]:
        """How each zone was last, by name; of these zones, or of all that were ever heard of."""
        if zone_ids is not None:
            newest = f"SELECT {_MOMENT} FROM history WHERE zone_id = ? ORDER BY at DESC LIMIT 1"  # noqa: S608 - our own words
            return [moment for zone_id in sorted(set(zone_ids)) for moment in self._moments(newest, zone_id)]
        query = (
            f"SELECT {_MOMENT} FROM zones JOIN history USING (zone_id)"  # noqa: S608 - our own words
            " WHERE at = (SELECT max(at) FROM history WHERE history.zone_id = zones.zone_id) ORDER BY zone_id"
        )
        return self._moments(query)

    def _moments(self, query: str, *values: object, **by_name: object) -> list[Moment]:
        names = _MOMENT.split(", ")
        rows = self._database.all(query, *values, **by_name)
        return [Moment(**dict(zip(names, row, strict=True))) for row in rows]

    def water(self, zone: Zone, begin: int, end: int) -> list[WaterRow]:
        """A zone's water of a time (`end` is not in it), the oldest first, each with the litres that it counts for."""
        query = (
            "SELECT water_id, at, coalesce(litres, duration_s * :rate) - back_s * :rate, duration_s, source, back_s"
            " FROM water WHERE zone_id = :zone_id AND at >= :begin AND at < :end ORDER BY at, water_id"
        )
        by_name = {"zone_id": zone.zone_id, "rate": zone.flow_l_min / 60, "begin": begin, "end": end}
        names = ("water_id", "at", "litres", "duration_s", "source", "back_s")
        return [
            WaterRow(zone_id=zone.zone_id, **dict(zip(names, row, strict=True)))
            for row in self._database.all(query, **by_name)
        ]

    def beat(self, beat: Beat) -> None:
        """The service lives."""
        self._database.run("INSERT OR REPLACE INTO beats (id, at, wall_s, speed) VALUES (1, ?, ?, ?)", *beat)

    def last_beat(self) -> Beat | None:
        """When it last lived, or None."""
        row = self._database.one("SELECT at, wall_s, speed FROM beats")
        return Beat(*row) if row else None


def _row(seq: int, at: int, kind: str, zone_id: str | None, gateway_id: str | None, body: str) -> JournalRow:  # noqa: PLR0913, PLR0917  # the row's columns
    return {
        "seq": seq,
        "at": at,
        "kind": kind,
        "zone_id": zone_id,
        "gateway_id": gateway_id,
        "body": json.loads(body),
    }
