"""Every safety mechanism is needed: without it, its named test fails."""

import subprocess
import sys

import pytest

from tests.safety.mutation_list import MUTATIONS
from tests.safety.mutation_places import VALVES, Mutation
from tests.safety.mutations import ROOT, MutationError, changed, judge

# What the valve rules rest on: the list may grow, and must not shrink.
NEEDED = (
    *("id check", "ids are persisted", "epoch check", "fence check", "the fence is persisted", "deadline is set"),
    *("deadline is enforced", "clip to the hard cap", "boot closes every valve", "expiry check", "clock trust check"),
    *("identity check: topic and message", "identity check: owner of the sensor"),
    *(
        "identity check: client id and certificate",
        "outbox order: acks first",
        "fresh reading",
        "daily cap",
        "cooldown",
    ),
    *("hold check", "an order to open expires", "a stop is said at each status", "a stop is never given up"),
    *("a restart opens nothing that is held", "a pause closes first", "a repeated order acts once"),
    *("renewal: never of a revoked thing", "renewal: no settle without the serial that was seen"),
    *("renewal: private spares go with the hand-over", "renewal: the old certificate ends with the settle"),
    *("a command is stored before it is published", "an ack is settled once", "clock trust check of samples"),
)


@pytest.mark.timeout(1800)
def test_nothing_can_be_taken_out_unnoticed() -> None:
    """For each mechanism the named test passes with it, and fails without it."""
    unnoticed = [
        f"{verdict.mutation.mechanism}: {verdict.result}" for verdict in judge(MUTATIONS) if not verdict.caught
    ]
    assert unnoticed == []


def test_the_list_is_whole() -> None:
    """Every mechanism of the valve rules has its row, and every row its own change."""
    names = [mutation.mechanism for mutation in MUTATIONS]
    assert set(NEEDED) <= set(names)
    assert len({mutation[1:4] for mutation in MUTATIONS}) == len(set(names)) == len(names) >= 40


HARMLESS = Mutation(
    "a comment",
    VALVES,
    '"""The valve supervisor:',
    '"""The supervisor of valves:',
    "tests/vm/portable/test_valves.py::Rule5Rejections::test_expired",
)


def test_a_survivor_is_told() -> None:
    """A change that its test does not notice is no proof, and the checkout is not touched by it."""
    before = (ROOT / HARMLESS.file).read_bytes()
    [verdict] = judge([HARMLESS])
    assert (verdict.caught, verdict.result) == (False, "SURVIVES")
    assert (ROOT / HARMLESS.file).read_bytes() == before


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (HARMLESS._replace(text="no such text"), "stands 0 times"),
        (HARMLESS._replace(text="self"), "times in firmware/lib/gateway/valves.py, want 1"),
        (HARMLESS._replace(replacement="("), "no Python"),
    ],
)
def test_a_row_that_does_not_fit_is_an_error(row: Mutation, why: str) -> None:
    """A row whose text is gone, or stands more than once, or breaks the file, does not pass for a proof."""
    with pytest.raises(MutationError, match=why):
        changed(row)


def test_a_test_that_is_gone_is_an_error() -> None:
    """A row whose test does not exist is no proof either."""
    with pytest.raises(MutationError, match=r"cannot run|do not pass"):
        list(judge([HARMLESS._replace(test="tests/vm/portable/test_valves.py::Rule9::test_nothing")]))


def test_the_command_prints_the_table() -> None:
    """`python -m tests.safety.mutations` names mechanism, test, result and seconds of the rows that were asked for."""
    command = [sys.executable, "-m", "tests.safety.mutations", "expiry", "cooldown"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *rows, last = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["expiry", "cooldown"]
    assert all("caught" in row and " s  tests/" in row for row in rows)
    assert last == "2 mechanisms, 0 could be taken out unnoticed"
