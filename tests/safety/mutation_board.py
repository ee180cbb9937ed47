"""What keeps a board reachable, and its own: sleep, set-up without a cable, another certificate."""

from tests.safety.mutation_places import Mutation

CONFIG = "firmware/config.py"
SLEEP = "firmware/sleep.py"
SETUP_PAGE = "firmware/setup_page.py"
DER = "firmware/lib/gateway/der.py"
RENEWAL = "firmware/lib/gateway/renewal.py"
RENEWAL_TESTS = "tests/vm/portable/test_renewal.py::"

BOARD_MUTATIONS = (
    Mutation(
        "no board with a valve sleeps",
        CONFIG,
        "    lambda value: value == [],\n",
        "    lambda value: True,\n",
        "tests/vm/portable/test_config.py::ABoardThatSleeps::test_it_has_no_valve",
    ),
    Mutation(
        "who sleeps says until when",
        SLEEP,
        'status["wakes_at"] = wire_time(',
        "_ = wire_time(",
        "tests/firmware/test_sleep.py::test_a_status_says_when_it_is_heard_next",
    ),
    Mutation(
        "who has hung sleeps, and does not begin again",
        SLEEP,
        "if cause != machine.WDT_RESET:",
        "if True:",
        "tests/firmware/test_sleep.py::test_after_the_watchdog_it_sleeps_at_once",
    ),
    Mutation(
        "renewal: a trial first",
        RENEWAL,
        'self._save("trial", 0)\n',
        'self._save("good", 0)\n',
        RENEWAL_TESTS + "ARenewal::test_one_that_the_broker_refuses",
    ),
    Mutation(
        "renewal: the old identity again, if the broker refuses the next",
        RENEWAL,
        'self._save("failed", 0)\n',
        'self._save("trial", 0)\n',
        RENEWAL_TESTS + "Trial::test_after_five_refusals_the_old_one_is_back",
    ),
    Mutation(
        "renewal: a certificate is for the spare's own key",
        DER,
        "len(point) > 2 and point in key and",
        "",
        RENEWAL_TESTS + "ARenewal::test_what_is_not_for_this_board",
    ),
    Mutation(
        "set-up page: no network without a password",
        SETUP_PAGE,
        'if len(about["password"]) < 8:',
        "if False:",
        "tests/vm/test_setup_without_a_cable.py::test_without_its_label_no_network_opens",
    ),
    Mutation(
        "set-up page: checked before it is written",
        SETUP_PAGE,
        "    if mistakes:\n        raise Mistakes(",
        "    if False:\n        raise Mistakes(",
        "tests/vm/portable/test_setup_page.py::WhatIsNot::test_each_mistake_is_named",
    ),
    Mutation(
        "set-up page: a form of its own page only",
        SETUP_PAGE,
        'if form.get("token") != self._token.encode():',
        "if False:",
        "tests/vm/portable/test_setup_page.py::Requests::test_nothing_but_the_page",
    ),
)
