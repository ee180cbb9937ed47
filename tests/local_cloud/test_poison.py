"""Links at the gate: a publish that the policy denies, of the service and of a board; a second client of a name."""

import asyncio
import json
import shutil
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NoReturn

import pytest

from compute_service.adapters import mqtt
from compute_service.adapters.mqtt import Evictions, MqttConnection
from compute_service.errors import CertificateError
from gateway import mqtt as board_mqtt
from gateway.gateway import Gateway
from gateway.outbox import SET_ASIDE_AFTER, SUSPICIOUS
from gateway.store import MemoryStore
from protocol import topics
from tests.gateway.conftest import StepClock
from tests.local_cloud.conftest import NOW
from tests.waiting import LAST_RESORT_S, eventually, until_true

COMPUTE = "irrigation-compute"
GATEWAY = "irrigation-gateway-1"
COMMANDS = f"irrigation/control/{GATEWAY}/command"


def never(error: BaseException) -> NoReturn:
    raise AssertionError("must not fail") from error


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service connects again at once, and not after a second, then two, then four."""
    monkeypatch.setattr(mqtt, "RECONNECT_S", (0, 1))


async def test_a_denied_publish_keeps_nothing_waiting(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A publish that the policy denies is set aside and named, and every command behind it, a stop too, arrives."""
    async with world("embedded") as w:
        gateway = await w.connected(GATEWAY, COMMANDS)
        with closing(MqttConnection(w.certs / COMPUTE, "localhost", w.cloud.port, fatal=never)) as connection:
            set_aside: list[tuple[str, bytes]] = []
            acked: list[str] = []
            await asyncio.to_thread(connection.connect, lambda *_: None, lambda *one: set_aside.append(one))
            connection.publish(COMMANDS, b"before", lambda: acked.append("before"))
            connection.publish("irrigation/nowhere/x", b"poison", lambda: acked.append("poison"))
            connection.publish(COMMANDS, b"stop_all", lambda: acked.append("stop_all"))
            heard = {(await gateway.message())[1]}
            while b"stop_all" not in heard:
                heard.add((await gateway.message())[1])
            await asyncio.to_thread(until_true, lambda: not connection.un_acked())
            assert set_aside == [("irrigation/nowhere/x", b"poison")]
            assert acked == ["before", "stop_all"]
            connection.publish(COMMANDS, b"after", lambda: acked.append("after"))
            await asyncio.to_thread(until_true, lambda: acked[-1] == "after")
            await asyncio.to_thread(connection.close)
    assert "3 times at a publish to irrigation/nowhere/x: it is set aside" in caplog.text


class TwoProbes:
    """A board without a valve."""

    def read(self) -> list[Any]:
        return [("soil-a", "plot-1a", {"vwc": 0.2}), ("soil-b", "plot-1b", {"vwc": 0.2})]

    def health(self) -> dict[str, Any]:
        return {"firmware": "test"}


