"""A gateway that is told to end does end, whatever its connection does at that moment."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.gateway.peer import in_no_time, now, settle
from tests.vm.portable import test_gateway
from tests.waiting import LAST_RESORT_S

portable: Any = test_gateway  # it runs on the board too, so it has no types


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_comes_at_the_end_does_not_keep_it(turns: int) -> None:
    """The cancellation that meets a connection just made is not lost: `run` returns."""
    bench = portable.Bench()
    answer, connect = asyncio.Event(), bench.broker.open_connection
    real = asyncio.open_connection

    async def slow(*address: Any, **more: Any) -> Any:
        await answer.wait()
        return await connect(*address, **more)

    bench.broker.open_connection = slow
    try:
        await bench.start()
        answer.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        await bench.gateway.stop(0)
        await asyncio.wait_for(bench.task, LAST_RESORT_S)
    finally:
        asyncio.open_connection = real


def with_a_bench(job: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Run `job(bench)` with a gateway that has just come online, in a time that jumps to whatever is due."""
    real = asyncio.open_connection

    async def whole() -> None:
        bench = portable.Bench()
        await bench.start()
        await job(bench)

    try:
        in_no_time(whole())
    finally:
        asyncio.open_connection = real


def test_an_end_takes_no_longer_than_it_must() -> None:
    """With a run under way and a watchdog to feed: nothing is waited for, and no task is left over."""

    async def job(bench: Any) -> None:
        bench.command()
        await settle()
        await bench.stop()
        assert now() < 0.5
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with_a_bench(job)


def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    """A second later, so that a board which must restart does."""

    async def job(bench: Any) -> None:
        async def deaf(_ms: int) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()

        bench.clock.sleep_ms = deaf
        bench.board.feed = lambda: None
        bench.command()
        await settle()
        await bench.stop()
        assert 0.9 < now() < 1.5
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with_a_bench(job)


def test_commands_leave_no_tasks_behind() -> None:
    """However many a board has obeyed, it has one task for all deadlines."""

    async def job(bench: Any) -> None:
        counts = []
        for number in range(1, 6):
            bench.command(packet_id=number, command_id=f"c{number}", epoch=number, duration_s=60 * number)
            await settle()
            counts.append(len(asyncio.all_tasks()))
        assert len(set(counts)) == 1
        await bench.stop()

    with_a_bench(job)
