"""A small farm, its messages, and a service with the clock, the publishes and the events in the test's hands."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from agronomy.site import Site
from compute_service.adapters import crops_table
from compute_service.domain.forecast import Forecast
from compute_service.domain.ports import Beat, Store
from compute_service.domain.zone import Config, Zone, zone_of
from compute_service.service import Service
from protocol import messages, topics

NOON = 1_750_000_000  # 2025-06-15 15:06:40 UTC, 11:06:40 in Toronto
GATEWAY = "irrigation-gateway-1"
AN_HOUR_S = 3600
SITE = Site(45.88, -72.48, 82.0)


def living(at: int) -> Beat:
    """A beat of a service whose time stands at `at`, and which no test outlasts."""
    return Beat(at, time.time() + AN_HOUR_S, 0.0)


def zone(letter: str = "a", **overrides: Any) -> Zone:
    """A loam zone under tomato in mid-season: 0.25 is moist, and at 0.18 its roots lack 55 mm of 85."""
    fields: dict[str, Any] = {
        "zone_id": f"plot-1{letter}",
        "gateway_id": GATEWAY,
        "sensor_id": f"{GATEWAY}.soil-{letter}",
        "crop": "tomato",
        "sown": date(2025, 4, 1),
        "soil": "loam",
        "field_capacity": 0.29,
        "wilting_point": 0.12,
        "root_depth_m": 0.5,
        "area_m2": 100.0,
        "application_rate_mm_h": 120.0,
        "efficiency": 0.75,
        "max_run_s": 1800,
        "cooldown_s": 3600,
        "daily_cap_s": 5400,
        "max_reading_age_s": 3600,
        "timezone": "America/Toronto",
    }
    settings = {**fields, **overrides}
    return zone_of(settings, crops_table.crop(settings["crop"], settings.get("calendar")))


def reading(letter: str = "a", at: int = NOON, vwc: float | None = 0.18, **overrides: Any) -> dict[str, Any]:
    """A reading of one sample; `sample` overrides its fields."""
    sample = {"seq": 1, "measured_at": at, "clock": "synced", "vwc": vwc, **overrides.pop("sample", {})}
    fields = {"gateway_id": GATEWAY, "sensor_id": f"{GATEWAY}.soil-{letter}", "zone_id": f"plot-1{letter}"}
    return {**fields, "boot_id": "boot-1", "samples": [sample], **overrides}


def ack(command: dict[str, Any], state: str, **overrides: Any) -> dict[str, Any]:
    """An ack of a command, as its gateway would send it; a run that is done lasted 600 s and gave 300 litres."""
    delivered = {"duration_s": 600, "volume_l": 300.0, "volume_source": "measured", "end_reason": "duration"}
    fields = {
        "command_id": command["command_id"],
        "gateway_id": command["device_id"],
        "zone_id": command["zone_id"],
        "epoch": command["epoch"],
        "state": state,
        "code": "ok",
        "volume_source": "none",
        "boot_id": "boot-1",
        "seq": 1,
        "at": command["issued_at"],
    }
    return {**fields, **(delivered if state == "done" else {}), **overrides}


@dataclass
class Bench:
    """A service on its store, with the clock, the publishes and the events in the test's hands."""

    store: Store
    zones: tuple[Zone, ...]
    now: int = NOON
    published: list[tuple[str, Any, Callable[[], None]]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    pump_l_min: float | None = None
    forecast: Forecast | None = None
    elapsed: Callable[[], float] | None = None
    nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.config = config = Config(
            farm="test farm",
            timezone="America/Toronto",
            site=SITE,
            zones=self.zones,
            pump_l_min=self.pump_l_min,
            nodes=self.nodes,
        )
        surroundings = (self._publish, lambda: self.now, self.events.append, lambda: self.forecast)
        self.service = Service(config, self.store, *surroundings, elapsed=self.elapsed)

    def _publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        self.published.append((topic, messages.decode(topic, payload)[1], on_acked))

    def hear(self, topic: str, message: dict[str, Any]) -> None:
        self.service.handle(topic, json.dumps({"v": 1, **message}).encode())

    def hear_reading(
        self, letter: str = "a", at: int | None = None, vwc: float | None = 0.18, **overrides: Any
    ) -> None:
        message = reading(letter, self.now if at is None else at, vwc, **overrides)
        self.hear(topics.data(message["sensor_id"]), message)

    def hear_leak(self, letter: str, litres: float, seconds: int, at: int | None = None) -> None:
        """The gateway saw water run through a zone's shut valve."""
        message = reading(letter, self.now if at is None else at, sensor_id=f"{GATEWAY}.plot-1{letter}")
        del message["samples"][0]["vwc"]
        message["samples"][0] |= {"volume_l": litres, "leak_s": seconds}
        self.hear(topics.data(message["sensor_id"]), message)

    def hear_ack(self, command: dict[str, Any], state: str, **overrides: Any) -> None:
        message = ack(command, state, **{"at": self.now, **overrides})
        self.hear(topics.ack(message["gateway_id"]), message)

    def tick(self, after_s: int = 0) -> None:
        self.now += after_s
        self.service.tick()

    def commands(self) -> list[dict[str, Any]]:
        return [message for topic, message, _ in self.published if topic.endswith("/command")]

    def water(self, letter: str = "a") -> dict[str, Any]:
        """Hear that a zone is dry, and return the command that follows."""
        self.hear_reading(letter)
        self.tick(10)
        return self.commands()[-1]

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]

    def state_of(self, command: dict[str, Any]) -> str:
        row = self.store.commands.get(command["command_id"])
        assert row is not None
        return row.state
