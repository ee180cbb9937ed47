"""What a kill must find: one thing each that is taken out of a service before it starts. Never in the product."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioning import child, follow, task, work
from provisioning.service import Service

TASK: Any = task
WORK: Any = work
FOLLOW: Any = follow
LOG = '(folder / "job.jsonl").open("ab", buffering=0)'


def _pipe_for_the_log(_service: Service) -> None:
    """Terraform's messages go through a pipe, which the service writes down."""
    text = Path(child.__file__).read_text()
    assert LOG in text

    def piped(
        folder: Path, steps: Sequence[Mapping[str, Any]], variables: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        read, write = os.pipe()
        program = folder / "child.py"
        program.write_text(text.replace(LOG, f'os.fdopen({write}, "wb", buffering=0)'))
        (folder / "steps.json").write_text(json.dumps(steps))
        command = [sys.executable, "-I", "-S", str(program), str(folder)]
        process = subprocess.Popen(command, env=dict(variables), start_new_session=True, pass_fds=(write,))
        os.close(write)
        threading.Thread(target=_copy, args=(read, folder / "job.jsonl"), daemon=True).start()
        return process

    TASK.start = piped


def _copy(read: int, path: Path) -> None:
    with os.fdopen(read, "rb", buffering=0) as pipe, path.open("ab", buffering=0) as file:
        while content := pipe.read(65_536):
            file.write(content)


def _no_attachment(_service: Service) -> None:
    """Nobody who lives of a child that an earlier service started is seen."""
    seen, start = FOLLOW.session_of, TASK.start
    own: set[Path] = set()

    def started(folder: Path, *rest: Any) -> "subprocess.Popen[bytes]":
        own.add(folder)
        process: subprocess.Popen[bytes] = start(folder, *rest)
        return process

    TASK.start = started
    FOLLOW.session_of = lambda folder: seen(folder) if folder in own else []


def _no_look(service: Service) -> None:
    """Nobody looks whether another job of the project is at work: the unique row alone says no."""
    store: Any = service.store
    store.current = lambda _project_id: None


def _no_unique_row(service: Service) -> None:
    """Two jobs of a project may be at work."""
    _no_look(service)
    service.store.database.run("DROP INDEX IF EXISTS one_writer")


def _no_adoption(_service: Service) -> None:
    """What is outside the state stays there."""
    WORK.Work._adopt = lambda *_: False


BROKEN: Mapping[str, Callable[[Service], None]] = {
    "a pipe for the log": _pipe_for_the_log,
    "no attachment": _no_attachment,
    "no look": _no_look,
    "no unique row": _no_unique_row,
    "no adoption": _no_adoption,
}
