"""Where the safety mechanisms are, and where the tests that must notice."""

from typing import NamedTuple

VALVES = "firmware/lib/gateway/valves.py"
GATEWAY = "firmware/lib/gateway/gateway.py"
MQTT = "firmware/lib/gateway/mqtt.py"
OUTBOX = "firmware/lib/gateway/outbox.py"
SLOTS = "firmware/lib/gateway/store.py"
UPDATE = "firmware/lib/gateway/update.py"
SIGNATURE = "firmware/lib/gateway/signature.py"
BOOT_SLOTS = "firmware/slots.py"
MESSAGES = "protocol/messages.py"
JSON_TEXT = "protocol/json_text.py"
SERVICE = "compute_service/service.py"
READINGS = "compute_service/readings.py"
REPORTS = "compute_service/gateway_reports.py"
COMMANDS = "compute_service/commands.py"
COMMAND_TABLES = "compute_service/adapters/sqlite/commands.py"
ZONE_TABLES = "compute_service/adapters/sqlite/zones.py"
DECIDE = "compute_service/domain/decide.py"
CONSTRAINTS = "compute_service/domain/constraints.py"
ORDERS = "compute_service/orders.py"
FALLBACK = "compute_service/fallback.py"
FALLBACK_RULES = "compute_service/domain/fallback.py"
GATEWAY_STATUS = "compute_service/domain/gateway_status.py"
CATCH_UP = "compute_service/catch_up.py"
ORDERS_OF_THE_DOMAIN = "compute_service/domain/orders.py"
ALARMS = "compute_service/alarms.py"
ALARM_RULES = "compute_service/domain/alarms.py"
ALARM_CONDITIONS = "compute_service/domain/alarm_conditions.py"
ZONE_MODELS = "compute_service/zone_models.py"
ZONE_MODEL = "compute_service/domain/zone_model.py"
GATE = "local_cloud/gate.py"

VALVES_TESTS = "tests/vm/portable/test_valves.py::"
VALVES_STORAGE_TESTS = "tests/vm/portable/test_valves_storage.py::"
PROTOCOL_TESTS = "tests/vm/portable/test_protocol.py::Garbage::"
OUTBOX_TESTS = "tests/vm/portable/test_outbox.py::"
UPDATE_TESTS = "tests/vm/portable/test_update.py::"
COMPUTE_TESTS = "tests/compute_service/"
IDENTITY_TESTS = "tests/compute_service/test_identity.py::"
ORDERS_TESTS = "tests/compute_service/test_orders.py::"
ALARMS_TESTS = "tests/compute_service/test_alarms.py::"
FALLBACK_TESTS = "tests/compute_service/test_fallback.py::"
PLAN_RUNS_TESTS = "tests/compute_service/test_plan_runs.py::"
LATCH_TESTS = "tests/compute_service/test_latch.py::"
SLEEP_TESTS = "tests/compute_service/test_sleep_and_identity.py::"
STRANGERS_TESTS = "tests/safety/test_strangers.py::"
CRASHES_TESTS = "tests/safety/test_compute_crashes.py::"


class Mutation(NamedTuple):
    """A mechanism, the smallest change that takes it out, and the test that must notice."""

    mechanism: str
    file: str
    text: str
    replacement: str
    test: str
