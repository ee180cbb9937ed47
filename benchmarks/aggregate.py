"""The aggregate function against naive pandas and the bare engine: raw gzip lines to samples and windows in Parquet.

All three end with the same tables, which is checked. The function runs as deployed, in bounded batches, with every
check, its journal and its day files, on a folder that answers as S3 does. pandas is what one would write first: every
line parsed, every value checked, duplicates dropped, windows grouped, all in memory. The bare engine is Polars without
any check and without commits: its JSON reader, one `unique`, one `group_by`. Each is a fresh process.
"""

import argparse
import gzip
import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

ROWS = 5_000_000
SENSORS = 100
PER_LINE = 10  # samples, one a minute
EVERY = PER_LINE * 60  # seconds between two lines of a sensor
REPEATED = 50  # every 50th line comes twice
T0 = 1717200000  # 2024-06-01 00:00 UTC
MINUTES = 15


def make_raw(folder: Path, rows: int) -> None:
    """Write raw objects, one for each hour of arrival, with at least `rows` distinct samples and some repeats."""
    chance = random.Random(1)  # noqa: S311  # the same case every time
    turns = -(-rows // (SENSORS * PER_LINE))
    for first in range(0, turns, 3600 // EVERY):
        lines = [_line(chance, turn, n) for turn in range(first, min(turns, first + 6)) for n in range(SENSORS)]
        text = "".join(line + "\n" for line in lines + lines[::REPEATED])
        at = time.gmtime(T0 + (first + 5) * EVERY)
        path = folder / time.strftime("raw/%Y/%m/%d/%H/stream.gz", at)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), 6))


def _line(chance: random.Random, turn: int, n: int) -> str:
    start = T0 + turn * EVERY
    samples = ", ".join(
        f'{{"seq": {turn * PER_LINE + step}, "measured_at": {start + step * 60}, "clock": "synced", '
        f'"vwc": {chance.random() / 2:.4f}, "soil_temperature_c": {chance.random() * 30:.2f}}}'
        for step in range(PER_LINE)
    )
    gateway = f"irrigation-gateway-{n // 4}"
    return (
        f'{{"v": 1, "gateway_id": "{gateway}", "sensor_id": "{gateway}.soil-{n % 4}", "zone_id": "plot-{n}", '
        f'"boot_id": "b1", "samples": [{samples}], "client_id": "{gateway}", "received_at": {start + EVERY}}}'
    )


def run_function(folder: Path) -> None:
    """The function, on a folder."""
    from lambda_functions.aggregate import index  # noqa: PLC0415  # its import is part of the figures
    from lambda_functions.aggregate.lake.settings import Settings  # noqa: PLC0415  # as above
    from lambda_functions.aggregate.lake.store import Store  # noqa: PLC0415  # as above

    index.aggregate(
        Settings("b", "raw/", "b", "function/", "db", MINUTES), Store(cast(Any, FolderS3(folder)), cast(Any, NoGlue()))
    )


