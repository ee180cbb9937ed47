"""The function as AWS invokes it, on a real S3 and Glue API."""

import gzip
import io
import itertools
import json
import math
import random
import statistics
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import awswrangler
import boto3
import duckdb
import pandas as pd
import polars as pl
import pyarrow.compute
import pyarrow.dataset
import pytest

from lambda_functions.aggregate import index
from lambda_functions.lake.errors import (
    AggregateError,
    ConfigError,
    EventError,
    JournalError,
    LostRaceError,
    StoreError,
)
from protocol.messages import QUANTITIES

T0 = 1717200000  # 2024-06-01 00:00 UTC
HOUR = "2024/06/01/00"


def seconds(time: datetime) -> int:
    return int(time.timestamp())


def identity(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["sensor_id"], row["boot_id"], row["seq"]


def random_history(seed: int) -> tuple[list[dict[str, Any]], random.Random]:
    """Three sensors over two days with reboots, repeated times, gaps and missing values: raw lines in order of time."""
    chance = random.Random(seed)
    lines = []
    for sensor in ("irrigation-gateway-1.soil-a", "irrigation-gateway-1.weather", "irrigation-gateway-10.soil-a"):
        gateway_id = sensor.split(".")[0]
        time = T0 + chance.randrange(3600)
        for message in range(40):
            samples = []
            for step in range(chance.randrange(1, 5)):
                time += chance.choice([0, 60, 60, 300, 1800])
                values: dict[str, Any] = {
                    name: chance.uniform(*QUANTITIES[name]) for name in ("vwc", "rain_mm", "soil_temperature_c")
                }
                values |= dict.fromkeys(chance.sample(sorted(values), chance.randrange(3)))
                samples.append({"seq": message * 5 + step, "measured_at": time, "clock": "synced", **values})
            lines.append(
                {
                    "v": 1,
                    "gateway_id": gateway_id,
                    "sensor_id": sensor,
                    "zone_id": None if sensor.endswith("weather") else chance.choice(["plot-1a", "plot-1b"]),
                    "boot_id": f"boot{message // 15}",
                    "samples": samples,
                    "client_id": gateway_id,
                    "received_at": time + chance.randrange(60),
                }
            )
    return lines, chance


def naive_samples(lines: list[dict[str, Any]]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Each sample once, of several copies the one received first."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for line in sorted(lines, key=lambda line: line["received_at"]):
        for sample in line["samples"]:
            row = {**{name: line[name] for name in line if name not in ("samples", "v", "client_id")}, **sample}
            found.setdefault(identity(row), row)
    return found


def naive_windows(samples: list[dict[str, Any]], length_s: int) -> dict[tuple[Any, ...], list[float]]:
    """Values by sensor, zone, quantity and window, in the order of time, boot and sequence."""
    groups = defaultdict(list)
    for row in sorted(samples, key=lambda row: (row["measured_at"], row["boot_id"], row["seq"])):
        for quantity in QUANTITIES:
            if row.get(quantity) is not None:
                start = row["measured_at"] // length_s * length_s
                groups[row["sensor_id"], row["zone_id"], quantity, start].append(row[quantity])
    return groups


@pytest.mark.parametrize(("seed", "minutes"), [(1, 15), (2, 60), (3, 5)])
def test_the_lake_is_what_a_plain_recomputation_says(lake: Any, seed: int, minutes: int) -> None:
    """Whatever is repeated and however late it comes, samples and windows are those of the whole history."""
    lake.configure(INTERVAL_MINUTES=str(minutes))
    lines, chance = random_history(seed)
    sent = lines + [{**line, "received_at": line["received_at"] + 5} for line in chance.sample(lines, 30)]
    chance.shuffle(sent)
    reports = []
    for run in range(4):
        for part in range(3):
            lake.put(f"2024/06/01/{run:02}/stream-{chance.random()}", sent[run * 3 + part :: 12])
        reports.append(lake.run())

    expected = naive_samples(lines)
    stored = {identity(row): row for row in lake.table("samples")}
    assert len(lake.table("samples")) == len(stored)
    assert stored.keys() == expected.keys()
    for key, row in expected.items():
        times = {name: seconds(stored[key][name]) for name in ("measured_at", "received_at")}
        assert {**stored[key], **times} == {**dict.fromkeys(QUANTITIES), **row}

    windows = naive_windows(list(expected.values()), minutes * 60)
    found = {
        (w["sensor_id"], w["zone_id"], w["quantity"], seconds(w["window_start"])): w for w in lake.table("windows")
    }
    assert found.keys() == windows.keys()
    for where, values in windows.items():
        row = found[where]
        assert (row["count"], row["min"], row["max"]) == (len(values), min(values), max(values))
        assert (row["first"], row["last"]) == (values[0], values[-1])
        assert row["interval_minutes"] == minutes
        assert row["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
        assert row["std"] == (
            None if len(values) == 1 else pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-12)
        )

    assert sum(report["samples_written"] for report in reports) == len(expected)
    total = sum(len(line["samples"]) for line in sent)
    assert sum(report["duplicates_dropped"] for report in reports) == total - len(expected)
    assert sum(report["objects_read"] for report in reports) == 12
    assert sum(report["rows_read"] for report in reports) == len(sent)
    assert lake.quarantine() == []


def test_the_order_of_arrival_does_not_show(lake: Any) -> None:
    """The same lines in one object or in many, forwards or backwards, make the same tables, to the last bit."""
    lines, _ = random_history(7)
    lake.put(f"{HOUR}/all.gz", lines)
    lake.run()
    once = {name: lake.table(name) for name in ("samples", "windows")}
    lake.configure(SOURCE_PREFIX="again/", DEST_PREFIX="lake/again/")
    for number, line in enumerate(reversed(lines)):
        body = gzip.compress(json.dumps(line).encode())
        lake.s3.put_object(Bucket=lake.bucket, Key=f"again/{HOUR}/{number:03}.gz", Body=body)
        if number % 40 == 0:
            lake.run()
    lake.run()
    lake.configure(DEST_PREFIX="lake/")
    assert once == {name: lake.table(f"again/{name}") for name in once}


def test_an_empty_prefix_is_a_result(lake: Any) -> None:
    """Nothing to read gives zeros, and nothing is written."""
    report = lake.run()
    assert {report[name] for name in index.COUNTS} == {0}
    assert report["checkpoint"] == ""
    assert lake.keys() == []


def test_only_new_objects_are_read(lake: Any, line: Any, sample: Any) -> None:
    """An object is fetched once, also one that comes late, under an earlier hour and an earlier name."""
    gets: list[int] = []
    lake.put("2024/06/01/05/b.gz", [line(sample(0))])
    assert lake.run()["objects_read"] == 1
    with lake.before("GetObject", lambda: gets.append(1)):
        assert lake.run()["objects_read"] == 0
    assert len(gets) == 1  # the journal alone
    lake.put("2024/06/01/05/a.gz", [line(sample(1))])
    lake.put("2024/06/01/04/z.gz", [line(sample(2))])
    gets.clear()
    with lake.before("GetObject", lambda: gets.append(1)):
        report = lake.run()
    assert (report["objects_read"], report["samples_written"]) == (2, 2)
    assert report["checkpoint"] == "2024/06/01/05/b.gz"
    assert len(gets) == 4  # journal, two objects, the day


def test_a_lost_journal_stops_the_run(lake: Any, line: Any, sample: Any) -> None:
    """Day files without their journal are not written to; with all of them gone, the next run makes the same lake."""
    lake.put(f"{HOUR}/a.gz", [line(sample(0), sample(1))])
    lake.run()
    before = lake.table("samples"), lake.table("windows")
    lake.s3.delete_object(Bucket=lake.bucket, Key="lake/_state/journal")
    with pytest.raises(JournalError, match="journal is missing; restore _state/"):
        lake.run()
    for key in lake.keys(""):
        lake.s3.delete_object(Bucket=lake.bucket, Key=f"lake/{key}")
    lake.run()
    assert before == (lake.table("samples"), lake.table("windows"))


def test_an_older_journal_stops_the_run(lake: Any, line: Any, sample: Any) -> None:
    """A journal restored without its day files would number commits twice: the run says so and changes nothing."""
    lake.put(f"{HOUR}/a.gz", [line(sample(0))])
    lake.run()
    old = lake.body("_state/journal")
    lake.put(f"{HOUR}/b.gz", [line(sample(1))])
    lake.run()
    lake.s3.put_object(Bucket=lake.bucket, Key="lake/_state/journal", Body=old)
    before = {key: lake.body(key) for key in lake.keys("")}
    with pytest.raises(JournalError, match="older than the day files"):
        lake.run()
    assert before == {key: lake.body(key) for key in lake.keys("")}


def test_each_fault_is_quarantined_with_its_reason(lake: Any, line: Any, sample: Any) -> None:
    """A bad line or sample leaves with place, reason and text; good samples beside it stay."""
    bad = [
        (b'{"v": 1', None, "not JSON"),
        (b"\xff\xfe", None, "not JSON"),
        (b"[1]", None, "want an object"),
        (line(sample(0), v=2), None, "v: want 1"),
        (line(sample(0), boot_id=None), None, "boot_id: missing"),
        (line(sample(0), boot_id=5), None, "boot_id: want letters"),
        (line(sample(0), client_id="irrigation-gateway-2"), None, "client_id: 'irrigation-gateway-2' does not own"),
        (line(sample(0), gateway_id="irrigation-gateway-10"), None, "sensor_id: irrigation-gateway-1.soil-a is not"),
        (line(sample(0), received_at="soon"), None, "received_at: want Unix seconds"),
        (line(), None, "samples: want a list"),
        (line(sample(1), sample(0, vwc=35.0)), 1, "samples[1].vwc: want a number from 0.0 to 1.0, got 35.0"),
        (line(sample(0, vwc=math.nan)), None, "not JSON"),
        (line(sample(0, vwc="0.3"), sample(2)), 0, "samples[0].vwc: want a number"),
        (line(sample(0, vwc=True)), 0, "samples[0].vwc: want a number"),
        (line(sample(1.5)), 0, "samples[0].seq: want an integer"),
        (line(sample(0, clock="sundial")), 0, "samples[0].clock: want one of"),
        (line(sample(0, measured_at=None)), 0, "samples[0].measured_at: missing"),
        (line(sample(0, measured_at=1420070399)), 0, "samples[0].measured_at: want an integer from"),
        (line(sample(0, measured_at=4102444800)), 0, "samples[0].measured_at: want an integer from"),
        (line(5, sample(3)), 0, "samples[0]: want an object"),
    ]
    lake.put(f"{HOUR}/a.gz", [text for text, _, _ in bad])
    report = lake.run()
    entries = sorted(lake.quarantine(), key=lambda entry: entry["line"])
    assert report["quarantined"] == len(bad) == len(entries)
    for number, (entry, (text, index_, reason)) in enumerate(zip(entries, bad, strict=True), 1):
        assert (entry["object"], entry["line"], entry["sample"]) == (f"raw/{HOUR}/a.gz", number, index_)
        assert reason in entry["reason"]
        if isinstance(text, dict):
            assert entry["raw"] == json.dumps(text)
    assert entries[1]["raw"] == r"\xff\xfe"
    assert [row["seq"] for row in lake.table("samples")] == [1, 2, 3]


UNREADABLE = {"no gzip": b"no gzip at all", "cut short": gzip.compress(b'{"v": 1}' * 99, mtime=0)[:-9]}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_object_is_kept_whole(lake: Any, line: Any, sample: Any, body: bytes) -> None:
    """What cannot be unpacked is put aside as it is, and its neighbours are read."""
    lake.put_bytes(f"{HOUR}/a.gz", body)
    lake.put(f"{HOUR}/b.gz", [line(sample(0))])
    report = lake.run()
    assert (report["objects_read"], report["quarantined"], report["samples_written"]) == (2, 1, 1)
    assert lake.body(f"unreadable/{HOUR}/a.gz") == body
    [entry] = lake.quarantine()
    assert (entry["object"], entry["line"]) == (f"raw/{HOUR}/a.gz", None)
    assert entry["reason"].startswith("not gzip")


@pytest.mark.filterwarnings("ignore:Series.values returning an ndarray")  # awswrangler calls what pandas deprecates
def test_every_reader_sees_the_same_samples(lake: Any, tmp_path: Path) -> None:
    """pyarrow, DuckDB and pandas on the files, and awswrangler through Glue, agree on counts, sums and days."""
    lines, _ = random_history(5)
    lake.put(f"{HOUR}/a.gz", lines)
    lake.run()
    rows = lake.table("samples")
    expected = (len(rows), pytest.approx(math.fsum(row["vwc"] for row in rows if row["vwc"] is not None), rel=1e-12))
    folder = lake.download(tmp_path) / "samples"

    table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    assert (table.num_rows, pyarrow.compute.sum(table["vwc"]).as_py()) == expected
    with duckdb.connect() as connection:
        query = f"select count(*), sum(vwc), min(day), min(epoch(measured_at)) from '{folder}/*/*.parquet'"
        [(count, total, day, first)] = connection.execute(query).fetchall()
    assert ((count, total), day, first) == (
        expected,
        date(2024, 6, 1),
        min(seconds(row["measured_at"]) for row in rows),
    )
    frame = pd.read_parquet(folder)
    assert (len(frame), frame["vwc"].sum()) == expected
    assert str(frame["measured_at"].dt.tz) == "UTC"

    frame = read_through_glue(lake.database, "samples")
    assert (len(frame), frame["vwc"].sum()) == expected
    assert set(frame["day"]) == {row["measured_at"].date() for row in rows}
    windows = read_through_glue(lake.database, "windows")
    assert len(windows) == len(lake.table("windows"))
    assert windows["count"].sum() == sum(row[name] is not None for row in rows for name in QUANTITIES)


def read_through_glue(database: str, table: str) -> pd.DataFrame:
    return awswrangler.s3.read_parquet_table(database=database, table=table)


def test_glue_has_types_that_athena_reads(lake: Any, line: Any, sample: Any) -> None:
    """Columns, location and partitions are those of the files, and a table that was changed by hand is put right."""
    lake.put(f"{HOUR}/a.gz", [line(sample(0), sample(1, measured_at=T0 + 86400))])
    lake.run()
    glue = boto3.client("glue")
    table = glue.get_table(DatabaseName=lake.database, Name="samples")["Table"]
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns["measured_at"] == "timestamp"
    assert (columns["seq"], columns["vwc"], columns["zone_id"]) == ("bigint", "double", "string")
    assert list(columns) == list(lake.table("samples")[0])
    assert table["PartitionKeys"] == [{"Name": "day", "Type": "date"}]
    partitions = glue.get_partitions(DatabaseName=lake.database, TableName="windows")["Partitions"]
    places = {p["Values"][0]: p["StorageDescriptor"]["Location"] for p in partitions}
    place = f"s3://{lake.bucket}/lake/windows/day="
    assert places == {day: f"{place}{day}/" for day in ("2024-06-01", "2024-06-02")}

    descriptor = {**table["StorageDescriptor"], "Columns": table["StorageDescriptor"]["Columns"][:-1]}
    changed: Any = {"Name": "samples", "StorageDescriptor": descriptor}
    glue.update_table(DatabaseName=lake.database, TableInput=changed)
    lake.put(f"{HOUR}/b.gz", [line(sample(2))])
    lake.run()
    mended = glue.get_table(DatabaseName=lake.database, Name="samples")["Table"]
    assert [column["Name"] for column in mended["StorageDescriptor"]["Columns"]] == list(columns)
    glue.close()


def test_a_new_quantity_needs_no_migration(lake: Any, line: Any, sample: Any) -> None:
    """A day file from before a quantity was known gets its column with the next sample; older rows have null."""
    lake.put(f"{HOUR}/a.gz", [line(sample(0))])
    lake.run()
    key = "samples/day=2024-06-01/data.parquet"
    body = io.BytesIO()
    pl.read_parquet(io.BytesIO(lake.body(key))).drop("battery_v").write_parquet(body)
    metadata = lake.s3.head_object(Bucket=lake.bucket, Key=f"lake/{key}")["Metadata"]
    lake.s3.put_object(Bucket=lake.bucket, Key=f"lake/{key}", Body=body.getvalue(), Metadata=metadata)
    lake.put(f"{HOUR}/b.gz", [line(sample(1, battery_v=3.9))])
    lake.run()
    assert [(row["seq"], row["battery_v"]) for row in lake.table("samples")] == [(0, None), (1, 3.9)]
    assert {row["quantity"] for row in lake.table("windows")} == {"vwc", "battery_v"}


def test_an_object_that_is_gone_is_a_result(lake: Any, line: Any, sample: Any) -> None:
    """An object deleted between the listing and its reading is in the quarantine; its neighbours are read."""
    for name in ("a", "b"):
        lake.put(f"{HOUR}/{name}.gz", [line(sample(ord(name)))])

    calls = itertools.count()

    def delete() -> None:
        if next(calls) > 0:  # the first reads the journal, before the listing
            lake.s3.delete_object(Bucket=lake.bucket, Key=f"raw/{HOUR}/a.gz")

    with lake.before("GetObject", delete):
        report = lake.run()
    assert (report["objects_read"], report["samples_written"], report["quarantined"]) == (2, 1, 1)
    [entry] = lake.quarantine()
    assert (entry["object"], entry["reason"]) == (f"raw/{HOUR}/a.gz", "gone: deleted before it could be read")
    assert [row["seq"] for row in lake.table("samples")] == [ord("b")]


def test_a_backlog_is_committed_in_parts(lake: Any, line: Any, sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits into memory is several commits, each with its checkpoint; nothing is counted twice."""
    for number in range(5):
        lake.put(f"2024/06/0{number + 1}/00/a.gz", [line(sample(number))])
    monkeypatch.setattr(index, "BATCH_BYTES", 1)
    puts: list[int] = []
    with lake.before("PutObject", lambda: puts.append(1)):
        report = lake.run()
    assert (report["objects_read"], report["samples_written"], report["duplicates_dropped"]) == (5, 5, 0)
    assert len(puts) == 5 * 4  # for each the journal, windows, samples, the journal again
    assert lake.run()["objects_read"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE_BUCKET", None),
        ("SOURCE_BUCKET", ""),
        ("SOURCE_PREFIX", None),
        ("SOURCE_PREFIX", "/raw"),
        ("DEST_BUCKET", "s3://lake"),
        ("DEST_PREFIX", "raw/lake/"),
        ("GLUE_DATABASE", "Lake of Mine"),
        ("INTERVAL_MINUTES", "7"),
        ("INTERVAL_MINUTES", "0"),
        ("INTERVAL_MINUTES", "quarter"),
    ],
)
def test_a_wrong_environment_is_named(lake: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    """The error's one line begins with the variable."""
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"^{name}: "):
        lake.run()


def test_a_prefix_may_lack_its_slash(lake: Any, line: Any, sample: Any) -> None:
    """`raw` means `raw/`."""
    lake.configure(SOURCE_PREFIX="raw", DEST_PREFIX="lake")
    lake.put(f"{HOUR}/a.gz", [line(sample(0))])
    assert lake.run()["samples_written"] == 1


def test_what_is_no_event_is_named(lake: Any) -> None:
    """An event is a JSON object or nothing."""
    with pytest.raises(EventError, match="want a JSON object, got str"):
        index.handler("run", None)  # type: ignore[arg-type]  # that is the test


def test_a_missing_bucket_is_named(lake: Any) -> None:
    """S3's refusal becomes one line with the place."""
    lake.configure(SOURCE_BUCKET="nowhere")
    with pytest.raises(StoreError, match=r"^s3://nowhere/raw/: NoSuchBucket"):
        lake.run()


def test_a_damaged_journal_stops_the_run(lake: Any, line: Any, sample: Any) -> None:
    """Nobody guesses what was processed."""
    lake.s3.put_object(Bucket=lake.bucket, Key="lake/_state/journal", Body=b"[]")
    with pytest.raises(JournalError, match="cannot be understood"):
        lake.run()


def test_every_error_has_the_same_base() -> None:
    """A caller catches AggregateError and has them all."""
    assert {ConfigError, EventError, JournalError, LostRaceError, StoreError} == set(AggregateError.__subclasses__())
