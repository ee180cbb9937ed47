"""Field time: it waits for what is in flight, wakes in order, and says who holds it up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from field_time import participant
from field_time.clock import FieldClock
from field_time.errors import FieldClockError
from field_time.participant import VirtualTime, take_part

START = 1_591_700_000


class Player:
    """A participant that does something every `every_s`, and needs some real time to come to rest after it."""

    def __init__(self, time: VirtualTime, every_s: int, log: list[tuple[str, int]], name: str) -> None:
        self.time, self.every_s, self.log, self.name = time, every_s, log, name
        self.next_s = time.now() + every_s
        self.busy = False
        self.runs = 0

    def idle(self) -> bool:
        return not self.busy

    def why_busy(self) -> str:
        return "it ran long"

    def activity(self) -> int:
        return self.runs

    def due_ms(self) -> int | None:
        return self.next_s * 1000

    async def run_due(self) -> None:
        self.log.append((self.name, self.time.now() - START))
        self.next_s += self.every_s
        self.busy = True
        asyncio.get_running_loop().call_later(0.005, self._rest)

    def _rest(self) -> None:
        self.busy = False
        self.runs += 1
        self.log.append((self.name + " rests", self.time.now() - START))

    async def stop(self) -> dict[str, Any]:
        return {"runs": self.runs}

    def news(self) -> str:
        return f"{self.name} ran" if self.runs else ""


async def with_players(
    periods: dict[str, int], story: Callable[[FieldClock, dict[str, Player]], Awaitable[None]]
) -> list[tuple[str, int]]:
    clock = FieldClock(START, tuple(periods))
    port = await clock.serve()
    log: list[tuple[str, int]] = []
    players = {}
    tasks = []
    for name, every_s in periods.items():
        time = VirtualTime(START * 1000)
        players[name] = Player(time, every_s, log, name)
        tasks.append(asyncio.create_task(take_part(port, name, time, players[name], port_of=name)))
    try:
        await story(clock, players)
    finally:
        await clock.close()
        await asyncio.gather(*tasks, return_exceptions=True)
    return log


def test_time_waits_for_rest_and_keeps_the_order() -> None:
    """At one moment participants run in the given order, each only after the one before came to rest."""

    async def story(clock: FieldClock, _players: dict[str, Player]) -> None:
        assert (await clock.joined("a", "b"))["port_of"] == "b"
        await clock.run_until(START + 20, lambda _now, _news: None)

    log = asyncio.run(with_players({"a": 10, "b": 20}, story))
    assert log == [
        ("a", 10),
        ("a rests", 10),
        ("a", 20),
        ("a rests", 20),
        ("b", 20),
        ("b rests", 20),
    ]


def test_last_words_come_home() -> None:
    """A participant that is stopped says its last words and takes no further part."""

    async def story(clock: FieldClock, _players: dict[str, Player]) -> None:
        await clock.joined("a", "b")
        assert await clock.stop("a") == {"runs": 0}
        await clock.run_until(START + 20, lambda _now, _news: None)

    log = asyncio.run(with_players({"a": 10, "b": 20}, story))
    assert [name for name, _ in log] == ["b", "b rests"]


def test_one_who_never_rests_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A participant that stays busy stops field time with its name, instead of waiting for ever."""
    monkeypatch.setattr(participant, "RESTLESS_AFTER_S", 0.2)

    async def story(clock: FieldClock, players: dict[str, Player]) -> None:
        await clock.joined("a", "b")
        players["b"].busy = True
        with pytest.raises(FieldClockError, match="b does not come to rest: it ran long"):
            await clock.quiet()
        players["b"].busy = False

    asyncio.run(with_players({"a": 10, "b": 20}, story))


def test_sleepers_wake_when_their_time_has_come() -> None:
    """Sleepers wake in the order of their moments, and a cancelled one does not hold up time."""

    async def story() -> list[str]:
        time = VirtualTime(START * 1000)
        woken: list[str] = []

        async def sleeper(name: str, ms: int) -> None:
            await time.sleep_ms(ms)
            woken.append(name)

        tasks = [asyncio.create_task(sleeper(name, ms)) for name, ms in (("late", 900), ("soon", 300), ("never", 100))]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
        assert time.due_ms() == START * 1000 + 300
        for ms in (300, 899, 900):
            time.set_ms(START * 1000 + ms)
            time.wake()
            await asyncio.sleep(0)
            woken.append(str(time.ticks_ms()))
        return woken

    assert asyncio.run(story()) == ["soon", "300", "899", "late", "900"]


def test_a_live_farm_never_runs_ahead() -> None:
    """People who look on see no time that has not come yet, and all that was due happens in its order."""
    moments: list[tuple[float, int]] = []

    async def story(clock: FieldClock, _players: dict[str, Player]) -> None:
        await clock.joined("a", "b")
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        def tell(_now_s: int, _news: str) -> None:
            moments.append((loop.time() - began_s, clock.now_ms - START * 1000))

        await clock.keep_pace(START + 20, 40, tell)

    log = asyncio.run(with_players({"a": 10, "b": 20}, story))
    assert [(name, at) for name, at in log if "rests" not in name] == [("a", 10), ("a", 20), ("b", 20)]
    assert all(field_ms <= passed_s * 40_000 for passed_s, field_ms in moments)
    assert {field_ms for _, field_ms in moments} - {0, 10_000, 20_000}, "the hands move between what is due, too"