class FolderS3:
    """The calls of S3 that the function makes, on a folder; the metadata of an object is a file beside it."""

    class exceptions:  # noqa: N801  # boto3's name
        class NoSuchKey(Exception):  # noqa: N818  # boto3's name
            pass

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls: Counter[str] = Counter()

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803  # boto3's names, here and below
        self.calls["GetObject"] += 1
        try:
            body = (self._folder / Key).read_bytes()
        except FileNotFoundError as error:
            raise self.exceptions.NoSuchKey from error
        return {"Body": io.BytesIO(body), "ETag": _etag(body), "Metadata": self._metadata(Key)}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        from botocore.exceptions import ClientError  # noqa: PLC0415  # only the function needs it

        try:
            return self.get_object(Bucket, Key)
        except self.exceptions.NoSuchKey as error:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject") from error

    def put_object(self, Bucket: str, Key: str, Body: bytes, **more: Any) -> dict[str, str]:  # noqa: ARG002, N803
        self.calls["PutObject"] += 1
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)
        path.with_suffix(".metadata").write_text(json.dumps(more.get("Metadata", {})))
        return {"ETag": _etag(Body)}

    def get_paginator(self, _operation: str) -> "FolderS3":
        return self

    def paginate(self, Bucket: str, Prefix: str, StartAfter: str) -> Iterator[dict[str, Any]]:  # noqa: ARG002, N803
        self.calls["ListObjectsV2"] += 1
        found = {
            str(path.relative_to(self._folder)): path.stat().st_size for path in (self._folder / Prefix).rglob("*.gz")
        }
        yield {"Contents": [{"Key": key, "Size": found[key]} for key in sorted(found) if key > StartAfter]}

    def _metadata(self, key: str) -> dict[str, str]:
        path = (self._folder / key).with_suffix(".metadata")
        return cast(dict[str, str], json.loads(path.read_text())) if path.exists() else {}


class NoGlue:
    """A catalogue that has everything already."""

    def get_paginator(self, _operation: str) -> "NoGlue":
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield {"TableList": []}

    def __getattr__(self, _call: str) -> Any:
        return lambda **_: {}


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def run_pandas(folder: Path) -> None:
    """The same tables as one would first write it."""
    import pandas as pd  # noqa: PLC0415  # its import is part of the figures

    from protocol import messages  # noqa: PLC0415  # as above

    parts = []
    for path in sorted((folder / "raw").rglob("*.gz")):
        readings = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        meta = ["v", "gateway_id", "sensor_id", "zone_id", "boot_id", "client_id", "received_at"]
        parts.append(pd.json_normalize(readings, "samples", meta))
    frame = pd.concat(parts, ignore_index=True)
    good = (frame["v"] == 1) & (frame["client_id"] == frame["gateway_id"]) & frame["clock"].isin(messages.CLOCKS)
    good &= frame["sensor_id"].str.split(".").str[0] == frame["gateway_id"]
    quantities = [name for name in messages.QUANTITIES if name in frame]
    for name in quantities:
        good &= frame[name].isna() | frame[name].between(*messages.QUANTITIES[name])
    for name in ("measured_at", "received_at"):
        frame[name] = frame[name].astype("int64")
        good &= frame[name].between(messages.EARLIEST, messages.LATEST - 1)
    frame = frame[good].sort_values(["received_at", "measured_at"])
    frame = frame.drop_duplicates(["sensor_id", "boot_id", "seq"]).sort_values(
        ["sensor_id", "measured_at", "boot_id", "seq"]
    )
    frame["day"] = pd.to_datetime(frame["measured_at"], unit="s", utc=True).dt.date.astype(str)
    frame["window_start"] = frame["measured_at"] // (MINUTES * 60) * (MINUTES * 60)
    place = ["sensor_id", "zone_id", "day", "window_start"]
    long = frame.melt([*place, "boot_id", "seq"], quantities, "quantity", "value").dropna(subset="value")
    groups = long.groupby([*place, "quantity"], dropna=False)["value"]
    windows = groups.agg(["count", "mean", "min", "max", "std", "first", "last"]).reset_index()
    for name, table in (("samples", frame), ("windows", windows)):
        table.to_parquet(folder / "pandas" / name, partition_cols=["day"])


