"""The service's routes from a command line: standard library only, and one sentence for what does not work."""

import http.client
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
TRIES = 30
LIMIT_S = 60.0
AWAY = {502, 503, 504}  # a proxy's words for a service that is away


class Client:
    """A service at a URL, with a key. Every method raises CallError."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._key = key.strip() if key else None
        if not self._url.startswith(("http://", "https://")):
            raise CallError(f"{url!r} is no URL of a service; set TERRAFORM_RUNNER_URL, or give --url")
        if self._key and not (self._key.isascii() and self._key.isprintable()):
            raise CallError("PROVISIONING_KEY holds what no key does; copy it again as `key add` printed it")
        # A proxy of the environment is for the world, and would see the key; so would whoever a redirect leads to.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)

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
                raise CallError(f"{error.code}: {_sentence(error)}", **_terms(error)) from error
        except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
            raise CallError(f"{self._url} does not answer ({error}); is the service running?", wait_s=POLL_S) from error

    def deploy(self, folder: Path, project: str, **more: Any) -> str:
        """Post a folder; gives the job's id. Raises InputError for a folder that is no root module."""
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        body = {"projectId": project, "archive": pack(folder), **{n: v for n, v in more.items() if v is not None}}
        return self.begin("/api/deploy", body)

    def begin(self, path: str, body: dict[str, Any]) -> str:
        """Post a job; gives its id."""
        answer = self.call("POST", path, body)
        if "jobId" not in answer:
            raise CallError(
                f"{self._url} answers, but is no service of this kind; set TERRAFORM_RUNNER_URL, or give --url"
            )
        return str(answer["jobId"])

    def wait(self, job_id: str, tell: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> int:
        """Follow a job to its end, or to a plan that waits; 0 completed, 1 failed, 3 it waits. It outlives this."""
        last_line = ""
        while True:
            job = self._patient(f"/api/deploy/status/{job_id}", tell, sleep)
            words = (f"{job['progress']:3d} %", job["detail"], job["workingOn"], job["notice"])
            line = "  ".join(filter(None, words))
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
        """A service that is away for a while, or has been asked too often, is waited for: the job goes on."""
        for tries_left in range(TRIES, -1, -1):
            try:
                return self.call("GET", path)
            except CallError as error:
                if not tries_left or "wait_s" not in error.more:
                    raise
                tell(f"{error}; the job goes on, asking again")
                sleep(error.more["wait_s"])
        raise AssertionError


class _Stay(urllib.request.HTTPRedirectHandler):
    """The key is for the URL that was given, and goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Nowhere: the redirect is an error."""


def _terms(error: urllib.error.HTTPError) -> dict[str, Any]:
    """In how many seconds it may be asked again, where that may help."""
    if error.code == 429:
        word = error.headers.get("Retry-After", "")
        return {"wait_s": min(float(word), LIMIT_S) if word.isdecimal() else POLL_S}
    return {"wait_s": POLL_S} if error.code in AWAY else {}


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)


def to_stdout(line: str) -> None:
    """A line for whoever sits there."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
