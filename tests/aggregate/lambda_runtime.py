"""A Lambda Runtime API on loopback, and the function's process before it, as Lambda starts it from the image.

Written after https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.aggregate.image import Image

VERSION = "/2018-06-01/runtime"
PATIENCE_S = 240


class Answer(NamedTuple):
    """What the function said to one event: `kind` is `response`, `error`, or `init/error` if it never got so far."""

    kind: str
    body: Any
    seconds: float
    cpu_seconds: float


class Function:
    """A running function. `ready_s` and `ready_cpu_s` are what it took from its start to asking for the first event."""

    def __init__(self, image: Image, environment: Mapping[str, str]) -> None:
        self._events: queue.Queue[bytes | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._ready = threading.Event()
        self.ready_s = self.ready_cpu_s = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed in stop()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            _command(image),
            cwd=image.place,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}"},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def invoke(self, event: Any) -> Answer:
        """Hand over one event and wait for what comes of it."""
        self._ready.wait(PATIENCE_S)
        started, cpu_s = time.monotonic(), self._cpu_s()
        self._events.put(json.dumps(event).encode())
        kind, body = self._answers.get(timeout=PATIENCE_S)
        return Answer(kind, body, time.monotonic() - started, self._cpu_s() - cpu_s)

    def peak_bytes(self) -> int:
        """The most physical memory that the process has held."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def stop(self) -> str:
        """End the process; gives what it printed."""
        self._events.put(None)
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._server.shutdown()
        self._server.server_close()
        self._output.seek(0)
        with self._output as output:
            return output.read().decode()

    def _cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def _next(self) -> bytes | None:
        if not self._ready.is_set():
            self.ready_s, self.ready_cpu_s = time.monotonic() - self._started, self._cpu_s()
            self._ready.set()
        return self._events.get()

    def _take(self, kind: str, body: bytes) -> None:
        self._answers.put((kind, json.loads(body)))
        self._ready.set()

    def _handler(function) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the request's, inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):  # the function's end may come in the middle of a request
                    super().handle()

            def do_GET(self) -> None:
                assert self.path == f"{VERSION}/invocation/next", self.path
                if (event := function._next()) is None:
                    self.close_connection = True
                    return
                now_ms = int(time.time() * 1000)
                self._answer(200, event, **{"Aws-Request-Id": "request-1", "Deadline-Ms": str(now_ms + 60_000)})

            def do_POST(self) -> None:
                function._take(
                    self.path.removeprefix(f"{VERSION}/").removeprefix("invocation/request-1/"),
                    self.rfile.read(int(self.headers["Content-Length"])),
                )
                self._answer(202, b"{}")

            def _answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(f"Lambda-Runtime-{name}", value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Requests are not logged."""

        return Handler


def _command(image: Image) -> list[str]:
    """The image's command with this machine's interpreter, of the same minor version, and none of its packages."""
    python, *words = image.command
    assert python == "/usr/local/bin/python"
    return [getattr(sys, "_base_executable", sys.executable), "-S", *words]


@contextmanager
def running(image: Image, environment: Mapping[str, str]) -> Iterator[Function]:
    """The function from its start to its end."""
    function = Function(image, environment)
    try:
        yield function
    finally:
        function.stop()
