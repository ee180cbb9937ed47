"""What the bridge tells, in its order, until the broker has it.

A broker hangs up, often without a word, at a publish that is too large for it, or that its access list denies. Whoever
sends it again first thing waits for ever. So the topic that it hangs up at again and again is left alone for a while.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from compute_service.adapters.publish_queue import Outgoing, PublishQueue

QUIET_S = 3600.0  # so long nothing is told on such a topic: other rights, or a shorter message, may pass then

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A message to the broker, with QoS 1."""

    topic: str
    payload: str
    is_retained: bool


Send = Callable[[Published], int]  # returns the number under which the broker will acknowledge it


class Outgoings:
    """Hands messages to `send`, and takes them back when the broker is gone. `now` gives monotonic seconds."""

    def __init__(self, send: Send, now: Callable[[], float] = time.monotonic) -> None:
        self._send, self._now = send, now
        self._queue = PublishQueue()
        self._retained: dict[str, Outgoing] = {}  # the newest that waits, by topic
        self._events: set[Outgoing] = set()  # those that are not retained
        self._sent: dict[int, Outgoing] = {}  # by the number under which it will be acknowledged
        self._quiet_until: dict[str, float] = {}  # by topic
        self.is_connected = False

    def add(self, message: Published) -> bool:
        """One more, and of a retained topic the newest only; False if nothing is told on its topic now."""
        topic, payload = message.topic, message.payload.encode()
        if self._now() < self._quiet_until.get(topic, 0.0):
            return False
        waiting = self._retained.get(topic) if message.is_retained else None
        if waiting and waiting.sent_at is None:
            waiting.payload = payload
        else:
            outgoing = Outgoing(topic, payload, lambda: None)
            if message.is_retained:
                self._retained[topic] = outgoing
            else:
                self._events.add(outgoing)
            self._queue.add(outgoing)
        self.hand_over()
        return True

    def hand_over(self) -> None:
        """Send what is due, while there is a connection."""
        if self.is_connected:
            for outgoing in self._queue.due(self._now()):
                is_retained = outgoing not in self._events
                number = self._send(Published(outgoing.topic, outgoing.payload.decode(), is_retained))
                self._sent[number] = outgoing

    def acked(self, number: int) -> None:
        """The broker has one."""
        outgoing = self._sent.pop(number, None)
        if outgoing and self._queue.acked(outgoing):
            self._forget(outgoing)
            self.hand_over()

    def hung_up(self) -> None:
        """The broker is gone; all that it does not have goes again, but what it has hung up at too often."""
        self.is_connected = False
        self._sent.clear()
        _, suspect = self._queue.hung_up(self._now())
        self._queue.begin_anew()
        if suspect:
            for message in (suspect, *self._queue.leave_out(suspect.topic)):
                self._forget(message)
            self._quiet_until[suspect.topic] = self._now() + QUIET_S
            log.error(
                "the broker hung up %d times at %s (%d bytes): nothing is told there for %d min; is that too large for"
                " it, or does its access list deny the topic?",
                *(suspect.hang_ups, suspect.topic, len(suspect.payload), QUIET_S // 60),
            )

    def _forget(self, outgoing: Outgoing) -> None:
        self._events.discard(outgoing)
        if self._retained.get(outgoing.topic) is outgoing:
            del self._retained[outgoing.topic]
