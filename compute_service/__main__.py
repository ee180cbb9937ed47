"""The command line of the compute service. Bad input ends with one line on stderr and exit code 2."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from compute_service import config, settings
from compute_service.commands import ulid
from compute_service.errors import ComputeError, StoreError
from compute_service.link import Link
from compute_service.service import Service
from compute_service.store import Store

TICK_S = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return int(args.run(args))
    except ComputeError as error:
        for line in str(error).splitlines():
            print(f"compute_service: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def run(args: argparse.Namespace) -> int:
    """Serve a farm until SIGINT or SIGTERM."""
    farm = config.load(args.zones)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        store = stack.enter_context(closing(Store(args.store)))
        record = _recorder(stack.enter_context(_append(args.events)) if args.events else None)
        link = stack.enter_context(closing(Link(args.certs, args.endpoint, args.port)))
        service = Service(farm, store, link.publish, lambda: int(time.time()), record)
        link.connect(service.handle)
        service.start()
        print(f"{farm.farm}: serving, zones: {len(farm.zones)}; Ctrl-C stops", flush=True)
        while not stop.wait(TICK_S):
            service.tick()
    return 0


def update(args: argparse.Namespace) -> int:
    """Hand settings for the gateways to the running service, and wait until the broker has them."""
    device_id, values = settings.load(args.file)
    update_id = ulid(int(time.time()), os.urandom(10))
    with closing(Store(args.store, must_exist=True)) as store:
        store.add_update(update_id, device_id, values)
        deadline = time.monotonic() + args.wait
        while not (published := _is_sent(store, update_id)) and time.monotonic() < deadline:
            time.sleep(0.1)
    told = "published" if published else "queued; it is published as soon as the service runs"
    print(f"update {update_id} for {device_id}: {told}")
    return 0


def _is_sent(store: Store, update_id: str) -> bool:
    return any(row["update_id"] == update_id for row in store.updates_in("sent"))


def zones(args: argparse.Namespace) -> int:
    """Check a zones file and print what it says."""
    farm = config.load(args.file)
    print(f"{farm.farm} ({farm.timezone})")
    rows = [tuple(str(getattr(zone, name)) for name in _ZONE_COLUMNS) for zone in farm.zones]
    _print_table([_ZONE_COLUMNS, *rows])
    return 0


_ZONE_COLUMNS = ("zone_id", "sensor_id", "crop", "wilting_point", "refill_point", "target", "max_run_s", "daily_cap_s")


def decisions(args: argparse.Namespace) -> int:
    """Print the last decisions, the oldest first; with `--checks` every row of reasons too."""
    with closing(Store(args.store, must_exist=True)) as store:
        if args.zone is not None:
            _check_zone(args.store, args.zone, store.zone_ids())
        for row in store.decisions(args.zone, args.last):
            at = datetime.fromtimestamp(row["at"], ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M:%SZ")
            print(f"{at}  {row['sentence']}")
            if args.checks:
                cells = ("name", "value", "threshold", "passed")
                _print_table(
                    [tuple("" if check[c] is None else str(check[c]) for c in cells) for check in row["checks"]]
                )
    return 0


def _check_zone(path: Path, zone_id: str, known: list[str]) -> None:
    if zone_id not in known:
        heard = ", ".join(known) or "none yet"
        raise StoreError(f"{path}: knows no zone {zone_id!r}{config.did_you_mean(zone_id, known)}; known: {heard}")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _append(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; give another --events") from error


def _recorder(file: TextIO | None) -> Callable[[dict[str, Any]], None]:
    def record(event: dict[str, Any]) -> None:
        if file:
            file.write(json.dumps(event) + "\n")
            file.flush()

    return record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compute_service", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--store", type=Path, default=Path("compute.sqlite"), help="the service's SQLite file")

    verb = verbs.add_parser("run", parents=[store], help="serve a farm until Ctrl-C")
    verb.add_argument("--zones", type=Path, required=True, help="the zones file, see docs/compute.md")
    verb.add_argument("--certs", type=Path, default=Path("certs/issued/irrigation-compute"), help="identity folder")
    verb.add_argument("--endpoint", default="localhost", help="the broker's host name")
    verb.add_argument("--port", type=int, default=8883)
    verb.add_argument("--events", type=Path, help="append every command, ack, refusal and decision as a JSON line")
    verb.set_defaults(run=run)

    verb = verbs.add_parser(
        "update", parents=[store], help="send settings to the gateways, through the running service"
    )
    verb.add_argument("file", type=Path, help="YAML or JSON: {device_id: all, settings: {sample_interval_s: 600}}")
    verb.add_argument("--wait", type=float, default=5, help="seconds to wait for the broker")
    verb.set_defaults(run=update)

    verb = verbs.add_parser("zones", help="check a zones file and print it")
    verb.add_argument("file", type=Path)
    verb.set_defaults(run=zones)

    verb = verbs.add_parser("decisions", parents=[store], help="print the last decisions")
    verb.add_argument("--zone", help="of this zone only")
    verb.add_argument("--last", type=int, default=20, help="how many")
    verb.add_argument("--checks", action="store_true", help="with every check behind them")
    verb.set_defaults(run=decisions)
    return parser


if __name__ == "__main__":
    sys.exit(main())
