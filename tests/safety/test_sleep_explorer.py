"""A node that sleeps loses nothing and is never missed, in every interleaving of its networks, cuts and clock jumps."""

import sys
from typing import Any

import pytest

from tests.safety.sleep_explorer import JUMPS, BrokenSleepError, Explorer

WALKS: dict[str, tuple[int, int, dict[str, Any]]] = {  # publish interval, wakings, and what may happen in them
    "networks and clock jumps": (1800, 2, {"jumps": tuple(JUMPS)}),
    "cuts and clock jumps": (900, 1, {"jumps": tuple(JUMPS), "cuts": True}),
    "networks and cuts": (900, 2, {"cuts": True}),
}
BROKEN = {
    "numbers are begun anew in each waking": (
        'past["boot"], past["seq"] = node.boot_id, max(node._seqs.values(), default=0) -> past["boot"] = node.boot_id',
        "two samples of one name",
    ),
    "it says that it wakes before it does": (
        'self.past["heard"] = self.due()[1] -> self.past["heard"] = self.due()[1] + 3600',
        "silent since",
    ),
    "it sleeps as long as it can": ("min(max(1, due - clock.now()), MOST_S) -> MOST_S", "silent since"),
    "it is gone before anything is acknowledged": ("return min(self.ends_ms, ends_ms) -> return 0", "lost"),
    "what a life before it left is taken over after a reset": (
        (
            "json.loads(memory()) if cause == machine.DEEPSLEEP_RESET else {} -> json.loads(memory())\n"
            'memory(b"{}")  # of a life -> pass  # of a life'
        ),
        "two samples of one name",
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_node_keeps_what_it_promises(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its samples arrive, each under a name of its own, and it is heard when it said that it wakes."""
    publish_s, depth, what = WALKS[name]
    explorer = Explorer(publish_s=publish_s)
    count = explorer.run(depth, **what)
    with capsys.disabled():
        sys.stdout.write(f"\n  {name}, {depth} wakings: {count} interleavings, {explorer.cuts} cuts\n")
    assert count >= 100


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_node_is_caught(name: str) -> None:
    """Else a walk without a violation would say nothing."""
    change, promise = BROKEN[name]
    with pytest.raises(BrokenSleepError, match=promise):
        Explorer(change).run(2, cuts=True)
