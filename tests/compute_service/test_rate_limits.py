"""A gateway that says far too much: only what it says itself is dropped."""

from compute_service.rate_limits import BURST, MOST_NAMES, NOTES_BURST, RATE_PER_S, RateLimits
from protocol import topics
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore

OTHER = "irrigation-gateway-2"


def test_a_flood_by_one_gateway_costs_only_that_gateway() -> None:
    """What it says beyond the rate is dropped, counted and told once; its neighbour is watered as ever."""
    bench = Bench(InMemoryStore(), (zone("a"), zone(zone_id="plot-2a", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a")))
    for _ in range(BURST + 500):
        bench.service.handle(topics.errors(OTHER), b"garbage")
    assert bench.store.updates.counters()["messages_over_rate"] == 500
    assert len([event for event in bench.events_of("refusal") if event["what"] == "flood"]) == 1
    assert bench.water("a")["device_id"] == GATEWAY
    bench.service.handle(topics.errors(OTHER), b"garbage")
    assert bench.store.updates.counters()["messages_over_rate"] == 500  # after ten seconds it is heard again


def test_topics_that_nobody_reads_are_no_way_around_the_rate() -> None:
    """A policy lets a gateway publish below its own name: whatever it calls its sensors, it has one rate, one log."""
    bench = Bench(InMemoryStore(), (zone("a"),))
    names = [f"{OTHER}.{number}{'$' if number % 2 else ''}" for number in range(BURST + 500)]
    for name in names:
        bench.service.handle(f"irrigation/sensors/{name}/data", b"garbage")
    counters = bench.store.updates.counters()
    assert counters["messages_over_rate"] == 500
    assert counters["refusals"] == len(names)
    assert len(bench.events_of("refusal")) == NOTES_BURST
    assert counters["reports_not_noted"] == BURST + 1 - NOTES_BURST  # the flood itself is one of them
    assert bench.water("a")["device_id"] == GATEWAY


def test_a_gateway_that_reports_without_end_fills_no_disk() -> None:
    """Its reports, comings and goings are written down at a rate, the rest is counted; the newest status stays."""
    bench = Bench(InMemoryStore(), (zone("a"),))
    head = {"gateway_id": GATEWAY, "boot_id": "b"}
    for number in range(NOTES_BURST):
        bench.hear(topics.errors(GATEWAY), {**head, "at": bench.now, "code": "bad_value", "text": f"{number}"})
        state = "online" if number % 2 else "offline"
        bench.hear(topics.status(GATEWAY), {**head, "at": bench.now, "state": state, "outbox_depth": number})
    assert len(bench.events_of("error") + bench.events_of("status")) == NOTES_BURST
    assert bench.store.updates.counters()["reports_not_noted"] == NOTES_BURST
    [row] = bench.store.updates.gateways()
    assert row["status"]["outbox_depth"] == NOTES_BURST - 1
    bench.tick(120)
    bench.hear(topics.errors(GATEWAY), {**head, "at": bench.now, "code": "bad_value", "text": "once more"})
    assert bench.events_of("error")[-1]["text"] == "once more"


def test_a_bucket_fills_at_its_rate_and_no_further() -> None:
    """A name that is quiet may say as much as its burst, one that never stops as much as its rate."""
    limits = RateLimits()
    assert sum(limits.take("a", 1000) for _ in range(2 * BURST)) == BURST
    assert sum(limits.take("a", 1001) for _ in range(BURST)) == RATE_PER_S
    assert sum(limits.take("a", 10**6) for _ in range(2 * BURST)) == BURST
    assert sum(limits.take(f"name-{number}", 10**6) for number in range(2 * MOST_NAMES)) == 2 * MOST_NAMES
    assert len(limits._buckets) == MOST_NAMES
