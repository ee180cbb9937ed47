"""The command line against a service that is not there, refuses, or is none: one line, an exit code, no key told."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioning.__main__ import main
from provisioning.client import POLL_S, Client
from provisioning.errors import CallError
from tests.provisioning.clients import in_process
from tests.provisioning.house import ROOT
from tests.waiting import until_true

JOB = "deploy-1-abcdef"
KEY = "the-key-of-this-test"
COMMANDS = (
    ("deploy", "FOLDER", "--project", "p", "--wait"),
    ("destroy", "--project", "p"),
    ("status", "p"),
    ("status", JOB),
    ("cancel", JOB),
    ("confirm", JOB, "digest"),
)


class Answering:
    """A server that gives each call the same answer, and keeps what was asked."""

    def __init__(self) -> None:
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """An empty answer, and nothing asked."""
        self.code = 200
        self.headers: dict[str, str] = {}
        self.body = b"{}"
        self.asked: list[tuple[str, str | None]] = []

    def close(self) -> None:
        """Gone."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                """One call."""
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.asked.append((self.path, self.headers.get("Authorization")))
                self.send_response_only(stub.code)
                for name, value in {**stub.headers, "Content-Length": str(len(stub.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(stub.body)

            do_GET = do_POST = answer  # noqa: N815 - what the library calls

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler


@pytest.fixture(scope="module")
def only_stub() -> Iterator[Answering]:
    """One of them for all."""
    stub = Answering()
    yield stub
    stub.close()


@pytest.fixture
def stub(only_stub: Answering) -> Answering:
    """As it is at first."""
    only_stub.reset()
    return only_stub


def run(words: tuple[str, ...], url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """A command; gives its code, and what it says on stderr, which is one line without the key."""
    (folder / "main.tf").write_text("# nothing")
    code = main([str(folder) if word == "FOLDER" else word for word in words] + ["--url", url])
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert KEY not in error
    return code, error


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("code", "headers", "body", "why"),
    [
        (401, {}, b'{"error": "this needs a key"}', "401: this needs a key"),
        (404, {}, b'{"error": "there is no project"}', "404: there is no project"),
        (409, {}, b'{"error": "at work", "jobId": "deploy-2-abcdef"}', "409: at work"),
        (500, {}, b"<html>", "500: Internal Server Error"),
        (307, {"Location": "/elsewhere"}, b"", "307: "),
        (302, {"Location": "http://127.0.0.1:9/"}, b"", "302: "),
        (200, {}, b"<html>", "does not answer"),
        (200, {}, b"3", "does not answer"),
    ],
)
def test_a_refusal_is_one_line_and_code_2(  # noqa: PLR0917 - a row of the table
    stub: Answering,
    words: tuple[str, ...],
    code: int,
    headers: dict[str, str],
    body: bytes,
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the service's own sentence, after one call: nobody is led elsewhere with the key."""
    monkeypatch.setenv("PROVISIONING_KEY", KEY)
    stub.code, stub.headers, stub.body = code, headers, body
    exit_code, error = run(words, stub.url, tmp_path, capsys)
    assert (exit_code, why in error) == (2, True), error
    assert [key for _, key in stub.asked] == [f"Bearer {KEY}"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_service_that_is_not_there(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command asks whether it runs."""
    code, error = run(words, "http://127.0.0.1:9", tmp_path, capsys)
    assert (code, "is the service running?" in error) == (2, True)


def test_what_answers_but_begins_no_job(stub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program's `{}` is not taken for a job."""
    for words in COMMANDS[:2]:
        assert "no service of this kind" in run(words, stub.url, tmp_path, capsys)[1]


@pytest.mark.parametrize("key", ["a\nb", "schlüssel", "a\x00b"])
def test_a_key_that_is_none_is_not_told(key: str) -> None:
    """Nor sent."""
    with pytest.raises(CallError, match="PROVISIONING_KEY") as caught:
        Client("http://127.0.0.1:9", key)
    assert key not in str(caught.value)


def test_a_name_is_one_part_of_a_path(stub: Answering) -> None:
    """Whatever stands in it."""
    for name in ("a/../b", "a b", "a?b#c", "ä"):
        assert main(["status", name, "--url", stub.url]) == 0
    assert [path.count("/") for path, _ in stub.asked] == [4] * 4
    assert stub.asked[0][0] == "/api/deploy/infrastructure/a%2F..%2Fb"


def test_a_real_service_refuses(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key, for what is not there, and above the pace: its own words."""
    with in_process(mirror, calls_a_minute=3, terraform="no-such-terraform") as client:
        url = str(client.base_url)
        assert run(("status", "p"), url, tmp_path, capsys)[1].startswith("401: this needs a key")
        monkeypatch.setenv("PROVISIONING_KEY", client.service.keys.add("ci", ["admin"], ["irrigation"]))
        for words, why in (
            (COMMANDS[2], "404: "),
            (COMMANDS[4], "404: "),
            (COMMANDS[0], "503: "),
            (COMMANDS[2], "429: "),
        ):
            assert run(words, url, tmp_path, capsys)[1].startswith(why)


def test_who_waits_is_patient_with_the_pace_and_with_a_service_that_is_away(stub: Answering) -> None:
    """429 is waited out as it says, a proxy's 503 and a restart for a while; 401 ends it, as does a long absence."""
    slept: list[float] = []
    answers = iter(
        [
            (429, {"Retry-After": "7"}, b'{"error": "60 calls a minute"}'),
            (503, {}, b"<html>"),
            (200, {}, json.dumps(job("completed")).encode()),
            (401, {}, b'{"error": "this needs a key"}'),
        ]
    )

    def turn(seconds: float = 0.0) -> None:
        slept.append(seconds)
        stub.code, stub.headers, stub.body = next(answers)

    client = Client(stub.url, KEY)
    turn()
    assert client.wait(JOB, lambda _: None, turn) == 0
    assert slept == [0.0, 7.0, POLL_S]
    turn()
    with pytest.raises(CallError, match="401"):
        client.wait(JOB, lambda _: None, turn)
    waits: list[float] = []
    with pytest.raises(CallError, match="does not answer"):
        Client("http://127.0.0.1:9", KEY).wait(JOB, lambda _: None, waits.append)
    assert waits == [POLL_S] * 30


def test_ctrl_c_leaves_the_job_alone(stub: Answering, tmp_path: Path) -> None:
    """Code 130, and how to hear of its end; no call is made that would end it."""
    (tmp_path / "main.tf").write_text("# nothing")
    stub.body = json.dumps(job("processing")).encode()
    words = ["deploy", str(tmp_path), "--project", "p", "--wait", "--url", stub.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "provisioning", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_true(lambda: len(stub.asked) > 1, "the first look at the job")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert (process.returncode, error.count("\n")) == (130, 1), error
    assert f"python -m provisioning status {JOB}" in error
    assert {path for path, _ in stub.asked} == {"/api/deploy", f"/api/deploy/status/{JOB}"}


@pytest.mark.parametrize(
    "words",
    [(), ("serve",), ("key",), ("key", "add"), ("key", "list"), ("key", "revoke")]
    + [(words[0],) for words in COMMANDS],
    ids=" ".join,
)
def test_each_command_has_a_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Code 0."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m provisioning" in capsys.readouterr().out


def job(status: str) -> dict[str, Any]:
    """A job as the service tells it."""
    return {
        "jobId": JOB,
        "status": status,
        "detail": "applying",
        "progress": 50,
        "workingOn": None,
        "notice": None,
        "result": {"message": "done"},
    }
