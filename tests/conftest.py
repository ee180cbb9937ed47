"""What holds for every test: the longest files begin first, so that no worker waits for one of them at the end."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from protocol import farms, topics

os.environ.pop(farms.SETTING, None)  # a shell's farm is not the tests': neither here nor in what they start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes start; each would compile every module again
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that runs us in the background asks for that, and what
    signal.signal(signal.SIGINT, signal.default_int_handler)  # we start would be deaf to Ctrl-C, too

SLOWEST_FIRST = (
    "end_to_end/test_deploy_local.py",
    "vm/test_silent_peers.py",
    "vm/test_micropython_vm.py",
    "provisioning/test_kills.py",
    "safety/test_explorer.py",
    "safety/test_compute_crashes.py",
    "safety/test_kills.py",
    "end_to_end/test_scenarios.py",
    "end_to_end/test_demo.py",
    "vm/portable/test_update_image.py",
    "vm/test_bench_faults.py",
    "end_to_end/test_board_in_the_fleet.py",
    "safety/test_kills_among_faults.py",
    "vm/test_bench_power_cuts.py",
    "firmware/test_flash.py",
    "safety/test_mutations.py",
    "terraform/test_modules.py",
    "aggregate/test_histories.py",
    "aggregate/test_image.py",
    "console/test_farm_at_work.py",
    "local_cloud/test_gate.py",
    "terraform/test_renewal.py",
    "end_to_end/test_rooms_by_themselves.py",
    "console/test_looks.py",
    "certs/test_fetch.py",
    "local_cloud/test_attacks.py",
    "console/test_steering.py",
    "vm/test_native_board.py",
    "vm/test_sleep.py",
    "vm/test_native_memory.py",
    "terraform/test_configuration.py",
    "demo/deploy/test_infrastructure.py",
)


# How long an example takes beside other work says nothing. Every push tries the same examples, so that none fails by
# chance; the soak looks for others.
settings.register_profile("soak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("push", settings.get_profile("soak"), derandomize=True)


def pytest_configure(config: pytest.Config) -> None:
    """The examples of this run."""
    settings.load_profile("soak" if config.option.markexpr == "soak" else "push")


@pytest.fixture(autouse=True)
def default_farm() -> Iterator[None]:
    """A test that serves another farm in this process leaves the next one the default farm's topics."""
    yield
    topics.use(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file, in the order above, and leave the rest as it was."""
    ranks = {f"tests/{name}": rank for rank, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: many tests wait for a process, a clock or a network."""
    return min((os.cpu_count() or 1) + 1, 8)
