"""Everything the service must still know after a crash, in one SQLite file.

One connection behind one lock: the MQTT thread and the main thread take turns. What belongs together is written inside
one `transaction`; a `durable` one is on the disk, power cut or not, before it returns.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from compute_service.decide import Decision, Run, Sample, ZoneState
from compute_service.errors import StoreError

Message = dict[str, Any]  # as protocol.messages checks it
SampleKey = tuple[int, int, str]  # measured_at (Unix s), seq, boot_id: of two samples of a sensor the greater is newer

# What each version of the schema adds to the one before; a new file gets them all, one after the other.
_SCHEMAS = (
    """
CREATE TABLE zones (
    zone_id TEXT PRIMARY KEY,
    vwc REAL, measured_at INTEGER, seq INTEGER, boot_id TEXT,  -- the newest sample
    due_at INTEGER,                                            -- when to decide about it; NULL: decided
    epoch INTEGER NOT NULL DEFAULT 0                           -- the largest that was ever used or reported
) WITHOUT ROWID;
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, gateway_id TEXT NOT NULL,
    state TEXT NOT NULL, code TEXT, message TEXT NOT NULL, issued_at INTEGER NOT NULL,
    give_up_at INTEGER,                                        -- NULL: closed
    closed_at INTEGER
) WITHOUT ROWID;
CREATE INDEX commands_open ON commands (give_up_at) WHERE give_up_at IS NOT NULL;
CREATE INDEX commands_closed ON commands (zone_id, closed_at);
CREATE TABLE deliveries (
    command_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, ended_at INTEGER NOT NULL,
    duration_s REAL NOT NULL, volume_l REAL, source TEXT NOT NULL, end_reason TEXT
) WITHOUT ROWID;
CREATE INDEX deliveries_ended ON deliveries (zone_id, ended_at);
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, at INTEGER NOT NULL,
    command_id TEXT, sentence TEXT NOT NULL, checks TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_at ON decisions (zone_id, at);
CREATE TABLE updates (
    update_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, settings TEXT NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE gateways (gateway_id TEXT PRIMARY KEY, state TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
""",
    """
CREATE TABLE probes (  -- the newest sample of each probe that a zone has besides its own
    sensor_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL,
    vwc REAL NOT NULL, measured_at INTEGER NOT NULL, seq INTEGER NOT NULL, boot_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX probes_zone ON probes (zone_id);
""",
)


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

    def zone_state(self, zone_id: str, runs_since: int) -> ZoneState:
        """What `decide` wants to know: the newest sample, a command under way, and the runs that ended since then."""
        row = self._one("SELECT vwc, measured_at FROM zones WHERE zone_id = ? AND vwc IS NOT NULL", zone_id)
        under_way = self._one(
            "SELECT min(command_id) FROM commands WHERE zone_id = ? AND give_up_at IS NOT NULL", zone_id
        )
        return ZoneState(
            sample=Sample(*row) if row else None,
            under_way=under_way[0] if under_way else None,
            runs=tuple(self._runs(zone_id, runs_since)),
        )

    def _runs(self, zone_id: str, since: int) -> Iterator[Run]:
        settled = "SELECT ended_at, duration_s FROM deliveries WHERE zone_id = ? AND ended_at >= ? AND duration_s > 0"
        for row in self._all(settled, zone_id, since):
            yield Run(*row)
        # No ack ever told how these ended, so the water is counted as given: never more than the cap, never too soon.
        unknown = "SELECT closed_at, message FROM commands WHERE zone_id = ? AND closed_at >= ? AND state = 'expired'"
        for closed_at, message in self._all(unknown, zone_id, since):
            yield Run(closed_at, json.loads(message)["duration_s"])

    def sample_key(self, zone_id: str) -> SampleKey | None:
        """The key of the zone's newest sample, or None."""
        row = self._one("SELECT measured_at, seq, boot_id FROM zones WHERE zone_id = ? AND vwc IS NOT NULL", zone_id)
        return (row[0], row[1], row[2]) if row else None

    def save_sample(self, zone_id: str, vwc: float, key: SampleKey, due_at: int) -> None:
        """Keep the zone's newest sample, and when to decide about it unless that is settled already."""
        self._run(
            "INSERT INTO zones (zone_id, vwc, measured_at, seq, boot_id, due_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET vwc = excluded.vwc, measured_at = excluded.measured_at, seq = excluded.seq,"
            " boot_id = excluded.boot_id, due_at = coalesce(due_at, excluded.due_at)",
            *(zone_id, vwc, *key, due_at),
        )

    def save_probe(self, sensor_id: str, zone_id: str, vwc: float, key: SampleKey) -> bool:
        """Keep a sample of one of the zone's other probes; False if a newer one of that probe is there."""
        with self.transaction():
            changed = self._db.execute(
                "INSERT INTO probes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET zone_id = excluded.zone_id,"
                " vwc = excluded.vwc, measured_at = excluded.measured_at, seq = excluded.seq,"
                " boot_id = excluded.boot_id WHERE (measured_at, seq, boot_id)"
                " < (excluded.measured_at, excluded.seq, excluded.boot_id)",
                (sensor_id, zone_id, vwc, *key),
            )
        return changed.rowcount > 0

    def probes(self, zone_id: str) -> dict[str, Sample]:
        """The newest sample of each of the zone's other probes, by sensor id."""
        rows = self._all("SELECT sensor_id, vwc, measured_at FROM probes WHERE zone_id = ? ORDER BY 1", zone_id)
        return {sensor_id: Sample(vwc, measured_at) for sensor_id, vwc, measured_at in rows}

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

    def add_decision(self, decision_id: str, decision: Decision, command_id: str | None) -> None:
        """Keep a decision with all its reasons."""
        checks = json.dumps([asdict(check) for check in decision.checks])
        self._run(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?)",
            *(decision_id, decision.zone_id, decision.at, command_id, decision.sentence, checks),
        )

    def decisions(self, zone_id: str | None = None, last: int = 20) -> list[dict[str, Any]]:
        """The last decisions, oldest first; `checks` is a list of rows as in `decide.Check`."""
        query = "SELECT * FROM decisions WHERE ? IN (zone_id, '') ORDER BY at DESC, zone_id DESC LIMIT ?"
        rows = self._dicts(query, zone_id or "", last)
        return [{**row, "checks": json.loads(row["checks"])} for row in reversed(rows)]

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
            if version > len(_SCHEMAS):
                raise StoreError(f"{self.path}: has schema {version}, this service knows {len(_SCHEMAS)}; update it")
            for number, schema in enumerate(_SCHEMAS[version:], version + 1):
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
