"""A simulated board that speaks the documented topics and nothing else, over any connection to a broker."""

import asyncio
import base64
import hashlib
import json
from typing import Any

from tests.local_cloud.conftest import Client

BLOCK = 2048


class Board:
    """Waits for a job, takes its files block by block, holds them against the manifest, and reports.

    `ends` is how: SUCCEEDED, FAILED, or VANISHES, which begins and is never heard again.
    """

    def __init__(self, name: str, client: Client, ends: str = "SUCCEEDED") -> None:
        self.name, self.client, self.ends = name, client, ends
        self.heard: list[str] = []  # every topic on which anything came
        self.files: dict[str, bytes] = {}
        self.root = f"$aws/things/{name}"

    async def arrive(self) -> None:
        """Connect and subscribe."""
        _, code = await self.client.connect(self.name, keepalive_s=0)
        assert code == 0
        codes = await self.client.subscribe(f"{self.root}/jobs/+/+", f"{self.root}/jobs/notify-next")
        assert set(codes) == {1}
        codes = await self.client.subscribe(f"{self.root}/jobs/+/update/+", f"{self.root}/streams/+/+/json")
        assert set(codes) == {1}

    async def live(self) -> None:
        """One job, from its notice to its end."""
        execution = None
        while not execution:  # it may have been let off before it asked
            await self._until("jobs/notify-next")
            execution = (await self.ask("jobs/start-next", {}, "jobs/start-next/accepted")).get("execution")
        if self.ends == "VANISHES":
            return
        await self._take_files(execution["jobDocument"])
        job, version = execution["jobId"], execution["versionNumber"]
        for status in ("IN_PROGRESS", self.ends):
            report = {"status": status, "expectedVersion": version, "statusDetails": {"step": status.lower()}}
            await self.ask(f"jobs/{job}/update", report, f"jobs/{job}/update/accepted")
            version += 1

    async def ask(self, topic: str, request: Any, answer: str) -> Any:
        """The message that answers a request."""
        await self.client.publish(f"{self.root}/{topic}", json.dumps(request).encode())
        return await self._until(answer)

    async def _take_files(self, document: Any) -> None:
        stream = document["stream"]
        manifest = json.loads(await self._file(stream, 0, document["manifest_bytes"]))
        assert manifest["version"] == document["version"]
        for number, row in enumerate(manifest["files"], start=1):
            content = await self._file(stream, number, row["bytes"])
            assert hashlib.sha256(content).hexdigest() == row["sha256"]
            self.files[row["path"]] = content

    async def _file(self, stream: str, number: int, size: int) -> bytes:
        content = b""
        while len(content) < size:
            request = {"s": 1, "f": number, "l": BLOCK, "o": len(content) // BLOCK, "n": 1}
            block = await self.ask(f"streams/{stream}/get/json", request, f"streams/{stream}/data/json")
            assert (block["f"], block["i"]) == (number, request["o"])
            content += base64.b64decode(block["p"])
        return content

    async def _until(self, topic: str) -> Any:
        while True:
            name, payload = await self.client.message()
            self.heard.append(name.removeprefix(f"{self.root}/"))
            if self.heard[-1] == topic:
                return json.loads(payload)


async def plain(port: int) -> Client:
    """A connection without TLS."""
    return Client(*await asyncio.open_connection("127.0.0.1", port))
