"""What the service does with a publish at which the broker hangs up, without a broker."""

from compute_service.adapters.publish_queue import SET_ASIDE_AFTER, SUSPICIOUS, Outgoing, PublishQueue


def outgoing(name: str) -> Outgoing:
    return Outgoing(name, b"", lambda: None)


def topics_of(messages: list[Outgoing]) -> list[str]:
    return [message.topic for message in messages]


def careful(*names: str) -> PublishQueue:
    """A queue that the broker hung up at so often that its messages go one at a time."""
    queue = PublishQueue()
    for name in names:
        queue.add(outgoing(name))
    assert topics_of(queue.due(0)) == list(names)
    for _ in range(SUSPICIOUS - 1):
        assert queue.hung_up(1) == (False, None)
    assert queue.hung_up(1) == (True, None)
    queue.begin_anew()
    return queue


def test_only_the_message_that_is_hung_up_at_is_set_aside() -> None:
    """One that was under way beside it, and never answered for its sake, is published as ever."""
    queue = careful("good", "poison", "stop")
    (good,) = queue.due(2)
    assert queue.due(2) == []
    assert queue.acked(good)
    (poison,) = queue.due(2)
    for _ in range(SET_ASIDE_AFTER - 1):
        assert queue.hung_up(3) == (False, None)
    assert queue.hung_up(3) == (True, poison)
    queue.begin_anew()
    assert topics_of(queue.due(4)) == ["stop"]
    assert not queue.acked(poison)


def test_a_network_that_breaks_sets_nothing_aside() -> None:
    """A connection that ends long after the publish says nothing of the message."""
    queue = careful("command")
    for second in range(0, 3000, 30):
        queue.due(second)
        queue.resumed(second)
        assert queue.hung_up(second + 30) == (False, None)
    assert len(queue) == 1


def test_it_goes_fast_again() -> None:
    """When all is through, messages go together as before."""
    queue = careful("a", "b")
    for _ in range(2):
        (message,) = queue.due(2)
        queue.acked(message)
    for name in ("c", "d"):
        queue.add(outgoing(name))
    assert topics_of(queue.due(3)) == ["c", "d"]
