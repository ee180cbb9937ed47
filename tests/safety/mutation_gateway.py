"""Mechanisms of gateway, gate and service that could be taken out unnoticed, before each had its test."""

from tests.safety.mutation_places import (
    COMPUTE_TESTS,
    CONSTRAINTS,
    GATE,
    IDENTITY_TESTS,
    MQTT,
    OUTBOX,
    OUTBOX_TESTS,
    SERVICE,
    SLOTS,
    VALVES,
    VALVES_STORAGE_TESTS,
    VALVES_TESTS,
    Mutation,
)

MQTT_TESTS = "tests/gateway/test_mqtt_bounds.py::"

GATEWAY_MUTATIONS = (
    Mutation(
        "a flash that cannot be read is as good as lost",
        SLOTS,
        "        except StorageError:\n            self.lost = True\n            return None\n        if data",
        "        except StorageError:\n            return None\n        if data",
        VALVES_STORAGE_TESTS + "StorageFaults::test_when_nothing_can_be_read_old_opens_stay_shut",
    ),
    Mutation(
        "an untrusted clock counts the whole bound",
        VALVES,
        "if trusted and elapsed_s >= 0 else",
        "if elapsed_s >= 0 else",
        VALVES_TESTS + "Rule3Boot::test_a_clock_that_is_not_trusted_counts_the_whole_bound",
    ),
    Mutation(
        "a clock that went back counts the whole bound",
        VALVES,
        "trusted and elapsed_s >= 0 else",
        "trusted else",
        VALVES_TESTS + "Rule3Boot::test_a_clock_that_went_back_counts_the_whole_bound",
    ),
    Mutation(
        "a stuck valve is not opened anew",
        VALVES,
        "            if zone_id in self._faulty:\n                raise",
        "            if False:\n                raise",
        VALVES_TESTS + "Rule6Replacement::test_a_valve_that_is_stuck_open_is_not_opened_anew",
    ),
    Mutation(
        "an id in use is passed over",
        MQTT,
        "if self._packet_id not in ids:",
        "if True:",
        MQTT_TESTS + "test_an_id_in_use_is_not_given_again",
    ),
    Mutation(
        "waiting packets are bounded",
        MQTT,
        "if len(self.waiting) >= MAX_WAITING:",
        "if False:",
        MQTT_TESTS + "test_a_peer_that_does_not_read_does_not_fill_the_board",
    ),
    Mutation(
        "the will is told at least once",
        MQTT,
        "flags = 4 | 1 << 3",
        "flags = 4",
        MQTT_TESTS + "test_the_will_is_told_at_least_once",
    ),
    Mutation(
        "acks that were said are bounded",
        OUTBOX,
        "            del self._final[:-KEPT_SAID]\n",
        "",
        OUTBOX_TESTS + "AfterAPowerCut::test_it_knows_no_more_acks_than_a_board_has_room_for",
    ),
    Mutation(
        "no meter of another gateway's zone",
        SERVICE,
        'zone is not None and zone.gateway_id == message["gateway_id"]',
        "zone is not None",
        IDENTITY_TESTS + "test_no_meter_speaks_of_another_gateways_zone",
    ),
    Mutation(
        "frost until an hour after the run",
        CONSTRAINTS,
        "now.at + wish.duration_s + HOUR_S",
        "now.at + 1",
        COMPUTE_TESTS + "test_constraints.py::test_frost_soon_after_the_run_keeps_the_water_back",
    ),
    Mutation(
        "the colder of station and forecast",
        CONSTRAINTS,
        "return min((value for value in (now_c, ahead)",
        "return max((value for value in (now_c, ahead)",
        COMPUTE_TESTS + "test_constraints.py::test_a_mild_station_hides_no_forecast_of_frost",
    ),
    Mutation(
        "the policy of a connect",
        GATE,
        'if not policy.allows("iot:Connect", connect.client_id):',
        "if False:",
        "tests/safety/test_strangers_at_the_gate.py::test_a_policy_that_denies_connect_is_obeyed",
    ),
)
