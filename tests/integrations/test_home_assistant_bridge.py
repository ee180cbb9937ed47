"""The bridge between real brokers and a real store: whatever starts, stops or dies first, Home Assistant sees the farm,
and no message waters twice, late, or for somebody who may not."""

import itertools
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.inputs import config_text
from compute_service.domain.ports import JournalRow
from integrations.access import Orderer, by_token
from integrations.farm_now import FarmReader
from integrations.home_assistant import connection, discovery
from integrations.home_assistant.bridge import Bridge, Inbox, Place
from integrations.home_assistant.connection import Address, Connection
from integrations.home_assistant.discovery import Origin
from integrations.home_assistant.notes import Notes
from integrations.home_assistant.topics import BIRTH, topics_of
from tests.compute_service.bench import GATEWAY
from tests.integrations.conftest import Farm, PlainBroker
from tests.waiting import until_true
from web.access import Access
from web.roles import Role

ZONE, FARM_STATUS = "pythoflow/test-farm/zone/plot-1a", "pythoflow/test-farm/status"
BOARD = f"pythoflow/test-farm/gateway/{GATEWAY}"
SOON_S = 0.05  # between two tries to connect
DEVICES = {f"homeassistant/device/pythoflow-{name}/config" for name in ("plot-1a", "plot-1b", GATEWAY)}


class HomeAssistant:
    """What Home Assistant does on its broker: it says that it is there, and remembers what it hears."""

    def __init__(self, broker: PlainBroker) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.reconnect_delay_set(SOON_S, SOON_S)  # type: ignore[arg-type]  # it takes fractions, too
        self._broker, self._is_started = broker, False

    def start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        self._client.connect_async("127.0.0.1", self._broker.port)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([("homeassistant/device/#", 1), ("pythoflow/#", 1)])
        client.publish(BIRTH, "online", qos=1)

    def send(self, topic: str, body: object, *, is_retained: bool = False) -> None:
        payload = body if isinstance(body, str) else json.dumps(body)
        until_true(self._client.is_connected, "Home Assistant's connection")
        self._client.publish(topic, payload, qos=1, retain=is_retained).wait_for_publish(30)

    def order(self, action: str, at: float | None = None, base: str = ZONE) -> None:
        """As the templates of its entities make it."""
        self.send(f"{base}/set", {"action": action, "at": time.time() if at is None else at})

    def last(self, topic: str) -> str | None:
        return next((payload for name, payload, _ in reversed(self.heard) if name == topic), None)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.last(f"{ZONE}/state") or "{}")
        return state

    def events(self, base: str = ZONE) -> list[dict[str, Any]]:
        return [json.loads(payload) for name, payload, _ in self.heard if name == f"{base}/event"]

    def sees_all(self) -> bool:
        """Every device, a state of a zone and one of a gateway, and that both are there."""
        topics = {topic for topic, _, _ in self.heard}
        is_online = {self.last(FARM_STATUS), self.last(f"{BOARD}/status")} == {"online"}
        return topics >= DEVICES | {f"{ZONE}/state", f"{ZONE}/minutes", f"{BOARD}/state"} and is_online


