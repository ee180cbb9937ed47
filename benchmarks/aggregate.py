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
import os
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
REPEAT_EVERY = 50  # every 50th line comes twice
FORGED = 1000  # every 1000th also from a publisher that does not own the sensor
T0 = 1717200000  # 2024-06-01 00:00 UTC
MINUTES = 15


def make_raw(folder: Path, rows: int) -> None:
    """Write raw objects, one for each hour of arrival, with at least `rows` distinct samples and some repeats."""
    chance = random.Random(1)  # noqa: S311  # the same case every time
    turns = -(-rows // (SENSORS * PER_LINE))
    for first in range(0, turns, 3600 // EVERY):
        lines = [_line(chance, turn, n) for turn in range(first, min(turns, first + 6)) for n in range(SENSORS)]
        forged = [line.replace('"client_id": "', '"client_id": "x') for line in lines[1::FORGED]]
        text = "".join(line + "\n" for line in lines + lines[::REPEAT_EVERY] + forged)
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
    from lambda_functions.lake.settings import Settings  # noqa: PLC0415  # as above
    from lambda_functions.lake.store import Store  # noqa: PLC0415  # as above

    index.aggregate(
        Settings(
            source_bucket="b",
            source_prefix="raw/",
            dest_bucket="b",
            dest_prefix="function/",
            glue_database="db",
            interval_minutes=MINUTES,
        ),
        Store(cast(Any, FolderS3(folder)), cast(Any, NoGlue())),
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
        files = list(_files_after(self._folder, Prefix.rstrip("/"), StartAfter))
        yield {"Contents": [{"Key": key, "Size": (self._folder / key).stat().st_size} for key in files]}

    def _metadata(self, key: str) -> dict[str, str]:
        path = (self._folder / key).with_suffix(".metadata")
        return cast(dict[str, str], json.loads(path.read_text())) if path.exists() else {}


def _files_after(root: Path, key: str, after: str) -> Iterator[str]:
    """Keys of raw objects below a folder and after a key, in order; looks into no folder that lies before."""
    if not (root / key).exists():
        return
    for entry in sorted(os.scandir(root / key), key=lambda entry: entry.name + "/" * entry.is_dir()):
        below = f"{key}/{entry.name}"
        if entry.is_file() and below.endswith(".gz") and below > after:
            yield below
        elif entry.is_dir() and below + "/\uffff" > after:
            yield from _files_after(root, below, after)


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
    """The same tables and quarantine as one would first write it."""
    import pandas as pd  # noqa: PLC0415  # its import is part of the figures

    from protocol.messages import QUANTITIES  # noqa: PLC0415  # as above

    frame, bad = _pandas_read(sorted((folder / "raw").rglob("*.gz")))
    quantities = [name for name in QUANTITIES if name in frame]
    checks = _pandas_checks(frame, quantities)
    good = checks.all(axis="columns")
    wrong = frame[~good].assign(reason=checks[~good].idxmin(axis="columns"))
    pd.concat([pd.DataFrame(bad), wrong]).to_json(folder / "quarantine.jsonl", orient="records", lines=True)
    frame = frame[good].sort_values(["received_at", "measured_at"]).drop_duplicates(["sensor_id", "boot_id", "seq"])
    frame = frame.sort_values(["sensor_id", "measured_at", "boot_id", "seq"])
    frame["day"] = pd.to_datetime(frame["measured_at"], unit="s", utc=True).dt.date.astype(str)
    for name, table in (("samples", frame), ("windows", _pandas_windows(frame, quantities))):
        table.to_parquet(folder / "pandas" / name, partition_cols=["day"])


def _pandas_read(paths: list[Path]) -> tuple[Any, list[dict[str, Any]]]:
    import pandas as pd  # noqa: PLC0415  # as above

    parts, bad = [], []
    for path in paths:
        readings = []
        for number, text in enumerate(gzip.decompress(path.read_bytes()).decode().splitlines(), 1):
            place = {"object": path.name, "line": number}
            try:
                readings.append({**json.loads(text), **place})
            except ValueError as error:
                bad.append({**place, "reason": str(error)})
        meta = ["v", "gateway_id", "sensor_id", "zone_id", "boot_id", "client_id", "received_at", "object", "line"]
        parts.append(pd.json_normalize(readings, "samples", meta))
    return pd.concat(parts, ignore_index=True), bad


def _pandas_checks(frame: Any, quantities: list[str]) -> Any:
    """For each row and reason of refusal, whether it is good."""
    import pandas as pd  # noqa: PLC0415  # as above

    from protocol import messages  # noqa: PLC0415  # as above

    checks = {
        "v": frame["v"] == 1,
        "client_id": frame["client_id"] == frame["gateway_id"],
        "sensor_id": frame["sensor_id"].str.split(".").str[0] == frame["gateway_id"],
        "clock": frame["clock"].isin(messages.CLOCKS),
        "seq": pd.to_numeric(frame["seq"], errors="coerce").notna(),
    }
    for name in ("measured_at", "received_at"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
        checks[name] = frame[name].between(messages.EARLIEST, messages.LATEST - 1)
    for name in quantities:
        value = pd.to_numeric(frame[name], errors="coerce")
        checks[name] = frame[name].isna() | value.between(*messages.QUANTITIES[name])
    return pd.DataFrame(checks)


def _pandas_windows(frame: Any, quantities: list[str]) -> Any:
    frame["window_start"] = frame["measured_at"] // (MINUTES * 60) * (MINUTES * 60)
    place = ["sensor_id", "zone_id", "day", "window_start"]
    long = frame.melt([*place, "boot_id", "seq"], quantities, "quantity", "value").dropna(subset="value")
    groups = long.groupby([*place, "quantity"], dropna=False)["value"]
    windows = groups.agg(["count", "mean", "min", "max", "std", "first", "last", "sum"]).reset_index()
    litres = windows["sum"].where(windows["quantity"] == "volume_l")
    windows["volume_l"] = litres.where(windows["quantity"] != "flow_l_min", windows["mean"] * MINUTES)
    return windows.drop(columns="sum")


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


def read_json(folder: Path) -> None:
    """Unpack, and parse with the engine's own reader; nothing else."""
    import polars as pl  # noqa: PLC0415  # its import is part of the figures

    for path in sorted((folder / "raw").rglob("*.gz")):
        pl.read_ndjson(gzip.decompress(path.read_bytes()))


def read_and_check(folder: Path) -> None:
    """Unpack, parse and check as the function does; no distinct samples, no windows, no lake."""
    from lambda_functions.lake import raw  # noqa: PLC0415  # its import is part of the figures

    paths = sorted((folder / "raw").rglob("*.gz"))
    for first in range(0, len(paths), 24):
        raw.read({str(path): path.read_bytes() for path in paths[first : first + 24]})


CONTESTANTS = {"function": run_function, "bare": run_bare, "pandas": run_pandas}
PARTS = {"json": read_json, "reading": read_and_check}


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
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return cast(dict[str, float], json.loads(process.stdout))


def _run_here(name: str, folder: Path) -> None:
    started = time.perf_counter()
    (CONTESTANTS | PARTS)[name](folder)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {"s": seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}
    sys.stdout.write(json.dumps(figures))
    sys.stdout.flush()
    os._exit(0)  # pyarrow's threads sometimes abort the interpreter's own way out


def compare(rows: int, folder: Path, names: list[str]) -> None:
    """Run the contestants one after the other and print the table."""
    make_raw(folder, rows)
    load = os.getloadavg()[0]
    figures = {name: measure(name, folder) for name in (*names, *PARTS)}
    results = {name: check(folder, name) for name in names}
    if len(set(results.values())) != 1:
        raise SystemExit(f"the tables differ: {results}")
    samples, windows, _ = results[names[0]]
    print(f"{samples:,} samples, {windows:,} windows; {os.cpu_count()} cores, load {load:.1f} before\n")
    print(
        "| | s | CPU s | samples/s | peak MB | x pandas | x pandas, CPU | of bare |\n|---|---|---|---|---|---|---|---|"
    )
    for name, run in figures.items():
        print(f"| {name} | {_figures(run, samples, figures)} |")


def _figures(run: dict[str, float], samples: int, figures: dict[str, dict[str, float]]) -> str:
    nobody = {"s": float("nan"), "cpu_s": float("nan")}
    pandas, bare = figures.get("pandas", nobody), figures.get("bare", nobody)
    times = f"{run['s']:.1f} | {run['cpu_s']:.1f} | {samples / run['s']:,.0f} | {run['mb']:,.0f}"
    return f"{times} | {pandas['s'] / run['s']:.1f} | {pandas['cpu_s'] / run['cpu_s']:.1f} | {bare['s'] / run['s']:.0%}"


def main(arguments: list[str] | None = None) -> None:
    """Compare, or with `--contestant` and `--folder` run one here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks aggregate", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="distinct samples, default 5,000,000")
    parser.add_argument("--without-pandas", action="store_true", help="pandas takes minutes and gigabytes")
    parser.add_argument("--contestant", choices=[*CONTESTANTS, *PARTS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.contestant:
        _run_here(options.contestant, options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(options.rows, Path(folder), [n for n in CONTESTANTS if n != "pandas" or not options.without_pandas])


if __name__ == "__main__":
    main()
