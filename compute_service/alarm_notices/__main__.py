"""Tell people of the farm's alarms, by the channels of a settings file, until Ctrl-C. It only reads the store."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.alarm_notices.feed import feed
from compute_service.alarm_notices.table import TABLE
from compute_service.errors import ComputeError, StoreError
from compute_service.interruption import interruption
from compute_service.reading import farm_of
from notices import settings
from notices.errors import NoticesError, OutboxError
from notices.outbox import Outbox

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit code."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return serve(args)
    except (ComputeError, NoticesError) as error:
        print(f"alarm_notices: {error}", file=sys.stderr)
        return 2


def serve(args: argparse.Namespace) -> int:
    """Read, tell, deliver, again and again; a store or a disk in trouble is waited for."""
    over = interruption()
    channels = settings.load(args.settings)
    with ExitStack() as stack:
        store = stack.enter_context(closing(SqliteStore.reader(args.store)))
        outbox = stack.enter_context(closing(Outbox(args.outbox, TABLE)))
        farm = farm_of(store)
        print(f"{farm.farm}: telling by {', '.join(channel.name for channel in channels)}; Ctrl-C stops", flush=True)
        while True:
            now = int(time.time())
            try:
                feed(store, farm, outbox, channels, now, time.time())
                delivery = outbox.deliver(channels, now)
                if delivery.failures:
                    log.warning("%d messages were not taken; they are tried again", delivery.failures)
            except (StoreError, OutboxError) as error:
                log.warning("%s; it is tried again", error)
            if over.wait(args.every):
                return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compute_service.alarm_notices", description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("compute.sqlite"), help="the service's SQLite file")
    parser.add_argument("--settings", type=Path, default=Path("notices.toml"), help="the channels, see docs/alarms.md")
    parser.add_argument("--outbox", type=Path, default=Path("notices.sqlite"), help="what is still to be told")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
