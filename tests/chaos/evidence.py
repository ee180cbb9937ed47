"""What a chaos run left, judged from outside: pins, probes, the book of the witness at the gate, raw objects, Parquet.

Nothing here asks the service what it thinks of itself; its store is read only for what it says of each command, and
that is held against the pins.
"""

import gzip
import io
import json
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import polars as pl

from demo.audit import open_spans, valve_bound_violations
from gateway_sim.farm import HARD_CAP_S
from local_cloud.aws import environment
from tests.chaos.fleet_process import faults_in
from tests.chaos.place import BUCKET, COMPUTE, LAKE_PREFIX, RAW_PREFIX, Place, farm_of, honest
from tests.chaos.world import World

FINAL = {"done", "rejected", "failed", "expired", "withdrawn"}
IDENTITY = ["sensor_id", "boot_id", "seq"]
LATE_S = 60  # of field time, by which a board's world may be behind everybody's on a machine under load
Document = dict[str, Any]


@dataclass
class Verdict:
    """What is broken, a sentence each; and what there was."""

    broken: list[str] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)


def collect(world: World) -> None:
    """Copy the store, and every object, to where they outlive the run."""
    place = world.place
    for path in place.store.parent.glob("compute.sqlite*"):
        shutil.copy(path, place.path / path.name)
    for path in (place.path / "events").glob("events.jsonl*"):
        shutil.copy(path, place.path / path.name)
    address = environment(world.aws_endpoint)
    s3 = boto3.client(
        "s3",
        endpoint_url=world.aws_endpoint,
        region_name=address["AWS_REGION"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", ()):
            path = place.path / "bucket" / entry["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read())


def judge(place: Place) -> Verdict:
    """All promises, on what a run left."""
    verdict = Verdict()
    _judge_water(place, verdict)
    _judge_samples(place, verdict)
    _judge_boards(place, verdict)
    return verdict


def lines(path: Path) -> list[Any]:
    """The documents of a file, a line each; a kill may have cut one off."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


# Water


def _judge_water(place: Place, verdict: Verdict) -> None:
    book, pins = book_of(place), pins_of(place)
    acks, commands = list(messages(book, "/ack")), _commands(book)
    off_s = _clock_errors(place)
    opens = [_as_seen(command, at_ms, off_s) for command, at_ms in commands.values() if command["action"] == "open"]
    caps = {zone.zone_id: HARD_CAP_S for one in farm_of(place.gateways, place.seed).gateways for zone in one.zones}
    verdict.broken += valve_bound_violations([*pins, *opens], caps)
    spans = open_spans(pins)
    verdict.facts["openings"] = len(spans)
    verdict.facts["seconds open"] = sum(((span.end_ms or 0) - span.start_ms) // 1000 for span in spans)
    verdict.facts["commands"] = len(commands)
    verdict.facts["commands, said again"] = sum(1 for _ in messages(book, "/command")) - len(commands)
    verdict.facts["stops"] = sum(command["action"] == "stop_all" for command, _ in commands.values())
    verdict.broken += _opened_after_a_stop(acks, commands)
    _judge_settlement(place, verdict, {name: row for name, (row, _) in commands.items()})


def book_of(place: Place) -> list[Any]:
    """What honest things published, as the witness at the gate wrote it down."""
    hostile = farm_of(place.gateways, place.seed).gateways[-1].gateway_id
    return [row for row in lines(place.path / "witness.jsonl") if row[1] != hostile]


def pins_of(place: Place) -> list[Document]:
    """The edges of every valve, moved to everybody's time: a board's world may be late, and is so by whole runs.

    A run that another one replaced at that very moment is one opening, of two commands.
    """
    edges: dict[str, list[Document]] = defaultdict(list)
    for edge in lines(place.path / "pins.jsonl"):
        own = edges[edge["zone_id"]]
        if own and edge["open"] and not own[-1]["open"] and own[-1]["at_ms"] == edge["at_ms"]:
            own.pop()
        else:
            own.append(edge)
    return [moved for own in edges.values() for moved in _in_time(own)]


def _in_time(edges: list[Document]) -> Iterator[Document]:
    late_ms = 0
    for edge in edges:
        late_ms = edge.get("late_ms", 0) if edge["open"] else late_ms
        yield {**edge, "at_ms": edge["at_ms"] + late_ms}


def messages(book: list[Any], ending: str) -> Iterator[tuple[Document, int]]:
    """The documents of the kind, with when they were witnessed (field ms)."""
    for at_ms, client_id, topic, payload in book:
        if topic.endswith(ending) and (client_id == COMPUTE) == (ending == "/command"):
            yield json.loads(payload), at_ms


def _commands(book: list[Any]) -> dict[str, tuple[Document, int]]:
    found: dict[str, tuple[Document, int]] = {}
    for command, at_ms in messages(book, "/command"):
        found.setdefault(command["command_id"], (command, at_ms))
    return found


def _clock_errors(place: Place) -> dict[str, int]:
    """By how much a gateway's own clock was ever wrong, by its zones."""
    zones = {
        one.gateway_id: [zone.zone_id for zone in one.zones] for one in honest(farm_of(place.gateways, place.seed))
    }
    wrong = [fault for fault in faults_in(place.path / "board_faults.json") if fault.kind == "wrong_clock"]
    return {zone_id: int(abs(fault.amount)) for fault in wrong for zone_id in zones[fault.targets[0]]}


def _as_seen(command: Document, at_ms: int, off_s: dict[str, int]) -> Document:
    """A command as its board saw it: issued when it passed the gate, if the service's own clock was ahead."""
    slack_s = off_s.get(command["zone_id"], 0) + LATE_S
    issued_at = min(command["issued_at"], at_ms // 1000)
    return {**command, "kind": "command", "issued_at": issued_at, "expires_at": command["expires_at"] + slack_s}


def _opened_after_a_stop(acks: list[tuple[Document, int]], commands: dict[str, tuple[Document, int]]) -> list[str]:
    """A board answers in the order in which it obeys: no `started` of an open comes after a later stop's answer."""
    stopped: dict[tuple[str, str], int] = {}  # by gateway and boot: when the newest stop that it obeyed was issued
    broken, answered = [], set()  # a command that is delivered again has its old answer repeated
    ordered = {(a["gateway_id"], a["boot_id"], a["seq"]): a for a, _ in acks if _is_ours(a, commands)}
    for (gateway_id, boot_id, _), ack in sorted(ordered.items(), key=lambda row: row[0]):
        command = commands[ack["command_id"]][0]
        key = (gateway_id, boot_id)
        if command["action"] == "stop_all" and ack["state"] == "done":
            stopped[key] = max(stopped.get(key, 0), command["issued_at"])
        elif ack["state"] != "started" or ack["command_id"] in answered:
            continue
        elif command["action"] == "open" and command["issued_at"] < stopped.get(key, 0):
            broken.append(f"{ack['zone_id']}: {ack['command_id']} started after a stop that was issued later")
        answered.add(ack["command_id"])
    return broken


def _is_ours(ack: Document, commands: dict[str, tuple[Document, int]]) -> bool:
    return ack.get("command_id") in commands and isinstance(ack.get("seq"), int)


def _judge_settlement(place: Place, verdict: Verdict, commands: dict[str, Document]) -> None:
    """Every command that passed the gate has come to one end, and what was settled is what the pins did."""
    with closing(sqlite3.connect(place.path / "compute.sqlite")) as store:
        states = dict(store.execute("SELECT command_id, state FROM commands").fetchall())
        runs = store.execute("SELECT command_id, zone_id, duration_s, end_reason FROM deliveries").fetchall()
    verdict.facts.update({f"commands {state}": count for state, count in Counter(states.values()).items()})
    hostile = farm_of(place.gateways, place.seed).gateways[-1].gateway_id
    for name, command in commands.items():
        if command["device_id"] == hostile and command["action"] == "stop_all":
            continue  # it answers nothing, so that a stop is said to it for ever
        if states.get(name) not in FINAL:
            verdict.broken.append(
                f"{command['action']} {name} of {command['zone_id']} is {states.get(name)} at the end"
            )
    seconds: dict[str, list[float]] = defaultdict(list)
    for span in open_spans(lines(place.path / "pins.jsonl")):
        seconds[span.zone_id].append(((span.end_ms or span.start_ms) - span.start_ms) / 1000)
    verdict.facts["runs settled"] = len(runs)
    for name, zone_id, duration_s, end_reason in runs:
        if not duration_s or end_reason == "power_cut":  # how long a board without power ran it can only bound
            continue
        own = min(seconds[zone_id], key=lambda one: abs(one - duration_s), default=None)
        if own is None or abs(own - duration_s) > 1:
            verdict.broken.append(f"{zone_id}: {name} was settled with {duration_s} s, which its pin never did")
        else:
            seconds[zone_id].remove(own)
    verdict.facts["runs that nobody told of"] = sum(map(len, seconds.values()))


# Samples


def _judge_samples(place: Place, verdict: Verdict) -> None:
    """What the probes were read is in the raw objects, and in Parquet once, with the values that were read."""
    bucket = place.path / "bucket"
    read = Counter((sensor_id, _values(told)) for _, sensor_id, told in lines(place.path / "reads.jsonl"))
    hostile = farm_of(place.gateways, place.seed).gateways[-1].gateway_id
    raw: dict[tuple[Any, ...], Document] = {}
    copies = 0
    for path in sorted((bucket / RAW_PREFIX).rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            message = json.loads(line)
            if message["client_id"] != hostile:
                for sample in message["samples"]:
                    copies += 1
                    raw[message["sensor_id"], message["boot_id"], sample["seq"]] = sample
    in_raw = Counter((name[0], _values(sample)) for name, sample in raw.items())
    verdict.facts |= {"samples read": read.total(), "samples in raw": len(raw), "copies in raw": copies - len(raw)}
    lost, invented = read - in_raw, in_raw - read
    verdict.facts["samples lost with the power"] = lost.total()
    cuts = sum(fault.kind in {"reboot", "brown_out"} for fault in faults_in(place.path / "board_faults.json"))
    if lost.total() > cuts:
        verdict.broken.append(f"{lost.total()} samples read are in no raw object: {list(lost)[:3]}")
    if invented:
        verdict.broken.append(f"{invented.total()} samples in raw objects that no probe gave: {list(invented)[:3]}")
    _judge_lake(bucket, verdict, set(raw), hostile)


def _values(sample: Document) -> str:
    """What a probe said, to compare: a weather station's rain depends on when it was asked last."""
    names = ("vwc", "soil_temperature_c", "air_temperature_c", "solar_radiation_w_m2", "rain_mm")
    return json.dumps([sample.get(name) for name in names])


def _judge_lake(bucket: Path, verdict: Verdict, raw: set[tuple[Any, ...]], hostile: str) -> None:
    files = sorted((bucket / LAKE_PREFIX / "samples").rglob("*.parquet"))
    tables = [pl.read_parquet(io.BytesIO(path.read_bytes())) for path in files]
    table = pl.concat(tables, how="diagonal_relaxed").filter(~pl.col("sensor_id").str.starts_with(f"{hostile}."))
    rows = table.select(IDENTITY).rows()
    verdict.facts["samples in the lake"] = len(rows)
    if len(rows) != len(set(rows)):
        verdict.broken.append(f"{len(rows) - len(set(rows))} samples are twice in the lake")
    missing = raw - set(rows)
    verdict.facts["samples of raw objects not in the lake"] = len(missing)
    if missing:
        verdict.broken.append(f"{len(missing)} samples of raw objects are not in the lake: {sorted(missing)[:3]}")


def _judge_boards(place: Place, verdict: Verdict) -> None:
    """How often each board booted, and what it gave up for want of room."""
    facts = json.loads((place.path / "fleet.json").read_text())
    verdict.facts["boots after a power cut"] = sum(count - 1 for count in facts["boots"].values())
    dropped = sum(counters["samples_dropped"] for counters in facts["counters"].values())
    verdict.facts["reconnects"] = sum(counters["reconnects"] for counters in facts["counters"].values())
    if dropped:
        verdict.broken.append(f"{dropped} samples dropped by full outboxes")
