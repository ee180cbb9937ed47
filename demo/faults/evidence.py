"""What a season left behind that a fault may show in: events, acks, samples as the lake has them, its quarantine."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from views.events import Document, settling_acks
from views.trouble import is_target

AFTERWARDS_S = 2 * 3600  # how long after its end a fault may still be heard of: a board boots, an outbox drains


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault as it was injected, from `begin` to before `end` (Unix s; inf: it stays); its kind gives `amount` a unit.

    `targets` are sensor ids, zone ids or gateway ids, as the kind asks.
    """

    name: str
    kind: str
    targets: tuple[str, ...]
    quantity: str
    begin: float
    end: float
    amount: float

    @classmethod
    def from_row(cls, row: Document) -> "Fault":
        """A row of the truth document, in which an `end` of null means that the fault stays."""
        end = math.inf if row["end"] is None else float(row["end"])
        return cls(
            name=row["name"],
            kind=row["kind"],
            targets=tuple(row["targets"]),
            quantity=row.get("quantity", "vwc"),
            begin=row["begin"],
            end=end,
            amount=float(row.get("amount") or 0.0),
        )

    def active(self, at: float) -> bool:
        """True while it lasts."""
        return self.begin <= at < self.end

    def may_show(self, at: float) -> bool:
        """True while it lasts, and for a while after."""
        return self.begin <= at < self.end + AFTERWARDS_S


@dataclass(frozen=True)
class Sample:
    """One row of the lake: Unix seconds, and the value of the quantity in question, if there is one."""

    measured_at: int
    received_at: int
    boot_id: str
    clock: str
    value: float | None


@dataclass(frozen=True)
class Notice:
    """One trace of a fault: `by` whom, `how` (a key of the words), when it was first there (Unix s), with figures.

    `raised`: a part of the system said so, or acted on it, by itself. Else it is on record, for who looks.
    """

    by: str
    how: str
    at: float
    raised: bool
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """The documents that a run leaves. `samples` by (sensor or gateway id, quantity), in the order of receipt.

    `quarantine` gives for a sensor when each of its samples in there was received (Unix s).
    """

    zones: Sequence[Document] = ()
    events: Sequence[Document] = ()
    samples: Mapping[tuple[str, str], Sequence[Sample]] = field(default_factory=dict)
    quarantine: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @cached_property
    def runs(self) -> Sequence[Document]:
        """The ack that settled each command, in order of receipt."""
        return list(settling_acks(self.events).values())

    def of_kind(self, kind: str, **fields: object) -> Iterator[Document]:
        """The events of a kind whose fields are these."""
        for event in self.events:
            if event["kind"] == kind and all(event.get(name) == value for name, value in fields.items()):
                yield event

    def zones_of(self, fault: Fault) -> list[Document]:
        """The zones that a fault can touch: struck themselves, or by their own probe, or by their gateway."""
        return [zone for zone in self.zones if is_target(zone, fault.targets)]

    def values(self, fault: Fault, target: str) -> Sequence[Sample]:
        """The samples of one target of a fault."""
        return self.samples.get((target, fault.quantity), ())
