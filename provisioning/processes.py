"""The processes of a child's session, by the machine's own list: whose leader has gone, they are still found."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from provisioning.child import boot_id

PROC = Path("/proc")
MARK = "PROVISIONING_CHILD"  # in the environment of each of them: the folder of their phase


class Process(NamedTuple):
    """One process: its number, its parent's, and the first 15 letters of its program's name."""

    pid: int
    parent: int
    name: str


def session_of(folder: Path) -> list[Process]:
    """Who is still alive of the child that wrote `job.pid` in this folder; none if nobody did."""
    try:
        leader = json.loads((folder / "job.pid").read_text())
    except FileNotFoundError:
        return []
    if leader["boot"] != boot_id():
        return []
    mark = f"{MARK}={folder}".encode()
    for _ in range(2):  # one that was born of another that ended meanwhile is in the second list
        found = [process for process in _session(leader["pid"]) if _is_marked(process.pid, mark)]
        if found:
            break
    return found


def _is_marked(pid: int, mark: bytes) -> bool:
    """True for a process that inherited the mark: a session's number comes back once all of it have gone."""
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())  # the first thread may have ended before the others
        texts = [text for text in map(_environ, tasks) if text is not None]
    except OSError:
        return False
    return any(mark in text.split(b"\0") for text in texts) or b"" in texts  # being loaded, a program shows none yet


def _environ(task: Path) -> bytes | None:
    try:
        return (task / "environ").read_bytes()
    except OSError:
        return None


def send(processes: list[Process], number: signal.Signals, name: str | None = None) -> None:
    """A signal to all of them, or to those of this name."""
    for process in processes:
        if name in {None, process.name}:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _session(session: int) -> Iterator[Process]:
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            head, _, tail = (entry / "stat").read_text().rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        fields = tail.split()
        state, parent, own_session, threads = fields[0], fields[1], fields[3], int(fields[17])
        # The first thread of a killed process may have ended before those that are within a call.
        if int(own_session) == session and (state not in {"Z", "X"} or threads > 1):
            yield Process(int(entry.name), int(parent), head.partition("(")[2])
