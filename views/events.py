"""What a service records as it happens, one document an event, as a view of a farm reads it."""

from collections.abc import Iterable, Mapping
from typing import Any

from protocol.messages import FINAL_STATES

Document = Mapping[str, Any]


def settling_acks(events: Iterable[Document]) -> dict[str, Document]:
    """The ack that settled each command, by command id, in the order of receipt.

    It is the first final one that the service received, as the service books it: a later one changes nothing, nor does
    a rejection of a run that had started.
    """
    acks = sorted((event for event in events if event["kind"] == "ack"), key=_received_at)
    settling: dict[str, Document] = {}
    started: set[str] = set()
    for ack in acks:
        command_id, state = ack["command_id"], ack["state"]
        if state == "started":
            started.add(command_id)
        elif state in FINAL_STATES and not (state == "rejected" and command_id in started):
            settling.setdefault(command_id, ack)
    return settling


def _received_at(ack: Document) -> float:
    return float(ack.get("received_at", ack["at"]))
