"""Mechanisms of the mutation list that keep a service in step with its store, its gateways, its broker and the time."""

from tests.safety.mutation_places import COMPUTE_TESTS, REPORTS, SERVICE, Mutation

STATE_MUTATIONS = (
    Mutation(
        "one service on a store",
        "compute_service/adapters/sqlite/sole_service.py",
        "            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        COMPUTE_TESTS + "test_sole_service.py::test_a_killed_service_leaves_no_lock",
    ),
    Mutation(
        "a store that is behind waits",
        REPORTS,
        "is_behind |= is_above",
        "is_behind |= False",
        COMPUTE_TESTS + "test_catch_up.py::test_a_lost_store_waits_for_the_cooldown",
    ),
    Mutation(
        "what a broker hangs up at is set aside",
        "compute_service/adapters/publish_queue.py",
        "        if suspect.hang_ups < SET_ASIDE_AFTER:\n",
        "        if True:\n",
        COMPUTE_TESTS + "test_publish_queue.py::test_only_the_message_that_is_hung_up_at_is_set_aside",
    ),
    Mutation(
        "nothing waits for a time that never was",
        SERVICE,
        "        self._zone_models.bring_back(now)\n",
        "        pass\n",
        COMPUTE_TESTS + "test_clock_jumps.py::test_a_clock_that_was_ahead_for_days_is_put_right",
    ),
)
