"""The command line of the compute service. Bad input ends with one line on stderr and exit code 2."""

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from checked_yaml.checks import did_you_mean
from compute_service import explain, replay, settings, shell
from compute_service.adapters import identity_files, update_file, zones_file
from compute_service.adapters.forecast_source import Forecasts
from compute_service.adapters.mqtt import MqttConnection
from compute_service.adapters.sqlite.sole_service import SoleService
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.commands import ulid
from compute_service.domain.ports import Beat, Store, Updates
from compute_service.domain.zone import Config
from compute_service.errors import CertificateError, ComputeError, StoreError
from compute_service.event_file import EventFile
from compute_service.interruption import interruption
from compute_service.retention import Retention
from compute_service.service import Service
from protocol import farms, topics

if TYPE_CHECKING:
    from protocol.events import Event

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
    topics.use(farms.root(args.farm))
    certs = args.certs or Path("certs/issued", farms.compute(args.farm))
    watch = settings.SettingsWatch(args.zones, args.farm)
    farm = watch.farm
    stop = interruption()
    with ExitStack() as stack:
        stack.enter_context(closing(SoleService(args.store)))  # before the store: it may migrate it
        store = stack.enter_context(closing(SqliteStore(args.store)))
        record = stack.enter_context(closing(EventFile(args.events))).record if args.events else _nowhere
        connection = stack.enter_context(closing(MqttConnection(certs, args.endpoint, args.port)))
        _check_thing(args.farm, certs, connection.client_id)
        _check_store(args.farm, args.store, store)
        forecasts = _forecasts(args.zones, farm, store)
        surroundings = (lambda: int(time.time()), record, lambda: forecasts.newest, lambda: _free_bytes(args.store))
        retention = Retention(
            journal_days=args.journal_days, orders_days=args.journal_days, history_days=args.history_days
        )
        own = lambda: identity_files.read(certs)  # noqa: E731  # asked again each day
        service = Service(farm, store, connection.publish, *surroundings, retention, time.monotonic, own)
        connection.connect(service.handle, service.set_aside)
        service.start(watch.first)
        print(f"{farm.farm}: serving, zones: {len(farm.zones)}; Ctrl-C stops", flush=True)
        while not stop.wait(TICK_S):
            if change := watch.change():
                service.take_settings(change)
                if change.config:
                    forecasts = _forecasts(args.zones, change.config, store)
            forecasts.refresh(int(time.time()))
            service.tick()
            store.journal.beat(Beat(int(time.time()), time.time(), 1.0))
    return 0


def _check_thing(farm: str, certs: Path, thing: str) -> None:
    if not farms.may_have(farm, thing):
        raise CertificateError(
            f"{certs}: is the identity of {thing}, a thing of the farm {farms.whose(thing)}, and --farm is {farm};"
            f" give the --certs of {farms.compute(farm)}, or another --farm"
        )


def _check_store(farm: str, path: Path, store: Store) -> None:
    """A store is one farm's from its first start on."""
    owner = farms.farm_of(store.updates.keep_root(farms.root(farm)))
    if owner != farm:
        raise StoreError(
            f"{path}: is the store of the farm {owner}, and --farm is {farm}; give --farm {owner}, or another --store"
        )


def _nowhere(_event: "Event") -> None:
    """Where events go that nobody asked for."""


def _free_bytes(store: Path) -> int | None:
    try:
        return shutil.disk_usage(store.absolute().parent).free
    except OSError:
        return None


def _forecasts(zones: Path, farm: Config, store: Store) -> Forecasts:
    return Forecasts(_from_zones_file(zones, farm.forecast), farm.site.latitude_deg, store.updates.count)


def _from_zones_file(zones: Path, forecast: str | None) -> str | None:
    """A forecast's URL, or its path as seen from the zones file."""
    return forecast if forecast is None or "://" in forecast else str(zones.parent / forecast)


def update(args: argparse.Namespace) -> int:
    """Hand settings for the gateways to the running service, and wait until the broker has them."""
    device_id, values = update_file.load(args.file)
    update_id = ulid(int(time.time()), os.urandom(10))
    with closing(SqliteStore(args.store, must_exist=True)) as store:
        store.updates.add(update_id, device_id, values)
        deadline = time.monotonic() + args.wait
        while not (published := _is_sent(store.updates, update_id)) and time.monotonic() < deadline:
            time.sleep(0.1)
    state = "published" if published else "queued; it is published as soon as the service runs"
    print(f"update {update_id} for {device_id}: {state}")
    return 0


def _is_sent(updates: Updates, update_id: str) -> bool:
    return any(row["update_id"] == update_id for row in updates.in_states("sent"))


def zones(args: argparse.Namespace) -> int:
    """Check a zones file and print what it says."""
    farm = zones_file.load(args.file)
    print(f"{farm.farm} ({farm.timezone})")
    rows = [tuple(str(getattr(zone, name)) for name in _ZONE_COLUMNS) for zone in farm.zones]
    _print_table([_ZONE_COLUMNS, *rows])
    return 0


