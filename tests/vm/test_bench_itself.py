"""The bench does what it says, and its judge condemns a firmware that breaks a rule."""

import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from firmware import build
from tests.gateway.conftest import Broker
from tests.safety.oracle import BrokenPromiseError
from tests.vm.bench.board import BenchError, Cut, compile_firmware, running
from tests.vm.bench.field import Commander, Field, Identities, field, flash
from tests.waiting import LAST_RESORT_S

NAME = "irrigation-gateway-1"
WRITES = b"""
import os
with open('/a.new', 'wb') as file:
    file.write(b'hello')
with open('/a.new', 'ab') as file:
    file.write(b' you')
os.rename('/a.new', '/a')
os.remove('/a')
"""
# What the flash holds when the power goes at each operation: before, torn, after.
LEFT = [
    (None, None, {"/a.new": b""}),
    ({"/a.new": b""}, {"/a.new": b"he"}, {"/a.new": b"hello"}),
    ({"/a.new": b"hello"}, {"/a.new": b"hello y"}, {"/a.new": b"hello you"}),
    ({"/a.new": b"hello you"}, {"/a.new": b"hello you"}, {"/a": b"hello you"}),
    ({"/a": b"hello you"}, {"/a": b"hello you"}, None),
]


async def test_a_power_cut_leaves_what_was_written() -> None:
    """Each operation can be lost, torn or done; nothing after it happens, and the next boot finds what is left."""
    async with running() as bench:
        for number, row in enumerate(LEFT, 1):
            for part, left in zip(("before", "torn", "after"), row, strict=True):
                board = await bench.board(f"{number} {part}", {"/boot.py": b"", "/main.py": WRITES})
                await board.power_on(Cut("flash", number, part))
                assert not board.on
                files = await board.read_files()
                assert {path: files[path] for path in files if path.startswith("/a")} == (left or {})
                await board.write_files({"/main.py": b"import os\n_ = [print(n) for n in os.listdir('/')]"})
                await board.power_on()
                assert {line for line in board.log if line.startswith("a")} == {path[1:] for path in left or {}}
                await board.power_off()


async def test_time_stands_still_until_it_is_moved() -> None:
    """Three days pass in a moment, every timer at its own time; the ticks wrap, and a call that blocks takes time."""
    main = b"""
import asyncio, time
async def main():
    begin = time.ticks_ms()
    for hours in range(1, 73):
        await asyncio.sleep(3600)
        print(hours, time.ticks_diff(time.ticks_ms(), begin) // 3600000, time.ticks_ms() < begin)
    time.sleep(60)
    print('woke', time.time())
asyncio.run(main())
"""
    async with running() as bench:
        board = await bench.board("clock", {"/boot.py": b"", "/main.py": main})
        await board.power_on()
        assert board.log == []
        await board.advance(3 * 86400 + 60)
        assert board.log[:2] == ["1 1 False", "2 2 False"]
        assert board.log[-2:] == ["72 72 True", f"woke {3 * 86400 + 60}"]
        await board.power_off()


async def test_a_watchdog_that_is_not_fed_resets() -> None:
    """At its time-out, not later; pins float until the next boot drives them, which is told the cause."""
    main = b"""
import asyncio, machine
machine.Pin(16, machine.Pin.OUT, value=1)
print('cause', machine.reset_cause())
async def main():
    watchdog = machine.WDT(timeout=5000)
    await asyncio.sleep(3)
    watchdog.feed()
    await asyncio.sleep(9)
asyncio.run(main())
"""
    async with running() as bench:
        board = await bench.board("watchdog", {"/boot.py": b"", "/main.py": main})
        await board.power_on()
        await board.advance(9)
        assert board.pins == [(0, 16, 1), (8000, 16, None), (8400, 16, 1)]
        assert board.log == ["cause 1", "cause 3"]
        await board.power_off()


async def test_a_board_that_hangs_without_a_watchdog_stays_as_it_is() -> None:
    """Its pins keep their levels: no bench makes it better than it is."""
    main = b"import machine\nmachine.Pin(16, machine.Pin.OUT, value=1)\nwhile True: pass"
    async with running() as bench:
        board = await bench.board("hung", {"/boot.py": b"", "/main.py": main})
        await board.power_on()
        await board.advance(3600)
        assert board.seen("hung")
        assert board.pins == [(0, 16, 1)]
        await board.power_off()


async def test_what_a_board_lacks_cannot_be_imported() -> None:
    """Modules that this VM has and the ESP32's port has not are not there."""
    names = ("unittest", "logging", "datetime", "pathlib", "inspect")
    main = "".join(f"try:\n import {name}\n print('{name}')\nexcept ImportError: pass\n" for name in names)
    async with running() as bench:
        board = await bench.board("imports", {"/boot.py": b"", "/main.py": main.encode()})
        await board.power_on()
        assert board.log == []
        await board.power_off()


