"""Walks through every interleaving of a node that sleeps: wakings with and without its network, cuts, clock jumps.

The node is sleep.py itself with the gateway's own client and outbox, over a store that loses its power in each write, a
broker that answers, and a loop whose time passes at once. An event is one waking and the sleep after it. Promised is:
what was written down arrives, once the broker is there; no two samples have one name; and whoever was told when it
wakes hears of it then, so that no alarm of its silence is ever due.
"""

import ast
import asyncio
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any

from compute_service.domain.gateway_status import WAKING_S
from firmware import build, net
from gateway.clock import DRIFT_S, SystemClock, TimeFloor
from tests.vm.portable import bench

_Broker: Any = bench.Broker  # what the portable tests have has no types
_Store: Any = bench.CutStore
NAME, SENSOR = "irrigation-gateway-1", "irrigation-gateway-1.soil-a"
NOON = 1_790_000_000 // 86400 * 86400 + 43200
POWER_ON, HANG, DEEP_SLEEP = 1, 3, 4
AFTER_CUT_S = 60  # so long the power stays away
NEW_CHIP = 946_684_800  # where a chip's clock begins: 2000
CONFIG = {"gateway_id": NAME, "host": "h", "port": 8883, "certs": "/certs", "outbox_bytes": 8000}
SAMPLE_S = 900
NETWORKS = ("up", "deaf", "refuses", "away")  # deaf: takes all, and acknowledges nothing
JUMPS = {"": 0, "+1h": 3600, "-1h": -3600}
LEAST_END, MOST_END = 3, 8  # wakings after which all has to be there; a clock that is behind connects as much later
CUTS = ("power", "reset")  # before a write, with the chip's memory and its time; within it, and both stay


class BrokenSleepError(AssertionError):
    """A promise that a node broke; `story` is what happened."""


