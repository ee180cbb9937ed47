"""A store of a big farm with a season behind it, as its service would have left it.

One zone lives five days in the real service on the real store; its rows are then repeated over the zones and the days
by SQL in the store's own schema, in the order of their times, as they would have been written. Only the inputs that
`replay` wants, which no page reads, stay with the zone that lived.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agronomy.units import DAY_S
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.inputs import config_text
from compute_service.domain.ports import Beat
from compute_service.domain.zone import Config, Zone
from compute_service.retention import DECISION_NOTES_S
from protocol import topics
from tests.compute_service.bench import NOON, SITE, Bench, zone

if TYPE_CHECKING:
    from protocol.messages import Status

EVERY_S = 900
LIVED_DAYS = 5
ZONES_A_GATEWAY = 4
USED_AN_HOUR = 0.0011  # m3/m3
CROPS = ("tomato", "maize", "lettuce", "soybean", "grape")
AHEAD_S = 10 * DAY_S  # of the world's time: a beat that no run outlasts, so that the pages take the service for alive


class Size(NamedTuple):
    """How many zones, and how many days they have behind them: a multiple of LIVED_DAYS."""

    zones: int
    days: int

    def __str__(self) -> str:
        return f"{self.zones} zones x {self.days} days"


def zones(count: int) -> tuple[Zone, ...]:
    """So many zones, four on a gateway; the first ones are the same on a farm of any size."""
    return tuple(_zone(number) for number in range(count))


def _zone(number: int) -> Zone:
    gateway_id = f"gateway-{number // ZONES_A_GATEWAY:03}"
    return zone(
        zone_id=f"zone-{number:03}",
        gateway_id=gateway_id,
        sensor_id=f"{gateway_id}.soil-{number:03}",
        crop=CROPS[number % len(CROPS)],
        area_m2=100.0 + number % 7 * 40,
        application_rate_mm_h=20.0,
    )


def config_of(size: Size) -> Config:
    """The farm as a service knows it."""
    return Config(farm="big farm", timezone="America/Toronto", site=SITE, zones=zones(size.zones))


def fill(path: Path, size: Size) -> None:
    """Make the store of a farm of that size; its time stands at NOON."""
    with closing(SqliteStore(path)) as store:
        _live(store, _zone(0))
        store.updates.save_config(config_text(config_of(size)))
        for gateway_id in sorted({one.gateway_id for one in zones(size.zones)}):
            for at in (NOON - DAY_S, NOON - 60):
                store.updates.save_gateway(status(gateway_id, at), at)
        store.journal.beat(Beat(NOON, time.time() + AHEAD_S, 0.0))
    _repeat(path, size)


def status(gateway_id: str, at: int) -> "Status":
    """What a gateway says of itself."""
    return {
        "v": 1,
        "gateway_id": gateway_id,
        "boot_id": "boot-1",
        "state": "online",
        "at": at,
        "firmware": "1.4.0",
        "uptime_s": 864_000,
        "heap_free_bytes": 88_400,
        "rssi_dbm": -61,
        "outbox_depth": 0,
        "outbox_dropped": 0,
        "open_valves": [],
    }


def _live(store: SqliteStore, one: Zone) -> None:
    """A zone dries, is decided about each quarter of an hour, and is watered."""
    bench = Bench(store, (one,), now=NOON - LIVED_DAYS * DAY_S)
    bench.service.start()
    vwc, answered = 0.25, 0
    for seq in range(LIVED_DAYS * DAY_S // EVERY_S):
        bench.now += EVERY_S - 12
        vwc -= USED_AN_HOUR * EVERY_S / 3600
        sample = {"seq": seq, "measured_at": bench.now, "clock": "synced", "vwc": round(vwc, 4)}
        names = {"gateway_id": one.gateway_id, "sensor_id": one.sensor_id, "zone_id": one.zone_id}
        bench.hear(topics.data(one.sensor_id), {**names, "boot_id": "boot-1", "samples": [sample]})
        bench.tick(12)
        for command in bench.commands()[answered:]:
            litres = command["max_volume_l"] / 1.5
            bench.hear_ack(command, "started")
            bench.hear_ack(command, "done", at=bench.now, duration_s=command["duration_s"], volume_l=round(litres, 1))
            vwc += litres / one.area_m2 * one.efficiency / 1000 / one.root_depth_m
        answered = len(bench.commands())


# Each with the column of its time; rows are copied in the order of that.
_TABLES = {
    "decisions": "at",
    "history": "at",
    "water": "at",
    "deliveries": "ended_at",
    "commands": "issued_at",
    "journal": "at",
}
_IDS = ("decision_id", "command_id", "water_id")
_TIMES = ("at", "ended_at", "issued_at", "closed_at")
_NEW = ("seq", "inputs")  # numbers that the table gives itself, and what is left out


def _repeat(path: Path, size: Size) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY"):
            file.execute(f"PRAGMA {pragma}")
        file.execute("BEGIN")
        file.execute("CREATE TEMP TABLE others (number INTEGER PRIMARY KEY, zone_id TEXT, gateway_id TEXT)")
        rows = [(number, one.zone_id, one.gateway_id) for number, one in enumerate(zones(size.zones))]
        file.executemany("INSERT INTO others VALUES (?, ?, ?)", rows)
        for table, time_column in _TABLES.items():
            file.execute(f"CREATE TEMP TABLE lived_{table} AS SELECT * FROM {table}")  # noqa: S608 - our own words
            file.execute(f"CREATE INDEX temp.lived_{table}_at ON lived_{table} ({time_column})")
            file.execute(f"DELETE FROM main.{table}")  # noqa: S608 - our own words
        for shift in reversed(range(size.days // LIVED_DAYS)):
            for table in _TABLES:
                _add_copies(file, table, shift)
        for table in ("models", "zones"):
            _one_a_zone(file, table)
        file.execute("COMMIT")
        file.execute("PRAGMA journal_mode=WAL")


def _add_copies(file: sqlite3.Connection, table: str, shift: int) -> None:
    """The rows that were lived, for every zone, so many times LIVED_DAYS before."""
    time_column = _TABLES[table]
    copies = {name: _copy(name, time_column) for name in _columns(file, table) if name not in _NEW}
    since = NOON - DECISION_NOTES_S + shift * LIVED_DAYS * DAY_S
    condition = f"AND (lived.kind <> 'decision' OR lived.at >= {since})" if table == "journal" else ""
    statement = (
        f"INSERT INTO main.{table} ({', '.join(copies)}) SELECT {', '.join(copies.values())}"  # noqa: S608 - our own words
        f" FROM lived_{table} AS lived CROSS JOIN others AS other WHERE lived.{time_column} = :at {condition}"
    )
    times = file.execute(f"SELECT DISTINCT {time_column} FROM lived_{table} ORDER BY 1")  # noqa: S608 - our own words
    for (at,) in times.fetchall():
        file.execute(statement, {"at": at, "shift": shift, "shift_s": shift * LIVED_DAYS * DAY_S})


def _copy(name: str, time_column: str) -> str:
    """A column's value in a copy; ids sort by their time, as real ones do."""
    if name in {"zone_id", "gateway_id"}:
        return f"other.{name}"
    if name in _TIMES:
        return f"lived.{name} - :shift_s"
    if name in _IDS:
        number = "printf('%06X', other.number * 64 + :shift)"
        an_id = f"printf('%010X', lived.{time_column} - :shift_s) || substr(lived.{name}, 11, 10) || {number}"
        return f"iif(lived.{name} IS NULL, NULL, {an_id})"
    return "replace(lived.sentence, 'zone-000', other.zone_id)" if name == "sentence" else f"lived.{name}"


def _one_a_zone(file: sqlite3.Connection, table: str) -> None:
    copies = {name: "other.zone_id" if name == "zone_id" else f"lived.{name}" for name in _columns(file, table)}
    file.execute(
        f"INSERT OR IGNORE INTO {table} ({', '.join(copies)}) SELECT {', '.join(copies.values())}"  # noqa: S608 - our own words
        f" FROM {table} AS lived CROSS JOIN others AS other WHERE lived.zone_id = 'zone-000'"
    )


def _columns(file: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in file.execute(f"PRAGMA main.table_info({table})")]