class RunningBridge:
    """A bridge in a thread of this process."""

    def __init__(self, farm: Farm, broker: PlainBroker, orderer: Orderer, protocol: str = "5") -> None:
        self._farm, self._broker, self._orderer, self._protocol = farm, broker, orderer, protocol
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        origin = Origin(version="1.0.0")
        place = Place(
            store=self._farm.path, prefix="pythoflow", origin=origin, orderer=self._orderer, wall_now=time.time
        )
        inbox: Inbox = queue.SimpleQueue()
        with closing(SqliteStore.reader(self._farm.path)) as store:
            address = Address(host="127.0.0.1", port=self._broker.port, protocol=self._protocol)
            line = Connection(address, topics_of(self._farm.config, "pythoflow"), inbox.put, time.time)
            notes = Notes(self._farm.path.with_suffix(".notes"))
            bridge = Bridge(place, FarmReader(store), notes, line.publish, inbox)
            line.start()
            while not self._stop.is_set():
                bridge.step(0.05)
            bridge.stop()
            line.close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge of this process does not wait a second, then two, then four, until it tries again."""
    monkeypatch.setattr(connection, "SOONEST_S", SOON_S)


@pytest.fixture
def access(tmp_path: Path) -> Path:
    """The file of tokens, which the console shares."""
    return tmp_path / "access.sqlite"


@pytest.fixture
def token(tmp_path: Path, access: Path) -> Path:
    """A file with a token that may order."""
    return make_token(tmp_path, access, Role.OPERATE)


def make_token(folder: Path, access: Path, role: Role) -> Path:
    with closing(Access(access, time.time)) as file:
        secret = file.add_token("home-assistant", role)
    path = folder / "token"
    path.write_text(f"{secret}\n")
    return path


@pytest.fixture
def home(broker: PlainBroker) -> Iterator[HomeAssistant]:
    """Not started yet."""
    home = HomeAssistant(broker)
    yield home
    home.stop()


@pytest.fixture
def start(farm: Farm, broker: PlainBroker, home: HomeAssistant, token: Path, access: Path) -> Iterator[Any]:
    """Gives a function that starts broker and Home Assistant, unless they run, and a bridge between them."""
    with ExitStack() as stack:

        def start_all(protocol: str = "5") -> RunningBridge:
            broker.start()
            home.start()
            bridge = RunningBridge(farm, broker, by_token(token, access, time.time), protocol)
            stack.callback(bridge.stop)
            bridge.start()
            until_true(home.sees_all, "Home Assistant's view of the farm")
            return bridge

        yield start_all


def orders(farm: Farm) -> list[JournalRow]:
    return farm.store.journal.last(100, ["order"])


PARTS = ("broker", "home", "bridge")


@pytest.mark.parametrize(
    ("parts", "protocol"),
    [(parts, ("3.1.1", "5")[number % 2]) for number, parts in enumerate(itertools.permutations(PARTS))],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else f"MQTT {value}",
)
def test_whatever_starts_first(  # noqa: PLR0917 - all parts of it
    farm: Farm,
    broker: PlainBroker,
    home: HomeAssistant,
    token: Path,
    access: Path,
    parts: tuple[str, ...],
    protocol: str,
) -> None:
    """Broker, Home Assistant and bridge start in any order, with either MQTT: in the end it sees the whole farm, and
    its orders arrive."""
    bridge = RunningBridge(farm, broker, by_token(token, access, time.time), protocol)
    begin = {"broker": broker.start, "home": home.start, "bridge": bridge.start}
    for part in parts:
        begin[part]()
    try:
        until_true(home.sees_all, "Home Assistant's view of the farm")
        home.order("close")
        until_true(lambda: bool(orders(farm)), "the order")
    finally:
        bridge.stop()
    [row] = orders(farm)
    assert (row["body"]["action"], row["body"]["by"], row["body"]["via"]) == (
        "close",
        "home-assistant",
        "home assistant",
    )
    until_true(lambda: home.last(FARM_STATUS) == "offline", "the bridge's good-bye")


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_message_that_the_broker_hangs_up_at_holds_up_no_other(  # noqa: PLR0917 - all parts of it
    farm: Farm, tmp_path: Path, token: Path, access: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A device that is too large for the broker is missing; states and orders go on, and a line says so."""
    devices = discovery.devices(farm.config, topics_of(farm.config, "pythoflow"), Origin(version="1.0.0"))
    sizes = {topic: len(topic) + len(json.dumps(payload)) for topic, payload in devices.items()}
    large = max(sizes, key=sizes.__getitem__)
    limit = max(size for topic, size in sizes.items() if topic != large) + 50
    assert limit < sizes[large]
    with ExitStack() as stack:
        broker = PlainBroker(tmp_path, f"max_packet_size {limit}")
        stack.callback(broker.stop)
        broker.start()
        home = HomeAssistant(broker)
        stack.callback(home.stop)
        home.start()
        bridge = RunningBridge(farm, broker, by_token(token, access, time.time), protocol)
        stack.callback(bridge.stop)
        bridge.start()
        until_true(lambda: f"times at {large} " in caplog.text, "the line")
        until_true(lambda: home.last(FARM_STATUS) == "online" and home.last(f"{ZONE}/state") is not None)
        home.order("open")
        until_true(lambda: len(orders(farm)) == 1, "the order")
        farm.hear_reading("a")
        until_true(lambda: home.last(f"{BOARD}/state") is not None)
        told = {topic for topic, _, _ in home.heard}
    assert told & DEVICES == DEVICES - {large}
    assert caplog.text.count("nothing is told there") == 1


