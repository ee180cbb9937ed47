"""The local IoT Core of a chaos run: gate and topic rule before a mosquitto that is a process of its own.

A witness stands at the gate: `witness.jsonl` has [field ms, client id, topic, payload] of every publish that passed,
written before the broker has it.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from field_time.participant import input_closed
from field_time.record import EventRecord, cut_torn_line
from local_cloud.aws import environment
from local_cloud.broker import Broker
from local_cloud.cloud import Cloud, serve
from local_cloud.errors import DeliveryError, LocalCloudError
from tests.chaos.place import BUCKET, RAW_PREFIX, Place


class BrokerOfItsOwn(Broker):
    """One that somebody else starts and ends."""

    def __init__(self, port: int) -> None:
        super().__init__("mosquitto")
        self._port = port

    async def start(self) -> int:
        return self._port


async def main(place: Place, is_first: bool) -> int:
    """Serve until the input ends (0), or until the gate fails (2)."""
    os.environ.update(environment(f"http://127.0.0.1:{place.aws_port}"))
    async with serve(
        certs=place.path / "certs",
        spool=place.path / "spool",
        bucket=BUCKET,
        prefix=RAW_PREFIX,
        now=lambda: place.pace.now_ms() // 1000,
        record=EventRecord(place.path / "gate.jsonl"),
        broker=BrokerOfItsOwn(place.broker_port),
        port=place.gate_port,
        register=is_first,
    ) as cloud:
        watch(cloud, place)
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        return await until_over(cloud)


def watch(cloud: Cloud, place: Place) -> None:
    """Set the witness before the rule."""
    file = os.open(place.path / "witness.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    cut_torn_line(place.path / "witness.jsonl")
    rule = cloud.gate.on_publish

    def witness(client_id: str, topic: str, payload: bytes) -> None:
        row = [place.pace.now_ms(), client_id, topic, payload.decode(errors="replace")]
        os.write(file, json.dumps(row).encode() + b"\n")
        rule(client_id, topic, payload)

    cloud.gate.on_publish = witness


async def until_over(cloud: Cloud) -> int:
    """Keep the rule delivering."""
    over = asyncio.create_task(input_closed())
    while not over.done():
        if cloud.gate.failure:
            sys.stderr.write(f"{cloud.gate.failure}\n")
            return 2
        try:
            await cloud.rule.flush()
        except DeliveryError as error:
            sys.stderr.write(f"{error}\n")
        await asyncio.wait({over}, timeout=1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(Place.load(sys.argv[1]), not Path(sys.argv[2]).exists())))
    except LocalCloudError as error:
        sys.exit(str(error))
