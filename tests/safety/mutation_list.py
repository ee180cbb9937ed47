"""The safety mechanisms, one row each: where it is, the change that takes it out, and the test that must notice."""

from typing import NamedTuple

VALVES = "firmware/lib/gateway/valves.py"
GATEWAY = "firmware/lib/gateway/gateway.py"
OUTBOX = "firmware/lib/gateway/outbox.py"
SLOTS = "firmware/lib/gateway/store.py"
MESSAGES = "protocol/messages.py"
SERVICE = "compute_service/service.py"
COMMANDS = "compute_service/commands.py"
COMMAND_TABLES = "compute_service/adapters/sqlite/commands.py"
ZONE_TABLES = "compute_service/adapters/sqlite/zones.py"
DECIDE = "compute_service/domain/decide.py"
CONSTRAINTS = "compute_service/domain/constraints.py"
ORDERS = "compute_service/orders.py"
ORDERS_OF_THE_DOMAIN = "compute_service/domain/orders.py"
ZONE_MODELS = "compute_service/zone_models.py"
ZONE_MODEL = "compute_service/domain/zone_model.py"
GATE = "local_cloud/gate.py"

_VALVES = "tests/vm/portable/test_valves.py::"
_VALVES_STORAGE = "tests/vm/portable/test_valves_storage.py::"
_PROTOCOL = "tests/vm/portable/test_protocol.py::Garbage::"
_OUTBOX = "tests/vm/portable/test_outbox.py::"
_COMPUTE = "tests/compute_service/"
_ORDERS = "tests/compute_service/test_orders.py::"
_STRANGERS = "tests/safety/test_strangers.py::"
_CRASHES = "tests/safety/test_compute_crashes.py::"


class Mutation(NamedTuple):
    """A mechanism, the smallest change that takes it out, and the test that must notice."""

    mechanism: str
    file: str
    text: str
    replacement: str
    test: str


