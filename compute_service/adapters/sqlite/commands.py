"""Every command that was ever given, what became of it, and the epochs that were used."""

import json
from typing import TYPE_CHECKING

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.ports import CommandRow, Delivery, WaterTotal

if TYPE_CHECKING:
    from protocol.messages import Command

_IS_BOOKED = "EXISTS (SELECT 1 FROM water WHERE water_id = command_id)"
_ROW = f"command_id, zone_id, gateway_id, state, message, give_up_at, {_IS_BOOKED}, code"
_IS_PLAN = "json_extract(message, '$.action') = 'fallback'"  # as the index commands_plans has it
_DELIVERY = "command_id, zone_id, ended_at, duration_s, volume_l, source, end_reason"


class CommandTables:
    """A `domain.ports.CommandLog` over the tables commands and deliveries, and the epochs of zones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, gateway_id: str, message: "Command", give_up_at: int) -> None:
        """Remember a command before it is published, as `pending`; one of no zone is for its whole gateway."""
        self._database.run(
            "INSERT INTO commands (command_id, zone_id, gateway_id, state, message, issued_at, give_up_at)"
            " VALUES (?, ?, ?, 'pending', ?, ?, ?)",
            *(message["command_id"], message["zone_id"], gateway_id),
            *(json.dumps(message), message["issued_at"], give_up_at),
        )

    def get(self, command_id: str) -> CommandRow | None:
        """A remembered command, or None."""
        rows = self._rows("command_id = ?", command_id)
        return rows[0] if rows else None

    def in_states(self, *states: str, place: tuple[str, str] | None = None, since: int = 0) -> list[CommandRow]:
        """All commands in one of these states, the oldest first; of a `place` in any state, where none is named.

        `place`: a gateway and its zone, with what is for all of its zones; `since`: issued then or later.
        """
        wheres = [f"state IN ({', '.join('?' * len(states))})"] if states or not place else []
        if place:
            wheres.append("gateway_id = ? AND (zone_id = ? OR zone_id IS NULL)")
        return self._rows(" AND ".join([*wheres, "issued_at >= ?"]), *states, *(place or ()), since)

    def open(self, overdue_at: int | None = None) -> list[CommandRow]:
        """The commands whose end is not known yet; with a time, only those whose wait for an ack is over by then."""
        return self._rows("give_up_at IS NOT NULL") if overdue_at is None else self._rows("give_up_at <= ?", overdue_at)

    def last_plans(self, zone_id: str | None = None) -> list[CommandRow]:
        """The newest fallback plan of every zone that ever had one, by name; or of one zone, if it had any."""
        if zone_id is None:
            query = f"SELECT DISTINCT zone_id FROM commands WHERE {_IS_PLAN} ORDER BY zone_id"  # noqa: S608 - our own words
            return [plan for (name,) in self._database.all(query) for plan in self.last_plans(name)]
        query = f"SELECT command_id FROM commands WHERE zone_id = ? AND {_IS_PLAN}"  # noqa: S608 - our own words
        newest = self._database.one(f"{query} ORDER BY issued_at DESC, command_id DESC LIMIT 1", zone_id)
        return self._rows("command_id = ?", newest[0]) if newest else []

    def _rows(self, where: str, *values: object) -> list[CommandRow]:
        rows = self._database.all(
            f"SELECT {_ROW} FROM commands WHERE {where} ORDER BY issued_at, command_id",  # noqa: S608 - our own words
            *values,
        )
        return [
            CommandRow(
                command_id=command_id,
                zone_id=zone_id,
                gateway_id=gateway_id,
                state=state,
                message=json.loads(text),
                give_up_at=give_up_at,
                is_booked=bool(is_booked),
                code=code,
            )
            for command_id, zone_id, gateway_id, state, text, give_up_at, is_booked, code in rows
        ]

    def move(
        self,
        command_id: str,
        state: str,
        code: str | None,
        *,
        give_up_at: int | None = None,
        closed_at: int | None = None,
    ) -> None:
        """The command is in another state: open until `give_up_at`, or closed. A code that is None leaves the last."""
        self._database.run(
            "UPDATE commands SET state = ?, code = coalesce(?, code), give_up_at = ?, closed_at = ?"
            " WHERE command_id = ?",
            *(state, code, give_up_at, closed_at, command_id),
        )

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep what a command delivered; a command can only be settled once."""
        self._database.run(
            f"INSERT INTO deliveries ({_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own words
            *(delivery.command_id, delivery.zone_id, delivery.ended_at, delivery.duration_s),
            *(delivery.volume_l, delivery.source, delivery.end_reason),
        )

    def deliveries(self) -> list[Delivery]:
        """All settled deliveries, the oldest first."""
        names = _DELIVERY.split(", ")
        query = f"SELECT {_DELIVERY} FROM deliveries ORDER BY ended_at, zone_id, command_id"  # noqa: S608 - our own words
        rows = self._database.all(query)
        return [Delivery(**dict(zip(names, row, strict=True))) for row in rows]

    def totals(self) -> list[WaterTotal]:
        """The same, summed by zone and source, in their order: sums that only ever grow."""
        rows = self._database.all(
            "SELECT zone_id, source, count(*), total(volume_l), total(iif(volume_l IS NULL, duration_s, 0))"
            " FROM deliveries GROUP BY zone_id, source ORDER BY zone_id, source"
        )
        return [
            WaterTotal(zone_id=zone_id, source=source, runs=runs, litres=litres, unmeasured_s=unmeasured_s)
            for zone_id, source, runs, litres, unmeasured_s in rows
        ]

    def counts(self) -> dict[str, int]:
        """How many commands are in each state."""
        return dict(self._database.all("SELECT state, count(*) FROM commands GROUP BY state"))

    def epoch(self, zone_id: str) -> int:
        """The largest epoch that was ever used for, or reported by, the zone; 0 if none was."""
        row = self._database.one("SELECT epoch FROM zones WHERE zone_id = ?", zone_id)
        return row[0] if row else 0

    def raise_epoch(self, zone_id: str, epoch: int) -> None:
        """Never use an epoch up to this one again."""
        self._database.run(
            "INSERT INTO zones (zone_id, epoch) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)",
            *(zone_id, epoch),
        )