def test_a_home_assistant_that_starts_anew_is_told_anew(home: HomeAssistant, start: Any) -> None:
    """At its birth message everything is published again, also when nothing has changed."""
    start()
    before = len(home.heard)
    home.send(BIRTH, "online")
    until_true(
        lambda: {topic for topic, _, _ in home.heard[before:]} >= DEVICES | {f"{ZONE}/state"}, "the second telling"
    )


def test_a_run_by_hand_from_its_order_to_its_end(farm: Farm, home: HomeAssistant, start: Any) -> None:
    """A valve is `opening` until its board says that it has started; then it is open, its end is an event, and its
    litres count."""
    start()
    home.send(f"{ZONE}/minutes/set", "10")
    until_true(lambda: home.last(f"{ZONE}/minutes") == "10", "the minutes")
    home.order("open")
    until_true(lambda: home.state()["valve"] == "opening", "opening")
    farm.now = orders(farm)[-1]["at"]
    farm.tick()
    [command] = farm.commands()
    assert command["duration_s"] == 600
    farm.hear_ack(command, "received")
    farm.now += 1
    farm.beat()
    assert home.state()["valve"] == "opening"
    farm.hear_ack(command, "started")
    until_true(lambda: home.state()["valve"] == "open", "open")
    farm.hear_ack(command, "done")
    until_true(lambda: home.state()["valve"] == "closed", "closed")
    assert home.state()["litres_total"] == 300
    until_true(lambda: [event["event_type"] for event in home.events()] == ["started", "done"], "both events")
    assert home.events()[-1]["volume_l"] == 300


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_retained_order_is_refused(
    farm: Farm, broker: PlainBroker, home: HomeAssistant, start: Any, protocol: str
) -> None:
    """Somebody left an order on the broker: it opens nothing at the bridge's start, and Home Assistant hears why."""
    broker.start()
    home.start()
    home.send(f"{ZONE}/set", {"action": "open", "at": time.time()}, is_retained=True)
    start(protocol)
    until_true(lambda: bool(home.events()), "the refusal")
    assert [event["event_type"] for event in home.events()] == ["rejected"]
    assert "retained" in home.events()[0]["reason"]
    if protocol == "5":  # there a retained message says so also when it comes at once
        home.send(f"{ZONE}/set", {"action": "open", "at": time.time()}, is_retained=True)
        until_true(lambda: len(home.events()) == 2, "the second refusal")
    assert orders(farm) == []


def test_a_repeat_acts_once(farm: Farm, home: HomeAssistant, start: Any) -> None:
    """The same press that arrives again, as QoS 1 allows, is the same order; another press is another."""
    start()
    at = time.time()
    home.order("close", at)
    home.order("close", at)
    home.order("close", at + 0.5)
    home.order("resume", at)
    until_true(lambda: any(row["body"]["action"] == "resume" for row in orders(farm)), "the last order")
    assert [row["body"]["action"] for row in orders(farm)] == ["close", "close", "resume"]


def test_a_broker_that_lost_everything_is_told_again(
    farm: Farm, broker: PlainBroker, home: HomeAssistant, start: Any
) -> None:
    """The broker restarts with an empty memory: discovery and state are there again, and orders arrive."""
    start()
    broker.stop()
    broker.forget()
    home.heard.clear()
    broker.start()
    until_true(home.sees_all, "Home Assistant's view of the farm")
    home.order("close")
    until_true(lambda: bool(orders(farm)), "the order")


