"""A door before the AWS API: it can hold back creations, or the answers to those that were made, or be shut."""

import http.client
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

CREATES = ("CreateTable", "CreateLogGroup", "PutParameter")
LOOKS = ("GetResources",)  # what the service asks after a loss, and Terraform never

STRANGER = (
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message>"
    b"</Error><RequestId>1</RequestId></ErrorResponse>"
)


class Door:
    """Stands before `endpoint`. Everything passes, until it is told otherwise."""

    def __init__(self, endpoint: str) -> None:
        self._to = urlsplit(endpoint).netloc
        self._free = threading.Event()
        self._free.set()
        self._lock = threading.Lock()
        self._most: int | None = None
        self._is_slow = False
        self.is_shut = False
        self.knows_nobody = False  # every call is refused, as with a wrong key
        self.created = 0  # creations whose answers have gone out
        self.held = 0
        self.calls = 0  # of any kind, since the begin
        self.on_way = 0  # creations that have not reached the API yet
        self.looks = 0  # at what there is, since the begin
        self.troubles: list[str] = []  # answers that were lost between the API and who asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Its own URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold_after(self, count: int) -> None:
        """Of the creations from now on, so many are answered; those behind them are made, and their answers held."""
        with self._lock:
            self._most, self.created, self.held = count, 0, 0
            self._free.clear()

    def hold_on_way(self) -> None:
        """Creations from now on reach the API no sooner than `release`, whoever sent them, alive or dead."""
        with self._lock:
            self._is_slow, self.on_way, self.looks = True, 0, 0
            self._free.clear()

    def release(self) -> None:
        """Everything passes, also what is to come."""
        with self._lock:
            self._most, self._is_slow = None, False
            self._free.set()

    def close(self) -> None:
        """Gone."""
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The API's answer, once it may go out."""
        if self.knows_nobody:
            return 403, [("Content-Type", "text/xml")], STRANGER
        is_ours = is_creation(method, path, headers, body)
        with self._lock:
            self.calls += 1
            is_slow = is_ours and self._is_slow
            self.on_way += is_slow
        if is_slow:
            self._free.wait()
        answer = self._ask(method, path, headers, body)
        with self._lock:
            self.looks += str(headers.get("X-Amz-Target")).endswith(LOOKS)
            is_held = is_ours and self._most is not None and self.created >= self._most
            self.created += is_ours and not is_held
            self.held += is_held
            self.on_way -= is_slow
        if is_held:
            self._free.wait()
        return answer

    def _ask(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        with closing(http.client.HTTPConnection(self._to, timeout=120)) as connection:
            connection.request(method, path, body, {**dict(headers), "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            asked = ""

            def answer(self) -> None:
                """One request."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if door.is_shut:
                    self.close_connection = True
                    return
                self.asked = f"{self.command} {self.path} {self.headers.get('X-Amz-Target') or body[:60]!r}"
                status, headers, content = door.pass_on(self.command, self.path, self.headers, body)
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

            def handle_one_request(self) -> None:
                """Whoever was killed while it waited hears nothing."""
                self.asked = ""
                try:
                    super().handle_one_request()
                except (OSError, http.client.HTTPException) as error:
                    self.close_connection = True
                    if self.asked:
                        door.troubles.append(f"{time.time():.3f} {self.asked}: {error!r}")

        return Handler


def is_creation(method: str, path: str, headers: Any, body: bytes) -> bool:
    """True for a call that makes one of the twelve, or writes a state."""
    target = headers.get("X-Amz-Target") or ""
    return (
        target.endswith(CREATES)
        or body.startswith((b"Action=CreateRole", b"Action=CreatePolicy&"))
        or (b"Action=CreateRole&" in body or b"Action=CreatePolicy&" in body)
        or (method == "PUT" and path.rstrip("/") == "/twelve-bucket")
        or (method == "PUT" and path.partition("?")[0].endswith("/terraform.tfstate"))
    )
