"""What the same new data costs the aggregate function at 1, 10 and 100 times the history: requests and seconds.

The history is in days, as is the new data: one more day of 100 sensors, a sample every ten minutes. Requests are those
of S3, on a folder that answers as S3 does; seconds are the median of several runs, each on a copy of the same lake.
"""

import argparse
import gzip
import shutil
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

from benchmarks.aggregate import MINUTES, SENSORS, T0, FolderS3, NoGlue
from lambda_functions.aggregate import index
from lambda_functions.aggregate.lake.settings import Settings
from lambda_functions.aggregate.lake.store import Store

DAY = 86400
PER_DAY = 144
ROUNDS = 9
SETTINGS = Settings("b", "raw/", "b", "lake/", "db", MINUTES)


def put_day(folder: Path, day: int) -> None:
    """Write a day's raw object."""
    lines = "".join(_line(day, n, first) for n in range(SENSORS) for first in range(0, PER_DAY, 12))
    path = folder / time.strftime("raw/%Y/%m/%d/%H/stream.gz", time.gmtime(T0 + (day + 1) * DAY))
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(lines.encode(), 1))


def _line(day: int, n: int, first: int) -> str:
    start = day * PER_DAY + first
    samples = ", ".join(
        f'{{"seq": {seq}, "measured_at": {T0 + seq * 600}, "clock": "synced", "vwc": {(seq * 7 + n) % 400 / 1000}}}'
        for seq in range(start, start + 12)
    )
    gateway = f"irrigation-gateway-{n // 4}"
    return (
        f'{{"v": 1, "gateway_id": "{gateway}", "sensor_id": "{gateway}.soil-{n % 4}", "zone_id": "plot-{n}", '
        f'"boot_id": "b1", "samples": [{samples}], "client_id": "{gateway}", "received_at": {T0 + (day + 1) * DAY}}}\n'
    )


def run(folder: Path) -> tuple[Counter[str], float]:
    """One run; its requests and seconds."""
    s3 = FolderS3(folder)
    started = time.perf_counter()
    index.aggregate(SETTINGS, Store(cast(Any, s3), cast(Any, NoGlue())))
    return s3.calls, time.perf_counter() - started


def measure(days: int, rounds: int) -> tuple[Counter[str], float]:
    """Requests and median seconds of the run that reads one day more than `days`."""
    with tempfile.TemporaryDirectory() as work:
        before = Path(work) / "before"
        for day in range(days):
            put_day(before, day)
            if day % 20 == 19 or day >= days - 3:
                run(before)
        put_day(before, days)
        found = []
        for number in range(rounds):
            shutil.copytree(before, Path(work) / str(number))
            found.append(run(Path(work) / str(number)))
            shutil.rmtree(Path(work) / str(number))
    return found[0][0], statistics.median(seconds for _, seconds in found)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks aggregate_history", description=__doc__)
    parser.add_argument("--days", type=int, default=4, help="the shortest history, default 4")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs for the median, default {ROUNDS}")
    options = parser.parse_args(arguments)
    print("| history, days | requests | seconds |\n|---|---|---|")
    for days in (options.days, options.days * 10, options.days * 100):
        calls, seconds = measure(days, options.rounds)
        print(f"| {days} | {calls.total()} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
