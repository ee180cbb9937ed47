"""Every command that was ever given, what became of it, and the epochs that were used, in memory."""

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from compute_service.domain.ports import CommandRow, Delivery, WaterTotal
from tests.compute_service.in_memory.tables import CommandEntry, Tables, real

if TYPE_CHECKING:
    from protocol.messages import Command


class CommandsInMemory:
    """A `domain.ports.CommandLog`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, gateway_id: str, message: "Command", give_up_at: int) -> None:
        """Remember a command before it is published, as `pending`; one of no zone is for its whole gateway."""
        entry = CommandEntry(
            zone_id=message["zone_id"],
            gateway_id=gateway_id,
            state="pending",
            code=None,
            text=json.dumps(message),
            issued_at=message["issued_at"],
            give_up_at=give_up_at,
            closed_at=None,
        )
        self._tables.commands.add(message["command_id"], entry)

    def get(self, command_id: str) -> CommandRow | None:
        """A remembered command, or None."""
        entry = self._tables.commands.get(command_id)
        return self._row(command_id, entry) if entry else None

    def in_states(self, *states: str, place: tuple[str, str] | None = None, since: int = 0) -> list[CommandRow]:
        """All commands in one of these states, the oldest first; of a `place` in any state, where none is named.

        `place`: a gateway and its zone, with what is for all of its zones; `since`: issued then or later.
        """
        rows = [self._row(*item) for item in self._oldest_first() if item[1].issued_at >= since]
        return [
            row
            for row in rows
            if (row.state in states or (place and not states))
            and (place is None or (row.gateway_id == place[0] and row.zone_id in {None, place[1]}))
        ]

    def open(self, overdue_at: int | None = None) -> list[CommandRow]:
        """The commands whose end is not known yet; with a time, only those whose wait for an ack is over by then."""
        rows = [self._row(*item) for item in self._oldest_first()]
        waits = [(row, row.give_up_at) for row in rows if row.give_up_at is not None]
        return [row for row, give_up_at in waits if overdue_at is None or give_up_at <= overdue_at]

    def last_plans(self, zone_id: str | None = None) -> list[CommandRow]:
        """The newest fallback plan of every zone that ever had one, by name; or of one zone, if it had any."""
        rows = (self._row(*item) for item in self._oldest_first())
        newest = {row.zone_id or "": row for row in rows if row.message["action"] == "fallback"}
        return [newest[name] for name in sorted(newest) if zone_id in {None, name}]

    def _oldest_first(self) -> list[tuple[str, CommandEntry]]:
        return sorted(self._tables.commands.items(), key=lambda item: (item[1].issued_at, item[0]))

    def _row(self, command_id: str, entry: CommandEntry) -> CommandRow:
        message: Command = json.loads(entry.text)
        return CommandRow(
            command_id=command_id,
            zone_id=entry.zone_id,
            gateway_id=entry.gateway_id,
            state=entry.state,
            message=message,
            give_up_at=entry.give_up_at,
            is_booked=self._tables.water.get(command_id) is not None,
            code=entry.code,
        )

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
        with self._tables.transactions.transaction():
            if entry := self._tables.commands.get(command_id):
                entry_after = replace(
                    entry,
                    state=state,
                    code=entry.code if code is None else code,
                    give_up_at=give_up_at,
                    closed_at=closed_at,
                )
                self._tables.commands.put(command_id, entry_after)

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep what a command delivered; a command can only be settled once."""
        row = replace(delivery, duration_s=float(delivery.duration_s), volume_l=real(delivery.volume_l))
        self._tables.deliveries.add(delivery.command_id, row)

    def deliveries(self) -> list[Delivery]:
        """All settled deliveries, the oldest first."""
        rows = [row for _, row in self._tables.deliveries.items()]
        return sorted(rows, key=lambda row: (row.ended_at, row.zone_id, row.command_id))

    def totals(self) -> list[WaterTotal]:
        """The same, summed by zone and source, in their order: sums that only ever grow."""
        groups: dict[tuple[str, str], list[Delivery]] = {}
        for row in self.deliveries():
            groups.setdefault((row.zone_id, row.source), []).append(row)
        return [
            WaterTotal(
                zone_id=zone_id,
                source=source,
                runs=len(rows),
                litres=sum((row.volume_l or 0.0 for row in rows), 0.0),
                unmeasured_s=sum((row.duration_s for row in rows if row.volume_l is None), 0.0),
            )
            for (zone_id, source), rows in sorted(groups.items())
        ]

    def counts(self) -> dict[str, int]:
        """How many commands are in each state."""
        return dict(Counter(entry.state for _, entry in self._tables.commands.items()))

    def epoch(self, zone_id: str) -> int:
        """The largest epoch that was ever used for, or reported by, the zone; 0 if none was."""
        return self._tables.zone(zone_id).epoch

    def raise_epoch(self, zone_id: str, epoch: int) -> None:
        """Never use an epoch up to this one again."""
        with self._tables.transactions.transaction():
            row = self._tables.zone(zone_id)
            self._tables.zones.put(zone_id, replace(row, epoch=max(row.epoch, epoch)))
