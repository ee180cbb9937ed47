"""The supervisor's children never outlive it, however it ends, and an early end is told with its reason."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from demo.errors import SupervisorError
from demo.supervisor import Supervisor
from tests.waiting import LAST_RESORT_S, until_true

SLEEPER = "import sys; print('here', flush=True); sys.stdin.read()"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def test_children_end_with_the_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that reads its input ends by itself; one that ignores everything is killed."""
    monkeypatch.setattr("demo.supervisor.PATIENCE_S", 0.3)

    others = psutil.Process().children()

    async def life() -> list[psutil.Process]:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start("polite", "python", "-c", SLEEPER)
            await supervisor.start("stubborn", "python", "-c", STUBBORN)
            return [child for child in psutil.Process().children() if child not in others]

    children = asyncio.run(life())
    assert len(children) == 2
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_an_early_end_is_told_with_the_last_line(tmp_path: Path) -> None:
    """The failure names the child and quotes what it said last."""

    async def life() -> None:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start("quitter", "python", "-c", "import sys; sys.exit('no zones in farm.yaml')")
            await asyncio.wait_for(supervisor.failure(), LAST_RESORT_S)

    with pytest.raises(SupervisorError, match=r"quitter ended early: no zones in farm\.yaml"):
        asyncio.run(life())


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """kill -9 of the parent leaves no child: its closed input tells it."""
    parent = f"""
import asyncio, pathlib
from demo.supervisor import Supervisor
async def life():
    async with Supervisor(pathlib.Path({str(tmp_path)!r})) as supervisor:
        await supervisor.start("child", "python", "-c", {SLEEPER!r})
        print("ready", flush=True)
        await asyncio.sleep(60)
asyncio.run(life())
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (child,) = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
    until_true(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of the child")


def test_any_program_can_be_a_child(tmp_path: Path) -> None:
    """`python` is this Python; anything else is run as it stands, and one that is not there is named."""

    async def life(*command: str) -> str:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start("other", *command)
            with pytest.raises(SupervisorError) as caught:
                await asyncio.wait_for(supervisor.failure(), LAST_RESORT_S)
            return str(caught.value)

    assert "what a shell says" in asyncio.run(life("sh", "-c", "echo what a shell says"))
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        asyncio.run(life("no-such-program"))
