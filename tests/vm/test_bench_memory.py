"""What the firmware takes of a board's memory, counted in MicroPython's own VM, whose objects are as large as the ESP32's."""

from tests.gateway.conftest import Broker
from tests.vm.bench.board import running
from tests.vm.bench.field import MODULES, Commander, Identities, field
from tests.vm.bench.live_heap import live_heap
from tests.vm.test_bench_link import eventually

LIVE_HEAP_BYTES = 40_000  # of the 56 KB that an ESP32 without PSRAM starts with: it must never grow into TLS's memory
WHOLE_HEAP_BYTES = 96 * 1024  # 33 KB of it are the bench and the names; this VM collects between two events only
MESSAGES = 10_000
NAME = "irrigation-gateway-1"


async def test_the_live_heap_keeps_its_budget() -> None:
    """A frozen build leaves room for everything else. Modules copied to the flash take more: that is for boards with PSRAM."""
    live = await live_heap()
    print(live)
    assert live["frozen_bytes"] <= LIVE_HEAP_BYTES
    assert live["frozen_bytes"] < live["rom_bytes"] < live["copied_bytes"]


async def test_ten_thousand_messages_leave_nothing_behind(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """In a heap that cannot grow, the live heap is after the last of 10,000 messages what it was after the first thousand."""
    options = {"heap_bytes": WHOLE_HEAP_BYTES, "heap_is_all": True, "in_rom": True, "preload": MODULES}
    every = {"sample_interval_s": 10, "publish_interval_s": 10, "status_interval_s": 3600}
    async with (
        running() as bench,
        field(bench, commander, identities.issue(NAME), mosquitto.port, NAME, options=options, **every) as farm,
    ):
        await farm.start()
        await farm.wait(MESSAGES)
        before = await farm.board.live_bytes()
        await farm.wait(9 * MESSAGES + 200)
        after = await farm.board.live_bytes()
        print(
            len(commander.of("/data", NAME)),
            [e for e in farm.board.events if e.kind in ("end", "lost", "log")][:8],
            before,
            after,
            farm.board.ms,
            farm.connected,
        )
        await eventually(lambda: len(commander.of("/data", NAME)) >= MESSAGES)
        print(f"live heap {before} bytes after 1,000 messages, {after} after {MESSAGES}")
        assert abs(after - before) < 512
        assert farm.connected
        assert not [event for event in farm.board.events if event.kind in ("end", "lost")]
