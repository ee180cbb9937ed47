"""Polars against DuckDB for the aggregate: raw gzip lines to checked, distinct samples to windows to Parquet.

Polars is the function's own code (`lambda_functions/lake`); DuckDB does the same job in SQL, in its best way
found: one concatenated gzip file, the lines' shape by the same regular expression. Neither reads from S3 here.
Each measurement is a fresh process, the engines take turns, and the table shows medians of ROUNDS.
"""

import argparse
import gzip
import io
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from protocol import messages

ROUNDS = 5
CASES = {"small": (100, 1), "medium": (100_000, 20), "many objects": (50_000, 5_000)}  # samples, raw objects
PER_LINE = 10
REPEAT_EVERY = 50  # every 50th line comes twice
T0 = 1717200000  # 2024-06-01 00:00 UTC
MINUTES = 15


def make_case(folder: Path, samples: int, objects: int) -> None:
    """Write raw objects of 40 gateways, a sample a minute, with repeats."""
    folder.mkdir()
    chance = random.Random(1)  # noqa: S311  # the same case every time
    lines = [_line(chance, number) for number in range(samples // PER_LINE)]
    lines += lines[::REPEAT_EVERY]
    size = -(-len(lines) // objects)
    for number in range(objects):
        text = "".join(line + "\n" for line in lines[number * size : (number + 1) * size])
        (folder / f"{number:05}.gz").write_bytes(gzip.compress(text.encode(), 6))


def _line(chance: random.Random, number: int) -> str:
    turn, gateway = divmod(number, 40)
    start = T0 + turn * PER_LINE * 60
    samples = [
        {
            "seq": turn * PER_LINE + step,
            "measured_at": start + step * 60,
            "clock": "synced",
            "vwc": round(chance.uniform(0.1, 0.4), 4),
            "soil_temperature_c": round(chance.uniform(5, 30), 2),
        }
        for step in range(PER_LINE)
    ]
    gateway_id = f"irrigation-gateway-{gateway}"
    head = {"v": 1, "gateway_id": gateway_id, "sensor_id": f"{gateway_id}.soil-a", "zone_id": f"plot-{gateway}a"}
    return json.dumps(
        {**head, "boot_id": "b1", "samples": samples, "client_id": gateway_id, "received_at": start + 600}
    )


def run_polars(bodies: dict[str, bytes], _work: Path) -> tuple[int, int, float]:
    """The function's own code; gives samples, windows and the sum of their means."""
    from lambda_functions.lake import raw, tables  # noqa: PLC0415  # its import is part of the figures

    changes = tables.changes(tables.distinct(raw.read(bodies).samples), [])
    samples = tables.apply(tables.NOTHING, changes)
    windows = tables.windows(samples, MINUTES)
    for frame in (tables.whole(samples), windows):
        frame.write_parquet(io.BytesIO())
    return len(samples), len(windows), float(windows["mean"].sum())


def run_duckdb(bodies: dict[str, bytes], work: Path) -> tuple[int, int, float]:
    """The same in SQL."""
    import duckdb  # noqa: PLC0415  # its import is part of the figures

    from lambda_functions.lake.shape import USUAL  # noqa: PLC0415  # without Polars

    (work / "raw.gz").write_bytes(b"".join(bodies.values()))
    quantities = list(messages.QUANTITIES)
    with duckdb.connect() as lake:
        lake.execute(
            "create temp table lines as select * from read_csv(?, columns = {'raw': 'varchar'}, delim = '\x01',"
            " quote = '', escape = '', header = false, compression = 'gzip', auto_detect = false)",
            [str(work / "raw.gz")],
        )
        [(unusual,)] = lake.execute("select count(*) from lines where not regexp_matches(raw, ?)", [USUAL]).fetchall()
        assert unusual == 0
        lake.execute(_duckdb_samples(quantities))
        counts = lake.table("samples").aggregate(", ".join(f"count({name})" for name in quantities)).fetchall()[0]
        lake.execute(_duckdb_windows([name for name, count in zip(quantities, counts, strict=True) if count]))
        lake.execute(f"copy samples to '{work}/samples.parquet' (compression zstd)")
        lake.execute(f"copy windows to '{work}/windows.parquet' (compression zstd)")
        [result] = lake.execute(
            "select (select count(*) from samples), (select count(*) from windows), (select sum(mean) from windows)"
        ).fetchall()
    return result


def _duckdb_samples(quantities: list[str]) -> str:
    sample = {"seq": "BIGINT", "measured_at": "BIGINT", "clock": "VARCHAR", **dict.fromkeys(quantities, "DOUBLE")}
    words = dict.fromkeys(("gateway_id", "sensor_id", "zone_id", "boot_id", "client_id"), "VARCHAR")
    shape = json.dumps({"v": "BIGINT", **words, "received_at": "BIGINT", "samples": [sample]})
    ranges = [
        f"coalesce({name} between {least} and {most}, true)" for name, (least, most) in messages.QUANTITIES.items()
    ]
    times = [f"{name} between {messages.EARLIEST} and {messages.LATEST - 1}" for name in ("measured_at", "received_at")]
    owned = ["split_part(sensor_id, '.', 1) = gateway_id", "client_id = gateway_id", "seq is not null"]
    # Without `materialized` DuckDB parses the JSON again for every column, five times slower.
    return f"""
        create temp table samples as
        with parsed as materialized (select from_json(raw, '{shape}') r from lines),
        readings as (select r.* from parsed),
        flat as (select * exclude (samples, s), s.* from (select *, unnest(samples) s from readings))
        select * replace (make_timestamp(measured_at * 1000000) as measured_at) from flat
        where {" and ".join(ranges + times + owned)}
        qualify row_number() over (partition by sensor_id, boot_id, seq order by received_at) = 1
        order by sensor_id, measured_at, boot_id, seq
    """  # noqa: S608  # made of our own names alone


def _duckdb_windows(quantities: list[str]) -> str:
    selects = [
        f"""
        select sensor_id, zone_id, '{name}' quantity, count(*) count,
            time_bucket(interval {MINUTES} minutes, measured_at) window_start,
            avg({name}) mean, min({name}) min, max({name}) max, stddev_samp({name}) std,
            arg_min({name}, (measured_at, boot_id, seq)) first, arg_max({name}, (measured_at, boot_id, seq)) last
        from samples where {name} is not null group by all
        """  # noqa: S608  # made of our own names alone
        for name in quantities
    ]
    return f"create temp table windows as {' union all '.join(selects)}"


ENGINES = {"polars": run_polars, "duckdb": run_duckdb}


def measure(engine: str, folder: Path) -> dict[str, Any]:
    """One run in this process: import and the first and second job in seconds, peak memory in MB."""
    bodies = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    started = time.perf_counter()
    __import__(engine)
    imported = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        result = ENGINES[engine](bodies, Path(work))
        first = time.perf_counter()
        ENGINES[engine](bodies, Path(work))
    second = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = {"import_s": imported - started, "first_s": first - imported, "again_s": second - first}
    return {"result": result, **times, "peak_mb": peak}


def in_fresh_process(engine: str, folder: Path) -> dict[str, Any]:
    """`measure` in a process that has loaded nothing yet."""
    command = [sys.executable, "-m", "benchmarks.aggregate_engine", "--engine", engine, "--folder", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def compare(folder: Path, say: Any = sys.stdout.write) -> None:
    """Measure every case with both engines and print the table."""
    say(f"{'case':14}{'engine':8}{'import s':>10}{'first s':>10}{'again s':>10}{'x duckdb':>10}{'peak MB':>10}\n")
    for case, (samples, objects) in CASES.items():
        place = folder / case.replace(" ", "-")
        make_case(place, samples, objects)
        runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
        for _ in range(ROUNDS):
            for engine, results in runs.items():
                results.append(in_fresh_process(engine, place))
        _check_equal(case, [run["result"] for results in runs.values() for run in results])
        peer = _median(runs["duckdb"], "first_s")
        for engine, results in runs.items():
            figures = {name: _median(results, name) for name in ("import_s", "first_s", "again_s", "peak_mb")}
            say(
                f"{case:14}{engine:8}{figures['import_s']:10.3f}{figures['first_s']:10.3f}{figures['again_s']:10.3f}"
                f"{peer / figures['first_s']:10.2f}{figures['peak_mb']:10.0f}\n"
            )


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def _check_equal(case: str, results: list[Any]) -> None:
    samples, windows, total = results[0]
    for other in results:
        if other[:2] != [samples, windows] or abs(other[2] - total) > 1e-9 * abs(total):
            raise SystemExit(f"{case}: the engines disagree: {results}")


def main(arguments: list[str] | None = None) -> None:
    """Compare, or with `--engine` and `--folder` measure one engine here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks aggregate_engine", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    if options.engine:
        sys.stdout.write(json.dumps(measure(options.engine, options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder))


if __name__ == "__main__":
    main()