def run_bare(folder: Path) -> None:
    """Polars alone: what it costs to read, drop repeats, group and write."""
    import polars as pl  # noqa: PLC0415  # its import is part of the figures

    paths = sorted((folder / "raw").rglob("*.gz"))
    parts = []
    for first in range(0, len(paths), 24):
        text = b"".join(gzip.decompress(path.read_bytes()) for path in paths[first : first + 24])
        lines = pl.read_ndjson(text).explode("samples").unnest("samples")
        parts.append(lines.with_columns(at=pl.from_epoch("measured_at")))
    samples = pl.concat(parts).unique(["sensor_id", "boot_id", "seq"]).sort("sensor_id", "at")
    value = pl.col("value")
    windows = (
        samples.with_columns(day=pl.col("at").dt.date(), window_start=pl.col("at").dt.truncate(f"{MINUTES}m"))
        .unpivot(
            ["vwc", "soil_temperature_c"],
            index=["sensor_id", "zone_id", "day", "window_start"],
            variable_name="quantity",
        )
        .group_by("sensor_id", "zone_id", "quantity", "day", "window_start", maintain_order=True)
        .agg(
            count=pl.len(),
            mean=value.mean(),
            min=value.min(),
            max=value.max(),
            std=value.std(),
            first=value.first(),
            last=value.last(),
        )
    )
    for name, table in (("samples", samples.with_columns(day=pl.col("at").dt.date())), ("windows", windows)):
        for (day,), part in table.partition_by("day", as_dict=True, include_key=False).items():
            place = folder / "bare" / name / f"day={day}"
            place.mkdir(parents=True)
            part.write_parquet(place / "data.parquet")


CONTESTANTS = {"function": run_function, "bare": run_bare, "pandas": run_pandas}


def check(folder: Path, name: str) -> tuple[int, int, float]:
    """Samples, windows and the sum of all means in the tables of a contestant."""
    import duckdb  # noqa: PLC0415  # no contestant

    with duckdb.connect() as lake:
        [(samples,)] = lake.execute(f"select count(*) from '{folder}/{name}/samples/*/*.parquet'").fetchall()  # noqa: S608  # our own folder
        [(windows, total)] = lake.execute(
            f"select count(*), sum(mean) from '{folder}/{name}/windows/*/*.parquet'"  # noqa: S608  # our own folder
        ).fetchall()
    return samples, windows, round(total, 3)


def measure(name: str, folder: Path) -> dict[str, float]:
    """Run a contestant in a fresh process; seconds, seconds of CPU and peak memory in MB, with its imports."""
    command = [sys.executable, "-m", "benchmarks.aggregate", "--contestant", name, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return cast(dict[str, float], json.loads(done.stdout))


def _run_here(name: str, folder: Path) -> None:
    started = time.perf_counter()
    CONTESTANTS[name](folder)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = {"s": seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}
    sys.stdout.write(json.dumps(found))


def compare(rows: int, folder: Path, names: list[str]) -> None:
    """Run the contestants one after the other and print the table."""
    make_raw(folder, rows)
    found = {name: measure(name, folder) for name in names}
    results = {name: check(folder, name) for name in names}
    if len(set(results.values())) != 1:
        raise SystemExit(f"the tables differ: {results}")
    print(f"{results[names[0]][0]:,} samples, {results[names[0]][1]:,} windows\n")
    print(
        f"| {'':8} | {'s':>7} | {'CPU s':>7} | {'samples/s':>10} | {'peak MB':>7} | {'x pandas':>8} | {'of bare':>7} |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, run in found.items():
        ratios = [found[peer]["s"] / run["s"] if peer in found else float("nan") for peer in ("pandas", "bare")]
        times = f"{run['s']:7.1f} | {run['cpu_s']:7.1f} | {results[name][0] / run['s']:10,.0f}"
        print(f"| {name:8} | {times} | {run['mb']:7,.0f} | {ratios[0]:8.1f} | {ratios[1]:7.0%} |")


def main(arguments: list[str] | None = None) -> None:
    """Compare, or with `--contestant` and `--folder` run one here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks aggregate", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="distinct samples, default 5,000,000")
    parser.add_argument("--without-pandas", action="store_true", help="pandas takes minutes and gigabytes")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.contestant:
        _run_here(options.contestant, options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(options.rows, Path(folder), [n for n in CONTESTANTS if n != "pandas" or not options.without_pandas])


if __name__ == "__main__":
    main()
