"""Is each safety mechanism needed? Take it out of a copy of the source, and its named test must fail.

`python -m tests.safety.mutations [WORD...]` prints a row a mechanism (only those with a WORD in it), and ends with exit
code 1 if one could be taken out unnoticed. The checkout itself is never touched. A row whose text is no longer in its
file, once, is an error: so the list stays true.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COPIED = ("firmware/lib", "protocol", "compute_service", "local_cloud", "certs", "tests", "pyproject.toml")
WORKERS = 2
LIMIT_S = 60  # for one test: a mutant that hangs is not caught, it wants a better test
ALL_S = 240  # for all of them, unchanged
FAILED = 1  # pytest: tests ran, and some failed

VALVES = "firmware/lib/gateway/valves.py"
GATEWAY = "firmware/lib/gateway/gateway.py"
OUTBOX = "firmware/lib/gateway/outbox.py"
SLOTS = "firmware/lib/gateway/store.py"
MESSAGES = "protocol/messages.py"
SERVICE = "compute_service/service.py"
COMMANDS = "compute_service/commands.py"
STORE = "compute_service/store.py"
DECIDE = "compute_service/decide.py"
GATE = "local_cloud/gate.py"

_VALVES = "tests/vm/portable/test_valves.py::"
_PROTOCOL = "tests/vm/portable/test_protocol.py::Garbage::"
_OUTBOX = "tests/vm/portable/test_outbox.py::"
_COMPUTE = "tests/compute_service/"
_STRANGERS = "tests/safety/test_strangers.py::"
_CRASHES = "tests/safety/test_compute_crashes.py::"


class MutationError(Exception):
    """A row does not fit the source any more, or its test cannot run."""


class Mutation(NamedTuple):
    """A mechanism, the smallest change that takes it out, and the test that must notice."""

    mechanism: str
    file: str
    text: str
    replacement: str
    test: str


class Verdict(NamedTuple):
    """What became of a mutant: `caught` if the named test failed."""

    mutation: Mutation
    caught: bool
    result: str
    seconds: float


MUTATIONS = (
    # The valve supervisor
    Mutation(
        "id check",
        VALVES,
        "        if known:\n",
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
        "packed = dict(state)",
        "packed = dict(state, epochs={})",
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
        "packed = dict(state)",
        "packed = dict(state, fence=0)",
        _VALVES + "Rule5Rejections::test_stop_all_closes_and_fences",
    ),
    Mutation(
        "a fence when all is lost",
        VALVES,
        'self._state["must_fence"] = self._slots.lost',
        'self._state["must_fence"] = False',
        _VALVES + "StorageFaults::test_when_all_is_lost_old_opens_stay_shut",
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
        "self._shut(zone_id)\n        saved",
        "pass\n        saved",
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
        _VALVES + "StorageFaults::test_no_open_without_storage",
    ),
    Mutation(
        "a torn write is recognised",
        SLOTS,
        "!= digest",
        "!= digest and False",
        _VALVES + "StorageFaults::test_a_torn_write_costs_only_itself",
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
        "        for zone_id, epoch in ours.items():\n            if ",
        "        for zone_id, epoch in ours.items():\n"
        "            commands.hear_epoch(self._store, zone_id, epoch)\n            if ",
        _STRANGERS + "test_compute_takes_no_garbage[status-unknown zone]",
    ),
    Mutation(
        "a command is stored before it is published",
        SERVICE,
        "            self._store.forget_due(zone_id)\n        self._record(",
        "            self._store.forget_due(zone_id)\n"
        "            command = self._send_command(command) if command else None\n        self._record(",
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
        'if command.message["expires_at"] > self._now():',
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
        "            commands.hear_epoch(self._store, zone_id, epoch)\n        self._store.save_gateway",
        "            pass\n        self._store.save_gateway",
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
        STORE,
        '"give_up_at <= ?"',
        '"give_up_at <= -?"',
        _COMPUTE + "test_commands.py::test_unanswered_command_expires",
    ),
    Mutation(
        "epochs rise",
        COMMANDS,
        "store.epoch(zone.zone_id) + 1",
        "store.epoch(zone.zone_id)",
        _COMPUTE + "test_commands.py::test_epochs_rise_over_restarts",
    ),
    Mutation(
        "one command at a time",
        DECIDE,
        "None, state.under_way is None, why)",
        "None, True, why)",
        _COMPUTE + "test_commands.py::test_no_second_command_while_one_is_under_way",
    ),
    Mutation(
        "an untold end counts as watered",
        STORE,
        "AND state = 'expired'",
        "AND state = 'never'",
        _COMPUTE + "test_commands.py::test_unknown_end_counts_as_given",
    ),
    Mutation(
        "daily cap",
        DECIDE,
        "max(zone.daily_cap_s - used, 0)",
        "zone.daily_cap_s",
        _COMPUTE + "test_commands.py::test_daily_cap_holds_without_any_ack",
    ),
    Mutation(
        "cooldown",
        DECIDE,
        "since >= zone.cooldown_s",
        "since >= 0",
        _COMPUTE + "test_commands.py::test_cooldown_and_cap_follow_what_was_settled",
    ),
    Mutation(
        "fresh reading",
        DECIDE,
        "age is not None and -FUTURE_S <= age <= zone.max_reading_age_s",
        "age is not None",
        _COMPUTE + "test_decide.py::test_each_check_refuses",
    ),
    Mutation(
        "plausible reading",
        DECIDE,
        "vwc is not None and least <= vwc <= SATURATION",
        "vwc is not None",
        _COMPUTE + "test_decide.py::test_each_check_refuses",
    ),
    Mutation(
        "clock trust check of samples",
        SERVICE,
        'sample["clock"] != "synced"',
        "False",
        _COMPUTE + "test_service.py::test_unusable_samples",
    ),
)


def changed(mutation: Mutation, root: Path = ROOT) -> str:
    """The source of the mutant's file. Raises MutationError if the row does not fit, or the mutant is no Python."""
    source = (root / mutation.file).read_text()
    found = source.count(mutation.text)
    if found != 1:
        raise MutationError(f"{mutation.mechanism}: {mutation.text!r} stands {found} times in {mutation.file}, want 1")
    mutant = source.replace(mutation.text, mutation.replacement)
    try:
        compile(mutant, mutation.file, "exec")
    except SyntaxError as error:
        raise MutationError(f"{mutation.mechanism}: the mutant is no Python: {error}") from error
    return mutant


