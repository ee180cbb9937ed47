from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict, type_check_only

from protocol.topics import _Kind

Message = dict[str, Any]

VERSION: int
MAX_BYTES: int
READING_BYTES: int
MAX_RUN_S: int
EARLIEST: int
LATEST: int
QUANTITIES: dict[str, tuple[float, float]]
SETTINGS: dict[str, tuple[int, int]]
ACTIONS: tuple[str, ...]
AFTER_OFFLINE_S: int
PLAN: tuple[str, ...]
CLOCKS: tuple[str, ...]
ACK_STATES: tuple[str, ...]
FINAL_STATES: tuple[str, ...]
ACK_CODES: tuple[str, ...]
VOLUME_SOURCES: tuple[str, ...]
END_REASONS: tuple[str, ...]
STATES: tuple[str, ...]
REQUIRED: bool
OPTIONAL: bool

# What the tables of messages.py say, for type checkers: import these under TYPE_CHECKING, for they are not there when
# anything runs. A field that may be absent may be None too. tests/protocol/test_types.py holds them to the tables.

_State = Literal["received", "started", "done", "failed", "rejected"]
_Code = Literal[
    "ok",
    "clipped",
    "expired",
    "clock_untrusted",
    "stale_epoch",
    "fenced",
    "unknown_zone",
    "valve_fault",
    "power_cut",
    "storage_fault",
    "leak",
]
_EndReason = Literal["duration", "volume", "close", "stop_all", "replaced", "power_cut", "fault", "leak"]

@type_check_only
class Sample(TypedDict):
    seq: int
    measured_at: int
    clock: Literal["synced", "estimated"]
    vwc: NotRequired[float | None]
    soil_temperature_c: NotRequired[float | None]
    air_temperature_c: NotRequired[float | None]
    relative_humidity_pct: NotRequired[float | None]
    wind_speed_m_s: NotRequired[float | None]
    solar_radiation_w_m2: NotRequired[float | None]
    rain_mm: NotRequired[float | None]
    flow_l_min: NotRequired[float | None]
    volume_l: NotRequired[float | None]
    pressure_kpa: NotRequired[float | None]
    battery_v: NotRequired[float | None]
    percolation_mm: NotRequired[float | None]
    out_of_range: NotRequired[dict[str, float] | None]
    leak_s: NotRequired[int | None]

@type_check_only
class Reading(TypedDict):
    v: NotRequired[int]
    gateway_id: str
    sensor_id: str
    zone_id: NotRequired[str | None]
    boot_id: str
    samples: list[Sample]

@type_check_only
class Command(TypedDict):
    v: NotRequired[int]
    command_id: str
    device_id: str
    zone_id: NotRequired[str | None]
    action: Literal["open", "close", "stop_all", "fallback", "clear"]
    duration_s: NotRequired[int | None]
    max_volume_l: NotRequired[float | None]
    issued_at: int
    expires_at: int
    epoch: int
    days: NotRequired[int | None]
    after_offline_s: NotRequired[int | None]
    valid_from: NotRequired[int | None]
    valid_until: NotRequired[int | None]
    below_vwc: NotRequired[float | None]
    epochs: NotRequired[dict[str, int] | None]
    decision_id: NotRequired[str | None]
    reason: NotRequired[str | None]

@type_check_only
class Ack(TypedDict):
    v: NotRequired[int]
    command_id: str
    gateway_id: str
    zone_id: NotRequired[str | None]
    epoch: int
    held_epoch: NotRequired[int | None]
    state: _State
    code: _Code
    duration_s: NotRequired[float | None]
    volume_l: NotRequired[float | None]
    volume_source: Literal["measured", "estimated", "none"]
    end_reason: NotRequired[_EndReason | None]
    boot_id: str
    seq: int
    at: int

@type_check_only
class Status(TypedDict):
    v: NotRequired[int]
    gateway_id: str
    boot_id: str
    state: Literal["online", "offline"]
    at: int
    firmware: NotRequired[str | None]
    reset_cause: NotRequired[str | None]
    uptime_s: NotRequired[int | None]
    heap_free_bytes: NotRequired[int | None]
    rssi_dbm: NotRequired[int | None]
    open_valves: NotRequired[list[str] | None]
    latched: NotRequired[list[str] | None]
    epochs: NotRequired[dict[str, int] | None]
    fallback_days: NotRequired[dict[str, int] | None]
    watered_24h_s: NotRequired[dict[str, int] | None]
    last_end_at: NotRequired[dict[str, int] | None]
    outbox_depth: NotRequired[int | None]
    outbox_dropped: NotRequired[int | None]
    wakes_at: NotRequired[int | None]
    certificate: NotRequired[str | None]
    certificate_expires_at: NotRequired[int | None]
    ca_expires_at: NotRequired[int | None]

@type_check_only
class Update(TypedDict):
    v: NotRequired[int]
    update_id: str
    device_id: str
    issued_at: int
    settings: dict[str, int]

@type_check_only
class ErrorReport(TypedDict):
    v: NotRequired[int]
    gateway_id: str
    boot_id: str
    at: int
    code: str
    text: str
    sensor_id: NotRequired[str | None]
    zone_id: NotRequired[str | None]
    volume_l: NotRequired[float | None]
    duration_s: NotRequired[int | None]

@type_check_only
class Diagnostics(TypedDict):
    v: NotRequired[int]
    gateway_id: str
    boot_id: str
    at: int
    counters: dict[str, int]

_Decoded = (
    tuple[Literal["reading"], Reading]
    | tuple[Literal["command"], Command]
    | tuple[Literal["ack"], Ack]
    | tuple[Literal["status"], Status]
    | tuple[Literal["update"], Update]
    | tuple[Literal["error"], ErrorReport]
    | tuple[Literal["diagnostics"], Diagnostics]
)

def encode(kind: _Kind, message: Mapping[str, object]) -> bytes: ...
def decode(topic: str, payload: bytes | bytearray | memoryview) -> _Decoded: ...
def check(kind: _Kind, message: Mapping[str, object]) -> None: ...
