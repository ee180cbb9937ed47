"""`python -m local_cloud` as a person meets it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import LAST_RESORT_S

ROOT = Path(__file__).parents[2]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "local_cloud", *options]


def test_it_serves_until_ctrl_c_and_leaves_nothing(certs: Path, tmp_path: Path) -> None:
    """It prints where everything is, ends with code 0 at SIGINT, and no process, port or spool is left."""
    folders = ("--data", str(tmp_path / "data"), "--updates", str(tmp_path / "updates"))
    started = subprocess.Popen(
        command("--port", "0", "--certs", str(certs), *folders),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert started.stdout is not None
    told = [started.stdout.readline() for _ in range(4)]
    assert [line.split()[0] for line in told] == ["MQTT", "AWS", "raw", "things"], started.stderr
    port = int(told[0].split(":")[2].split()[0])
    socket.create_connection(("127.0.0.1", port)).close()
    children = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(signal.SIGINT)
    output, errors = started.communicate(timeout=LAST_RESORT_S)
    assert (started.returncode, output, errors) == (0, "stopped\n", "")
    assert psutil.wait_procs(children, timeout=LAST_RESORT_S)[1] == []
    left = ["data", "events.jsonl", "spool", "updates", "updates.lock", "updates.sqlite"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == left


def test_a_port_that_is_taken_is_one_line(certs: Path, tmp_path: Path) -> None:
    """Code 2, the port and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command("--port", str(port), "--certs", str(certs), "--data", str(tmp_path)),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=LAST_RESORT_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another port\n"
