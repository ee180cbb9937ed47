"""So many pages that are open somewhere else: `python -m benchmarks.console.clients ADDRESS COUNT`.

Each loads the farm's page and then follows its stream as a browser does, but paints nothing: a farm's browsers run on
other machines than its service. Prints `ready` when all of them listen, and goes on until it is ended.
"""

import asyncio
import re
import sys

import httpx

PATIENCE_S = 120.0


async def follow(client: httpx.AsyncClient, is_open: asyncio.Event) -> None:
    """A page, and its stream."""
    page = await client.get("/", headers={"Accept": "text/html"})
    seq = re.search(r'data-seq="(\d+)"', page.raise_for_status().text)
    assert seq is not None
    async with client.stream("GET", f"/events?after={seq[1]}") as answer:
        answer.raise_for_status()
        is_open.set()
        async for _ in answer.aiter_raw():
            pass


async def main() -> None:
    """Open the pages, and read."""
    address, count = sys.argv[1], int(sys.argv[2])
    limits = httpx.Limits(max_connections=2 * count)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S, limits=limits) as client:
        events = [asyncio.Event() for _ in range(count)]
        tasks = [asyncio.create_task(follow(client, event)) for event in events]
        await asyncio.gather(*(event.wait() for event in events))
        print("ready", flush=True)
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
