"""The service's routes from a command line: standard library only, and one sentence for what does not work."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioning.code import pack
from provisioning.errors import CallError, InputError

POLL_S = 2.0
LIMIT_S = 60.0
LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Client:
    """A service at a URL, with a key. Every method raises CallError."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        if not self._url.startswith(("http://", "https://")):
            raise CallError(f"{url!r} is no URL of a service; set TERRAFORM_RUNNER_URL, or give --url")
        # A proxy of the environment is for the world, and would see the key.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call; gives the answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)  # noqa: S310 - checked
        try:
            with self._opener.open(request, timeout=LIMIT_S) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                raise CallError(f"{error.code}: {_sentence(error)}") from error
        except (OSError, ValueError) as error:
            raise CallError(f"{self._url} does not answer ({error}); is the service running?") from error

    def deploy(self, folder: Path, project: str, **more: Any) -> str:
        """Post a folder; gives the job's id. Raises InputError for a folder that is no root module."""
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        body = {"projectId": project, "archive": pack(folder), **{n: v for n, v in more.items() if v is not None}}
        return str(self.call("POST", "/api/deploy", body)["jobId"])

    def wait(self, job_id: str, tell: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> int:
        """Follow a job to its end, or to a plan that waits; 0 completed, 1 failed, 3 it waits. It outlives this."""
        last_line = ""
        while True:
            job = self._patient(f"/api/deploy/status/{job_id}", tell, sleep)
            line = f"{job['progress']:3d} %  {job['detail']}  {job['workingOn'] or ''}".rstrip()
            if line != last_line:
                tell(line)
                last_line = line
            if job["status"] in {"completed", "failed"}:
                tell(job.get("error") or job["result"]["message"])
                return 0 if job["status"] == "completed" else 1
            if job["detail"] == "planned":
                plan = job["plan"]
                tell(f"it waits: {'; '.join(plan['holds'])}")
                tell(f"python -m provisioning confirm {job_id} {plan['digest']}")
                return 3
            sleep(POLL_S)

    def known(self, path: str, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
        """An answer that is still being made, once it is made."""
        while (answer := self.call("GET", path)).get("status") == "accepted":
            sleep(POLL_S)
        return answer

    def _patient(self, path: str, tell: Callable[[str], None], sleep: Callable[[float], None]) -> dict[str, Any]:
        """A service that is away for a while is waited for: the job goes on."""
        for tries_left in range(30, -1, -1):
            try:
                return self.call("GET", path)
            except CallError as error:
                if not isinstance(error.__cause__, OSError) or isinstance(error.__cause__, urllib.error.HTTPError):
                    raise
                if not tries_left:
                    raise
                tell(f"{error}; the job goes on, asking again")
                sleep(POLL_S)
        raise AssertionError


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)


def to_stdout(line: str) -> None:
    """A line for whoever sits there."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
