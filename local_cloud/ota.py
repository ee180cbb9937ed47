"""Jobs and file streams in the local cloud: the service of `updates`, behind the gate like everything of AWS's own.

It speaks with the inner broker itself; the gate has judged what things ask, and judges what they are told.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from local_cloud.errors import JobsError, LocalCloudError
from updates.connection import Address, Connection
from updates.errors import UpdatesError
from updates.service import Service


@asynccontextmanager
async def jobs_and_streams(
    folder: Path, broker_port: int, now: Callable[[], int], fail: Callable[[LocalCloudError], None]
) -> AsyncIterator[None]:
    """Serve a folder of `python -m updates publish` while the context lasts; what ends it early goes to `fail`."""
    stop, is_up = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell_ready() -> None:
        loop.call_soon_threadsafe(is_up.set)

    def serve() -> None:
        service = Service(folder, now, time.monotonic)  # here, since a store is its thread's own
        try:
            connection = Connection(Address(host="127.0.0.1", port=broker_port), service)
            connection.on_ready = tell_ready
            connection.run(stop)
        finally:
            service.close()

    async def watch() -> None:
        try:
            await asyncio.to_thread(serve)
        except UpdatesError as error:
            fail(JobsError(f"updates: {error}"))
        finally:
            is_up.set()

    task = asyncio.create_task(watch())
    try:
        await is_up.wait()
        yield
    finally:
        stop.set()
        await task