async def test_each_life_is_a_process() -> None:
    """One that begins with the power and ends with it; one that breaks down is no power cut, but an error."""
    async with running() as bench:
        board = await bench.board("lives", {"/boot.py": b"", "/main.py": b""})
        seen = []
        for _ in range(2):
            await board.power_on()
            [life] = psutil.Process(bench.pid).children()
            seen.append(life)
            await board.power_off()
            assert not life.is_running()
        assert seen[0].pid != seen[1].pid
        await board.power_on()
        [life] = psutil.Process(bench.pid).children()
        life.send_signal(signal.SIGABRT)
        psutil.wait_procs([life], LAST_RESORT_S)
        with pytest.raises(BenchError, match="the process of this life ended by itself: SIGABRT"):
            await board.advance(1)


async def test_a_life_holds_what_its_bench_inherited(tmp_path: Path) -> None:
    """A lock stays taken as long as any process of the bench lives, so that nobody else goes on with its board."""
    with (tmp_path / "lock").open("w") as lock:
        async with running(lock.fileno()) as bench:
            board = await bench.board("locked", {"/boot.py": b"", "/main.py": b""})
            await board.power_on()
            [life] = psutil.Process(bench.pid).children()
            assert lock.name in [file.path for file in life.open_files()]
            await board.power_off()


async def test_an_unknown_option_is_an_error() -> None:
    """A misspelt option does not silently do nothing."""
    async with running() as bench:
        with pytest.raises(BenchError, match="heap_byte"):
            await bench.board("a", {}, heap_byte=1)


# A firmware with one fault each: where, what is there, what the fault puts in its place, and the promise that breaks.
FAULTS = {
    "deadline too late": ("valves.py", "ticks_ms + bound_s * 1000", "ticks_ms + bound_s * 1000 + 5000", "b"),
    "boot forgets the relays": (
        "boot.py",
        'if row["kind"] == "relay":\n',
        'if row["kind"] == "relay":\n        return\n',
        "d",
    ),
    "ids forgotten": ("valves.py", 'self._state["known"].get(command_id)', "None", "f"),
    "expiry ignored": ("valves.py", 'now >= command["expires_at"]', "False", "e"),
    "fence ignored": ("valves.py", 'command["issued_at"] <= self._state["fence"]', "False", "c"),
}


def with_fault(files: dict[str, bytes], name: str, old: str, new: str) -> dict[str, bytes]:
    """The same flash with one piece of its firmware replaced."""
    path = "/boot.py" if name == "boot.py" else f"/lib/gateway/{name.replace('.py', '.mpy')}"
    source = build.FIRMWARE / ("boot.py" if name == "boot.py" else f"lib/gateway/{name}")
    text = files[path].decode() if name == "boot.py" else source.read_text()
    assert old in text, f"{name} has no {old!r} any more"
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / name
        changed.write_text(text.replace(old, new))
        return {**files, path: changed.read_bytes() if name == "boot.py" else compile_firmware(changed)}


async def provoke(farm: Field) -> None:
    """Everything that these faults need to show themselves."""
    await farm.start()
    first = await farm.command("open", duration_s=10)
    await farm.wait(20)
    await farm.publish(first)
    await farm.board.until("in", count=2)
    await farm.wait(20)
    await farm.command("open", duration_s=10, expires_at=farm.board.unix_s - 10, issued_at=farm.board.unix_s - 60)
    await farm.wait(20)
    before = farm.board.unix_s
    await farm.wait(5)
    await farm.command("stop_all", zone_id=None)
    await farm.command("open", duration_s=10, issued_at=before)
    await farm.wait(20)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_judge_condemns(mosquitto: Broker, commander: Commander, identities: Identities, fault: str) -> None:
    """Each fault breaks its promise; the firmware as it is keeps all of them under the same provocation."""
    name, old, new, promise = FAULTS[fault]
    identity = identities.issue(NAME)
    async with running() as bench:
        async with field(bench, commander, identity, mosquitto.port, NAME) as farm:
            await provoke(farm)
        async with field(bench, commander, identity, mosquitto.port, "irrigation-gateway-2") as farm:
            files = flash(identity, mosquitto.port, gateway_id="irrigation-gateway-2")
            await farm.board.write_files(with_fault(files, name, old, new))
            with pytest.raises(BrokenPromiseError) as broken:
                await provoke(farm)
            assert broken.value.promise == promise
