"""The bridge between a farm and Home Assistant: `python -m integrations.home_assistant --store FILE --host BROKER`."""

import argparse
import logging
import queue
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import ComputeError
from compute_service.interruption import interruption
from integrations.access import Orderer, by_token, nobody
from integrations.errors import IntegrationsError, TokenError
from integrations.farm_now import FarmReader
from integrations.home_assistant.bridge import Bridge, Inbox, Place
from integrations.home_assistant.connection import PROTOCOLS, Address, Connection
from integrations.home_assistant.discovery import Origin
from integrations.home_assistant.notes import Notes
from integrations.home_assistant.topics import topics_of
from integrations.version import version

POLL_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; bad input ends with one line on stderr and exit code 2."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return _serve(args)
    except (IntegrationsError, ComputeError) as error:
        print(f"home_assistant: {error}", file=sys.stderr)
        return 2


def _serve(args: argparse.Namespace) -> int:
    stop = interruption()
    orderer = _orderer(args)
    with closing(SqliteStore.reader(args.store)) as store:
        reader = FarmReader(store)
        origin = Origin(version=version(), page=args.page)
        place = Place(store=args.store, prefix=args.prefix, origin=origin, orderer=orderer, wall_now=time.time)
        notes = Notes(args.notes or args.store.with_suffix(".home-assistant.json"))
        inbox: Inbox = queue.SimpleQueue()
        connection = Connection(_address(args), topics_of(reader.config(), args.prefix), inbox.put, time.time)
        bridge = Bridge(place, reader, notes, connection.publish, inbox)
        connection.start()
        print(f"{reader.config().farm}: bridge to {args.host}:{args.port}; Ctrl-C stops", flush=True)
        while not stop.is_set():
            bridge.step(POLL_S)
        bridge.stop()
        connection.close()
    return 0


def _orderer(args: argparse.Namespace) -> Orderer:
    if args.token_file is None:
        print("without --token-file Home Assistant sees the farm and orders nothing", file=sys.stderr)
        return nobody
    orderer = by_token(args.token_file, args.access or args.store.with_name("console.sqlite"), time.time)
    orderer()
    return orderer


def _address(args: argparse.Namespace) -> Address:
    password = None
    if args.password_file:
        try:
            password = args.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"{args.password_file}: cannot be read ({error})") from error
    return Address(
        host=args.host,
        port=args.port or (8883 if args.ca_file else 1883),
        protocol=args.mqtt,
        username=args.username,
        password=password,
        ca_file=args.ca_file,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.home_assistant", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="the compute service's file")
    parser.add_argument("--host", required=True, help="the farm's, or Home Assistant's, broker")
    parser.add_argument("--port", type=int, help="1883, or with --ca-file 8883")
    parser.add_argument("--mqtt", choices=sorted(PROTOCOLS), default="5", help="the version of MQTT")
    parser.add_argument("--username", help="of the broker")
    parser.add_argument("--password-file", type=Path, help="a file with the broker's password and nothing else")
    parser.add_argument("--ca-file", type=Path, help="speak TLS, and trust this authority")
    parser.add_argument("--token-file", type=Path, help="a file with the token that it orders by; else it only tells")
    parser.add_argument("--access", type=Path, help="the console's file of tokens; else console.sqlite by the store")
    parser.add_argument("--notes", type=Path, help="where it remembers; by the store, if not given")
    parser.add_argument("--prefix", default="pythoflow", help="begins every topic and identifier")
    parser.add_argument("--page", metavar="URL", help="the console, for links from each device")
    return parser


if __name__ == "__main__":
    sys.exit(main())
