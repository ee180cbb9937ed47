"""What happened, how the zones were, and that the service lives, in memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from compute_service.domain.ports import Beat, JournalRow, Moment, WaterRow
from compute_service.domain.zone import Zone
from tests.compute_service.in_memory.tables import Tables, real


class JournalInMemory:
    """A `domain.ports.Journal`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, at: int, kind: str, zone_id: str | None, gateway_id: str | None, body: Mapping[str, Any]) -> int:
        """Something happened; gives its number."""
        with self._tables.transactions.transaction():
            seq = self.newest() + 1
            self._tables.newest.put("seq", seq)
            row = {"seq": seq, "at": at, "kind": kind, "zone_id": zone_id, "gateway_id": gateway_id, "body": body}
            self._tables.journal.put(seq, json.dumps(row))
            return seq

    def after(self, seq: int, limit: int = 1000) -> list[JournalRow]:
        """What came after a number, the oldest first."""
        return [row for row in self._rows() if row["seq"] > seq][:limit]

    def last(self, count: int = 100, kinds: Iterable[str] = (), zone_id: str | None = None) -> list[JournalRow]:
        """The last of what happened, of some kinds or of all, at one zone or anywhere, the oldest first."""
        wanted = set(kinds)
        rows = [row for row in self._rows() if not wanted or row["kind"] in wanted]
        rows = [row for row in rows if zone_id is None or row["zone_id"] == zone_id]
        return rows[-count:] if count else []

    def _rows(self) -> list[JournalRow]:
        return [json.loads(text) for _, text in sorted(self._tables.journal.items())]

    def newest(self) -> int:
        """The number of what happened last; 0 if nothing did."""
        return self._tables.newest.get("seq") or 0

    def forget(self, kinds: Iterable[str], before: int) -> int:
        """Forget what happened of some kinds before a time; gives how much."""
        wanted = set(kinds)
        with self._tables.transactions.transaction():
            gone = [row["seq"] for row in self._rows() if row["kind"] in wanted and row["at"] < before]
            for seq in gone:
                self._tables.journal.remove(seq)
        return len(gone)

    def add_moment(self, moment: Moment) -> None:
        """How a zone was when it was decided about; one a zone and time, the first of them."""
        row = Moment(
            zone_id=moment.zone_id,
            at=moment.at,
            vwc=real(moment.vwc),
            depletion_mm=real(moment.depletion_mm),
            due_mm=real(moment.due_mm),
            sigma_mm=real(moment.sigma_mm),
            litres=float(moment.litres),
        )
        self._tables.moments.add_once((moment.zone_id, moment.at), row)

    def moments(
        self, zone_id: str, begin: int, end: int, last: int | None = None, *, most: int | None = None
    ) -> list[Moment]:
        """How a zone was in a time (`end` is not in it), the oldest first; all of them, or the last so many.

        Or in at most so many: where there are more, their time is parted evenly, and each is the last of its part, with
        the litres of all of it to a tenth.
        """
        rows = sorted(self._tables.moments.items(), key=lambda item: item[0])
        moments = [row for (name, at), row in rows if name == zone_id and begin <= at < end]
        if most is not None:
            return _thin(moments, most)
        return moments if last is None else moments[max(len(moments) - last, 0) :]

    def shorten_moments(self, before: int, begin: int, end: int) -> None:
        """Forget how the zones were before a time, and from `begin` to `end` keep one moment a zone and hour.

        That is the hour's last, with the litres of all of them; `end` is not in it.
        """
        hours: dict[tuple[str, int], list[Moment]] = {}
        with self._tables.transactions.transaction():
            for (zone_id, at), row in sorted(self._tables.moments.items(), key=lambda item: item[0]):
                if not self._tables.zones.get(zone_id):
                    continue
                if at < before:
                    self._tables.moments.remove((zone_id, at))
                elif begin <= at < end:
                    hours.setdefault((zone_id, at // 3600), []).append(row)
            for rows in hours.values():
                for row in rows[:-1]:
                    self._tables.moments.remove((row.zone_id, row.at))
                last = replace(rows[-1], litres=sum(row.litres for row in rows))
                self._tables.moments.put((last.zone_id, last.at), last)

    def newest_moments(self, zone_ids: Iterable[str] | None = None) -> list[Moment]:
        """How each zone was last, by name; of these zones, or of all that were ever heard of."""
        rows = sorted(self._tables.moments.items(), key=lambda item: item[0])
        newest = {zone_id: row for (zone_id, _), row in rows}
        if zone_ids is not None:
            return [newest[zone_id] for zone_id in sorted(set(zone_ids)) if zone_id in newest]
        return [row for zone_id, row in sorted(newest.items()) if self._tables.zones.get(zone_id)]

    def water(self, zone: Zone, begin: int, end: int) -> list[WaterRow]:
        """A zone's water of a time (`end` is not in it), the oldest first, each with the litres that it counts for."""
        rate = zone.flow_l_min / 60
        rows = [
            replace(row, litres=(row.duration_s * rate if row.litres is None else row.litres) - row.back_s * rate)
            for row in (entry.row for _, entry in self._tables.water.items())
            if row.zone_id == zone.zone_id and begin <= row.at < end
        ]
        return sorted(rows, key=lambda row: (row.at, row.water_id))

    def beat(self, beat: Beat) -> None:
        """The service lives."""
        self._tables.beats.put("last", beat)

    def last_beat(self) -> Beat | None:
        """When it last lived, or None."""
        return self._tables.beats.get("last")


def _thin(moments: list[Moment], most: int) -> list[Moment]:
    if len(moments) <= most:
        return moments
    first = moments[0].at
    width_s = -(-(moments[-1].at + 1 - first) // most)
    parts = [list(part) for _, part in groupby(moments, key=lambda one: (one.at - first) // width_s)]
    return [replace(part[-1], litres=round(sum(one.litres for one in part), 1)) for part in parts]
