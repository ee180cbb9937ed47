"""A fleet's day: what it leaves in S3, and what the day's last run of the aggregate function takes.

Every gateway has four sensors with a sample each quarter hour and a reading each hour. The day but its last raw object
is brought in first; then a fresh process brings that one, which is the dearest of a day's 96 runs: it reads, merges and
writes the whole day. S3 is a folder.
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from benchmarks.aggregate import FolderS3, NoGlue

FLEETS = (2, 100, 1_000, 2_500, 10_000)
SENSORS = 4
T0 = 1717200000  # 2024-06-01 00:00 UTC
HOUR_S, QUARTER_S = 3600, 900
LAST_OBJECT = "left.gz"  # the last raw object, until its turn
BACKLOG_BYTES = 16 * 1024 * 1024  # of gzip at once, so that bringing in the day itself takes no hours


def make_day(folder: Path, gateways: int) -> None:
    """Write a raw object each quarter hour of arrival; the last goes to LEFT."""
    chance = random.Random(1)  # noqa: S311  # the same case every time
    for quarter in range(96):
        hour, turn = divmod(quarter, 4)
        numbers = range(turn + 1, gateways + 1, 4)  # a quarter of the gateways, each with the hour that has ended
        lines = [line for gateway in numbers for line in _lines(chance, gateway, T0 + hour * HOUR_S, hour * 4)]
        at = time.gmtime(T0 + (hour + 1) * HOUR_S + turn * QUARTER_S)
        path = folder / (time.strftime("raw/%Y/%m/%d/%H/%M.gz", at) if quarter < 95 else LAST_OBJECT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(lines).encode(), 6))


def _lines(chance: random.Random, number: int, start: int, seq: int) -> Iterator[str]:
    gateway = f"irrigation-gateway-{number}"
    for sensor in range(SENSORS):
        samples = ", ".join(
            f'{{"seq": {seq + n}, "measured_at": {start + n * QUARTER_S}, "clock": "synced", '
            f'"vwc": {chance.random() / 2:.4f}, "soil_temperature_c": {chance.random() * 30:.2f}}}'
            for n in range(4)
        )
        yield (
            f'{{"v": 1, "gateway_id": "{gateway}", "sensor_id": "{gateway}.soil-{sensor}", '
            f'"zone_id": "plot-{number}-{sensor}", "boot_id": "boot-{number}", "samples": [{samples}], '
            f'"client_id": "{gateway}", "received_at": {start + HOUR_S + number % HOUR_S}}}\n'
        )


def bring(folder: Path, last: bool) -> None:
    """Run the function on what is there; with `last`, in the batches that it is deployed with."""
    from lambda_functions.aggregate import index  # noqa: PLC0415  # in a process of its own
    from lambda_functions.lake.settings import Settings  # noqa: PLC0415  # as above
    from lambda_functions.lake.store import Store  # noqa: PLC0415  # as above

    if not last:
        index.BATCH_BYTES = BACKLOG_BYTES
    store = Store(cast(Any, FolderS3(folder)), cast(Any, NoGlue()))
    started, cpu_s = time.monotonic(), time.process_time()
    index.aggregate(
        Settings(
            source_bucket="b",
            source_prefix="raw/",
            dest_bucket="b",
            dest_prefix="lake/",
            glue_database="db",
            interval_minutes=15,
        ),
        store,
    )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([time.monotonic() - started, time.process_time() - cpu_s, peak_mb]))


def measure(gateways: int) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_day(folder, gateways)
        _in_a_process(folder, "backlog")
        last = folder / "raw/2024/06/02/00/45.gz"
        last.parent.mkdir(parents=True, exist_ok=True)
        (folder / LAST_OBJECT).rename(last)
        seconds, cpu_s, peak_mb = _in_a_process(folder, "last")
        raw, lake = (
            sum(path.stat().st_size for path in folder.glob(place)) for place in ("raw/**/*.gz", "lake/**/*.parquet")
        )
    return f"| {gateways:,} | {raw:,} | {lake:,} | {seconds:.1f} | {cpu_s:.1f} | {peak_mb:,.0f} |"


def _in_a_process(folder: Path, what: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.fleet_day", "--bring", what, str(folder)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return cast(list[float], json.loads(process.stdout))


def main() -> int:
    """Measure each fleet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fleet_day", description=__doc__)
    parser.add_argument("--gateways", type=int, nargs="+", default=FLEETS, help="fleets (%(default)s)")
    parser.add_argument("--bring", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bring:
        bring(Path(options.bring[1]), last=options.bring[0] == "last")
        return 0
    print("| gateways | raw bytes | lake bytes | s | CPU s | peak MB |\n|---|---|---|---|---|---|")
    for gateways in options.gateways:
        print(measure(gateways), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
