"""The processes of a demonstration: started together, watched, and always ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self

from demo.errors import SupervisorError
from local_cloud.aws import without_aws

PATIENCE_S = 5


class Supervisor:
    """Runs child processes that live no longer than this object, and no longer than this process.

    Each child leads a process group of its own, so that Ctrl-C reaches only us; its standard input is a pipe that it
    reads to the end, so that it also goes when we are killed. What it prints is in `<logs>/<name>.log`.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._may_end: set[str] = set()
        self._failures: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.close())

    async def start(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a child; `python` as the first word of its command is this Python."""
        program = sys.executable if command[0] == "python" else command[0]
        with (self._logs / f"{name}.log").open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                program,
                *command[1:],
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=without_aws(os.environ) | dict(environment or {}),
                start_new_session=True,
            )
        self._children[name] = child
        self._may_end.discard(name)
        self._watchers.append(asyncio.create_task(self._watch(name, child)))

    def let_end(self, name: str) -> None:
        """From now on this child may end by itself."""
        self._may_end.add(name)

    async def kill(self, name: str) -> None:
        """kill -9 of a child, and return when it is gone."""
        self.let_end(name)
        child = self._children[name]
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()

    def send(self, name: str, sign: signal.Signals) -> None:
        """A signal to a child; whether it survives that is its own business."""
        with contextlib.suppress(ProcessLookupError):
            self._children[name].send_signal(sign)

    def tell(self, name: str, words: str) -> None:
        """A line on a child's standard input."""
        stdin = self._children[name].stdin
        assert stdin is not None
        stdin.write(f"{words}\n".encode())

    def end_input(self, name: str) -> None:
        """Ask a child to end, by closing its input."""
        stdin = self._children[name].stdin
        assert stdin is not None
        stdin.close()

    def pid(self, name: str) -> int:
        """The number of a child's process."""
        return self._children[name].pid

    def code(self, name: str) -> int | None:
        """How a child ended: its exit code, or minus the signal; None while it lives."""
        return self._children[name].returncode

    async def failure(self) -> NoReturn:
        """Return never; raise SupervisorError as soon as a child ends that should not."""
        name = await self.next_end()
        raise SupervisorError(f"{name} ended early: {self.last_line(name)}")

    async def next_end(self) -> str:
        """Wait until a child ends that should not; gives its name."""
        return await self._failures.get()

    async def _watch(self, name: str, child: asyncio.subprocess.Process) -> None:
        await child.wait()
        if name not in self._may_end:
            await self._failures.put(name)

    def last_line(self, name: str) -> str:
        """The last thing that a child said, with the place of the rest."""
        path = self._logs / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return f"{lines[-1] if lines else 'it said nothing'} (see {path})"

    async def close(self) -> None:
        """End every child: ask by closing its input, then by signal."""
        for watcher in self._watchers:
            watcher.cancel()
        for child in self._children.values():
            assert child.stdin is not None
            child.stdin.close()
        await asyncio.gather(*(_end(child) for child in self._children.values()))
        self._children.clear()


async def _end(child: asyncio.subprocess.Process) -> None:
    for sign in (None, signal.SIGTERM, signal.SIGKILL):
        if sign is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, sign)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await child.wait()
            return
        except TimeoutError:
            continue
