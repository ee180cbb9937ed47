"""What the firmware takes of a board's memory; the VM's objects are as large as the ESP32's."""

from collections.abc import Callable

from tests.gateway.conftest import Broker
from tests.vm.bench.board import running
from tests.vm.bench.field import SMALL_BOARD, Commander, Identities, field
from tests.vm.bench.live_heap import live_heap
from tests.vm.test_bench_link import eventually

Record = Callable[[str, object], None]
LIVE_HEAP_BYTES = 40_000  # of the 56 KB that an ESP32 without PSRAM starts with: it must never grow into TLS's memory
MESSAGES = 10_000
NAME = "irrigation-gateway-1"


async def test_the_live_heap_keeps_its_budget(record_property: Record) -> None:
    """A frozen build leaves room for all else. Modules copied to the flash take more: for boards with PSRAM."""
    live = await live_heap()
    record_property("live heap", live)
    assert live["frozen_bytes"] <= LIVE_HEAP_BYTES
    assert live["frozen_bytes"] < live["rom_bytes"] < live["copied_bytes"]


async def test_ten_thousand_messages_leave_nothing_behind(
    mosquitto: Broker, commander: Commander, identities: Identities, record_property: Record
) -> None:
    """In a heap that cannot grow, as much is live after 10,000 messages as after the first thousand."""
    every = {"sample_interval_s": 10, "publish_interval_s": 10, "status_interval_s": 3600}
    async with (
        running() as bench,
        field(bench, commander, identities.issue(NAME), mosquitto.port, NAME, options=SMALL_BOARD, **every) as farm,
    ):
        await farm.start()
        await farm.wait(MESSAGES)
        before = await farm.board.live_bytes()
        await farm.wait(9 * MESSAGES + 200)
        after = await farm.board.live_bytes()
        await eventually(lambda: len(commander.of("/data", NAME)) >= MESSAGES)
        record_property("live heap after 1,000 and 10,000 messages", (before, after))
        assert abs(after - before) < 512
        assert farm.connected
        assert not [event for event in farm.board.events if event.kind in ("end", "lost")]