@dataclass(frozen=True)
class World:
    """What is kept from one waking to the next, what was told, and what was promised."""

    store: tuple[tuple[str, bytes], ...] = ()
    memory: bytes = b"{}"
    cause: int = POWER_ON
    now: int = NOON + 7
    clock: int = 0  # by how much the chip's own is off, s
    written: frozenset[tuple[str, int, float]] = frozenset()  # boot, seq and value of samples that were written down
    heard: frozenset[tuple[str, int, float]] = frozenset()
    wakes_at: int | None = None  # as it said last, while nothing excuses it
    reads: int = 0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is what its timers wait for, and passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]  # the loop's own
        selector.select = self._pass

    def time(self) -> float:
        return self.at

    def _pass(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing would ever happen again"
        self.at += max(0.0, timeout)
        return []


class Explorer:
    """Every sequence of so many wakings; a power cut at each write of one of them."""

    def __init__(self, broken: str = "", publish_s: int = SAMPLE_S) -> None:
        self._intervals = {"sample_interval_s": SAMPLE_S, "publish_interval_s": publish_s}
        self.sleep, self.interleavings, self.cuts = _module(broken), 0, 0

    def run(self, depth: int, *, jumps: tuple[str, ...] = ("",), cuts: bool = False) -> int:
        """Count them. Raises BrokenSleepError."""
        with _in_place(self.sleep):
            self._walk(World(), depth, jumps, cuts, ())
        return self.interleavings

    def _walk(self, world: World, depth: int, jumps: tuple[str, ...], may_cut: bool, story: tuple[str, ...]) -> None:
        if not depth:
            self.interleavings += 1
            self._settle(world, story)
            return
        for network in NETWORKS:
            for jump in jumps:
                name = f"{network} {jump}".strip()
                after, writes = self._wake(world, network, jump, None, story)
                self._walk(after, depth - 1, jumps, may_cut, (*story, name))
                for number, size in enumerate(writes if may_cut else ()):
                    for kind, kept in zip(CUTS, (0, size // 2), strict=True):
                        self.cuts += 1
                        cut, _ = self._wake(world, network, jump, (number, kept), story)
                        self._walk(cut, depth - 1, jumps, False, (*story, f"{name}, {kind} at write {number}"))

    def _settle(self, world: World, story: tuple[str, ...]) -> None:
        written = world.written
        for number in range(MOST_END):
            if number < LEAST_END or not written <= world.heard:
                world, _ = self._wake(world, "up", "", None, (*story, "settles"))
        if lost := written - world.heard:
            raise BrokenSleepError(f"lost {sorted(lost)} after {story}")

    def _wake(
        self, world: World, network: str, jump: str, cut: tuple[int, int] | None, story: tuple[str, ...]
    ) -> tuple[World, list[int]]:
        """One waking and the sleep after it; gives the sizes of its writes."""
        off = world.clock + JUMPS[jump]
        if jump:
            world = replace(world, wakes_at=None)
        if world.wakes_at is not None and world.now > world.wakes_at + WAKING_S:
            raise BrokenSleepError(f"silent since {world.now - world.wakes_at} s after {story}")
        life = _Life(self.sleep, world, network, off, cut)
        life.run(self._intervals)
        heard = world.heard | life.heard()
        names = [(boot, seq) for boot, seq, _ in heard | life.written]
        if len(names) != len(set(names)):
            raise BrokenSleepError(f"two samples of one name after {story}")
        is_right = abs(life.off) <= DRIFT_S  # what is said by a wrong clock is no promise
        in_vain = life.tried or (network == "away" and (world.wakes_at or 0) <= world.now + WAKING_S)
        wakes_at = life.wakes_at if life.wakes_at is not None and is_right else None if in_vain else world.wakes_at
        ended = world.now + int(life.loop.at)
        after = replace(
            world,
            store=tuple(sorted(life.store.copy().items())),
            written=frozenset(life.written),
            heard=frozenset(heard),
            wakes_at=wakes_at,
            reads=life.reads,
        )
        if life.store.dead:
            after = replace(after, cause=POWER_ON, now=ended + AFTER_CUT_S, wakes_at=None)
            if cut and cut[1]:
                return replace(after, memory=life.memory, clock=life.off), []
            return replace(after, memory=b"{}", clock=NEW_CHIP - ended - AFTER_CUT_S), []
        nap_s = life.nap_ms // 1000
        after = replace(after, memory=life.memory, cause=DEEP_SLEEP, now=ended + nap_s, clock=life.off)
        return after, [len(data) for _, _, data in life.store.writes]


class _Life:
    """One waking: the chip, the board and the network of it."""

    def __init__(self, sleep: Any, world: World, network: str, off: int, cut: tuple[int, int] | None) -> None:
        self.sleep, self.world, self.network, self.off = sleep, world, network, off
        self.loop = VirtualLoop()
        self.store = _Store(dict(world.store))
        self.store.cut = cut
        self.broker = _Broker(self.store)
        self.broker.acking = network != "deaf"
        self.memory, self.nap_ms, self.reads = world.memory, 0, world.reads
        self.written = set(world.written)
        self.tried = False
        self.wifi = SimpleNamespace(joined=asyncio.Event(), keep=self._join)
        self._sensors: list[Any] = [SimpleNamespace(name="soil-a", measure=self._measure)]

    def run(self, intervals: dict[str, int]) -> None:
        machine, board = sys.modules["machine"], sys.modules["board"]
        vars(machine).update(reset_cause=lambda: self.world.cause, RTC=self._rtc, deepsleep=self._deepsleep)
        vars(board).update(BoardClock=self._clock, Board=lambda *_: self, FileStore=lambda _: self.store)
        vars(board)["LIFE"] = self
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.sleep.live({**CONFIG, **intervals}, {}, []))
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
            asyncio.set_event_loop(None)
            self.loop.close()

    def heard(self) -> set[tuple[str, int, float]]:
        readings = [one for kind, one in (*self.broker.published, *self.broker.again) if kind == "reading"]
        return {(one["boot_id"], sample["seq"], sample["vwc"]) for one in readings for sample in one["samples"]}

    @property
    def wakes_at(self) -> int | None:
        """As it said last; by a status that was heard."""
        statuses = self.broker.of("status")
        at: int | None = statuses[-1].get("wakes_at") if statuses else None
        return at

    # the chip

    def _rtc(self) -> Any:
        return SimpleNamespace(memory=self._remember)

    def _remember(self, data: bytes | None = None) -> bytes:
        self.memory = self.memory if data is None else data
        return self.memory

    def _deepsleep(self, ms: int) -> None:
        self.nap_ms = ms

    def _clock(self, store: Any) -> Any:
        clock = vars(sys.modules["board"])["RealClock"]
        clock.life = self
        return clock(store)

    # the board

    def read(self) -> list[tuple[str, str, dict[str, float]]]:
        self.reads += 1
        return [("soil-a", "plot-1a", {"vwc": round(0.1 + self.reads / 10_000, 4)})]

    async def _measure(self, _clock: Any) -> None:
        """Its value is made when it is read."""

    def feed(self) -> None:
        """The watchdog."""

    def health(self) -> dict[str, Any]:
        return {}

    def metered_l(self, _zone_id: str) -> None:
        return None

    async def _join(self) -> None:
        if self.network != "away":
            await asyncio.sleep(1)
            self.wifi.joined.set()
        await asyncio.sleep(10**6)

    async def _ask_time(self, _online: bool) -> bool:
        try:
            vars(sys.modules["board"])["RealClock"].now_one.heard(self.world.now + int(self.loop.at), False)
        except net.NetError:
            return False
        return True

    async def open_connection(self, *words: Any, **more: Any) -> Any:
        self.tried = True
        if self.network == "refuses":
            raise OSError(111)
        return await self.broker.open_connection(*words, **more)


def _module(broken: str) -> Any:
    """sleep.py, or with changes in it, `before -> after`, a line each."""
    source = (build.FIRMWARE / "sleep.py").read_text()
    for change in broken.splitlines():
        before, after = change.split(" -> ")
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    spec = importlib.util.spec_from_loader("sleep_of_the_walk", None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with _fakes():
        exec(compile(source, "sleep.py", "exec"), vars(module))  # the shipped file, beside a fake chip
    _count_writes(module)
    return module


def _count_writes(module: Any) -> None:
    sample = module.Node._sample

    def counted(node: Any) -> None:
        sample(node)
        life = vars(sys.modules["board"])["LIFE"]
        life.written.add((node.boot_id, node._seqs[SENSOR], round(0.1 + life.reads / 10_000, 4)))

    module.Node._sample = counted
    module.os, module.gc = SimpleNamespace(listdir=lambda _: ["store"]), SimpleNamespace(mem_free=lambda: 10**6)
    module.SystemClock = vars(sys.modules.get("board") or _fake_board())["Bare"]


def _tell(error: BaseException) -> None:
    """The node takes every error and sleeps; here only a power cut is none."""
    if not vars(sys.modules["board"])["LIFE"].store.dead:
        raise error


def _fake_board() -> ModuleType:
    """Takes the place of board.py, whose clock is the real one over the walk's time."""

    class Bare(SystemClock):
        """The chip's clock, at whatever it stands."""

        life: Any = None

        def now(self) -> int:
            life = vars(sys.modules["board"])["LIFE"]
            return int(life.world.now + life.off + life.loop.at)

        def ticks_ms(self) -> int:
            return int(vars(sys.modules["board"])["LIFE"].loop.at * 1000)

    module = ModuleType("board")
    tree = ast.parse((build.FIRMWARE / "board.py").read_text())
    [found] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "BoardClock"]
    names: dict[str, Any] = {"SystemClock": Bare, "TimeFloor": TimeFloor, "net": net, "DRIFT_S": DRIFT_S}
    exec(compile(ast.Module([found], []), "board.py", "exec"), names)  # the shipped class

    base: Any = names["BoardClock"]

    class RealClock(base):  # type: ignore[misc]  # made just now
        """The board's own clock; putting it moves the chip's."""

        now_one: Any = None

        def __init__(self, store: Any) -> None:
            type(self).now_one = self
            super().__init__(store)

        def _set(self, now: int) -> None:
            life = vars(sys.modules["board"])["LIFE"]
            life.off += now - self.now()

    values = {"OUTBOX_BYTES": (8000, 8000), "PSRAM_BYTES": 1, "STORE": "/store", "MEASURE_WITHIN_S": 15}
    more = {"FLOOR_EVERY_S": 43_200, "tls_context": lambda _: None, "Board": object, "BoardClock": RealClock}
    vars(module).update({**values, **more, "Bare": Bare, "RealClock": RealClock})
    return module


@contextmanager
def _fakes() -> Iterator[None]:
    machine = ModuleType("machine")
    vars(machine).update(WDT_RESET=HANG, DEEPSLEEP_RESET=DEEP_SLEEP)
    before = {name: sys.modules.get(name) for name in ("machine", "board")}
    sys.modules.update(machine=machine, board=_fake_board())
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name)
            else:
                sys.modules[name] = module


@contextmanager
def _in_place(sleep: Any) -> Iterator[None]:
    """While it is walked through, the fakes that the module has are those of `sys.modules`, and its errors silent."""
    before = {name: sys.modules.get(name) for name in ("machine", "board")}
    sys.modules.update(machine=sleep.machine, board=sleep.board)
    told = getattr(sys, "print_exception", None)
    vars(sys)["print_exception"], vars(sleep)["print"] = _tell, lambda *_: None
    try:
        yield
    finally:
        if told is None:
            del vars(sys)["print_exception"]
        else:
            vars(sys)["print_exception"] = told
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name)
            else:
                sys.modules[name] = module
