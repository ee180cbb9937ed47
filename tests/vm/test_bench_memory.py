"""What the firmware takes of a board's memory; the VM's objects are as large as the ESP32's."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware import heap
from tests.gateway.conftest import Broker
from tests.vm.bench import live_heap
from tests.vm.bench.board import compile_module, running
from tests.vm.bench.field import (
    AT_EACH_EVENT,
    MODULES,
    SMALL_BOARD,
    WORLD,
    Commander,
    Identities,
    field,
    flash,
    tomorrow,
)
from tests.vm.bench.live_heap import MESSAGES, constant_bytes, measure
from tests.waiting import eventually

Record = Callable[[str, object], None]
NAME = "irrigation-gateway-1"
PINS_OF_VALVES = (4, 13, 16, 17, 18, 19, 21, 22)


@pytest.mark.parametrize("count", [2000, pytest.param(MESSAGES, marks=pytest.mark.soak)])
async def test_the_firmware_keeps_its_budget(record_property: Record, count: int) -> None:
    """Frozen, every driver at work, it starts, waters and delivers in the heap that a chip has at its start, and leaves
    TLS room; thousands of messages in there leave nothing."""
    figures = await measure(count)
    record_property("live heap", figures)
    assert figures["heap_capped_at"] == 56 * 1024
    assert figures["messages"] >= count
    assert list(heap.breaches(heap.report(figures))) == []
    live = figures["live_heap_bytes"]
    assert live["frozen"] < live["rom"] < live["copied"]
    assert live["frozen"] < figures["live_heap_bytes_later"]["frozen"]


def test_too_little_memory_is_no_figure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a smaller heap, which holds what lives and not what it works with, the firmware fails, and so does this."""
    monkeypatch.setattr(live_heap, "CHIP_HEAP_BYTES", 45 * 1024)
    monkeypatch.setattr(sys, "argv", ["live_heap", "--messages", "0"])
    assert live_heap.main() == heap.FAILED == live_heap.FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].endswith("for want of memory")


@pytest.mark.parametrize(
    ("figures", "breach"),
    [
        ({"live_heap_bytes": {"frozen": 40_001}}, "live heap, frozen: 40001 bytes, at most 40000"),
        ({"live_heap_bytes_later": {"frozen": 40_001}}, "live heap later, frozen: 40001 bytes, at most 40000"),
        ({"growth_bytes": 129}, "live heap after 9 messages: 129 bytes more, at most 128"),
    ],
)
def test_a_breach_is_named(figures: dict[str, Any], breach: str) -> None:
    """A byte too many is one."""
    well = {"live_heap_bytes": {"frozen": 40_000}, "live_heap_bytes_later": {"frozen": 40_000}, "growth_bytes": 128}
    assert list(heap.breaches(heap.report({**well, "messages": 9}))) == []
    assert list(heap.breaches(heap.report({**well, "messages": 9, **figures}))) == [breach]


def test_without_the_vm_its_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has not installed it gets one line, and no figure."""
    monkeypatch.setattr(live_heap, "MICROPYTHON", tmp_path / "micropython.mjs")
    monkeypatch.setattr(sys, "argv", ["live_heap"])
    assert live_heap.main() == 2
    assert capsys.readouterr() == ("", f"{tmp_path}/micropython.mjs is missing; get it: npm ci\n")


async def test_what_a_frozen_build_spares_is_counted_as_the_loader_takes_it(tmp_path: Path) -> None:
    """A module with more constants takes just so much more of the heap when it runs from a ROM file system."""
    loaded, counted = [], []
    async with running() as bench:
        for constants in (0, 50):
            calls = [f"    o('a text of its own {n}')\n    o({n}.5)\n    o.name{n}\n" for n in range(constants)]
            source = tmp_path / "many.py"
            source.write_text("def f(o):\n    o.x = 1\n" + "".join(calls))
            module = compile_module(source)
            files = {"/boot.py": b"", "/main.py": b"", "/many.mpy": module}
            board = await bench.board(f"many {constants}", files, in_rom=True)
            await board.power_on()
            before = await board.live_bytes()
            await board.run("import many")
            loaded.append(await board.live_bytes() - before)
            counted.append(constant_bytes(module))
            await board.power_off()
    assert counted[1] - counted[0] > 50 * 2 * 16
    assert loaded[1] - loaded[0] == counted[1] - counted[0]


@pytest.mark.parametrize("count", [4, 8])
async def test_what_plans_hold(count: int, identities: Identities, record_property: Record) -> None:
    """A fallback plan holds less than 400 bytes, the first 200 more; when the last has gone, so has all of it."""
    zones = [{"zone_id": f"plot-{n}", "hard_cap_s": 3600, "litres_per_minute": 60} for n in range(count)]
    valves = [{"kind": "relay", "zone_id": f"plot-{n}", "pin": pin} for n, pin in enumerate(PINS_OF_VALVES[:count])]
    modules = [*MODULES[:-2], "gateway.fallback", *MODULES[-2:]]
    async with running() as bench, live_heap.answering(identities) as broker:
        files = flash(identities.issue(NAME), broker.port, {"valves": valves, "sensors": []}, zones=zones)
        options = {**SMALL_BOARD, "heap_bytes": 256 * 1024, "preload": modules, "optimized": True}
        board = await bench.board("plans", files, WORLD, unix_s=tomorrow(), **options)
        await board.power_on()
        await live_heap.until_online(board)
        without = await board.live_bytes()
        now = board.unix_s
        command = {"device_id": NAME, "issued_at": now, "expires_at": now + 300, "epoch": 1}
        plan = {"action": "fallback", "duration_s": 1200, "max_volume_l": 1600.5, "days": 3, "below_vwc": 0.19}
        plan.update(valid_from=now, valid_until=now + 10 * 86400, after_offline_s=86400)
        for number, zone in enumerate(zones):
            ids = {"command_id": f"01EADQ2V9G5TJ4M8ABCDEFGH{number:02}", "zone_id": zone["zone_id"]}
            broker.send({**command, **plan, **ids})
            await board.advance(2)
        assert [ack["code"] for ack in broker.acks] == ["ok"] * count
        held = await board.live_bytes() - without
        broker.send({**command, "command_id": "stop", "action": "stop_all"})
        await board.advance(4000)
        left = await board.live_bytes() - without
        assert "gateway.fallback" not in await board.run("import sys; _result = ' '.join(sys.modules)")
        await board.power_off()
    record_property(f"{count} plans", {"held": held, "left": left})
    assert 300 * count < held <= 400 * count + 200
    assert left < 300


async def test_a_heap_that_cannot_grow_is_enough(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """Start, mutual TLS, readings and a command, in what a chip without PSRAM begins with; nothing restarts."""
    identity = identities.issue(NAME)
    async with running() as bench:
        spared = await live_heap.spared_of(bench, flash(identity, mosquitto.port))
    capped = {**SMALL_BOARD, **AT_EACH_EVENT, "heap_bytes": live_heap.CHIP_HEAP_BYTES + spared.bytes}
    async with (
        running() as bench,
        field(bench, commander, identity, mosquitto.port, NAME, options=capped) as farm,
    ):
        await farm.start()
        command = await farm.command("open", duration_s=60)
        await farm.wait(4 * 900)
        await eventually(lambda: len(commander.of("/data", NAME)) >= 4 and farm.is_final(command))
        assert farm.openings() == [60.0]
        assert farm.connected
        assert not [event for event in farm.board.events if event.kind in ("end", "lost")]
