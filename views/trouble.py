"""What was wrong with something of the farm, and for how long, in words: whoever found it out says so."""

from collections.abc import Collection
from dataclasses import dataclass

from views.events import Document


@dataclass(frozen=True)
class Trouble:
    """From `begin` to `end` (Unix s; inf: it stays), in words. `targets` are ids of probes, zones or gateways."""

    begin: float
    end: float
    words: str
    targets: tuple[str, ...] = ()

    def touches(self, zone: Document) -> bool:
        """True if it is of a zone, of one of its probes or of its gateway."""
        return is_target(zone, self.targets)


def is_target(zone: Document, targets: Collection[str]) -> bool:
    """True if a zone, one of its probes or its gateway is among them; `zone` is its row of zones.yaml."""
    probes = (zone.get("sensor_id"), *(probe["sensor_id"] for probe in zone.get("probes") or ()))
    return not {zone["zone_id"], zone["gateway_id"], *probes}.isdisjoint(targets)
