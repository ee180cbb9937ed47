"""Programs of others: found or named, in a clean environment, and never left running."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from demo.deploy import programs
from demo.deploy.errors import MissingProgramError
from tests.processes import has_ended
from tests.waiting import eventually


@pytest.mark.parametrize("name", ["terraform", "aws", "bash"])
def test_a_missing_program_is_named_with_its_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what is not installed, and where it is to be had."""
    monkeypatch.setattr(programs, "search_path", lambda: str(tmp_path))
    with pytest.raises(MissingProgramError, match=f"^{name} is not installed; remedy: "):
        programs.require(name)


def test_programs_of_this_python_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS CLI is the one that the development environment brings, even if PATH knows none."""
    monkeypatch.setenv("PATH", "/nowhere")
    found = shutil.which("aws", path=programs.search_path())
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent


def test_nothing_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own account, variables and workspace do not reach what is run; the place of the providers does."""
    stray = ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "TF_VAR_environment", "TF_WORKSPACE", "TF_CLI_ARGS")
    for name in (*stray, "TF_MIRROR"):
        monkeypatch.setenv(name, "mine")
    found = programs.surroundings({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert not set(stray) & set(found)
    assert (found["TF_MIRROR"], found["AWS_ENDPOINT_URL"]) == ("mine", "http://127.0.0.1:1")


def test_the_environment_comes_back() -> None:
    """After `variables` the process has the environment that it had before, whatever happened inside."""
    before = dict(os.environ)
    with pytest.raises(KeyError), programs.variables({"ONLY": "this"}):
        assert dict(os.environ) == {"ONLY": "this"}
        os.environ["MORE"] = "that"
        raise KeyError
    assert dict(os.environ) == before


def run(script: str, folder: Path, heard: list[str]) -> "asyncio.Task[int]":
    command = programs.run(
        *("bash", "-c", script), folder=folder, environment=os.environ, log=folder / "log", tell=heard.append
    )
    return asyncio.create_task(command)


async def test_every_line_is_heard_and_kept(tmp_path: Path) -> None:
    """Output goes line by line to who listens, both streams to the log, and the exit code comes back."""
    heard: list[str] = []
    assert await run("echo one; echo two; echo wrong >&2; exit 3", tmp_path, heard) == 3
    assert heard == ["one", "two"]
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "two", "wrong"]


async def test_a_cancelled_program_is_gone_with_its_children(tmp_path: Path) -> None:
    """Who gives up waiting leaves no process behind, not even a grandchild."""
    heard: list[str] = []
    task = run("sleep 100 & echo $!; echo $$; wait", tmp_path, heard)
    while len(heard) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: all(has_ended(int(pid)) for pid in heard), f"the end of {heard}")


async def test_what_a_program_leaves_running_is_ended(tmp_path: Path) -> None:
    """A daemon that a program has started does not survive the program's own end."""
    heard: list[str] = []
    await run("sleep 100 >/dev/null 2>&1 & echo $!", tmp_path, heard)
    await eventually(lambda: has_ended(int(heard[0])), "the end of the daemon")
