"""The compute service as a process that obeys its standard input, so that a test can kill it for real.

Each line in is a JSON list, `[now, verb, ...]`; each line out is one too: what it publishes and records, and after each
line in `["done", next_due]`.
"""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.service import Service
from tests.safety.farm import CONFIG


def say(*words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def serve(path: str) -> None:
    """Obey until the input ends."""
    waiting: list[Callable[[], None]] = []
    clock = [int(sys.argv[2])]

    def publish(topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        waiting.append(on_acked)
        say("publish", topic, payload.decode(), len(waiting) - 1)

    with closing(SqliteStore(path)) as store:
        service = Service(CONFIG, store, publish, lambda: clock[0], lambda event: say("record", event))
        verbs: dict[str, Callable[..., None]] = {
            "start": service.start,
            "tick": service.tick,
            "handle": lambda topic, payload: service.handle(topic, payload.encode()),
            "puback": lambda number: waiting[number](),
        }
        for line in sys.stdin:
            now, verb, *arguments = json.loads(line)
            clock[0] = now
            verbs[verb](*arguments)
            say("done", service.next_due())


if __name__ == "__main__":
    serve(sys.argv[1])