async def test_a_denied_reading_keeps_no_board_waiting(
    world: Any, aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board whose policy lacks one of its probes says everything else, and counts and tells what it set aside."""
    monkeypatch.setattr(board_mqtt, "BACKOFF_S", (0.02, 0.02))
    denied, heard = (f"irrigation/sensors/{GATEWAY}.soil-{letter}/data" for letter in "ab")
    async with world("embedded") as w:
        resource = f"arn:aws:iot:us-east-1:*:topic/{denied}"
        statement = {"Effect": "Deny", "Action": "iot:Publish", "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        aws("iot").create_policy(policyName="one-probe", policyDocument=document)
        principal = aws("iot").list_thing_principals(thingName=GATEWAY)["principals"][0]
        aws("iot").attach_policy(policyName="one-probe", target=principal)
        await asyncio.to_thread(w.cloud.registry.load)
        compute = await w.connected(COMPUTE, *topics.from_gateways())
        clock, context = StepClock(NOW - NOW % 3600), ssl.create_default_context(cafile=w.certs / "ca/certificate.pem")
        context.load_cert_chain(w.certs / GATEWAY / "certificate.pem", w.certs / GATEWAY / "private_key.pem")
        config = {"gateway_id": GATEWAY, "host": "localhost", "port": w.cloud.port, "zones": []}
        board: Any = TwoProbes()
        gateway = Gateway(config, board, clock, MemoryStore(), context)
        running = asyncio.create_task(gateway.run())
        await eventually(gateway.idle)
        await clock.advance(3600, lambda: True)
        await eventually(lambda: gateway.counters["messages_set_aside"] == 1 and gateway.idle())
        await gateway.stop()
        await running
        messages: list[tuple[str, Any]] = []
        farewell: dict[str, Any] = {}
        while farewell.get("state") != "offline" or "outbox_dropped" not in farewell:  # in no last will
            topic, payload = await compute.message()
            farewell = json.loads(payload)
            messages.append((topic, farewell))
    assert w.refusals() == [(GATEWAY, f"publish {denied}")] * (SUSPICIOUS + SET_ASIDE_AFTER)
    assert sum(len(one["samples"]) for topic, one in messages if topic == heard) == 4
    [report] = [one for _, one in messages if one.get("code") == "set_aside"]
    assert denied in report["text"]
    assert (farewell["outbox_dropped"], gateway.counters["samples_dropped"]) == (1, 4)


async def test_an_identity_that_goes_meanwhile_ends_the_service(world: Any, tmp_path: Path) -> None:
    """A link that has to be made anew and has no certificates any more ends loudly: no service lives on unheard."""
    fatal: asyncio.Queue[BaseException] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    ended: Any = lambda error: loop.call_soon_threadsafe(fatal.put_nowait, error)  # noqa: E731  # a service would end
    async with world("embedded") as w:
        folder = tmp_path / COMPUTE
        shutil.copytree(w.certs / COMPUTE, folder)
        with ExitStack() as stack:
            connection = MqttConnection(folder, "localhost", w.cloud.port, fatal=ended)
            stack.callback(connection.close, 0)  # nobody waits for the PUBACK of the poison
            await asyncio.to_thread(connection.connect, lambda *_: None)
            (folder / "certificate.pem").unlink()
            connection.publish("irrigation/nowhere/x", b"poison", lambda: None)
            assert isinstance(await fatal.get(), CertificateError)


SECOND = """
import sys, threading
from pathlib import Path
from compute_service.adapters import mqtt
from compute_service.adapters.mqtt import MqttConnection, crash

mqtt.RECONNECT_S, mqtt.MOST_EVICTIONS = (1, 1), (4, 30)  # a duel of a minute and a half, in seconds
try:
    connection = MqttConnection(Path(sys.argv[1]), "localhost", int(sys.argv[2]))
    connection.connect(lambda topic, payload: None)
except BaseException as error:
    crash(error)
threading.Event().wait()
"""


async def test_a_second_client_of_the_name_ends_with_a_sentence(world: Any) -> None:
    """Two services with one identity do not throw each other out for ever: the newcomer ends, and says why."""
    async with world("embedded") as w:
        first = MqttConnection(w.certs / COMPUTE, "localhost", w.cloud.port, fatal=never)
        await asyncio.to_thread(first.connect, lambda *_: None)
        first._evictions.interrupted(time.monotonic() + mqtt.SETTLED_S, is_idle=True)  # it has held its place
        arguments = [sys.executable, "-c", SECOND, str(w.certs / COMPUTE), str(w.cloud.port)]
        second = await asyncio.create_subprocess_exec(*arguments, stderr=asyncio.subprocess.PIPE)
        _, told = await second.communicate()
        acked = threading.Event()
        first.publish(COMMANDS, b"still here", acked.set)
        assert await asyncio.to_thread(acked.wait, LAST_RESORT_S)
        await asyncio.to_thread(first.close)
    assert second.returncode == 2
    last = told.decode().splitlines()[-1]
    assert "another client is called irrigation-compute, too" in last or "cannot connect as irrigation-comp" in last


def test_a_broker_that_is_away_throws_nobody_out() -> None:
    """Connections that break one after another, with a broker that is away in between, end no service."""
    evictions = Evictions()
    for second in range(0, 500, 5):
        evictions.connected(second)
        assert evictions.interrupted(second + 1, is_idle=True) == 0
        evictions.refused()
