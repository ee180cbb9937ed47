"""Everything the service must still know after a crash, in one SQLite file.

One connection behind one lock: the MQTT thread and the main thread take turns. What belongs together is written inside
one `transaction`; a `durable` one is on the disk, power cut or not, before it returns.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from compute_service.adapters.packing import pack, unpack
from compute_service.adapters.schema import SCHEMAS
from compute_service.domain.decide import Run, ZoneState
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Sample, Water, WeatherHour, ZoneModel
from compute_service.errors import StoreError

Message = dict[str, Any]  # as protocol.messages checks it


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A remembered command: its state, and the message exactly as it was published."""

    command_id: str
    zone_id: str
    gateway_id: str
    state: str
    message: Message


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an ack said about a run; `volume_l` is None, and `source` none, where nothing measured or estimated it."""

    command_id: str
    zone_id: str
    ended_at: int
    duration_s: float
    volume_l: float | None
    source: str
    end_reason: str | None


HOURS_KEPT_S, WEATHER_KEPT_S = 40 * 86400, 3 * 86400
REASONS = ("intent", "checks", "receipt")
_LITRES = "coalesce(litres, duration_s * ?) - back_s * ?"  # litres of a row of `water`, at the zone's `_rate`


class Store:
    """The state of all zones; raises StoreError for whatever goes wrong with the file."""

    def __init__(self, path: Path | str, *, must_exist: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        if must_exist and not Path(path).is_file():
            raise StoreError(f"{path}: no such store; give the --store that the service runs with")
        with self._translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            with self._translated():
                self._db.execute("PRAGMA journal_mode=WAL")
                self._migrate()
        except StoreError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; nothing that was committed is lost."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All or nothing. Nested, it joins the outer one. `durable` waits for the disk (milliseconds)."""
        with self._lock, self._translated():
            if self._db.in_transaction:
                yield
                return
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._db.execute("ROLLBACK")
                raise

    # zones

    def zone_state(self, zone: Zone, runs_since: int, today: int, season: int) -> ZoneState:
        """What `decide` wants to know of valves: a command under way, late runs, and litres since both times."""
        under_way = self._one(
            "SELECT min(command_id) FROM commands WHERE zone_id = ? AND give_up_at IS NOT NULL", zone.zone_id
        )
        return ZoneState(
            under_way=under_way[0] if under_way else None,
            runs=tuple(self._runs(zone.zone_id, runs_since)),
            used_today_l=self._litres_since(zone, today),
            used_season_l=self._litres_since(zone, season),
        )

    def _litres_since(self, zone: Zone, since: int) -> float:
        query = f"SELECT total({_LITRES}) FROM water WHERE zone_id = ? AND at >= ?"  # noqa: S608 - our own words
        row = self._one(query, *_rate(zone), zone.zone_id, since)
        return float(row[0]) if row else 0.0

    def _runs(self, zone_id: str, since: int) -> Iterator[Run]:
        settled = "SELECT ended_at, duration_s FROM deliveries WHERE zone_id = ? AND ended_at >= ? AND duration_s > 0"
        for row in self._all(settled, zone_id, since):
            yield Run(*row)
        # No ack ever told how these ended, so the water is counted as given: never more than the cap, never too soon.
        unknown = "SELECT closed_at, message FROM commands WHERE zone_id = ? AND closed_at >= ? AND state = 'expired'"
        for closed_at, message in self._all(unknown, zone_id, since):
            yield Run(closed_at, json.loads(message)["duration_s"])

    def save_sample(self, zone_id: str, sample: Sample, key: tuple[int, str], due_at: int | None) -> bool:
        """Keep a sample for its zone's next decision, and when that is due unless it is settled; False if it is known.

        `key` is the rest of its identity: seq and boot_id.
        """
        with self.transaction():
            added = self._db.execute(
                "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?)",
                (sample.sensor_id, sample.at, *key, zone_id, sample.vwc),
            )
            if added.rowcount > 0 and due_at is not None:
                self._run(
                    "INSERT INTO zones (zone_id, due_at) VALUES (?, ?)"
                    " ON CONFLICT DO UPDATE SET due_at = coalesce(due_at, excluded.due_at)",
                    *(zone_id, due_at),
                )
        return added.rowcount > 0

    def samples(self, zone_id: str) -> list[Sample]:
        """What waits for the zone's next decision, one of a sensor and time: the newest of those that have a value."""
        rows = self._all(
            "SELECT sensor_id, measured_at, vwc FROM samples WHERE zone_id = ?"
            " ORDER BY measured_at, sensor_id, vwc IS NOT NULL, seq, boot_id",
            zone_id,
        )
        return list({(sensor_id, at): Sample(sensor_id, at, vwc) for sensor_id, at, vwc in rows}.values())

    def forget_samples(self, zone_id: str) -> None:
        """The zone's model knows them."""
        self._run("DELETE FROM samples WHERE zone_id = ?", zone_id)

    def model(self, zone: Zone) -> ZoneModel | None:
        """What is believed of a zone, or None."""
        row = self._one("SELECT model FROM models WHERE zone_id = ?", zone.zone_id)
        return ZoneModel.from_json(zone.place, json.loads(row[0])) if row else None

    def save_model(self, zone_id: str, model: ZoneModel) -> None:
        """Keep what is believed of a zone."""
        self._run("INSERT OR REPLACE INTO models VALUES (?, ?)", zone_id, json.dumps(model.to_json()))

    # water

    def add_water(  # noqa: PLR0913, PLR0917  # the row's columns
        self,
        water_id: str,
        zone_id: str,
        at: int,
        litres: float | None,
        duration_s: float,
        source: str,
        back_s: float = 0,
    ) -> bool:
        """Book water of a zone: litres, or seconds at the nominal rate; `back_s` takes such seconds back."""
        with self.transaction():
            added = self._db.execute(
                "INSERT OR IGNORE INTO water VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                (water_id, zone_id, at, litres, duration_s, back_s, source),
            )
        return added.rowcount > 0

    def has_water(self, water_id: str) -> bool:
        """True if it is booked already."""
        return self._one("SELECT 1 FROM water WHERE water_id = ?", water_id) is not None

    def new_water(self, zone: Zone) -> list[Water]:
        """What the zone's model does not know, the oldest first."""
        query = f"SELECT at, {_LITRES} FROM water WHERE taken = 0 AND zone_id = ? ORDER BY at, water_id"  # noqa: S608 - our own words
        return [Water(*row) for row in self._all(query, *_rate(zone), zone.zone_id)]

    def take_water(self, zone_id: str) -> None:
        """The zone's model knows all of it."""
        self._run("UPDATE water SET taken = 1 WHERE taken = 0 AND zone_id = ?", zone_id)

    # weather

    def save_weather(self, gateway_id: str, measured_at: int, key: tuple[int, str], quantities: Message) -> None:
        """Keep a sample of a weather station, once; `key` is seq and boot_id."""
        values = (gateway_id, measured_at, *key, json.dumps(quantities))
        self._run("INSERT OR IGNORE INTO weather VALUES (?, ?, ?, ?, ?)", *values)

    def weather(self, gateway_id: str, begin: int, end: int) -> list[Message]:
        """A station's samples of a time (`end` is not in it), the oldest first, each with its `measured_at`."""
        rows = self._all(
            "SELECT measured_at, quantities FROM weather WHERE gateway_id = ? AND measured_at >= ? AND measured_at < ?"
            " ORDER BY measured_at, seq, boot_id",
            *(gateway_id, begin, end),
        )
        return [{"measured_at": at, **json.loads(quantities)} for at, quantities in rows]

    def stations(self, begin: int, end: int) -> list[str]:
        """The gateways whose weather station reported in a time, by name."""
        query = "SELECT DISTINCT gateway_id FROM weather WHERE measured_at >= ? AND measured_at < ? ORDER BY 1"
        return [row[0] for row in self._all(query, begin, end)]

    def hour(self, gateway_id: str, at: int) -> HourRecord | None:
        """An hour of weather that was reckoned before, or None."""
        row = self._one(
            "SELECT at, et0_mm, rain_mm, source, sun_ratio FROM hours WHERE gateway_id = ? AND at = ?", gateway_id, at
        )
        return HourRecord(WeatherHour(*row[:4]), row[4]) if row else None

    def save_hour(self, gateway_id: str, record: HourRecord) -> None:
        """Keep an hour of weather, and forget what is too old to be asked for."""
        at = record.hour.at
        self._run("INSERT OR IGNORE INTO hours VALUES (?, ?, ?, ?, ?, ?)", gateway_id, *record.hour, record.sun_ratio)
        self._run("DELETE FROM hours WHERE gateway_id = ? AND at < ?", gateway_id, at - HOURS_KEPT_S)
        self._run("DELETE FROM weather WHERE gateway_id = ? AND measured_at < ?", gateway_id, at - WEATHER_KEPT_S)

    def zone_ids(self) -> list[str]:
        """Every zone that was ever heard of, by name."""
        return [row[0] for row in self._all("SELECT zone_id FROM zones UNION SELECT zone_id FROM decisions ORDER BY 1")]

    def due_zones(self, now: int) -> list[str]:
        """The zones to decide about now, by name."""
        return [row[0] for row in self._all("SELECT zone_id FROM zones WHERE due_at <= ? ORDER BY zone_id", now)]

    def forget_due(self, zone_id: str) -> None:
        """The zone is decided about, until its next sample."""
        self._run("UPDATE zones SET due_at = NULL WHERE zone_id = ?", zone_id)

    def next_due(self) -> int | None:
        """When the next decision is due, or the next command is to be given up; None if nothing waits."""
        row = self._one(
            "SELECT min(at) FROM (SELECT min(due_at) AS at FROM zones"
            " UNION ALL SELECT min(give_up_at) FROM commands WHERE give_up_at IS NOT NULL)"
        )
        return row[0] if row else None

    def epoch(self, zone_id: str) -> int:
        """The largest epoch that was ever used for, or reported by, the zone."""
        row = self._one("SELECT epoch FROM zones WHERE zone_id = ?", zone_id)
        return row[0] if row else 0

    def raise_epoch(self, zone_id: str, epoch: int) -> None:
        """Never use an epoch up to this one again."""
        self._run(
            "INSERT INTO zones (zone_id, epoch) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)",
            *(zone_id, epoch),
        )

    # commands and what they delivered

    def add_command(self, gateway_id: str, message: Message, give_up_at: int) -> None:
        """Remember a command before it is published."""
        self._run(
            "INSERT INTO commands (command_id, zone_id, gateway_id, state, message, issued_at, give_up_at)"
            " VALUES (?, ?, ?, 'pending', ?, ?, ?)",
            *(message["command_id"], message["zone_id"], gateway_id),
            *(json.dumps(message), message["issued_at"], give_up_at),
        )

    def command(self, command_id: str) -> CommandRow | None:
        """A remembered command, or None."""
        rows = self._commands("command_id = ?", command_id)
        return rows[0] if rows else None

    def commands_in(self, *states: str) -> list[CommandRow]:
        """All commands in one of these states, the oldest first."""
        return self._commands(f"state IN ({', '.join('?' * len(states))})", *states)

    def open_commands(self) -> list[CommandRow]:
        """The commands whose end is not known yet."""
        return self._commands("give_up_at IS NOT NULL")

    def commands_to_give_up(self, now: int) -> list[CommandRow]:
        """The commands whose time to wait for an ack is over."""
        return self._commands("give_up_at <= ?", now)

    def _commands(self, where: str, *values: object) -> list[CommandRow]:
        query = "SELECT command_id, zone_id, gateway_id, state, message FROM commands"
        rows = self._all(f"{query} WHERE {where} ORDER BY issued_at, command_id", *values)
        return [CommandRow(id_, zone, gateway, state, json.loads(text)) for id_, zone, gateway, state, text in rows]

    def move_command(self, command_id: str, state: str, code: str | None, give_up_at: int | None) -> None:
        """The command is in another state, and open until `give_up_at`."""
        self._run(
            "UPDATE commands SET state = ?, code = coalesce(?, code), give_up_at = ?, closed_at = NULL"
            " WHERE command_id = ?",
            *(state, code, give_up_at, command_id),
        )

    def close_command(self, command_id: str, state: str, code: str, now: int) -> None:
        """The command waits for nothing any more."""
        self._run(
            "UPDATE commands SET state = ?, code = ?, give_up_at = NULL, closed_at = ? WHERE command_id = ?",
            *(state, code, now, command_id),
        )

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep what a command delivered; a command can only be settled once."""
        self._run("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", *astuple(delivery))

    def deliveries(self) -> list[Delivery]:
        """All settled deliveries, the oldest first."""
        return [Delivery(*row) for row in self._all("SELECT * FROM deliveries ORDER BY ended_at, zone_id")]

    def command_counts(self) -> dict[str, int]:
        """How many commands are in each state."""
        return dict(self._all("SELECT state, count(*) FROM commands GROUP BY state"))

    # decisions

    def add_decision(self, decision_id: str, told: Message, command_id: str | None, inputs: Message) -> None:
        """Keep a decision (its `to_json`) with all its reasons, and the inputs that it can be repeated from."""
        packed = (pack({name: told[name] for name in REASONS}), pack(inputs))
        self._run(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, '', ?, ?)",
            *(decision_id, told["zone_id"], told["at"], command_id, told["sentence"], *packed),
        )

    def decisions(self, zone_id: str | None = None, last: int = 20) -> list[dict[str, Any]]:
        """The last decisions, oldest first, with `intent`, `checks` and `receipt` as they were recorded."""
        query = "SELECT * FROM decisions WHERE ? IN (zone_id, '') ORDER BY at DESC, zone_id DESC LIMIT ?"
        return [_decision(row) for row in reversed(self._dicts(query, zone_id or "", last))]

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """One decision, as `decisions` gives it, or None."""
        rows = self._dicts("SELECT * FROM decisions WHERE decision_id = ?", decision_id)
        return _decision(rows[0]) if rows else None

    def decisions_with_inputs(self, begin: int, end: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The decisions of a time, zone by zone in the order they were made, each with its inputs."""
        query = (
            "SELECT * FROM decisions WHERE at >= ? AND at < ? AND inputs IS NOT NULL ORDER BY zone_id, at, decision_id"
        )
        for row in self._dicts(query, begin, end):
            yield _decision(row), unpack(row["inputs"])

    def save_settings(self, digest: str, text: str) -> None:
        """Keep a zone's settings under the digest that decisions name them by."""
        self._run("INSERT OR IGNORE INTO settings VALUES (?, ?)", digest, text)

    def settings(self, digest: str) -> str:
        """A zone's settings as they were kept."""
        row = self._one("SELECT fields FROM settings WHERE hash = ?", digest)
        if row is None:
            raise StoreError(f"{self.path}: has no settings {digest}; was a part of the file lost?")
        return str(row[0])

    # updates, gateways, counters

    def add_update(self, update_id: str, device_id: str, settings: Mapping[str, int]) -> None:
        """Queue an update of gateway settings for the running service to publish."""
        values = (update_id, device_id, json.dumps(settings))
        self._run("INSERT INTO updates VALUES (?, ?, ?, 'queued')", *values)

    def updates_in(self, *states: str) -> list[dict[str, Any]]:
        """The updates in one of these states, in the order of their ids, so of their times."""
        marks = ", ".join("?" * len(states))
        rows = self._dicts(f"SELECT * FROM updates WHERE state IN ({marks}) ORDER BY update_id", *states)  # noqa: S608 - our own words
        return [{**row, "settings": json.loads(row["settings"])} for row in rows]

    def move_update(self, update_id: str, state: str) -> None:
        """The update is `pending` (published) or `sent` (the broker has it)."""
        self._run("UPDATE updates SET state = ? WHERE update_id = ?", state, update_id)

    def save_gateway(self, gateway_id: str, state: str, at: int) -> None:
        """What a status claimed about a gateway."""
        self._run("INSERT OR REPLACE INTO gateways VALUES (?, ?, ?)", gateway_id, state, at)

    def gateways(self) -> list[dict[str, Any]]:
        """What statuses claimed, by gateway: a hint, since anyone may claim anything there."""
        return self._dicts("SELECT * FROM gateways ORDER BY gateway_id")

    def count(self, name: str, more: int = 1) -> None:
        """Add to a counter."""
        self._run(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", name, more
        )

    def counters(self) -> dict[str, int]:
        """All counters, by name."""
        return dict(self._all("SELECT name, value FROM counters"))

    # plumbing

    def _migrate(self) -> None:
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(SCHEMAS):
                raise StoreError(f"{self.path}: has schema {version}, this service knows {len(SCHEMAS)}; update it")
            for number, schema in enumerate(SCHEMAS[version:], version + 1):
                for statement in schema.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={number}")

    def _run(self, statement: str, *values: object) -> None:
        with self.transaction():
            self._db.execute(statement, values)

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, self._translated():
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _dicts(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._lock, self._translated():
            cursor = self._db.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise  # a bug of ours, not of the file
            raise StoreError(f"{self.path}: {error}; check the path, the disk and its free space") from error


def _rate(zone: Zone) -> tuple[float, float]:
    """The zone's litres a second, twice, as `_LITRES` wants them."""
    return zone.flow_l_min / 60, zone.flow_l_min / 60


def _decision(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `decisions` with its reasons; those of a service before this one are a list of checks."""
    told = {name: row[name] for name in ("decision_id", "zone_id", "at", "command_id", "sentence")}
    if row["reasons"] is None:
        return {**told, "intent": None, "checks": json.loads(row["checks"]), "receipt": {}}
    return {**told, **unpack(row["reasons"])}
