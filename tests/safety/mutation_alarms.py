"""Mechanisms of the mutation list that people's alarms rest on; see `mutation_list`."""

from tests.safety.mutation_places import ALARM_CONDITIONS, ALARM_RULES, ALARMS, ALARMS_TESTS, SERVICE, Mutation

ALARM_MUTATIONS = (
    Mutation(
        "a finding lasts before it is an alarm",
        ALARM_RULES,
        "if standing.alarm is None and now - begun_at >= kind.after_s:",
        "if standing.alarm is None:",
        ALARMS_TESTS + "test_no_alarm_flaps",
    ),
    Mutation(
        "an alarm ends after its quiet",
        ALARM_RULES,
        "(kind.quiet_s if stands else 0)",
        "0",
        ALARMS_TESTS + "test_no_alarm_flaps",
    ),
    Mutation(
        "what cannot be known changes no alarm",
        ALARM_RULES,
        "    if answer == UNKNOWN:\n        return\n",
        "    if answer == UNKNOWN:\n        answer = None\n",
        ALARMS_TESTS + "test_what_cannot_be_known_changes_nothing",
    ),
    Mutation(
        "a part that leaves takes its alarms along",
        ALARM_RULES,
        "        if only is None:\n            _forget",
        "        if False:\n            _forget",
        ALARMS_TESTS + "test_a_part_that_leaves_the_farm_takes_its_alarms_along",
    ),
    Mutation(
        "alarms outlive a restart",
        ALARMS,
        "remember(self._store.alarms.open(), now)",
        "{}",
        ALARMS_TESTS + "test_a_restart_loses_no_alarm[disk_low]",
    ),
    Mutation(
        "no gateway raises another's alarm",
        ALARMS,
        "is_own = zone is not None and zone.gateway_id == gateway_id",
        "is_own = zone is not None",
        ALARMS_TESTS + "test_no_gateway_speaks_for_another",
    ),
    Mutation(
        "an open valve is an alarm",
        ALARM_CONDITIONS,
        "gateway.status_at <= allowed_until + BEYOND_S",
        "gateway.status_at",
        ALARMS_TESTS + "test_an_alarm_is_raised_and_ends[valve_open]",
    ),
    Mutation(
        "a run without an answer is no open valve",
        ALARMS,
        "_shuts_by(command) if command else at)",
        "at)",
        ALARMS_TESTS + "test_a_run_under_way_is_no_open_valve",
    ),
    Mutation(
        "who has seen an alarm first stays",
        "compute_service/adapters/sqlite/alarms.py",
        " AND acknowledged_at IS NULL",
        "",
        ALARMS_TESTS + "test_an_alarm_is_acknowledged_once",
    ),
    Mutation(
        "a mistake in the zones file is an alarm",
        SERVICE,
        "self._alarms.hear_settings(change.mistakes)",
        "pass",
        ALARMS_TESTS + "test_an_alarm_is_raised_and_ends[settings_mistaken]",
    ),
)
