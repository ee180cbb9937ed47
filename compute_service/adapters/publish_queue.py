"""What is to be published, in its order, until the broker has it; and which message the broker hangs up at.

A broker answers a publish that its policies deny by hanging up, without a word. Whoever sends it again first thing
after each reconnect waits for ever, and everything behind it with him. So after a few hang-ups the messages go one at a
time, and the one that the broker hangs up at again and again is set aside.
"""

from collections.abc import Callable
from dataclasses import dataclass

SUSPICIOUS = 2  # hang-ups in a row, with something under way, after which messages go one at a time
SET_ASIDE_AFTER = 3  # hang-ups at a message that went alone
AT_ONCE_S = 10  # from the publish to the hang-up: later it is the network, and no verdict


@dataclass(eq=False, slots=True)
class Outgoing:
    """A message; `sent_at` (monotonic seconds) is of its last publish, None while it waits for its turn."""

    topic: str
    payload: bytes
    on_acked: Callable[[], None]
    sent_at: float | None = None
    hang_ups: int = 0  # at it alone


class PublishQueue:
    """The messages, without any input or output; times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: list[Outgoing] = []  # and under way, the oldest first
        self._hang_ups = 0  # in a row, with something under way
        self.is_careful = False  # one at a time

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Outgoing) -> None:
        """One more, behind the others."""
        self._waiting.append(message)

    def due(self, now: float) -> list[Outgoing]:
        """Those to hand over now; they are under way then."""
        if self.is_careful:
            first = self._waiting[:1]
            messages = [message for message in first if message.sent_at is None]
        else:
            messages = [message for message in self._waiting if message.sent_at is None]
        for message in messages:
            message.sent_at = now
        return messages

    def acked(self, message: Outgoing) -> bool:
        """The broker has it; False if it was told before, or set aside."""
        if message not in self._waiting:
            return False
        self._waiting.remove(message)
        self._hang_ups = 0
        self.is_careful = self.is_careful and bool(self._waiting)
        return True

    def leave_out(self, topic: str) -> list[Outgoing]:
        """What is still there on a topic, and now is not."""
        gone = [message for message in self._waiting if message.topic == topic]
        self._waiting = [message for message in self._waiting if message.topic != topic]
        return gone

    def resumed(self, now: float) -> None:
        """A new connection: the client has sent again what was under way."""
        for message in self._waiting:
            if message.sent_at is not None:
                message.sent_at = now

    def hung_up(self, now: float) -> tuple[bool, Outgoing | None]:
        """The broker hung up: is it time for a connection that repeats nothing, and which message is set aside?"""
        under_way = [one for one in self._waiting if one.sent_at is not None and now - one.sent_at < AT_ONCE_S]
        if not under_way:
            return False, None
        if not self.is_careful:
            self._hang_ups += 1
            self.is_careful = self._hang_ups >= SUSPICIOUS
            return self.is_careful, None
        (suspect,) = under_way
        suspect.hang_ups += 1
        if suspect.hang_ups < SET_ASIDE_AFTER:
            return False, None
        self._waiting.remove(suspect)
        return True, suspect

    def begin_anew(self) -> None:
        """The client repeats nothing: all of it is to be handed over again, in its order."""
        for message in self._waiting:
            message.sent_at = None
