"""A farm's metrics on this machine: `python -m integrations.metrics --store FILE --port 9464`."""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import ComputeError
from compute_service.interruption import interruption
from integrations.errors import AddressError, IntegrationsError
from integrations.farm_now import FarmReader
from integrations.metrics import FarmCollector
from integrations.version import version

LOOPBACK = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; bad input ends with one line on stderr and exit code 2."""
    args = _parser().parse_args(arguments)
    try:
        return _serve(args)
    except (IntegrationsError, ComputeError) as error:
        print(f"metrics: {error}", file=sys.stderr)
        return 2


def _serve(args: argparse.Namespace) -> int:
    stop = interruption()
    with closing(SqliteStore.reader(args.store)) as store:
        reader = FarmReader(store)
        farm = reader.config()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(FarmCollector(reader, time.time, version()))
        try:
            server, thread = start_http_server(args.port, LOOPBACK, registry)
        except OSError as error:
            raise AddressError(f"port {args.port} cannot be used ({error.strerror}); choose another --port") from error
        print(f"{farm.farm}: metrics at http://{LOOPBACK}:{server.server_port}/metrics; Ctrl-C stops", flush=True)
        stop.wait()
        server.shutdown()
        thread.join()
        server.server_close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.metrics", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="the compute service's file")
    parser.add_argument("--port", type=int, default=9464, help="on this machine only; 0 takes any that is free")
    return parser


if __name__ == "__main__":
    sys.exit(main())
