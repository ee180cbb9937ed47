"""A line between browser and console that a test cuts: a relay of bytes that knows nothing of HTTP."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Line:
    """While it is cut every connection is broken, and no new one comes about; hushed, it passes nothing on."""

    def __init__(self, console: str) -> None:
        place = urlsplit(console)
        self._console = (place.hostname or "", place.port or 0)
        self._ends: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        self.asked: list[bytes] = []  # what the browser sent, in pieces
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break it."""
        self._flows.set()
        with self._lock, suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def hush(self) -> None:
        """Pass nothing on any more, and close nothing: as behind a router that has forgotten the connection."""
        self._flows.clear()

    def go_on(self) -> None:
        """Pass on what was held back, and what comes."""
        self._flows.set()

    def mend(self) -> None:
        """The same address is there again."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                browser, _ = listener.accept()
            except OSError:
                return
            try:
                console = socket.create_connection(self._console)
            except OSError:
                browser.close()
                continue
            with self._lock:
                self._ends += [browser, console]
            for source, goal, pieces in ((browser, console, self.asked), (console, browser, None)):
                threading.Thread(target=_relay, args=(source, goal, pieces, self._flows), daemon=True).start()


def _relay(source: socket.socket, goal: socket.socket, pieces: list[bytes] | None, flows: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            if pieces is not None:
                pieces.append(data)
            flows.wait()
            goal.sendall(data)
    for end in (source, goal):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
