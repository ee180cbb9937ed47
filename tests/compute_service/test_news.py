"""What the service tells of its gateways: one that is gone or back, one that booted, one that reports an error."""

import json
from typing import Any

from protocol import messages, topics
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.protocol.types import events, flaws

NOW = 1_700_000_000


def hear(bench: Bench, kind: Any, topic: str, **fields: Any) -> None:
    message = {"gateway_id": GATEWAY, "boot_id": "boot-1", "at": NOW, **fields}
    bench.service.handle(topic, messages.encode(kind, message))


def told(bench: Bench, kind: str) -> list[tuple[Any, ...]]:
    names = {"status": ("state", "boot_id"), "error": ("code", "text")}[kind]
    return [tuple(event[name] for name in names) for event in bench.events if event["kind"] == kind]


def test_a_gateway_that_goes_comes_or_boots_is_told_once(bench: Bench) -> None:
    """Of the hourly statuses only those are news whose state or boot is another than before."""
    said = [
        ("online", "boot-1"),
        ("online", "boot-1"),
        ("offline", "boot-1"),
        ("online", "boot-2"),
        ("online", "boot-2"),
    ]
    for state, boot_id in said:
        hear(bench, "status", topics.status(GATEWAY), state=state, boot_id=boot_id)
    assert told(bench, "status") == [("online", "boot-1"), ("offline", "boot-1"), ("online", "boot-2")]


def test_an_error_report_is_told(bench: Bench) -> None:
    """What a gateway reports of a value that cannot be is an event, with the gateway's own words."""
    hear(bench, "error", topics.errors(GATEWAY), code="bad_value", text="vwc of 25.1, it can be 0.0 to 1.0")
    assert told(bench, "error") == [("bad_value", "vwc of 25.1, it can be 0.0 to 1.0")]


def test_news_are_events_as_they_are_defined(bench: Bench) -> None:
    """A change of state, an error, a refusal, a decision, a command, an ack: all as protocol/events.pyi says."""
    hear(bench, "status", topics.status(GATEWAY), state="online")
    hear(bench, "error", topics.errors(GATEWAY), code="bad_value", text="x")
    bench.service.handle("irrigation/nonsense", b"")
    bench.hear_ack(bench.water("a"), "done")
    shapes = events()
    assert [event["kind"] for event in bench.events] == ["status", "error", "refusal", "decision", "command", "ack"]
    assert [flaw for event in bench.events for flaw in flaws(as_read(event), shapes[event["kind"]])] == []


def as_read(event: Any) -> Any:
    return json.loads(json.dumps(event))


def test_strangers_make_no_news(store: InMemoryStore) -> None:
    """A gateway of no farm is refused, and nothing of it is told as news."""
    bench = Bench(store, (zone("a"),))
    hear(bench, "status", topics.status("irrigation-gateway-99"), gateway_id="irrigation-gateway-99", state="offline")
    hear(bench, "error", topics.errors("irrigation-gateway-99"), gateway_id="irrigation-gateway-99", code="x", text="y")
    assert told(bench, "status") == told(bench, "error") == []
