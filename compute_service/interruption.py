"""How a process that serves learns that it should end."""

import signal
import threading


def interruption() -> threading.Event:
    """Is set by SIGINT or SIGTERM, from now on; call it in the main thread."""
    event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: event.set())
    return event
