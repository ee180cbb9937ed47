"""What is under way through the gate, so that field time advances only when nothing is.

A publish of QoS 1 is under way until its publisher has the PUBACK, and once more for every subscriber until that one
has sent its own. What arrives without being expected (a stored session's queue, a repetition) counts while it is held,
and never settles anything else: an expectation is met by its own topic and payload only. No I/O here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_cloud.packets import Publish, matches, share_of

_Message = tuple[str, int]  # topic, hash of the payload
_Deliveries = Counter[_Message]
_ROUTES_KEPT = 10_000


@dataclass
class _Client:
    filters: dict[str, int] = field(default_factory=dict)  # granted filter -> QoS
    published: dict[int, tuple[_Message, list[_Deliveries]]] = field(
        default_factory=dict
    )  # without PUBACK, by packet id
    deliveries: _Deliveries = field(default_factory=Counter)
    unacked_ids: set[int] = field(default_factory=set)  # packet ids delivered, and not yet acknowledged


class InFlight:
    """The account of one gate. Clients are named by their ids; a client that is not connected counts for nothing."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._sessions: dict[str, dict[str, int]] = {}  # the filters of sessions that outlive their connection
        self._groups: dict[str, _Deliveries] = {}  # `$share/group/filter` -> what one of its members will get
        self._routes: dict[str, list[tuple[int, _Deliveries]]] = {}

    def count(self) -> int:
        """How many acknowledgements are outstanding."""
        clients = sum(len(c.published) + len(c.unacked_ids) + c.deliveries.total() for c in self._clients.values())
        return clients + sum(deliveries.total() for deliveries in self._groups.values())

    def describe(self) -> str:
        """Who is waited for, for a person."""
        return "; ".join(self._waits()) or "nothing is in flight"

    def arrive(self, client_id: str) -> None:
        """A client's CONNECT goes to the broker."""
        self._clients[client_id] = _Client()

    def resume(self, client_id: str, session_present: bool) -> None:
        """The broker has taken the client, with the subscriptions of its stored session or without any."""
        filters = self._sessions.pop(client_id, {})
        for topic_filter, qos in (filters if session_present else {}).items():
            self.subscribe(client_id, topic_filter, qos)

    def leave(self, client_id: str, clean: bool) -> None:
        """The broker has let go of the client: its deliveries are forgotten, its unconfirmed publishes withdrawn."""
        client = self._clients.pop(client_id)
        for message, expectations in client.published.values():
            for deliveries in expectations:
                _meet(deliveries, message)
        if not clean:
            self._sessions[client_id] = client.filters
        for topic_filter in client.filters:
            self._groups.pop(topic_filter, None)  # nobody can say which member its messages were meant for
        self._routes.clear()

    def subscribe(self, client_id: str, topic_filter: str, qos: int) -> None:
        """The broker has granted a subscription."""
        self._clients[client_id].filters[topic_filter] = qos
        self._routes.clear()

    def unsubscribe(self, client_id: str, topic_filters: list[str]) -> None:
        """The broker has ended subscriptions: what they alone would have brought will not come."""
        client = self._clients[client_id]
        for topic_filter in topic_filters:
            client.filters.pop(topic_filter, None)
            self._groups.pop(topic_filter, None)
        topics = [share_of(topic_filter)[1] for topic_filter in client.filters]
        for message in [m for m in client.deliveries if not any(matches(f, m[0]) for f in topics)]:
            del client.deliveries[message]
        self._routes.clear()

    def publish(self, client_id: str, publish: Publish) -> None:
        """A client's publish, or its will, goes to the broker now."""
        if publish.qos == 0:
            return  # nobody acknowledges it
        message = (publish.topic, hash(publish.payload))
        expectations = [deliveries for qos, deliveries in self._readers(publish.topic) if qos > 0]
        for deliveries in expectations:
            deliveries[message] += 1
        if publish.packet_id:
            self._clients[client_id].published[publish.packet_id] = (message, expectations)

    def confirm(self, client_id: str, packet_id: int) -> None:
        """The broker's PUBACK goes back to the publisher."""
        self._clients[client_id].published.pop(packet_id, None)

    def deliver(self, client_id: str, publish: Publish) -> None:
        """A message from the broker goes to a subscriber."""
        if publish.qos == 0:
            return
        client = self._clients[client_id]
        message = (publish.topic, hash(publish.payload))
        groups = (self._groups[f] for f in client.filters if f in self._groups)
        any(_meet(deliveries, message) for deliveries in (client.deliveries, *groups))
        client.unacked_ids.add(publish.packet_id)

    def settle(self, client_id: str, packet_id: int) -> None:
        """A subscriber's PUBACK goes to the broker."""
        self._clients[client_id].unacked_ids.discard(packet_id)

    def _readers(self, topic: str) -> list[tuple[int, _Deliveries]]:
        if topic not in self._routes:
            if len(self._routes) >= _ROUTES_KEPT:
                self._routes.clear()
            self._routes[topic] = list(self._find_readers(topic))
        return self._routes[topic]

    def _find_readers(self, topic: str) -> Iterator[tuple[int, _Deliveries]]:
        groups: dict[str, int] = {}
        for client in self._clients.values():
            grants = [(share_of(f), f, qos) for f, qos in client.filters.items() if matches(share_of(f)[1], topic)]
            own = [qos for (group, _), _, qos in grants if not group]
            if own:
                yield max(own), client.deliveries  # overlapping subscriptions bring one copy
            groups.update({f: qos for (group, _), f, qos in grants if group})
        for topic_filter, qos in groups.items():
            yield qos, self._groups.setdefault(topic_filter, Counter())

    def _waits(self) -> Iterator[str]:
        for name, client in self._clients.items():
            if client.published:
                yield f"{name}: {len(client.published)} of its publishes without PUBACK"
            if client.deliveries:
                yield f"{name}: {client.deliveries.total()} not delivered yet, on {_topics(client.deliveries)}"
            if client.unacked_ids:
                yield f"{name}: {len(client.unacked_ids)} delivered, and not acknowledged by it"
        for name, deliveries in self._groups.items():
            if deliveries:
                yield f"{name}: {deliveries.total()} not delivered yet, on {_topics(deliveries)}"


def _meet(deliveries: _Deliveries, message: _Message) -> bool:
    if message not in deliveries:
        return False
    deliveries[message] -= 1
    if not deliveries[message]:
        del deliveries[message]
    return True


def _topics(deliveries: _Deliveries) -> str:
    topics = sorted({topic for topic, _ in deliveries})
    return ", ".join(topics[:3]) + (" ..." if len(topics) > 3 else "")
