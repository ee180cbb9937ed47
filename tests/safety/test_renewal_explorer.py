"""A board that renews itself can always connect, in every interleaving of its job, cuts, its broker and its host."""

import sys
from collections.abc import Iterator

import pytest

from gateway.renewal import Renewal
from tests.safety.broken_renewals import BROKEN_RENEWALS
from tests.safety.renewal_explorer import BrokenRenewalError, Explorer, restored

DEPTH = 10
EVENTS = {
    *("start", "connects", "link lost", "power cut", "certified 1", "certified 2", "settled", "withdrawn"),
    *("job 1", "job 2", "job for another key 1", "job for another key 2", "kept", "given up"),
}


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """The walks put their flash in the place of the modules' files."""
    back = restored()
    yield
    back()


def test_a_board_can_always_connect(capsys: pytest.CaptureFixture[str]) -> None:
    """At every moment there is an identity on its flash that its broker takes, and its next starts come to it."""
    explorer = Explorer()
    count = explorer.count(DEPTH)
    with capsys.disabled():
        sys.stdout.write(f"\n  a renewal, depth {DEPTH}: {count:,} interleavings\n")
    assert count >= 1_800_000
    assert explorer.used == EVENTS
    assert (frozenset({2}), 2) in explorer.ends, "one renewal after the other was settled"


@pytest.mark.parametrize("broken", BROKEN_RENEWALS)
def test_a_broken_renewal_is_caught(broken: type[Renewal]) -> None:
    """Else a walk without a violation would say nothing."""
    with pytest.raises(BrokenRenewalError, match="takes it no more"):
        Explorer(broken).count(8)


def test_a_host_that_does_not_wait_locks_a_board_out() -> None:
    """A status with the new serial is told before the board keeps it: the job's end is what settles."""
    with pytest.raises(BrokenRenewalError) as caught:
        Explorer(host_waits=False).count(7)
    assert caught.value.story[-2:] == ("connects", "settled")
