"""The other end of mail and web hooks: servers on ports of their own, that keep what comes."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Received(list[Any]):
    """What came; `port` is where to."""

    port = 0
    is_refusing = False


@contextmanager
def http_receiver() -> Iterator[Received]:
    """A web hook that takes JSON, and says 503 while it refuses."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not received.is_refusing:
                received.append(json.loads(body))
            self.send_response(503 if received.is_refusing else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), received):
        yield received


@contextmanager
def mail_receiver() -> Iterator[Received]:
    """As much of SMTP as one mail needs."""
    received = Received()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self._say("354 go on")
                    received.append(self._body())
                self._say("221 bye" if line.upper().startswith(b"QUIT") else "250 ok")
                if line.upper().startswith(b"QUIT"):
                    return

        def _body(self) -> str:
            lines = []
            while (line := self.rfile.readline().rstrip(b"\r\n")) != b".":
                lines.append(line.decode())
            return "\n".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), received):
        yield received


@contextmanager
def _serving(server: socketserver.TCPServer, received: Received) -> Iterator[None]:
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
