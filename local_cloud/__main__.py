"""The local cloud until Ctrl-C: `python -m local_cloud --help`."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from certs.authority import Authority
from certs.errors import CertsError
from local_cloud.aws import Aws, environment
from local_cloud.broker import KINDS
from local_cloud.cloud import Cloud, serve
from local_cloud.errors import ConfigError, DeliveryError, LocalCloudError
from protocol import farms

log = logging.getLogger(__name__)

PREFIX = "raw/"


def bucket_of(farm: str) -> str:
    """Where its raw readings go."""
    return f"{farm}-raw"


def _now() -> int:
    return int(time.time())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_cloud",
        description="IoT Core and AWS on this machine, for every identity under --certs, until Ctrl-C.",
    )
    parser.add_argument(
        "--port", type=int, default=8883, help="of the gate (default: %(default)s; 0: any that is free)"
    )
    parser.add_argument("--broker", choices=KINDS, default=KINDS[0], help="behind the gate (default: %(default)s)")
    parser.add_argument("--certs", type=Path, default=Path("certs/issued"), help="identities (default: %(default)s)")
    parser.add_argument(
        "--farms",
        type=farms.option,
        nargs="+",
        default=[],
        metavar="ID",
        help="beside the default farm's, serve the things whose names begin with these and a hyphen",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("build/local-cloud"), help="spool and events (default: %(default)s)"
    )
    parser.add_argument(
        "--updates",
        type=Path,
        metavar="FOLDER",
        help="serve jobs and streams of: python -m updates publish --data FOLDER",
    )
    return parser


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    Authority(arguments.certs).issue_server(("localhost", "127.0.0.1"))
    aws = Aws()
    try:
        endpoint = await aws.start()
        os.environ.pop("AWS_PROFILE", None)  # a profile of the user's may not exist here
        os.environ.update(environment(endpoint))
        with _events(arguments.data) as events:
            await _serve(arguments, endpoint, events, stop)
    finally:
        await aws.stop()


async def _serve(arguments: argparse.Namespace, endpoint: str, events: Any, stop: asyncio.Event) -> None:
    async with serve(
        certs=arguments.certs,
        spool=arguments.data / "spool",
        bucket=bucket_of(farms.DEFAULT),
        prefix=PREFIX,
        now=_now,
        record=lambda event: events.write(json.dumps(event) + "\n"),
        broker=arguments.broker,
        port=arguments.port,
        updates=arguments.updates,
        buckets={farm: bucket_of(farm) for farm in arguments.farms if farm != farms.DEFAULT},
    ) as cloud:
        print(f"MQTT    mqtts://localhost:{cloud.port}  ({cloud.broker.kind} behind the gate)")
        print(f"AWS     export AWS_ENDPOINT_URL={endpoint}")
        print(f"raw     {', '.join(f's3://{bucket_of(farm)}/{PREFIX}' for farm in cloud.rules)}")
        print(
            f"things  {', '.join(cloud.things) or 'none; issue some with: python -m certs issue --gateways 3'}",
            flush=True,
        )
        await _until(cloud, stop)
    print("stopped")


async def _until(cloud: Cloud, stop: asyncio.Event) -> None:
    """Keep the rule delivering until it is time to stop; raises what made the gate fail."""
    while not stop.is_set() and not cloud.gate.failed.is_set():
        try:
            await cloud.flush()
        except DeliveryError as error:
            log.warning("%s", error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await stop.wait()
    if cloud.gate.failure is not None:
        raise cloud.gate.failure


def _events(folder: Path) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "events.jsonl").open("a", buffering=1)
    except OSError as error:
        raise ConfigError(f"--data {folder}: {error.strerror or error}; choose another folder") from error


def main() -> int:
    """Run until Ctrl-C; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        asyncio.run(_run(arguments))
    except (LocalCloudError, CertsError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