def test_a_revoked_token_orders_nothing(farm: Farm, home: HomeAssistant, start: Any, access: Path) -> None:
    """From the moment it is revoked in the console, orders are refused, and told so; seeing goes on."""
    start()
    with closing(Access(access, time.time)) as file:
        file.revoke_token("home-assistant")
    home.order("close")
    until_true(lambda: bool(home.events()), "the refusal")
    assert "revoked" in home.events()[0]["reason"]
    home.order("stop", base=BOARD)
    until_true(lambda: bool(home.events(BOARD)), "the other refusal")
    assert orders(farm) == []


def test_what_the_service_would_refuse_is_told_at_once(farm: Farm, home: HomeAssistant, start: Any) -> None:
    """An open on a stopped farm: who stopped it and when is the event's reason; resumed, it opens."""
    start()
    home.order("stop", base=BOARD)
    until_true(lambda: bool(orders(farm)), "the stop")
    farm.tick()
    home.order("open")
    until_true(lambda: bool(home.events()), "the refusal")
    assert home.events()[0]["event_type"] == "rejected"
    assert "home-assistant stopped the farm" in home.events()[0]["reason"]
    home.order("resume", base=BOARD)
    until_true(lambda: orders(farm)[-1]["body"]["action"] == "resume", "the resume")
    farm.tick()
    home.order("open")
    until_true(lambda: orders(farm)[-1]["body"]["action"] == "open", "the open")


def test_a_zone_that_is_gone_leaves_home_assistant(farm: Farm, home: HomeAssistant, start: Any) -> None:
    """The zones file has no plot-1b any more: its device is taken back, the others stay."""
    start()
    farm.store.updates.save_config(config_text(replace(farm.config, zones=farm.config.zones[:1])))
    farm.hear_status("offline")
    until_true(lambda: home.last("homeassistant/device/pythoflow-plot-1b/config") == "", "the empty device")
    assert home.last("homeassistant/device/pythoflow-plot-1a/config")
    until_true(lambda: home.last(f"{BOARD}/status") == "offline", "the gateway's state")


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_bridge_that_is_killed_comes_back(  # noqa: PLR0917 - all parts of it
    farm: Farm, broker: PlainBroker, home: HomeAssistant, token: Path, access: Path, protocol: str
) -> None:
    """kill -9: the broker says that it is offline. What was ordered meanwhile arrives when it is back: a close is
    obeyed, an open that is late by then opens nothing, and no event is missing."""
    broker.start()
    home.start()
    first = process(farm, broker, token, access, protocol)
    until_true(home.sees_all, "Home Assistant's view of the farm")
    first.send_signal(signal.SIGKILL)
    first.wait()
    until_true(lambda: home.last(FARM_STATUS) == "offline", "the last will")
    farm.water()
    farm.hear_ack(farm.commands()[0], "started")
    farm.beat()
    home.order("close")
    home.order("open", time.time() - 100)
    second = process(farm, broker, token, access, protocol)
    try:
        until_true(lambda: len(home.events()) == 2, "what happened meanwhile")
        until_true(lambda: bool(orders(farm)), "the close")
        assert {event["event_type"] for event in home.events()} == {"started", "rejected"}
        assert [row["body"]["action"] for row in orders(farm)] == ["close"]
        until_true(lambda: home.state()["valve"] == "open", "the state")
    finally:
        second.terminate()
        assert second.wait() == 0


def process(farm: Farm, broker: PlainBroker, token: Path, access: Path, protocol: str) -> "subprocess.Popen[bytes]":
    """A bridge as a person starts it."""
    words = ["--store", str(farm.path), "--host", "127.0.0.1", "--port", str(broker.port), "--mqtt", protocol]
    words += ["--token-file", str(token), "--access", str(access)]
    return subprocess.Popen([sys.executable, "-m", "integrations.home_assistant", *words])


def test_bad_input_is_one_sentence(farm: Farm, tmp_path: Path, access: Path) -> None:
    """A token that may not order, a store that is none: one line that says what to do, and exit code 2."""
    from integrations.home_assistant.__main__ import main  # noqa: PLC0415 - after the others: it reads the clock

    words = ["--host", "127.0.0.1", "--store"]
    assert main([*words, str(tmp_path / "none.sqlite")]) == 2
    seeing = make_token(tmp_path, access, Role.SEE)
    assert main([*words, str(farm.path), "--token-file", str(seeing), "--access", str(access)]) == 2
