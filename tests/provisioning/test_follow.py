"""A child's files and its session: run once, followed by whoever comes, never taken for another's process."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning import child
from provisioning.follow import LOOK_EVERY, Ending, Follower, Ladder, Lines, start
from provisioning.processes import MARK, Process, send, session_of
from tests.waiting import until_true

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def step(*command: str, fine: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """One step, as the engine writes it."""
    return {"name": "a", "command": list(command), "cwd": "/", "fine": fine}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A phase's folder; nothing of its session outlives the test."""
    yield tmp_path
    send(session_of(tmp_path), signal.SIGKILL)


def begin(folder: Path, *steps: dict[str, Any]) -> Any:
    """Start a child."""
    return start(folder, steps, {"PATH": os.defpath, MARK: str(folder)})


def follow(folder: Path, process: Any, *, is_ending: bool = False) -> Ending | None:
    """Follow it to its end."""
    ladder = Ladder(folder, (0.0, 0.0))
    return Follower(folder, process, ladder).run(lambda _: None, lambda: is_ending, threading.Event())


def test_steps_run_until_one_fails(folder: Path) -> None:
    """A code that is fine goes on; each is told."""
    steps = [
        step("sh", "-c", "exit 2", fine=(0, 2)),
        {**step("sh", "-c", "exit 3"), "name": "b"},
        step("touch", str(folder / "x")),
    ]
    assert follow(folder, begin(folder, *steps)) == Ending(3, {"a": 2, "b": 3})
    assert not (folder / "x").exists()


def test_a_phase_is_run_once(folder: Path) -> None:
    """A second wrapper that finds `job.pid` stops before the first step."""
    count = step("sh", "-c", f"echo x >> {folder / 'count'}")
    assert follow(folder, begin(folder, count)) == Ending(0, {"a": 0})
    second = begin(folder, count)
    assert second.wait() == 1
    assert (folder / "count").read_text() == "x\n"


def test_a_wrapper_that_is_killed_leaves_its_child_at_work(folder: Path) -> None:
    """The session is still followed, and without `job.rc` nobody knows how it ended."""
    process = begin(folder, step(*SLEEPS))
    until_true(lambda: len(session_of(folder)) == 2, "the child and its step")
    process.kill()
    process.wait()
    [left] = session_of(folder)
    thread = threading.Thread(target=lambda: endings.append(follow(folder, None)))
    endings: list[Ending | None] = []
    thread.start()
    os.kill(left.pid, signal.SIGKILL)
    thread.join()
    assert endings == [Ending(None, {})]


def test_who_started_it_does_not_look_at_all_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as its wrapper lives, that one tells enough; the machine's list is read once it has ended."""
    looks: list[Path] = []

    def look(own: Path) -> list[Process]:
        looks.append(own)
        return session_of(own)

    process = begin(folder, step("sh", "-c", f"until test -e {folder / 'go'}; do sleep 0.05; done"))
    monkeypatch.setattr("provisioning.follow.session_of", look)
    follower = Follower(folder, process, Ladder(folder, (0.0, 0.0)))
    assert [follower._ending() for _ in range(3 * LOOK_EVERY)] == [None] * 3 * LOOK_EVERY
    assert looks == []
    (folder / "go").touch()
    assert follower.run(lambda _: None, lambda: False, threading.Event()) == Ending(0, {"a": 0})
    assert looks


def test_what_never_began_does_not_begin_later(folder: Path) -> None:
    """Whoever settles a phase without a child shuts its door: one that comes late finds it shut."""
    assert follow(folder, None) == Ending(None, {})
    late = begin(folder, step("touch", str(folder / "x")))
    assert late.wait() == 1
    assert not (folder / "x").exists()


def test_the_number_of_a_session_that_came_back_is_nobody(folder: Path) -> None:
    """A process of another folder with the number of an old session is not taken for the child."""
    other = folder / "other"
    other.mkdir()
    process = begin(other, step(*SLEEPS))
    until_true(lambda: bool(session_of(other)), "the child")
    (folder / "job.pid").write_text((other / "job.pid").read_text())
    assert session_of(folder) == []
    document = json.loads((other / "job.pid").read_text())
    (other / "job.pid").write_text(json.dumps({**document, "boot": "another"}))
    assert session_of(other) == []
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_ladder_ends_with_the_whole_session(folder: Path) -> None:
    """Whatever does not hear is killed; the steps behind it do not begin."""
    process = begin(folder, step(*SLEEPS), step("touch", str(folder / "x")))
    until_true(lambda: len(session_of(folder)) == 2, "the child and its step")
    assert follow(folder, process, is_ending=True) == Ending(None, {})
    assert session_of(folder) == []
    assert not (folder / "x").exists()


def test_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    """And text that is no JSON is told as text."""
    path = tmp_path / "job.jsonl"
    lines = Lines(path)
    assert list(lines.read()) == []
    path.write_bytes(b'{"a": 1}\nplain\n{"b"')
    assert [message for _, message in lines.read()] == [{"a": 1}, {"type": "text", "@message": "plain"}]
    with path.open("ab") as file:
        file.write(b": 2}\n")
    assert [message for _, message in lines.read()] == [{"b": 2}]


def test_a_program_that_is_not_there(folder: Path) -> None:
    """127, as a shell has it."""
    assert follow(folder, begin(folder, step("/no/such/program"))) == Ending(127, {"a": 127})


def test_a_process_whose_first_thread_has_ended_is_alive(tmp_path: Path) -> None:
    """The machine's list calls it a zombie; its other threads may be within a call that takes effect."""
    program = (
        "import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start();"
        " print('ready', flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={MARK: str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        stat = Path(f"/proc/{process.pid}/stat")
        until_true(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the end of its first thread")
        leader = {"pid": process.pid, "started": child.start_time(process.pid), "boot": child.boot_id()}
        (tmp_path / "job.pid").write_text(json.dumps(leader))
        assert [one.pid for one in session_of(tmp_path)] == [process.pid]
        process.stdin.close()
        until_true(lambda: session_of(tmp_path) == [], "its end")
