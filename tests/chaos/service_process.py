"""The compute service's own command line, on field time, and on a clock that somebody may set.

`service_process PLACE run ...`: what follows the place is the service's. It ends with whoever started it.
"""

import os
import sys
import threading
import time
from types import SimpleNamespace

import compute_service.__main__ as program
from tests.chaos.place import Place


def main(place: Place, words: list[str]) -> int:
    """Run the service to its end; its exit code."""

    def now() -> float:
        return place.pace.now_ms() / 1000 + int(place.clock_shift.read_text())

    vars(program)["time"] = SimpleNamespace(time=now, monotonic=lambda: place.pace.now_ms() / 1000, sleep=time.sleep)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return program.main(words)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main(Place.load(sys.argv[1]), sys.argv[2:]))
