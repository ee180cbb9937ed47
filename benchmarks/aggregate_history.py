"""What the same new data costs the aggregate function at 1, 10 and 100 times the history: requests and seconds.

The history is in days, as is the new data: one more day of 100 sensors, a sample every ten minutes. Requests are those
of S3, on a folder that answers as S3 does. In each round every history has its turn, on a copy of its lake; seconds are
the median of the rounds, and their ratio to the shortest history is the median of the rounds' ratios, which a machine
with other work disturbs least. It ends with 1 if requests or seconds are not flat within 20 %.
"""

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from benchmarks import DAY_S
from benchmarks.aggregate import MINUTES, SENSORS, T0, FolderS3, NoGlue
from lambda_functions.aggregate import index
from lambda_functions.lake.settings import Settings
from lambda_functions.lake.store import Store

PER_DAY = 144
ROUNDS = 15
FLAT = 1.2  # greatest by least
SETTINGS = Settings(
    source_bucket="b",
    source_prefix="raw/",
    dest_bucket="b",
    dest_prefix="lake/",
    glue_database="db",
    interval_minutes=MINUTES,
)


def put_day(folder: Path, day: int) -> None:
    """Write a day's raw object."""
    lines = "".join(_line(day, n, first) for n in range(SENSORS) for first in range(0, PER_DAY, 12))
    path = folder / time.strftime("raw/%Y/%m/%d/%H/stream.gz", time.gmtime(T0 + (day + 1) * DAY_S))
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
        f'"boot_id": "b1", "samples": [{samples}], "client_id": "{gateway}", '
        f'"received_at": {T0 + (day + 1) * DAY_S}}}\n'
    )


def run(folder: Path) -> tuple[Counter[str], float]:
    """One run; its requests and seconds."""
    s3 = FolderS3(folder)
    started = time.perf_counter()
    index.aggregate(SETTINGS, Store(cast(Any, s3), cast(Any, NoGlue())))
    return s3.calls, time.perf_counter() - started


def make_lake(folder: Path, days: int) -> None:
    """A lake of so many days, and the raw object of one day more."""
    for day in range(days):
        put_day(folder, day)
        if day % 20 == 19 or day >= days - 3:
            run(folder)
    put_day(folder, days)


def play_round(work: Path, histories: Iterable[int]) -> dict[int, tuple[int, float]]:
    """Requests and seconds of the run that reads one day more, for each history in its turn."""
    figures = {}
    for days in histories:
        shutil.copytree(work / str(days), work / "copy")
        calls, seconds = run(work / "copy")
        shutil.rmtree(work / "copy")
        figures[days] = calls.total(), seconds
    return figures


def measure(histories: list[int], rounds: int) -> list[dict[int, tuple[int, float]]]:
    """So many rounds, with the histories in turning order, after one that only warms up."""
    with tempfile.TemporaryDirectory() as work:
        for days in histories:
            make_lake(Path(work) / str(days), days)
        return [play_round(Path(work), histories[:: 1 - 2 * (number % 2)]) for number in range(rounds + 1)][1:]


def report(histories: list[int], rounds: list[dict[int, tuple[int, float]]]) -> bool:
    """Print the table and, last, how far from flat it is; True if it is flat."""
    print("| history, days | requests | seconds | ratio |\n|---|---|---|---|")
    requests, ratios = [], []
    for days in histories:
        seconds = statistics.median(one[days][1] for one in rounds)
        ratios.append(statistics.median(one[days][1] / one[histories[0]][1] for one in rounds))
        requests.append(rounds[0][days][0])
        print(f"| {days} | {requests[-1]} | {seconds:.3f} | {ratios[-1]:.2f} |")
    spread, calls = max(ratios) / min(ratios), max(requests) / min(requests)
    is_flat = max(spread, calls) <= FLAT
    print(f"{'flat' if is_flat else 'NOT FLAT'}: greatest by least is {spread:.2f} in seconds, {calls:.2f} in requests")
    return is_flat


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table; 1 if it is not flat."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks aggregate_history", description=__doc__)
    parser.add_argument("--days", type=int, default=4, help="the shortest history, default 4")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs for the median, default {ROUNDS}")
    options = parser.parse_args(arguments)
    histories = [options.days, options.days * 10, options.days * 100]
    return 0 if report(histories, measure(histories, options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
