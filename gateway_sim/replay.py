"""Replay a real logger's file through gateways with certificates of their own, as fast as the broker acknowledges.

A replay can be repeated: the same file and map give the same samples under the same identities, and the lake keeps
each once.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.mqtt import Client
from gateway_sim import logger_file, logger_map, logger_report
from gateway_sim.errors import LoggerFileError, ReplayError, SimError
from gateway_sim.fleet import tls_context
from gateway_sim.logger_file import Recording
from gateway_sim.logger_series import Sample, Sensor
from protocol import farms, messages, topics

WINDOW = 16  # messages that one gateway has unacknowledged at most
MOST_SAMPLES = 100  # in one message
PATIENCE_S = 30  # without any PUBACK
INTERRUPTED = 130  # the usual exit code after Ctrl-C


@dataclass(frozen=True)
class Address:
    """A broker, by the name in its certificate, and the folder with a folder of identity for each gateway."""

    host: str
    port: int
    certs: Path


class ReplayingGateway:
    """The firmware's own MQTT client, fed from a recording; its in-flight messages survive a lost connection."""

    def __init__(self, gateway_id: str, recording: Recording, address: Address, context: ssl.SSLContext) -> None:
        place = (address.host, address.port, address.host)
        self.client = Client(gateway_id, place, context, on_message=self._refuse, window=WINDOW)
        self.gateway_id = gateway_id
        self.samples = self.messages = 0  # acknowledged
        self._readings = readings(recording, gateway_id)

    async def run(self) -> None:
        """Publish every reading, then hang up. Raises ReplayError if the identity is a living gateway's."""
        link = asyncio.create_task(self.client.run())
        senders = asyncio.gather(*(self._send() for _ in range(WINDOW)))
        try:
            await asyncio.wait((senders, link), return_when=asyncio.FIRST_COMPLETED)
            if link.done():
                link.result()
            await senders
            await self.client.disconnect()
        finally:
            senders.cancel()
            link.cancel()
            await asyncio.gather(senders, link, return_exceptions=True)

    def _refuse(self, topic: str, _payload: bytes) -> None:
        # Raised before the PUBACK, so that the command waits on for the gateway that it is meant for.
        raise ReplayError(
            f"{self.gateway_id}: {topic} waits for a living gateway; map the file to an identity of its own"
        )

    async def _send(self) -> None:
        for reading in self._readings:  # shared by all senders
            topic = topics.data(reading["sensor_id"])
            await self.client.publish(topic, messages.encode("reading", reading))
            self.samples += len(reading["samples"])
            self.messages += 1


def readings(recording: Recording, gateway_id: str) -> Iterator[dict[str, Any]]:
    """A gateway's samples as readings of at most 5 KB. The boot is named after file and map, so a repeat is one."""
    clock = recording.logger_map.time.clock
    for sensor, samples in recording.samples.items():
        if sensor.gateway_id == gateway_id:
            for batch in _batches(sensor, samples):
                boot_id = f"replay-{recording.sha256[:12]}-{batch[0].boot}"
                yield _reading(sensor, boot_id, [_document(sample, clock) for sample in batch])


