"""The topics between the bridge and Home Assistant, and the names in them."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from compute_service.domain.zone import Config

DISCOVERY = "homeassistant"
BIRTH = f"{DISCOVERY}/status"


def slug(name: str) -> str:
    """A name as Home Assistant takes it in a discovery topic; other names stay apart by a few digits of their hash."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "-", name).strip("-")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}".lstrip("-")


@dataclass(frozen=True, slots=True)
class FarmTopics:
    """The topics of one farm. `prefix` begins all of them, and every identifier."""

    prefix: str
    farm: str  # as it stands in topics

    @property
    def status(self) -> str:
        """Is the bridge there: `online` or `offline`."""
        return f"{self.prefix}/{self.farm}/status"

    @property
    def subscriptions(self) -> tuple[str, str]:
        """What the bridge listens to: orders, and minutes of runs by hand."""
        return f"{self.prefix}/{self.farm}/+/+/set", f"{self.prefix}/{self.farm}/+/+/minutes/set"

    def zone(self, zone_id: str) -> str:
        """Where the topics of a zone begin."""
        return f"{self.prefix}/{self.farm}/zone/{slug(zone_id)}"

    def gateway(self, gateway_id: str) -> str:
        """Where the topics of a gateway begin."""
        return f"{self.prefix}/{self.farm}/gateway/{slug(gateway_id)}"

    def device(self, name: str) -> str:
        """A device's identifier."""
        return f"{self.prefix}-{slug(name)}"

    def discovery(self, name: str) -> str:
        """Where a device is announced."""
        return f"{DISCOVERY}/device/{self.device(name)}/config"

    def of(self, topic: str, names: Iterable[str], kind: str) -> str | None:
        """Whose topic it is, of some zones or gateways; None for nobody's."""
        parts = topic.split("/")
        if parts[: len(self.base)] != self.base or len(parts) < len(self.base) + 2 or parts[len(self.base)] != kind:
            return None
        return next((name for name in names if slug(name) == parts[len(self.base) + 1]), None)

    @property
    def base(self) -> list[str]:
        """The levels with which every topic begins."""
        return f"{self.prefix}/{self.farm}".split("/")


def topics_of(config: Config, prefix: str) -> FarmTopics:
    """The topics of a farm: its name, in small letters and without spaces."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", config.farm.lower()).strip("-")
    return FarmTopics(prefix, plain or slug(config.farm))
