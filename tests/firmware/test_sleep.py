"""sleep.py beside a fake chip: what it plans, and what it does whatever ends a waking. On device time: tests/vm."""

import asyncio
import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from firmware import build
from gateway.clock import SystemClock
from gateway.store import MemoryStore

NOON = 1_790_000_000 // 86400 * 86400 + 43200
HANG, DEEP_SLEEP, POWER_ON = 3, 4, 1


class Chip(ModuleType):
    """Takes the place of `machine`."""

    WDT_RESET, DEEPSLEEP_RESET = HANG, DEEP_SLEEP

    def __init__(self) -> None:
        super().__init__("machine")
        self.cause, self.memory, self.naps_ms = POWER_ON, b"{}", list[int]()

    def reset_cause(self) -> int:
        return self.cause

    def RTC(self) -> Any:  # noqa: N802  # the port's name
        return SimpleNamespace(memory=self._remember)

    def _remember(self, data: bytes | None = None) -> bytes:
        self.memory = self.memory if data is None else data
        return self.memory

    def deepsleep(self, ms: int) -> None:
        self.naps_ms.append(ms)


class Clock(SystemClock):
    def now(self) -> int:
        return NOON + 1

    def trusted(self) -> bool:
        return True


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    fake = Chip()
    board = ModuleType("board")
    vars(board).update(BoardClock=Clock, Board=object)
    monkeypatch.setitem(sys.modules, "machine", fake)
    monkeypatch.setitem(sys.modules, "board", board)
    monkeypatch.setattr(sys, "print_exception", print, raising=False)
    return fake


@pytest.fixture
def sleep(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("sleep_of_the_board", build.FIRMWARE / "sleep.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SystemClock", Clock)
    return module


def live(sleep: Any, wake: Any) -> None:
    sleep._wake = wake
    asyncio.run(sleep.live({"sample_interval_s": 600}, {}, []))


def test_a_status_says_when_it_is_heard_next(sleep: Any) -> None:
    """The next sample after the next publish interval has begun; also if the clock has woken it too early."""
    board = SimpleNamespace(health=dict, metered_l=lambda _zone: None)
    for sample_s, publish_s, due_s in ((900, 3600, 3600), (3600, 900, 3600), (1000, 1500, 3000 - NOON % 1000)):
        config = {"gateway_id": "g", "host": "h", "port": 1, "zones": []}
        config.update(sample_interval_s=sample_s, publish_interval_s=publish_s)
        node = sleep.Node(config, board, Clock(), MemoryStore(), None)
        wakes_at = node._status("online")["wakes_at"]
        assert wakes_at % sample_s == 0 and wakes_at > NOON, (sample_s, publish_s)
        assert sample_s == 1000 or wakes_at == NOON + due_s


def test_after_the_watchdog_it_sleeps_at_once(sleep: Any, chip: Chip) -> None:
    """What has hung would hang again; the next sample is due in ten minutes, and nothing is taken over until then."""

    seen = []

    async def wake(*_words: Any) -> int:
        seen.append("awake")
        return NOON + 1800

    chip.cause, chip.memory = HANG, b'{"told": 1}'
    live(sleep, wake)
    assert (seen, chip.naps_ms, chip.memory) == ([], [599_000], b"{}")


def test_an_error_ends_in_sleep(sleep: Any, chip: Chip) -> None:
    """A defect, a worn flash: it is told, and the battery lasts."""

    async def wake(*_words: Any) -> int:
        raise ValueError("a defect")

    live(sleep, wake)
    assert chip.naps_ms == [599_000]


def test_what_is_remembered_is_of_a_sleep(sleep: Any, chip: Chip) -> None:
    """After a reset of another kind numbers begin anew, as some may have been given already."""
    seen = []

    async def wake(_config: Any, _pins: Any, _watchdogs: Any, past: dict[str, Any]) -> int:
        seen.append(dict(past))
        past["seq"] = 7
        return NOON + 1800

    for cause in (POWER_ON, DEEP_SLEEP, POWER_ON):
        chip.cause = cause
        live(sleep, wake)
    assert seen == [{}, {"seq": 7}, {}]
    assert chip.naps_ms == [1_799_000] * 3
