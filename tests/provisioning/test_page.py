"""docs/provisioning.md: its commands and snippets run as they are written, but for port, key, names and the pause."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import end
from tests.provisioning.conftest import short_folder
from tests.provisioning.house import ROOT, seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

PAGE = (ROOT / "docs" / "provisioning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(.*?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(_, START), (_, COMMANDS), (_, CURL), (_, POLL), (_, FOLLOW), (_, RESTORES), (_, RECOVERY) = BLOCKS
URL = "http://localhost:8000"


class Reader:
    """Somebody who types what the page says, in a folder of their own, with one root module in it."""

    def __init__(self, folder: Path, mirror: Path) -> None:
        self.folder = folder
        self.key = self.url = ""
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TF_MIRROR": str(mirror),
        }
        (folder / "FOLDER").mkdir()
        for path in (folder / "main.tf", folder / "FOLDER" / "main.tf"):
            path.write_text(SMALL)
        (folder / "farm.json").write_text("{}")

    def start(self) -> "subprocess.Popen[bytes]":
        """The page's first block, but for the environment, which is there."""
        setup, add, serve = START.splitlines()
        assert setup.startswith("python3 scripts/setup.py dev; export PATH=")
        self.key = self.run(add).strip()
        command = f"exec {serve.partition('#')[0]} --port 0"
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=self._environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        self.url = process.stdout.readline().decode().removeprefix("READY ").strip().rstrip("/")
        self._environment |= {"PROVISIONING_KEY": self.key, "TERRAFORM_RUNNER_URL": self.url}
        return process

    def run(self, text: str, *command: str) -> str:
        """A text of the page, in bash or in another command; gives what it prints."""
        text = text.replace("KEY'", f"{self.key}'").replace('KEY"', f'{self.key}"').replace(URL, self.url)
        words = [*(command or ("bash", "-ec")), text]
        done = subprocess.run(
            words, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (text, done.stderr, done.stdout)
        return done.stdout

    def await_end(self, job_id: str) -> None:
        """With the command of the page."""
        status = f"python -m provisioning status {job_id}"
        until_true(lambda: seldom(json.loads(self.run(status))["endTime"] is not None), f"the end of {job_id}")


@pytest.fixture(scope="module")
def reader(mirror: Path) -> Iterator[Reader]:
    """One for the page from its top to its end."""
    with short_folder() as folder:
        reader = Reader(folder, mirror)
        process = reader.start()
        try:
            yield reader
        finally:
            end(process)
            assert process.stdout is not None
            process.stdout.close()


def test_the_commands(reader: Reader) -> None:
    """Deploy a folder, look, destroy: each with code 0, which is the end of a job that is completed."""
    said = reader.run(COMMANDS)
    assert "Infrastructure deployed successfully" in said
    assert '"deploymentStatus": "deployed"' in said
    assert said.endswith("Infrastructure destroyed successfully\n")


def test_the_calls_with_curl(reader: Reader) -> None:
    """From a deploy to a destroy: the stream of events ends with the job, and the lines below it find it deployed."""
    names, post, *lines = [line.partition("  #")[0] for line in CURL.splitlines()]
    job = json.loads(reader.run(f"{names}\n{post}"))["jobId"]
    said = [reader.run(f"{names}\n{line.replace('JOB', job)}") for line in lines]
    status, events, infrastructure, costs, destroy = said
    assert json.loads(status)["jobId"] == job
    assert "event: done" in events
    assert json.loads(infrastructure)["deploymentStatus"] == "deployed"
    assert json.loads(costs)["costs"]["currency"] == "USD"
    reader.await_end(json.loads(destroy)["jobId"])


def test_the_snippets_in_python(reader: Reader) -> None:
    """Polling to the end, and the events once more by the stream; a shorter pause is all that the test changes."""
    assert "time.sleep(5)" in POLL
    said = reader.run(f"{POLL.replace('time.sleep(5)', 'time.sleep(0.2)')}\n\n{FOLLOW}", sys.executable, "-c")
    assert "{'name': 'x', 'password': None}" in said
    assert said.splitlines()[-1].endswith("completed")


def test_a_snapshot_comes_back(reader: Reader) -> None:
    """The list of a project's snapshots, and the newest of them put back."""
    reader.run(COMMANDS.splitlines()[0])
    listing, restore = RESTORES.splitlines()
    newest = reader.run(listing.partition("#")[0]).split()[0]
    assert "Snapshot restored" in reader.run(restore.partition("#")[0].replace("17", newest))
    reader.run(COMMANDS.splitlines()[-1])


def test_a_recovery_is_a_command(reader: Reader) -> None:
    """What it wants is a bucket; `test_backup.py` has one."""
    assert reader.run(RECOVERY.replace("s3://BUCKET/PREFIX --data NEW-FOLDER", "--help")).startswith("usage:")


def test_the_key_is_in_no_file(reader: Reader) -> None:
    """Nor is what is sensitive in the file of jobs, or in the service's own log."""
    data = reader.folder / "provisioning-data"
    files = [path for path in data.rglob("*") if path.is_file()]
    assert (data / "logs" / "terraform.log").stat().st_size
    assert [path.name for path in files if reader.key.encode() in path.read_bytes()] == []
    told = [*data.glob("logs/*"), *data.glob("provisioning.db*")]
    assert [path.name for path in told if b"hidden-word" in path.read_bytes()] == []