MUTATIONS = (
    # The valve supervisor
    Mutation(
        "id check",
        VALVES,
        "        if entry:\n",
        "        if False:\n",
        _VALVES + "Rule4Repeats::test_a_repeat_moves_nothing_and_repeats_the_ack",
    ),
    Mutation(
        "ids are persisted",
        VALVES,
        'for expires_at, ack in state["known"].values()]',
        "for expires_at, ack in ()]",
        _VALVES + "Rule4Repeats::test_ids_survive_a_reboot",
    ),
    Mutation(
        "epoch check",
        VALVES,
        '("stale_epoch", command["epoch"] <=',
        '("stale_epoch", False and command["epoch"] <=',
        _VALVES + "Rule5Rejections::test_stale_epoch",
    ),
    Mutation(
        "epochs are persisted",
        VALVES,
        "record = dict(state)",
        "record = dict(state, epochs={})",
        _VALVES + "Rule5Rejections::test_close_raises_the_epoch_of_a_shut_valve",
    ),
    Mutation(
        "fence check",
        VALVES,
        '("fenced", command["issued_at"] <=',
        '("fenced", False and command["issued_at"] <=',
        _VALVES + "Rule5Rejections::test_stop_all_closes_and_fences",
    ),
    Mutation(
        "the fence is persisted",
        VALVES,
        "record = dict(state)",
        "record = dict(state, fence=0)",
        _VALVES + "Rule5Rejections::test_stop_all_closes_and_fences",
    ),
    Mutation(
        "a fence when all is lost",
        VALVES,
        'self._state["must_fence"] = self._slots.lost',
        'self._state["must_fence"] = False',
        _VALVES_STORAGE + "StorageFaults::test_when_all_is_lost_old_opens_stay_shut",
    ),
    Mutation(
        "deadline is set",
        VALVES,
        '"deadline_ms": ticks_ms + bound_s * 1000',
        '"deadline_ms": ticks_ms + bound_s * 100000',
        _VALVES + "Rule1Bound::test_a_run_ends_at_its_duration",
    ),
    Mutation(
        "deadline is armed before the relay moves",
        VALVES,
        "self._runs[zone_id] = run  #",
        "self._board.set_valve(zone_id, True); self._runs[zone_id] = run  #",
        _VALVES + "Rule2Order::test_the_deadline_is_armed_when_the_relay_moves",
    ),
    Mutation(
        "deadline is enforced",
        VALVES,
        'ticks_ms >= run["deadline_ms"]',
        "ticks_ms < 0",
        _VALVES + "Rule6Replacement::test_a_late_tick_says_how_long_it_was",
    ),
    Mutation(
        "clip to the hard cap",
        VALVES,
        'min(command["duration_s"], cap_s)',
        'command["duration_s"]',
        _VALVES + "Rule1Bound::test_longer_than_the_hard_cap_is_clipped",
    ),
    Mutation(
        "boot closes every valve",
        VALVES,
        "self._shut(zone_id)\n        record",
        "pass\n        record",
        _VALVES + "Rule3Boot::test_boot_closes_everything_first",
    ),
    Mutation(
        "boot reports the run that was cut off",
        VALVES,
        "acks = [self._cut_off(",
        "acks = [] and [self._cut_off(",
        _VALVES + "Rule3Boot::test_a_cut_off_run_is_reported",
    ),
    Mutation(
        "expiry check",
        VALVES,
        '("expired", now >=',
        '("expired", False and now >=',
        _VALVES + "Rule5Rejections::test_expired",
    ),
    Mutation(
        "clock trust check",
        VALVES,
        '("clock_untrusted", not trusted)',
        '("clock_untrusted", False)',
        _VALVES + "Rule5Rejections::test_clock_untrusted",
    ),
    Mutation(
        "written before the relay moves",
        VALVES,
        "if not self._commit(state):\n            self._reject(",
        "if self._commit(state) and False:\n            self._reject(",
        _VALVES_STORAGE + "StorageFaults::test_no_open_without_storage",
    ),
    Mutation(
        "a torn write is recognised",
        SLOTS,
        "!= digest",
        "!= digest and False",
        _VALVES_STORAGE + "StorageFaults::test_a_torn_write_costs_only_itself",
    ),
    # The gateway around it
    Mutation(
        "outbox order: acks first",
        OUTBOX,
        "for queue in (self._urgent, self._ordinary)",
        "for queue in (self._ordinary, self._urgent)",
        _OUTBOX + "TheOrder::test_acks_leave_before_readings",
    ),
    Mutation(
        "acks are durable in the outbox",
        OUTBOX,
        "self._write([_text(entry)])",
        "self._write([])",
        _OUTBOX + "AfterAPowerCut::test_everything_is_there_again",
    ),
    Mutation(
        "own topics only",
        GATEWAY,
        "if topic not in topics.for_gateway(self.gateway_id)",
        "if False",
        _STRANGERS + "test_a_gateway_takes_no_garbage[command-wrong identity]",
    ),
    # The messages, on both sides
    Mutation(
        "identity check: topic and message",
        MESSAGES,
        "if message[field] != identifier:",
        "if False:",
        _PROTOCOL + "test_wrong_identity",
    ),
    Mutation(
        "identity check: owner of the sensor",
        MESSAGES,
        'if topics.gateway_of(message["sensor_id"]) != message["gateway_id"]:',
        "if False:",
        _PROTOCOL + "test_wrong_identity",
    ),
    Mutation(
        "no open without a bound",
        MESSAGES,
        'if action == "open" and message.get("duration_s") is None:',
        "if False:",
        _PROTOCOL + "test_unsafe_commands",
    ),
    Mutation(
        "percent is no fraction",
        MESSAGES,
        "not _is_number(value) or not least <= value <= most",
        "not _is_number(value)",
        _PROTOCOL + "test_percent_for_a_fraction",
    ),
    Mutation("a name stands once", MESSAGES, "if twice:", "if False:", _PROTOCOL + "test_a_name_that_stands_twice"),
    # The gate
    Mutation(
        "identity check: client id and certificate",
        GATE,
        "if connect.client_id != peer.thing or ",
        "if ",
        "tests/safety/test_strangers_at_the_gate.py::test_a_certificate_is_good_for_its_own_name_only",
    ),
    # The compute service
    Mutation(
        "identity check: gateways of the farm",
        SERVICE,
        'if message["gateway_id"] not in self._gateways:',
        "if False:",
        _STRANGERS + "test_compute_takes_no_garbage[status-wrong identity]",
    ),
    Mutation(
        "identity check: the zone's own probe",
        SERVICE,
        'if zone is None or message.get("zone_id") not in (None, zone.zone_id):',
        "if zone is None:",
        _STRANGERS + "test_compute_takes_no_garbage[reading-unknown zone]",
    ),
    Mutation(
        "identity check: the gateway that was commanded",
        SERVICE,
        'ack["gateway_id"] == command.gateway_id and ',
        "",
        _COMPUTE + "test_service.py::test_ack_of_another_gateway_is_refused",
    ),
    Mutation(
        "refused as a whole",
        SERVICE,
        "        for zone_id, epoch in ours.items():\n            is_its_own",
        "        for zone_id, epoch in ours.items():\n"
        "            commands.hear_epoch(self._store.commands, zone_id, epoch)\n            is_its_own",
        _STRANGERS + "test_compute_takes_no_garbage[status-unknown zone]",
    ),
    Mutation(
        "a command is stored before it is published",
        SERVICE,
        "reason=decision.sentence)\n        self._zone_models.remember(work)",
        "reason=decision.sentence)\n"
        "            command = self._send_command(command) if command else None\n"
        "        self._zone_models.remember(work)",
        _COMPUTE + "test_commands.py::test_command_is_on_the_disk_before_it_is_published",
    ),
    Mutation(
        "a message is handled whole, or not at all",
        SERVICE,
        "with self._lock, self._store.transaction():\n            try:",
        "with self._lock:\n            try:",
        _CRASHES + "test_a_death_at_any_moment_changes_nothing[all in order]",
    ),
    Mutation(
        "a restart publishes what is pending",
        SERVICE,
        "if commands.opens(command) and not is_late:",
        "if False:",
        _CRASHES + "test_a_death_at_any_moment_changes_nothing[all in order]",
    ),
    Mutation(
        "a restart publishes the same command",
        SERVICE,
        "self._send_command(command.message)",
        'self._send_command({**command.message, "command_id": self._new_id(self._now())})',
        _COMPUTE + "test_commands.py::test_crash_before_the_puback",
    ),
    Mutation(
        "epochs are learnt from the status",
        SERVICE,
        "            commands.hear_epoch(self._store.commands, zone_id, epoch)\n        self._store.updates",
        "            pass\n        self._store.updates",
        _CRASHES + "test_a_lost_store_learns_the_epochs_again",
    ),
    Mutation(
        "an ack is settled once",
        COMMANDS,
        '.get(ack["state"])',
        '.get(ack["state"], ack["state"])',
        _COMPUTE + "test_commands.py::test_settled_once",
    ),
    Mutation(
        "a late ack still settles",
        COMMANDS,
        '    "expired": {"started": "started", "done": "done", ',
        '    "expired": {"started": "started", ',
        _CRASHES + "test_a_death_at_any_moment_changes_nothing[the end is told after the run was given up]",
    ),
    Mutation(
        "a command that nobody answers ends",
        COMMAND_TABLES,
        '"give_up_at <= ?"',
        '"give_up_at <= -?"',
        _COMPUTE + "test_commands.py::test_unanswered_command_expires",
    ),
    Mutation(
        "epochs rise",
        COMMANDS,
        "log.epoch(zone.zone_id) + 1",
        "log.epoch(zone.zone_id)",
        _COMPUTE + "test_commands.py::test_epochs_rise_over_restarts",
    ),
    Mutation(
        "one command at a time",
        DECIDE,
        "command_id, None, command_id is None, why)",
        "command_id, None, True, why)",
        _COMPUTE + "test_commands.py::test_no_second_command_while_one_is_under_way",
    ),
    Mutation(
        "an untold end counts as watered",
        ZONE_TABLES,
        "AND state = 'expired'",
        "AND state = 'never'",
        _COMPUTE + "test_commands.py::test_unknown_end_counts_as_given",
    ),
    Mutation(
        "daily cap",
        DECIDE,
        "max(zone.daily_cap_s - used_s, 0)",
        "zone.daily_cap_s",
        _COMPUTE + "test_commands.py::test_daily_cap_holds_without_any_ack",
    ),
    Mutation(
        "cooldown",
        DECIDE,
        "since is None or since >= most:",
        "True:",
        _COMPUTE + "test_commands.py::test_cooldown_and_cap_follow_what_was_settled",
    ),
    Mutation(
        "fresh reading",
        DECIDE,
        "age is not None and -FUTURE_S <= age <= most",
        "age is not None",
        _COMPUTE + "test_decide.py::test_each_check_refuses",
    ),
    Mutation(
        "believable probes",
        DECIDE,
        "    if good:\n",
        "    if True:\n",
        _COMPUTE + "test_decide.py::test_each_check_refuses",
    ),
    Mutation(
        "one pump",
        ZONE_MODELS,
        "return self._pump_l_min - flow_l_min",
        "return self._pump_l_min",
        _COMPUTE + "test_service.py::test_one_pump_waters_the_driest_first",
    ),
    Mutation(
        "budgets bound a run",
        CONSTRAINTS,
        "min(by_hours_s, int(litres / flow_l_min * 60))",
        "by_hours_s",
        _COMPUTE + "test_decide.py::test_bounds_clip_the_run",
    ),
    Mutation(
        "water is booked once",
        COMMANDS,
        "back_s=_bound_s(command)))",
        "back_s=0))",
        _COMPUTE + "test_commands.py::test_late_ack_settles_an_expired_command",
    ),
    Mutation(
        "a stranger's word silences no probe",
        ZONE_MODEL,
        "if vwc is not None and vwc > 1 and sample.sensor_id in clear:",
        "if False:",
        _COMPUTE + "test_service.py::test_percent_is_told_by_the_gateways_report",
    ),
    Mutation(
        "clock trust check of samples",
        SERVICE,
        'sample["clock"] != "synced"',
        "False",
        _COMPUTE + "test_service.py::test_unusable_samples",
    ),
    # What people order
    Mutation(
        "hold check",
        DECIDE,
        "for hold in state.holds]",
        "for hold in ()]",
        _ORDERS + "test_stop_holds_until_resume_also_after_a_restart",
    ),
    Mutation(
        "an order to open expires",
        ORDERS_OF_THE_DOMAIN,
        "return self.at + OPEN_LIFE_S",
        "return None",
        _ORDERS + "test_an_open_never_starts_late",
    ),
    Mutation(
        "a repeated order acts once",
        ORDERS,
        "store.orders.of_key(order.key) if order.key else None",
        "None",
        _ORDERS + "test_a_repeated_order_acts_once",
    ),
    Mutation(
        "orders are obeyed as they were given",
        "compute_service/adapters/sqlite/orders.py",
        "WHERE ended_at IS NULL ORDER BY rowid",
        "WHERE ended_at IS NULL ORDER BY order_id",
        _COMPUTE + "test_ports.py::test_an_order_comes_once[sqlite]",
    ),
    Mutation(
        "a stop overtakes an open that waits before it",
        SERVICE,
        "overtaken(order, later) or ",
        "",
        _ORDERS + "test_an_open_that_waits_before_a_stop_never_opens",
    ),
    Mutation(
        "a stop is said at each status",
        SERVICE,
        'if status["state"] == "online":',
        "if False:",
        _ORDERS + "test_an_unanswered_stop_is_said_at_each_status",
    ),
    Mutation(
        "a stop is said again at the start",
        SERVICE,
        "                self._tell_command(stop.message)\n                self._send_command(stop.message)\n",
        "                self._tell_command(stop.message)\n",
        _ORDERS + "test_stop_holds_until_resume_also_after_a_restart",
    ),
    Mutation(
        "a stop that waited comes before what it stops",
        SERVICE,
        "            self._take_orders(self._now())  # a stop",
        "            # a stop",
        _ORDERS + "test_a_stop_that_waited_comes_before_what_it_stops",
    ),
    Mutation(
        "a restart opens nothing that is held",
        SERVICE,
        " or in_force(holds, command.zone_id, self._now())",
        "",
        _ORDERS + "test_a_stop_that_waited_comes_before_what_it_stops",
    ),
    Mutation(
        "a stop is never given up",
        COMMANDS,
        "give_up_at=NEVER",
        "give_up_at=now + LIFE_S",
        _ORDERS + "test_only_a_later_resume_withdraws_a_stop",
    ),
    Mutation(
        "a resume withdraws",
        ORDERS,
        "                commands.withdraw(self.store.commands, row, now)",
        "                pass",
        _ORDERS + "test_only_a_later_resume_withdraws_a_stop",
    ),
    Mutation(
        "a resume withdraws what its own place waits for",
        ORDERS,
        "return own - {",
        "return own | {",
        _ORDERS + "test_resume_of_the_farm_withdraws_what_its_pause_closed",
    ),
    Mutation(
        "a resume releases its own place",
        "compute_service/adapters/sqlite/orders.py",
        "if hold.kind in all_kinds and hold.zone_id == zone_id",
        "if hold.kind in all_kinds",
        _COMPUTE + "test_ports.py::test_a_hold_never_becomes_shorter[sqlite]",
    ),
    Mutation(
        "a person's open keeps what bounds water",
        DECIDE,
        "check.name not in overruled), None)",
        "not manual), None)",
        _ORDERS + "test_what_a_persons_open_never_overrules",
    ),
    Mutation(
        "a person's open keeps within the day",
        DECIDE,
        "bounds_s = (zone.max_run_s, left_today_s, ",
        "bounds_s = (zone.max_run_s, zone.daily_cap_s if manual else left_today_s, ",
        _ORDERS + "test_a_run_by_hand_stays_within_the_day",
    ),
    Mutation(
        "a person's open keeps within one run",
        ORDERS,
        "            run_s > most_s,",
        "            False,",
        _ORDERS + "test_an_order_that_cannot_be",
    ),
    Mutation(
        "a pause closes first",
        ORDERS,
        "for zone in zones if zone.zone_id in running]",
        "for zone in ()]",
        _ORDERS + "test_a_pause_closes_what_runs_there_and_ends_by_itself",
    ),
    Mutation(
        "a pause closes what nobody answered",
        COMMANDS,
        "_bound_s(command) + ACK_GRACE_S\n\n\ndef withdraw",
        "0 * ACK_GRACE_S\n\n\ndef withdraw",
        _ORDERS + "test_a_pause_closes_a_run_whose_acks_never_came",
    ),
)
