"""The lines of an events.jsonl: what the parts of a farm record as it happens, one JSON object a line.

There is no events.py, so a board pays nothing for this: whoever writes an event imports its type under TYPE_CHECKING.
One class a kind; `Event` is any of them, and a reader goes by its `kind`. Keys stay, for people and programs read them;
a new key is no break. `at` is Unix seconds, by the clock of the part that records. By whom, and when:

| kind | recorded by | when |
|---|---|---|
| valve_edge | gateway_sim | a valve has opened or closed |
| decision | compute_service | a zone was decided about, whatever came of it |
| command | compute_service | a command is about to be published, or once more after a crash |
| ack | compute_service | an answer to one of its commands has come |
| status | compute_service | a gateway is gone, or back, or has booted |
| error | compute_service | a gateway has reported an error |
| unproven | compute_service | somebody, perhaps a gateway of older firmware, says something in a gateway's name |
| refusal | compute_service, local_cloud's gate, a gateway | a message was refused |
| kill | demo | a process was killed, since the accidents wanted it |
"""

from typing import Any, Literal, TypedDict

from protocol.messages import Ack, Command

class ValveEdge(TypedDict):
    at: int
    kind: Literal["valve_edge"]
    at_ms: int
    gateway_id: str
    zone_id: str
    open: bool

class CheckRow(TypedDict):
    name: str
    value: float | str | None
    threshold: float | str | list[float] | None
    passed: bool
    why: str

class IntentRow(TypedDict):
    duration_s: int
    max_volume_l: float
    depth_mm: float

class DecisionEvent(TypedDict):
    at: int
    kind: Literal["decision"]
    decision_id: str
    zone_id: str
    intent: IntentRow | None
    checks: list[CheckRow]
    sentence: str
    receipt: dict[str, Any]

# A command as it is published.
class CommandEvent(Command):
    at: int
    kind: Literal["command"]

# An ack as it came, whatever else its gateway put into it; `at` is the gateway's own time.
class AckEvent(Ack):
    kind: Literal["ack"]
    received_at: int

class StatusEvent(TypedDict):
    at: int
    kind: Literal["status"]
    gateway_id: str
    state: Literal["online", "offline"]
    boot_id: str
    reset_cause: str | None

class ErrorEvent(TypedDict):
    at: int
    kind: Literal["error"]
    gateway_id: str
    boot_id: str
    code: str
    text: str

# Anybody may have said this: `named` is what the text says, and nothing is done about it.
class UnprovenEvent(TypedDict):
    at: int
    kind: Literal["unproven"]
    named: str
    topic: str
    text: str

class Refusal(TypedDict):
    at: int
    kind: Literal["refusal"]
    by: Literal["compute", "gate", "gateway"]
    thing: str
    what: str
    why: str

class Kill(TypedDict):
    at: int
    kind: Literal["kill"]
    process: str
    moment: str

Event = ValveEdge | DecisionEvent | CommandEvent | AckEvent | StatusEvent | ErrorEvent | UnprovenEvent | Refusal | Kill
