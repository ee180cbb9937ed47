"""What waits to be published: bounded, urgent messages first, each kept until the broker has acknowledged it."""

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    Entry = tuple[str, bytes, int]


class Outbox:
    """Holds at most `capacity` messages in memory. When it is full, the oldest one that is not urgent goes, counted."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._urgent: list[Entry] = []
        self._ordinary: list[Entry] = []
        self._in_flight: list[Entry] = []
        self.dropped_messages = 0
        self.dropped_samples = 0

    @property
    def depth(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._urgent) + len(self._ordinary) + len(self._in_flight)

    def append(self, topic: str, payload: bytes, urgent: bool = False, samples: int = 0) -> None:
        """Add a message that holds so many samples."""
        (self._urgent if urgent else self._ordinary).append((topic, payload, samples))
        if self.depth > self._capacity:
            self._drop()

    def next(self) -> "Entry | None":
        """Hand out the message to publish next, `(topic, payload, samples)`; it stays here until `acked`."""
        for queue in (self._urgent, self._ordinary):
            if queue:
                entry = queue.pop(0)
                self._in_flight.append(entry)
                return entry
        return None

    def acked(self, entry: "Entry") -> None:
        """The broker has it: forget it."""
        self._in_flight.remove(entry)

    def _drop(self) -> None:
        queue = self._ordinary or self._urgent
        if queue:
            self.dropped_samples += queue.pop(0)[2]
            self.dropped_messages += 1
