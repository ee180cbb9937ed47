"""What keeps a kill from doing harm is taken out, one thing at a time: the judge of the kills must say so each time."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_cloud.aws import environment
from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT, short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import House, patiently, seldom
from tests.provisioning.judge import check
from tests.provisioning.roots import PAIR


def held(house: House, door: Door) -> str:
    """A deploy of the two, which are made, and their answers held."""
    door.hold_after(0)
    job_id = house.deploy(PROJECT, PAIR)
    patiently(lambda: door.held == 2, "creations whose answers are held")
    return job_id


def the_service_is_killed(house: House, door: Door) -> None:
    """In the middle of an apply, which the next service sees end well."""
    job_id = held(house, door)
    house.kill()
    house.start()
    wait_a_while(house, job_id, "processing")
    door.release()
    check(house, door, house.end(job_id), was_service=True)


def terraform_is_killed(house: House, door: Door) -> None:
    """What it made is named, and comes in with the next deploy."""
    job_id = held(house, door)
    [terraform] = [one for one in house.session(PROJECT, job_id) if one.name == "terraform"]
    os.kill(terraform.pid, signal.SIGKILL)
    door.release()
    check(house, door, house.end(job_id))
    again = house.end(house.deploy(PROJECT, PAIR))
    assert again["status"] == "completed", again["error"]


def two_are_posted(house: House, door: Door) -> None:
    """The second waits until the first has ended."""
    first = held(house, door)
    second = house.deploy(PROJECT, PAIR, wait=True)
    wait_a_while(house, second, "pending")
    door.release()
    for job_id in (first, second):
        check(house, door, house.end(job_id))


def wait_a_while(house: House, job_id: str, status: str) -> None:
    """Until a job is no longer so, or was so for twenty looks: longer than the service takes to see what it does."""
    looks = iter(range(20))
    patiently(lambda: seldom(house.job(job_id)["status"] != status) or next(looks, None) is None, "a while")


@pytest.fixture
def make_house(door: Door, provider: dict[str, str], mirror: Path) -> Iterator[Callable[[str], House]]:
    """A service of which something was taken out; the cloud is empty afterwards."""
    with short_folder() as folder, ExitStack() as stack:

        def make(broken: str) -> House:
            house = House(folder / "d", environment(door.endpoint), provider, mirror, broken=broken)
            stack.callback(clean, door)
            stack.callback(house.close)
            stack.callback(door.release)
            house.start()
            return house

        yield make


@pytest.mark.soak
@pytest.mark.parametrize(
    ("broken", "history"),
    [("", the_service_is_killed), ("", terraform_is_killed), ("", two_are_posted), ("no look", two_are_posted)],
)
def test_with_all_in_its_place_it_is_as_it_should_be(
    make_house: Callable[[str], House], door: Door, broken: str, history: Callable[[House, Door], None]
) -> None:
    """Else the judge would complain of anything; and of two posted the unique row alone lets one work."""
    history(make_house(broken), door)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("broken", "history", "word"),
    [
        ("a pipe for the log", the_service_is_killed, "signal 13|worker_lost|broken pipe"),
        ("no attachment", the_service_is_killed, "worker_lost|Extra items"),
        ("no unique row", two_are_posted, "at once"),
        ("no adoption", terraform_is_killed, "AlreadyExists"),
    ],
)
def test_the_judge_sees_what_is_taken_out(
    make_house: Callable[[str], House], door: Door, broken: str, history: Callable[[House, Door], None], word: str
) -> None:
    """Without this one thing a kill does harm, and it is told."""
    house = make_house(broken)
    with pytest.raises(AssertionError, match=word):
        history(house, door)


def clean(door: Door) -> None:
    """Nothing is left of the two."""
    exist = cloud.arns(door.endpoint)
    if any(arn.endswith("role/pair") for arn in exist):
        cloud.client("iam", door.endpoint).delete_role(RoleName="pair")
    if any(arn.endswith(":/pair") for arn in exist):
        cloud.client("logs", door.endpoint).delete_log_group(logGroupName="/pair")
    assert cloud.arns(door.endpoint) == set()
