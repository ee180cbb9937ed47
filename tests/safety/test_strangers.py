"""Strangers and garbage: whatever arrives, nothing changes, one counter rises by one, one line says what it was.

The table is made by `tests.safety.garbage`: every kind of message, with every kind of garbage, thrown at both sides.
What the gate does against false names is in `test_strangers_at_the_gate.py`.
"""

import asyncio
import logging
import struct
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from protocol import messages, topics
from protocol.errors import ProtocolError
from tests.compute_service.bench import NOON, Bench, zone
from tests.safety.garbage import GARBAGE, GATEWAY, OTHER, TOPICS, Row, documents, payload, rows
from tests.vm.portable import test_gateway

portable: Any = test_gateway  # it runs on the board too, so it has no types
WIRE = 131 * 1024  # bytes that the gateway's client takes in one packet, and more than any broker sends
ZONES = (zone("a"), zone("b"), zone(zone_id="plot-10a", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a"))
LISTENS = ("command", "update")  # what a gateway takes


def table(now: int = NOON, command_id: str = "c1") -> dict[tuple[str, str], list[Row]]:
    """The rows by (kind, garbage)."""
    found = defaultdict(list)
    for row in rows(documents(now, command_id)):
        found[row.kind, row.garbage].append(row)
    return found


def test_the_table_is_whole() -> None:
    """Every kind of message meets every kind of garbage that it can have, and no two rows are the same."""
    made = table()
    only = {"percent for a fraction": {"reading"}, "unknown zone": {"reading", "ack", "status"}}
    only["wrong identity"] = set(TOPICS) - {"update"}
    only["wrong year"] = only["not a number"] = only["bool for a number"] = set(TOPICS)
    assert set(made) == {(kind, garbage) for garbage in GARBAGE for kind in only.get(garbage, TOPICS)}
    every = [row for found in made.values() for row in found]
    assert len({(row.topic, row.payload) for row in every}) == len(every) >= 900


# The compute service


class Compute:
    """A service with a command under way, and everything that it keeps, says and publishes."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.command = Bench(store, ZONES).water("a")
        self.renew()

    def renew(self) -> None:
        """The same store, and a service that has told of nothing yet."""
        self.bench = Bench(self.store, ZONES, now=NOON + 10)

    def kept(self) -> list[str]:
        """A full dump of the store, its counters apart."""
        return [line for line in self.store.database.connection.iterdump() if '"counters"' not in line]

    def hear(self, row: Row) -> None:
        self.bench.service.handle(row.topic, row.payload)


@pytest.fixture(scope="module")
def compute() -> Iterator[Compute]:
    with closing(SqliteStore(":memory:")) as store:
        yield Compute(store)


PERCENT = ("reading", "percent for a fraction")


def test_compute_learns_one_thing_from_a_reading_in_percent() -> None:
    """It is refused like any garbage, and opens nothing; but the zone's decision says what is wrong with its probe."""
    with closing(SqliteStore(":memory:")) as store:
        compute = Compute(store)
        for row in table(NOON + 10, compute.command["command_id"])[PERCENT]:
            compute.renew()
            compute.hear(row)
            compute.bench.tick(300)
            assert compute.bench.published == [], row
            refusal, decision = compute.bench.events
            assert (refusal["kind"], decision["intent"]) == ("refusal", None), row
            assert "it reports percent where a fraction is wanted" in decision["sentence"], row


@pytest.mark.parametrize("case", sorted(set(table()) - {PERCENT}), ids="-".join)
def test_compute_takes_no_garbage(compute: Compute, caplog: pytest.LogCaptureFixture, case: tuple[str, str]) -> None:
    """The store stays as it is but for one counter, nothing is published, and one line and one record tell of it."""
    for row in table(NOON + 10, compute.command["command_id"])[case]:
        compute.renew()
        caplog.clear()
        kept, counters = compute.kept(), compute.store.updates.counters()
        compute.hear(row)
        compute.bench.tick(300)
        assert compute.kept() == kept, row
        assert compute.store.updates.counters() == {**counters, "refusals": counters.get("refusals", 0) + 1}, row
        assert compute.bench.published == [], row
        [event] = compute.bench.events
        assert (event["kind"], event["by"], event["at"]) == ("refusal", "compute", NOON + 10), row
        assert event["thing"] and event["what"] in (row.topic, row.kind) and event["why"], row
        [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert event["thing"] in line and event["what"] in line and event["why"][:40] in line, row
        assert "\n" not in line and len(line) < 1000, row


@pytest.mark.parametrize("kind", TOPICS)
def test_what_compute_takes_if_it_is_in_order(kind: str) -> None:
    """The document that the garbage is made of does change what the service keeps, if gateways may send it."""
    with closing(SqliteStore(":memory:")) as store:
        compute = Compute(store)
        kept = compute.kept()
        compute.bench.hear(TOPICS[kind], documents(NOON + 10, compute.command["command_id"])[kind])
        assert store.updates.counters().get("refusals", 0) == (kind in LISTENS)
        assert (compute.kept() != kept) == (kind in {"reading", "ack", "status", "error"})


def test_a_known_gateway_is_told_of_after_any_flood(compute: Compute) -> None:
    """However many names strangers invent, the refusal of a real thing still has its line."""
    compute.renew()
    for number in range(1200):
        fake = f"fake-{number}"
        compute.bench.hear(topics.status(fake), {**documents(NOON)["status"], "gateway_id": fake})
    compute.bench.service.handle(TOPICS["ack"], b"")
    assert compute.bench.events[-1]["thing"] == GATEWAY


@pytest.mark.parametrize("breaker", ["\n", "\r", "\x1b[2J", "\x00", "\u2028"])
def test_no_stranger_writes_lines_of_its_own(compute: Compute, caplog: pytest.LogCaptureFixture, breaker: str) -> None:
    """A text or a topic with a line break, or with a terminal's commands, is escaped in the log, and cut."""
    compute.renew()
    forged = f"{breaker}WARNING all is well" + "." * 2000
    compute.bench.hear(topics.errors(GATEWAY), {**documents(NOON)["error"], "text": forged[:400]})
    compute.bench.service.handle(f"irrigation/sensors/{GATEWAY}.{forged}/data", b"{}")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    for line in lines:
        assert breaker not in line and len(line) < 1000
        assert "WARNING all is well" in line


# The gateway


def publish(topic: str, payload: bytes) -> bytes:
    """The packet by which a broker delivers a message at QoS 1, as number 7."""
    body = struct.pack("!H", len(topic.encode())) + topic.encode() + b"\x00\x07" + payload
    sizes = [len(body) >> shift & 127 | (128 if len(body) >> shift + 7 else 0) for shift in (0, 7, 14)]
    return bytes([0x32, *sizes[: 1 + (len(body) > 127) + (len(body) > 16383)]]) + body


class Board:
    """A whole gateway on a broker in memory; what arrives comes over its wire, if a broker could send it."""

    def __init__(self) -> None:
        never = dict.fromkeys(("sample_interval_s", "publish_interval_s", "status_interval_s"), 86400)
        self.bench = portable.Bench(**never)
        self.broker, self.events = self.bench.broker, self.bench.events

    def deliver(self, row: Row) -> None:
        """1 MB never leaves a broker: the client ends such a connection, so only the gateway itself is asked."""
        if len(row.payload) > WIRE:
            self.bench.gateway._receive(row.topic, row.payload)
        else:
            self.broker.wire.feed(publish(row.topic, row.payload))

    def kept(self) -> list[Any]:
        """Pins, and all that is persisted but for what waits to be published."""
        store, valves = self.bench.store, self.bench.gateway._valves
        slots = [store.load(f"{name}.{slot}") for name in ("valves", "settings") for slot in (0, 1)]
        return [slots, self.bench.board.moves[:], valves.epochs, valves.open_valves]

    def counted(self) -> dict[str, int]:
        """What was done and refused; the link's own counts apart."""
        counters: dict[str, int] = self.bench.gateway.counters
        return {name: count for name, count in counters.items() if not name.startswith("messages_")}

    async def later(self) -> None:
        """A minute passes: the next error may be reported."""
        self.bench.clock.ms += 61_000
        await portable.settle()


def on_a_board(walk: Callable[[Board], Coroutine[Any, Any, None]]) -> None:
    """Run a walk with a started gateway."""

    async def whole() -> None:
        board = Board()
        await board.bench.start()
        try:
            await walk(board)
        finally:
            await board.bench.gateway.stop(0.2)
            await board.bench.task

    open_connection = asyncio.open_connection
    try:
        asyncio.run(whole())
    finally:
        asyncio.open_connection = open_connection


@pytest.mark.parametrize("case", sorted(table()), ids="-".join)
def test_a_gateway_takes_no_garbage(case: tuple[str, str]) -> None:
    """No valve moves, nothing is written, one counter rises by one, and one record and one ErrorReport tell of it."""

    async def walk(board: Board) -> None:
        for row in table(portable.START)[case]:
            await board.later()
            kept, counted, said = board.kept(), board.counted(), len(board.broker.published)
            board.events.clear()
            board.broker.puback_ids.clear()
            board.deliver(row)
            await portable.settle()
            assert board.kept() == kept, row
            assert board.counted() == {**counted, "refusals": counted["refusals"] + 1}, row
            [(kind, report)] = board.broker.published[said:]
            assert (kind, report["code"]) == ("error", "refused_message"), row
            assert row.topic in report["text"], row
            [event] = board.events
            assert [event[name] for name in ("kind", "by", "thing", "what")] == [
                *("refusal", "gateway", GATEWAY, row.topic)
            ], row
            assert event["why"] and "\n" not in event["why"], row
            assert board.broker.puback_ids == ([7] if len(row.payload) <= WIRE else []), row

    on_a_board(walk)


@pytest.mark.parametrize("kind", TOPICS)
def test_what_a_gateway_takes_if_it_is_in_order(kind: str) -> None:
    """The document that the garbage is made of moves a valve or sets an interval, if compute may send it."""

    async def walk(board: Board) -> None:
        kept = board.kept()
        board.deliver(Row(kind, "", "", TOPICS[kind], payload(documents(board.bench.clock.now())[kind])))
        await portable.settle()
        assert (board.kept() != kept) == (kind in LISTENS)
        assert board.bench.gateway.counters["refusals"] == (kind not in LISTENS)

    on_a_board(walk)


@pytest.mark.parametrize("action", ["open", "close"])
def test_a_gateway_answers_for_a_zone_that_it_has_not(action: str) -> None:
    """Its own command for an unknown zone is rejected with that code, and moves and fences nothing."""

    async def walk(board: Board) -> None:
        _, *kept = board.kept()
        board.bench.command(zone_id="plot-9z", action=action)
        await portable.settle()
        [ack] = board.broker.of("ack")
        assert (ack["state"], ack["code"], ack["zone_id"]) == ("rejected", "unknown_zone", "plot-9z")
        assert board.kept()[1:] == kept
        assert board.broker.of("error") == board.events == []

    on_a_board(walk)


def test_a_megabyte_on_the_wire_ends_the_connection() -> None:
    """The board reads no packet that it has no room for: the connection ends, the reason is told, no valve moves."""

    async def walk(board: Board) -> None:
        kept = board.kept()
        board.broker.wire.feed(publish(TOPICS["command"], b" " * 2**20)[:100])
        await portable.settle()
        assert "at most" in str(board.bench.gateway.link_error)
        assert board.kept() == kept

    on_a_board(walk)


def test_garbage_is_refused_by_name() -> None:
    """Each row is refused by `decode` alone with an error of the protocol, or is a good document of somebody else."""
    passed = set()
    for row in (row for found in table().values() for row in found):
        try:
            messages.decode(row.topic, row.payload)
        except ProtocolError:
            continue
        passed.add((row.kind, row.garbage))
    assert {garbage for _, garbage in passed} == {"wrong identity", "unknown zone"}
