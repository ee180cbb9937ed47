"""The shipped files in a native MicroPython: real sockets, mbedTLS, a collector that runs when the heap is full."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.store import FileStore, TwoSlots
from protocol import topics
from tests.gateway.conftest import Broker
from tests.local_cloud.conftest import Start, aws, certs, moto_endpoint, world  # noqa: F401  # fixtures
from tests.vm.bench.field import PINS, RELAY, Commander, Identities, flash
from tests.vm.micropython_vm import ROOT, portable_modules, written
from tests.vm.native.board import HERE, NativeBoard, micropython, time_server
from tests.vm.test_bench_gate import compute_at
from tests.waiting import eventually, until_true

NAME = "irrigation-gateway-1"
PATHS = ("tests/vm/native", "tests/vm/fakes", "tests/vm", "tests/vm/portable", "", "firmware/lib", "firmware")


def test_portable_tests_pass_on_a_native_micropython() -> None:
    """Every portable test runs there too, as many as CPython finds."""
    roomy = {"test_gateway_moments", "test_net", "test_protocol"}  # a message of a megabyte, a list of thousands
    roomy |= {"test_flow_watch", "test_gateway_fallback"}  # days, and a store that remembers each write
    outputs = [portable("32m", roomy), portable("4m", portable_modules() - roomy)]
    counts = [re.fullmatch(r"(\d+) tests ran, 0 failed", output.splitlines()[-1]) for output in outputs]
    assert all(counts), "\n".join(outputs)
    assert sum(int(count[1]) for count in counts if count) == written(portable_modules())


def portable(heap: str, modules: set[str]) -> str:
    """What the portable tests of these modules print."""
    done = subprocess.run(
        [*micropython(), "-X", f"heapsize={heap}", str(HERE / "run_tests.py"), *sorted(modules)],
        env={"MICROPYPATH": ":".join([*(str(ROOT / path) for path in PATHS), ".frozen"])},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture
def time_port() -> Iterator[int]:
    with time_server() as port:
        yield port


def files_of(identity: Path, port: int, pins: Mapping[str, Any] = PINS, **config: Any) -> dict[str, bytes]:
    """A flash that reports every ten seconds."""
    return flash(
        *(identity, port, pins),
        broker={"host": "127.0.0.1", "server_hostname": "localhost"},
        time_servers=["127.0.0.1"],
        sample_interval_s=10,
        publish_interval_s=10,
        **config,
    )


@pytest.fixture
def board(tmp_path: Path, identities: Identities, mosquitto: Broker, time_port: int) -> Iterator[NativeBoard]:
    native = NativeBoard(tmp_path / "board", files_of(identities.issue(NAME), mosquitto.port), time_port)
    yield native
    native.cut()


def an_open(number: int, at: int, seconds: int) -> dict[str, object]:
    """A command as compute issues one."""
    return {
        "v": 1,
        "command_id": f"c{number}",
        "device_id": NAME,
        "zone_id": "plot-1a",
        "action": "open",
        "duration_s": seconds,
        "issued_at": at,
        "expires_at": at + 900,
        "epoch": number,
    }


async def test_it_works_at_a_broker(board: NativeBoard, commander: Commander) -> None:
    """It reports, waters as long as it was told, answers; after a kill in the middle of a run it shuts and says so."""
    board.start()
    await eventually(lambda: bool(commander.of("/data", NAME)), "a reading")
    now = commander.of("/status", NAME)[-1]["at"]
    await commander.publish(topics.command(NAME), an_open(1, now, 2))
    await eventually(lambda: [ack["state"] for ack in commander.of("/ack", NAME)][-1:] == ["done"], "the run's end")
    assert commander.of("/ack", NAME)[-1]["duration_s"] >= 2
    await eventually(lambda: board.levels(RELAY)[-2:] == [1, 0], "the valve's two moves")
    await commander.publish(topics.command(NAME), an_open(2, now, 600))
    await eventually(lambda: board.levels(RELAY)[-1] == 1, "the valve")
    await eventually(lambda: [ack["state"] for ack in commander.of("/ack", NAME)][-1:] == ["started"], "its start")
    board.cut()
    board.start()
    await eventually(lambda: [ack["state"] for ack in commander.of("/ack", NAME)][-1:] == ["failed"], "the answer")
    assert commander.of("/ack", NAME)[-1]["end_reason"] == "power_cut"
    assert set(board.levels(RELAY)) == {0}


async def test_it_works_through_the_gate(world: Start, tmp_path: Path, time_port: int) -> None:  # noqa: F811
    """With mbedTLS as a chip has it: it is let in by its certificate, reports and obeys, and nothing is refused."""
    async with (
        world("mosquitto") as cloud,
        compute_at(cloud.cloud.port, cloud.certs / "irrigation-compute") as commander,
    ):
        board = NativeBoard(tmp_path / "board", files_of(cloud.certs / NAME, cloud.cloud.port), time_port)
        board.start()
        try:
            await eventually(lambda: bool(commander.of("/data", NAME)), "a reading")
            now = commander.of("/status", NAME)[-1]["at"]
            await commander.publish(topics.command(NAME), an_open(1, now, 2))
            await eventually(lambda: [ack["state"] for ack in commander.of("/ack", NAME)][-1:] == ["done"], "the end")
        finally:
            board.cut()
        await eventually(lambda: commander.of("/status", NAME)[-1]["state"] == "offline", "its will")
        assert cloud.refusals() == []


@pytest.mark.parametrize("told", [1_750_000_000, -63_000_000, 4_102_444_800])
def test_a_time_that_cannot_be_is_not_believed(
    told: int, tmp_path: Path, identities: Identities, mosquitto: Broker
) -> None:
    """A time server before what the board remembers, or beyond every message, does not make an old command young."""
    remembered = 1_790_000_000
    with time_server(lambda: told) as port:
        board = NativeBoard(tmp_path / "board", files_of(identities.issue(NAME), mosquitto.port), port)
        TwoSlots(FileStore(str(board.make("store"))), "time").save(remembered)
        board.start()
        until_true(lambda: any("is not believed" in line for line in board.lines), "its complaint")
        board.cut()
    assert TwoSlots(FileStore(str(board.folder / "store")), "time").load() == remembered
    assert not [line for line in board.lines if line.startswith("event: ") and "online" in line]


def test_a_reed_contact_is_counted_beyond_its_bounces(tmp_path: Path, identities: Identities) -> None:
    """The chip's counter takes a bounce for a pulse: a meter with `quiet_ms` is counted by the firmware."""
    meter = {"kind": "flow", "zone_id": "plot-1a", "pulses_per_litre": 1}
    sensors = [{**meter, "sensor": "hall", "pin": 26}, {**meter, "sensor": "reed", "pin": 25, "quiet_ms": 100}]
    with time_server() as port:
        board = NativeBoard(tmp_path / "board", files_of(identities.issue(NAME), 1, PINS | {"sensors": sensors}), port)
        board.start()
        until_true(lambda: {"counter 26", "irq 25"} <= set(board.lines), "both meters")
        board.cut()
    assert not {"counter 25", "irq 26"} & set(board.lines)