_ZONE_COLUMNS = (
    *("zone_id", "sensor_id", "crop", "sown", "wilting_point", "field_capacity", "root_depth_m"),
    *("max_run_s", "daily_cap_s"),
)


def decisions(args: argparse.Namespace) -> int:
    """Print the last decisions, the oldest first; with `--checks` every row of reasons too."""
    with closing(SqliteStore.reader(args.store)) as store:
        if args.zone is not None:
            _check_zone(args.store, args.zone, store.decisions.zone_ids())
        for row in store.decisions.last(args.last, args.zone):
            print(f"{explain.clock(row['at'])}  {row['decision_id']}  {row['sentence']}")
            if args.checks:
                cells = ("name", "value", "threshold", "passed")
                _print_table(
                    [tuple("" if check[c] is None else str(check[c]) for c in cells) for check in row["checks"]]
                )
    return 0


def explain_one(args: argparse.Namespace) -> int:
    """Print a decision's receipt in words and numbers."""
    with closing(SqliteStore.reader(args.store)) as store:
        decision = store.decisions.get(args.decision)
        if decision is None:
            raise StoreError(f"{args.store}: knows no decision {args.decision!r}; `decisions` lists the last ones")
        print("\n".join(explain.lines(decision)))
    return 0


def replay_day(args: argparse.Namespace) -> int:
    """Decide again what was decided on a day, from the inputs that were kept; 1 if anything comes out otherwise."""
    begin = int(datetime(args.day.year, args.day.month, args.day.day, tzinfo=UTC).timestamp())
    count = differences = 0
    with closing(SqliteStore.reader(args.store)) as store:
        for repetition in replay.day(store.decisions, begin):
            count += 1
            differences += bool(repetition.differs)
            if repetition.differs:
                print(f"{repetition.decision_id} of {repetition.zone_id}: {repetition.differs}")
    if not count:
        raise StoreError(f"{args.store}: has no decisions of {args.day}; days are in UTC, such as 2026-07-03")
    print(f"{count} decisions, {f'{differences} of them otherwise' if differences else 'all the same'}")
    return 1 if differences else 0


def _days(text: str) -> int:
    if not text.isdecimal() or not 7 <= int(text) <= 36500:
        raise argparse.ArgumentTypeError(f"{text!r}: want days, from 7 to 36500")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write year-month-day, such as 2026-07-03") from error


def _check_zone(path: Path, zone_id: str, zone_ids: list[str]) -> None:
    if zone_id not in zone_ids:
        names = ", ".join(zone_ids) or "none yet"
        raise StoreError(f"{path}: knows no zone {zone_id!r}{did_you_mean(zone_id, zone_ids)}; known: {names}")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compute_service", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--store", type=Path, default=Path("compute.sqlite"), help="the service's SQLite file")

    verb = verbs.add_parser("run", parents=[store], help="serve a farm until Ctrl-C")
    verb.add_argument("--zones", type=Path, required=True, help="the zones file, see docs/compute.md")
    farms.add_option(verb)
    verb.add_argument("--certs", type=Path, help="identity folder (certs/issued/FARM-compute)")
    verb.add_argument("--endpoint", default="localhost", help="the broker's host name")
    verb.add_argument("--port", type=int, default=8883)
    verb.add_argument(
        "--events",
        type=Path,
        help="append every command, ack, refusal and decision as a JSON line; five files of 64 MB at most",
    )
    verb.add_argument("--journal-days", type=_days, default=400, help="keep what happened, and orders, so long")
    verb.add_argument("--history-days", type=_days, default=800, help="keep how the zones were so long")
    verb.set_defaults(run=run)

    verb = verbs.add_parser(
        "update", parents=[store], help="send settings to the gateways, through the running service"
    )
    verb.add_argument("file", type=Path, help="YAML or JSON: {device_id: all, settings: {sample_interval_s: 600}}")
    verb.add_argument("--wait", type=float, default=5, help="seconds to wait for the broker")
    verb.set_defaults(run=update)

    shell.add_verbs(verbs, store)

    verb = verbs.add_parser("zones", help="check a zones file and print it")
    verb.add_argument("file", type=Path)
    verb.set_defaults(run=zones)

    verb = verbs.add_parser("decisions", parents=[store], help="print the last decisions")
    verb.add_argument("--zone", help="of this zone only")
    verb.add_argument("--last", type=int, default=20, help="how many")
    verb.add_argument("--checks", action="store_true", help="with every check behind them")
    verb.set_defaults(run=decisions)

    verb = verbs.add_parser("explain", parents=[store], help="print what a decision went by, and what would change it")
    verb.add_argument("decision", metavar="DECISION", help="its id, as `decisions` prints it")
    verb.set_defaults(run=explain_one)

    verb = verbs.add_parser("replay", parents=[store], help="decide again what was decided on a day, and compare")
    verb.add_argument("day", metavar="DAY", type=_day, help="in UTC, such as 2026-07-03")
    verb.set_defaults(run=replay_day)
    return parser


if __name__ == "__main__":
    sys.exit(main())
