"""Two hundred kills, of whom and when by chance: no job is lost or run twice, and what exists is known."""

import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from local_cloud.aws import environment
from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT, aws_api, short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import House, seldom
from tests.provisioning.judge import check
from tests.provisioning.roots import TWELVE
from tests.waiting import until_true

KILLS = int(os.environ.get("PROVISIONING_KILLS", "200"))
SEED = int(os.environ.get("PROVISIONING_SEED", "4"))
VICTIMS = ("service", "wrapper", "terraform", "provider", "all")
CALLS = {"deploy": 70, "destroy": 60}  # of an apply of the twelve, about


class Round:
    """One job, and a kill in it."""

    def __init__(self, house: House, door: Door, dice: random.Random) -> None:
        self.house = house
        self.door = door
        self.kind = "destroy" if len(cloud.arns(door.endpoint)) == 12 else "deploy"
        self.victim = dice.choice(VICTIMS)
        self.after = dice.randrange(CALLS[self.kind])
        self.job_id = house.deploy(PROJECT, TWELVE) if self.kind == "deploy" else house.destroy(PROJECT)

    def kill(self) -> bool:
        """Kill the victim once its apply has made so many calls; False if the job ended before."""
        folder = self.house.phase(PROJECT, self.job_id)
        until_true(lambda: (folder / "job.pid").exists() or seldom(self.has_ended()), "the apply")
        begin = self.door.calls
        until_true(
            lambda: self.door.calls >= begin + self.after or (folder / "job.rc").exists(), "the moment of the kill"
        )
        session = self.house.session(PROJECT, self.job_id)
        names = {"wrapper": "python", "terraform": "terraform", "provider": "terraform-provi"}
        victims = [one for one in session if self.victim == "all" or one.name.startswith(names.get(self.victim, "-"))]
        victims = [one for one in victims if self.victim != "terraform" or one.name == "terraform"]
        if self.victim in {"service", "all"}:
            self.house.kill()
        for one in victims:
            try:
                os.kill(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.victim in {"service", "all"}:
            self.house.start()
        return bool(session)

    def has_ended(self) -> bool:
        """True for a job that is through."""
        return bool(self.house.job(self.job_id)["endTime"])


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
def test_whoever_is_killed_and_whenever(mirror: Path) -> None:
    """After each, state and named orphans are what the API lists; the next deploy ends with all, and no change."""
    dice, counts = random.Random(SEED), Counter[str]()
    with short_folder() as folder, aws_api() as endpoint:
        door = Door(endpoint)
        house = House(folder / "d", environment(door.endpoint), {}, mirror)
        house.start()
        try:
            for number in range(KILLS):
                one = Round(house, door, dice)
                was_in_time = one.kill()
                job = house.end(one.job_id)
                check(house, door, job, was_service=one.victim == "service")
                orphans = len(house.project(PROJECT)["orphans"])
                counts.update([one.victim, job["detail"], f"{one.kind}, in time: {was_in_time}"])
                counts["orphans"] += orphans
                print(number, one.kind, one.victim, one.after, job["detail"], orphans, flush=True)  # noqa: T201
                if one.kind == "deploy":
                    again = house.end(house.deploy(PROJECT, TWELVE))
                    assert again["status"] == "completed", again["error"]
                    assert house.project(PROJECT)["orphans"] == []
                    empty = house.end(house.deploy(PROJECT, TWELVE)) if number % 5 == 0 else None
                    assert empty is None or empty["result"]["message"].startswith("No changes"), empty
            print(dict(counts))  # noqa: T201
        finally:
            house.close()
            door.close()
