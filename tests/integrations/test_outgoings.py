"""What the bridge tells, when the broker hangs up at some of it."""

import pytest

from integrations.home_assistant.outgoings import Outgoings, Published


def test_a_newer_message_goes_with_the_one_that_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It waited behind it, on the same topic: it holds up nobody once more, and the log says so once."""
    sent: list[Published] = []

    def send(message: Published) -> int:
        sent.append(message)
        return len(sent)

    outgoings = Outgoings(send, now=lambda: 100.0)
    outgoings.is_connected = True
    for topic, payload in (("large", "old"), ("large", "new"), ("small", "x")):
        outgoings.add(Published(topic, payload, is_retained=True))
    for _ in range(5):  # two together, three at the large one alone
        outgoings.hung_up()
        outgoings.is_connected = True
        outgoings.hand_over()
    assert sent[-1].topic == "small"
    outgoings.acked(len(sent))
    assert caplog.text.count("nothing is told there") == 1
    assert not outgoings.add(Published("large", "newest", is_retained=True))
