"""Starting a phase's child, and following it by its files and its session, whoever started it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from provisioning import child
from provisioning.code import write_file
from provisioning.processes import send, session_of

TICK_S = 0.1
LOOK_EVERY = 5  # ticks between two looks at the machine's processes
LAST_BREATH_S = 30.0  # what is left of a session whose steps have ended is ended after this
NOBODY = -1

Message = Mapping[str, Any]


class Ending(NamedTuple):
    """How a phase ended: its exit code, None if nobody saw it, and the code of each step that ended."""

    code: int | None
    codes: Mapping[str, int]


def start(folder: Path, steps: Sequence[Mapping[str, Any]], variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the child of a phase in a session of its own; its output goes into files only."""
    write_file(folder / "steps.json", json.dumps(steps).encode())
    out = os.open(folder / "wrapper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", child.__file__, str(folder)],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    finally:
        os.close(out)


class Lines:
    """The messages of a log that grows: whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes_read = 0

    def read(self) -> Iterator[tuple[int, Message]]:
        """The messages since the last time, each with the place where it ends."""
        try:
            with self._path.open("rb") as file:
                file.seek(self.bytes_read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.bytes_read += len(line)
                    yield self.bytes_read, _message(line)
        except FileNotFoundError:
            return


class Ladder:
    """How a child is asked to end: SIGINT, later SIGTERM, later SIGKILL to all of its session."""

    def __init__(self, folder: Path, patience_s: tuple[float, float]) -> None:
        self._folder = folder
        self._patience_s = patience_s
        self._begun_at: float | None = None
        self._signals: dict[int, signal.Signals] = {}

    def climb(self) -> None:
        """Do what is due now; each process hears each signal once."""
        now = time.monotonic()
        if self._begun_at is None:
            self._begun_at = now
            write_file(self._folder / "cancel", b"")
        polite_s, firm_s = self._patience_s
        waited_s = now - self._begun_at
        session = session_of(self._folder)
        if waited_s >= polite_s + firm_s:
            send(session, signal.SIGKILL)
            return
        number = signal.SIGTERM if waited_s >= polite_s else signal.SIGINT
        fresh = [one for one in session if self._signals.get(one.pid) != number and one.name == "terraform"]
        send(fresh, number)
        self._signals.update({one.pid: number for one in fresh})


class Follower:
    """One phase's child, until it has ended or `halt` is set, after which it goes on alone."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes] | None", ladder: Ladder) -> None:
        self._folder = folder
        self._process = process
        self._ladder = ladder
        self._lines = Lines(folder / "job.jsonl")
        self._ticks = 0
        self._code_since: float | None = None

    def run(
        self, hear: Callable[[list[tuple[int, Message]]], None], wants_end: Callable[[], bool], halt: threading.Event
    ) -> Ending | None:
        """Give every message to `hear`, and how it ended; None if the service stops before."""
        while not halt.wait(TICK_S):
            self._hear(hear)
            if wants_end():
                self._ladder.climb()
            ending = self._ending()
            if ending is not None:
                if self._process is not None:
                    self._process.wait()
                self._hear(hear)
                return ending
        return None

    def _hear(self, hear: Callable[[list[tuple[int, Message]]], None]) -> None:
        messages = list(self._lines.read())
        if messages:
            hear(messages)

    def _ending(self) -> Ending | None:
        has_ended = self._process is not None and self._process.poll() is not None  # it also buries a dead child
        self._ticks += 1
        rc = _rc(self._folder)
        if rc is None and not has_ended and (self._process is not None or self._ticks % LOOK_EVERY):
            return None  # its wrapper stays as long as it
        session = session_of(self._folder)
        if rc is not None:
            return self._when_alone(rc, bool(session))
        if session:
            return None
        _shut(self._folder)
        return _rc(self._folder) or Ending(None, {})

    def _when_alone(self, rc: Ending, has_company: bool) -> Ending | None:
        """A provider may live on for a moment, with a call under way."""
        now = time.monotonic()
        self._code_since = self._code_since or now
        if not has_company:
            return rc
        if now - self._code_since > LAST_BREATH_S:
            send(session_of(self._folder), signal.SIGKILL)
        return None


def _rc(folder: Path) -> Ending | None:
    try:
        return Ending(**json.loads((folder / "job.rc").read_text()))
    except FileNotFoundError:
        return None


def _shut(folder: Path) -> None:
    """Let no child begin here any more: one that comes late finds a `job.pid`."""
    own = folder / "job.pid.nobody"
    write_file(own, json.dumps({"pid": NOBODY, "started": 0, "boot": ""}).encode())
    try:
        os.link(own, folder / "job.pid")
    except FileExistsError:
        pass
    finally:
        own.unlink()


def _message(line: bytes) -> Message:
    text = line.decode(errors="replace").rstrip()
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"type": "text", "@message": text}
