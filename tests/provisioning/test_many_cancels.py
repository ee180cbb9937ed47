"""Twenty cancels at moments by chance: what is half made is told, what is whole stays, and no data is lost unasked."""

import os
import random
from collections import Counter

import pytest

from provisioning import states
from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT
from tests.provisioning.door import Door
from tests.provisioning.house import House, patiently
from tests.provisioning.judge import births, check
from tests.provisioning.roots import TWELVE

CANCELS = int(os.environ.get("PROVISIONING_CANCELS", "20"))
SEED = int(os.environ.get("PROVISIONING_SEED", "4"))
CALLS = 60  # of an apply of the twelve, about


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_whenever_a_deploy_is_cancelled(house: House, door: Door) -> None:
    """What exists is known; the next deploy ends with all twelve, and replaces nothing that keeps data."""
    dice, counts = random.Random(SEED), Counter[str]()
    for number in range(CANCELS):
        after = dice.randrange(CALLS)
        job_id = house.deploy(PROJECT, TWELVE)
        cancel(house, door, job_id, after)
        job = house.end(job_id)
        check(house, door, job)
        state = house.project(PROJECT)["terraformState"]
        assert job["result"]["tainted"] == states.tainted(state)
        before = births(door.endpoint)
        again = house.end(house.deploy(PROJECT, TWELVE))
        assert again["status"] == "completed", again["error"]
        assert before.items() <= births(door.endpoint).items(), "something that keeps data was replaced"
        assert len(cloud.arns(door.endpoint)) == 12
        assert house.end(house.destroy(PROJECT))["status"] == "completed"
        counts.update([job["detail"], f"tainted: {len(job['result']['tainted'])}"])
        print(number, after, job["detail"], len(before), job["result"]["tainted"], flush=True)  # noqa: T201
    print(dict(counts))  # noqa: T201


def cancel(house: House, door: Door, job_id: str, after: int) -> None:
    """Cancel a job once its apply has made so many calls, or has ended."""
    folder = house.phase(PROJECT, job_id)
    patiently((folder / "job.pid").exists, "the apply")
    begin = door.calls
    patiently(lambda: door.calls >= begin + after or (folder / "job.rc").exists(), "the moment of the cancel")
    code, _ = house.call("POST", f"/api/deploy/cancel/{job_id}")
    assert code in {202, 409}
    house.end(job_id)
