"""What anyone who reads the service's store may know of a farm: its settings, its runs under way, its valves.

A shell, a page and a bridge all ask here, so that none of them says of a valve what another denies.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from compute_service import commands
from compute_service.adapters import crops_table
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.inputs import config_from
from compute_service.domain.ports import CommandRow, DecisionRow, GatewayRow, Store
from compute_service.domain.zone import Config, Zone
from compute_service.errors import StoreError

SHUT, OPENING, OPEN, CLOSING = "shut", "opening", "open", "closing"


@dataclass(frozen=True, slots=True)
class Valve:
    """What is known of a valve: `open` only once the board said so. `shuts_by` (Unix s) is its own deadline."""

    state: str
    shuts_by: int | None = None


def farm_text(store: SqliteStore) -> str:
    """The farm as its service wrote it down last. Raises StoreError if no service ever ran on this store."""
    text = store.updates.config()
    if text is None:
        raise StoreError(
            f"{store.database.path}: no service has run on it yet; start one: python -m compute_service run"
        )
    return text


def farm_of(store: SqliteStore) -> Config:
    """The farm as its service knew it last. Raises StoreError if no service ever ran on this store."""
    return _config(farm_text(store))


@lru_cache(maxsize=4)
def _config(text: str) -> Config:
    """A big farm takes a tenth of a second to build, and changes with its settings only."""
    return config_from(text, crops_table.crop)


def last_decision(store: Store, zone_id: str) -> DecisionRow | None:
    """A zone's newest decision, or None."""
    return next(iter(store.decisions.last(1, zone_id)), None)


def commands_that_open(store: Store) -> list[CommandRow]:
    """The runs whose end is not known yet."""
    return [row for row in store.commands.open() if commands.opens(row)]


def shuts_by(command: CommandRow) -> int:
    """When the valve of such a run is shut at the latest, by the gateway's own deadline (Unix s)."""
    if command.state == "started" and command.give_up_at is not None:
        return command.give_up_at - commands.ACK_GRACE_S
    return int(command.message["expires_at"]) + (command.message.get("duration_s") or 0)


def valves_of(store: Store, zones: Iterable[Zone]) -> dict[str, Valve]:
    """Every zone's valve: what is commanded and not over, and what the gateways last said of themselves."""
    open_commands = store.commands.open()
    runs = {row.zone_id: row for row in open_commands if commands.opens(row)}
    stops = {(row.gateway_id, row.zone_id) for row in open_commands if not commands.opens(row)}
    open_by_status = {zone_id for row in store.updates.gateways() for zone_id in _said_open(store, row)}
    return {zone.zone_id: _valve(zone, runs.get(zone.zone_id), zone.zone_id in open_by_status, stops) for zone in zones}


def _said_open(store: Store, row: GatewayRow) -> Iterator[str]:
    """The valves that a gateway last said to be open, but for those whose run has ended since."""
    for zone_id in row["status"].get("open_valves") or ():
        acks = store.journal.last(1, ("ack",), zone_id)
        if not acks or acks[0]["at"] <= row["heard_at"]:
            yield zone_id


def _valve(zone: Zone, run: CommandRow | None, is_said_open: bool, stops: set[tuple[str, str | None]]) -> Valve:
    is_open = is_said_open or (run is not None and run.state == "started")
    if run is None and not is_open:
        return Valve(SHUT)
    is_closing = (zone.gateway_id, zone.zone_id) in stops or (zone.gateway_id, None) in stops
    state = CLOSING if is_closing else OPEN if is_open else OPENING
    return Valve(state, shuts_by(run) if run else None)