def _reading(sensor: Sensor, boot_id: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {**sensor._asdict(), "boot_id": boot_id, "samples": samples}


def _document(sample: Sample, clock: str) -> dict[str, Any]:
    return {"seq": sample.seq, "measured_at": sample.measured_at, "clock": clock, **sample.values}


def _batches(sensor: Sensor, samples: list[Sample]) -> Iterator[list[Sample]]:
    head = {"v": messages.VERSION, **_reading(sensor, "replay-012345678901-1000000", [])}
    room = messages.READING_BYTES - len(json.dumps(head))
    batch: list[Sample] = []
    size = 0
    for sample in samples:
        bytes_more = len(json.dumps(_document(sample, "estimated"))) + 2
        if batch and (size + bytes_more > room or len(batch) == MOST_SAMPLES or sample.boot != batch[0].boot):
            yield batch
            batch, size = [], 0
        batch.append(sample)
        size += bytes_more
    if batch:
        yield batch


async def replay(
    recording: Recording, address: Address, interrupted: asyncio.Event, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Publish a recording; gives what the broker acknowledged. Raises IdentityMissingError, ReplayError."""
    names = sorted({sensor.gateway_id for sensor in recording.samples})
    contexts = {name: tls_context(address.certs / name) for name in names}
    gateways = [ReplayingGateway(name, recording, address, contexts[name]) for name in names]
    tasks = [asyncio.create_task(gateway.run()) for gateway in gateways]
    try:
        await _watch(tasks, gateways, interrupted, patience_s)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    acked = sum(gateway.samples for gateway in gateways)
    return {
        "samples": acked,
        "messages": sum(gateway.messages for gateway in gateways),
        "complete": acked == sum(len(samples) for samples in recording.samples.values()),
        "gateways": {gateway.gateway_id: gateway.samples for gateway in gateways},
    }


async def _watch(
    tasks: list[asyncio.Task[None]], gateways: list[ReplayingGateway], interrupted: asyncio.Event, patience_s: float
) -> None:
    """Return when the work is done or interrupted; raise if the broker acknowledges nothing any more."""
    loop = asyncio.get_running_loop()
    acked, since = -1, loop.time()
    while not all(task.done() for task in tasks) and not interrupted.is_set():
        await asyncio.sleep(0.05)
        for task in tasks:
            if task.done():
                task.result()
        total = sum(gateway.messages for gateway in gateways)
        if total != acked:
            acked, since = total, loop.time()
        if loop.time() - since > patience_s:
            raise ReplayError(_why(gateways, patience_s))


def _why(gateways: list[ReplayingGateway], patience_s: float) -> str:
    gateway = next((one for one in gateways if one.client.last_error), gateways[0])
    error = gateway.client.last_error
    why = f"{type(error).__name__}: {error}" if error else "it does not answer"
    remedy = "is the broker up, and may this gateway publish there?"
    return f"{gateway.gateway_id}: nothing acknowledged in {patience_s:g} s, {why}; {remedy}"


def main(arguments: list[str] | None = None) -> int:
    """Read, report and replay; 0, 2 after one line about what to mend, 130 after Ctrl-C."""
    options = _options(arguments)
    topics.use(farms.root(options.farm))
    try:
        recording = logger_file.read(options.file, logger_map.load(options.map))
        document = _prepare(recording, options)
        if options.dry_run:
            return _tell(document, options)
        address = Address(options.host, options.port, options.certs)
        document["published"] = asyncio.run(_until_interrupted(recording, address))
        return _tell(document, options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SimError, OSError) as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"gateway_sim replay: {line}\n")
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway_sim replay", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.csv", help="a logger's table")
    parser.add_argument("--map", type=Path, required=True, metavar="MAP.yaml", help="what its columns mean")
    parser.add_argument("--host", default="localhost", help="the broker, by the name in its certificate (%(default)s)")
    parser.add_argument("--port", type=int, default=8883, help="its TLS port (%(default)s)")
    farms.add_option(parser)
    parser.add_argument("--certs", type=Path, default=Path("certs/issued"), help="a folder a thing (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for aside.csv (build/replay/<name of the file>)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON too")
    parser.add_argument("--dry-run", action="store_true", help="only read and report; no network")
    return parser.parse_args(arguments)


def _prepare(recording: Recording, options: argparse.Namespace) -> dict[str, Any]:
    """Write what is kept aside, before anything is published, and give the report so far."""
    out: Path = options.out or Path("build/replay") / options.file.stem
    document = logger_report.report(recording)
    try:
        out.mkdir(parents=True, exist_ok=True)
        logger_file.write_aside(recording, out / "aside.csv")
    except OSError as error:
        raise LoggerFileError(f"--out {out}: {error.strerror}; choose another folder") from error
    return {**document, "aside_file": str(out / "aside.csv")}


async def _until_interrupted(recording: Recording, address: Address) -> dict[str, Any]:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    return await replay(recording, address, interrupted)


def _tell(document: dict[str, Any], options: argparse.Namespace) -> int:
    if options.report:
        try:
            options.report.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise LoggerFileError(f"--report {options.report}: {error.strerror}; choose another file") from error
    sys.stdout.write(logger_report.table(document))
    published = document.get("published")
    if not published:
        return 0
    ending = "" if published["complete"] else "; interrupted, run it again: what has arrived is not kept twice"
    sys.stdout.write(f"acknowledged: {published['samples']} samples in {published['messages']} messages{ending}\n")
    return 0 if published["complete"] else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
