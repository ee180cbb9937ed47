"""What the gateway's MQTT client keeps to on its own, without a broker."""

from typing import Any, cast

from gateway import mqtt
from gateway.mqtt import MAX_WAITING, Client, Connection


def test_an_id_in_use_is_not_given_again() -> None:
    """After 65,535 publishes the ids begin anew; one that still waits for its PUBACK is passed over, and not lost."""
    client = Client("g", ("127.0.0.1", 1, None), None)
    client._packet_id = 65534
    client._in_flight = [(number, "t", b"", lambda: None) for number in (65535, 1)]
    assert client._next_id() == 2


def test_a_peer_that_does_not_read_does_not_fill_the_board() -> None:
    """So many packets wait, and the next one ends the connection."""
    nobody = cast(Any, None)  # nothing is read or written here
    connection = Connection(nobody, nobody)
    for _ in range(MAX_WAITING + 1):
        assert not connection._break.is_set()
        connection.post(b"packet")
    assert connection._break.is_set()
    assert len(connection.waiting) == MAX_WAITING


def test_the_will_is_told_at_least_once() -> None:
    """QoS 1: at QoS 0 a service that is away would never learn that the gateway is gone."""
    flags = mqtt._connect("g", 30, ("irrigation/gateway/g/status", b"{}"))[9]
    assert (flags & 0x04, flags >> 3 & 3) == (0x04, 1)
