"""A service in a process of its own, with what a test asks of it, kills of it, and waits for."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioning.processes import Process, session_of

ROOT = Path(__file__).parents[2]
LOOK_S = 0.2
LAST_RESORT_S = 1200.0


def seldom(is_there: bool) -> bool:
    """A look that costs the service something is not taken a hundred times a second."""
    if not is_there:
        time.sleep(LOOK_S)
    return is_there


def patiently(condition: Callable[[], bool], what: str) -> None:
    """As `until_true`, for what takes minutes with little else to do."""
    limit = time.monotonic() + LAST_RESORT_S
    while not condition():
        assert time.monotonic() < limit, f"{what} never came true"
        time.sleep(LOOK_S / 20)


class House:
    """The service over one folder; it can be killed and started again.

    `prefix` is a command that runs the service's; `broken` names what is taken out of it.
    """

    def __init__(
        self,
        data: Path,
        aws: Mapping[str, str],
        more: Mapping[str, str],
        mirror: Path,
        *,
        prefix: Sequence[str] = (),
        broken: str = "",
        state: str = "local",
    ) -> None:
        self.data = data
        self._prefix = prefix
        self._environment = {**os.environ, **aws, "TF_MIRROR": str(mirror), "PYTHONPATH": str(ROOT)}
        options = {"patience_s": [60.0, 30.0], "broken": broken, "state": state}
        self._options = {"data": str(data), "more": dict(more), **options}
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with (self.data.parent / "service.log").open("ab") as errors:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "tests.provisioning.service_process", json.dumps(self._options)],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("READY "), (self.data.parent / "service.log").read_text()
        self.url = line.removeprefix("READY ").strip().rstrip("/")

    def kill(self) -> None:
        """As a power cut of this one process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        """End it, and whatever lives of its children."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for folder in self.data.glob("projects/*/jobs/*/*"):
            for process in session_of(folder) if folder.is_dir() else ():
                os.kill(process.pid, signal.SIGKILL)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One call; gives the code and the answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": "application/json", **headers})
        request.method = method
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def deploy(self, project: str, code: str, **more: Any) -> str:
        """Post it; gives the job's id."""
        status, answer = self.call("POST", "/api/deploy", {"projectId": project, "iacCode": code, **more})
        assert status == 202, answer
        return str(answer["jobId"])

    def destroy(self, project: str) -> str:
        """Post it; gives the job's id."""
        status, answer = self.call("POST", "/api/deploy/destroy", {"projectId": project})
        assert status == 202, answer
        return str(answer["jobId"])

    def job(self, job_id: str) -> Any:
        """As it stands."""
        status, answer = self.call("GET", f"/api/deploy/status/{job_id}")
        assert status == 200, answer
        return answer

    def project(self, project: str) -> Any:
        """As it stands."""
        status, answer = self.call("GET", f"/api/deploy/infrastructure/{project}")
        assert status == 200, answer
        return answer

    def end(self, job_id: str) -> Any:
        """Wait until it has ended."""
        patiently(lambda: seldom(self.job(job_id)["endTime"] is not None), f"the end of {job_id}")
        return self.job(job_id)

    def session(self, project: str, job_id: str, phase: str = "apply") -> list[Process]:
        """Who lives of a child."""
        return session_of(self.phase(project, job_id, phase))

    def phase(self, project: str, job_id: str, phase: str = "apply") -> Path:
        """A child's folder."""
        return self.data / "projects" / project / "jobs" / job_id / phase

    def log(self, project: str, job_id: str) -> str:
        """What a child has said so far."""
        return (self.phase(project, job_id) / "job.jsonl").read_text()
