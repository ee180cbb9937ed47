"""Other people's programs, run so that none outlives us."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from demo.deploy.errors import MissingProgramError

LINE_LIMIT = 64 * 1024 * 1024  # a whole state is one line
REMEDIES = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "aws": "pip install awscli, or https://aws.amazon.com/cli",
    "bash": "your system's package manager",
}
# Of the environment, what may lead these programs elsewhere than we say; the mirror is where this machine has it.
STRAY = ("AWS_", "TF_")
OWN = ("TF_MIRROR",)


def require(*names: str) -> None:
    """Raise MissingProgramError unless all of them are here."""
    for name in names:
        if not shutil.which(name, path=search_path()):
            raise MissingProgramError(f"{name} is not installed; remedy: {REMEDIES[name]}")


def search_path() -> str:
    """Where programs are looked for: beside this Python first, as its packages bring some."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def surroundings(aws: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without anything that speaks of another AWS or Terraform, and with `aws`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(STRAY) or name in OWN}
    return {**own, **aws, "PATH": search_path(), "AWS_MAX_ATTEMPTS": "2", "AWS_PAGER": ""}


@contextlib.contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Make this the environment of this process, for a while."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def run(
    *command: str,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    tell: Callable[[str], None] = lambda _line: None,
) -> int:
    """Run a program to its end and give its exit code; `tell` hears every line of its output, `log` keeps all.

    It has a process group of its own, so that Ctrl-C reaches only us; all of the group is gone when this returns.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            limit=LINE_LIMIT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                file.write(line)
                tell(line.decode(errors="replace").rstrip("\n"))
            return await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
