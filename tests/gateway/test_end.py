"""A gateway that is told to end does end, whatever its connection does at that moment."""

import asyncio
from typing import Any

import pytest

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