def judge(mutations: Sequence[Mutation]) -> Iterator[Verdict]:
    """A verdict for each mutation, in their order. Raises MutationError."""
    for mutation in mutations:
        changed(mutation)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(WORKERS):
            copies.put(_copy(Path(folder) / str(number)))
        whole = pool.submit(_check_copy, copies, mutations)
        verdicts = [pool.submit(_judge_one, copies, mutation) for mutation in mutations]
        for verdict in verdicts:
            yield verdict.result()
        whole.result()


def _copy(target: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "issued", "*.pyc"))
        else:
            shutil.copy(ROOT / name, target / name)
    return target


def _run(copy: Path, *arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(copy), str(copy / "firmware/lib"))),  # before the checkout's own entries
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they double the time of a short test
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def _pytest(copy: Path, tests: Iterable[str], limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    options = ("-p", "pytest_timeout", "-p", "no:cacheprovider", "-x", "-q", "--timeout=0")
    return _run(copy, "-m", "pytest", *options, *tests, limit_s=limit_s)


def _check_copy(copies: "queue.Queue[Path]", mutations: Sequence[Mutation]) -> None:
    """Unchanged, every named test passes, and what it imports is the copy."""
    copy = copies.get()
    try:
        modules = sorted({_module(mutation.file) for mutation in mutations})
        code = f"import {', '.join(modules)}; print(*[m.__file__ for m in ({', '.join(modules)},)], sep='\\n')"
        files = _run(copy, "-c", code).stdout.split()
        strangers = [file for file in files if not Path(file).is_relative_to(copy)]
        if strangers or len(files) != len(modules):
            raise MutationError(f"not the copy's own modules are imported: {strangers or modules}")
        done = _pytest(copy, sorted({mutation.test for mutation in mutations}), ALL_S)
        if done.returncode != 0:
            raise MutationError(f"the named tests do not pass unchanged:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    finally:
        copies.put(copy)


def _module(file: str) -> str:
    return file.removeprefix("firmware/lib/").removesuffix(".py").replace("/", ".")


def _judge_one(copies: "queue.Queue[Path]", mutation: Mutation) -> Verdict:
    copy = copies.get()
    path = copy / mutation.file
    source, started = path.read_text(), time.perf_counter()
    try:
        path.write_text(changed(mutation, copy))
        done = _pytest(copy, [mutation.test])
        failed = re.search(r"^\d+ failed", done.stdout.splitlines()[-1]) if done.stdout else None
        if done.returncode not in (0, FAILED) or (done.returncode == FAILED and not failed):
            raise MutationError(
                f"{mutation.mechanism}: {mutation.test} cannot run:\n{done.stdout[-3000:]}{done.stderr}"
            )
        caught = done.returncode == FAILED
        return Verdict(mutation, caught, "caught" if caught else "SURVIVES", time.perf_counter() - started)
    except subprocess.TimeoutExpired:
        return Verdict(mutation, False, "HANGS", time.perf_counter() - started)
    finally:
        path.write_text(source)
        copies.put(copy)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code is 1 if a mutant survives, 2 if a row does not fit."""
    chosen = [row for row in MUTATIONS if not words or any(word in row.mechanism for word in words)]
    width = max((len(row.mechanism) for row in chosen), default=0)
    survivors = 0
    try:
        for mutation, caught, result, seconds in judge(chosen):
            survivors += not caught
            sys.stdout.write(f"{mutation.mechanism:{width}}  {result:8}  {seconds:4.1f} s  {mutation.test}\n")
            sys.stdout.flush()
    except MutationError as error:
        sys.stderr.write(f"mutations: {error}\n")
        return 2
    sys.stdout.write(f"{len(chosen)} mechanisms, {survivors} could be taken out unnoticed\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
