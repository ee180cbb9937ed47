"""A roll-out in stages, decision by decision, on a clock that tests move."""

from collections.abc import Sequence

import pytest

from tests.updates.conftest import Farm
from updates.errors import FleetError, JobError
from updates.rollout import share_of, stages_of

FLEET = [f"gateway-{number}" for number in range(1, 11)]


def finish(farm: Farm, things: Sequence[str], status: str = "SUCCEEDED") -> None:
    for thing in things:
        farm.update(thing, status)


def test_stages_lead_with_who_is_named_and_go_on_by_number() -> None:
    """`--first` leads, gateway-2 comes before gateway-10, the rest is the last stage, and no stage is empty."""
    assert stages_of(FLEET, ["gateway-9"], ["1", "30%"]) == [
        ["gateway-9"],
        ["gateway-1", "gateway-2", "gateway-3"],
        [f"gateway-{number}" for number in (4, 5, 6, 7, 8, 10)],
    ]
    assert stages_of(["a", "b"], [], ["1", "10%", "10%"]) == [["a"], ["b"]]
    assert stages_of(["a"], [], []) == [["a"]]
    assert [share_of(text, 95) for text in ("5", "10%", "0", "100%")] == [5, 9, 0, 95]


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "1.5", "5 %", "%"])
def test_a_size_that_is_none_is_told(text: str) -> None:
    """A stage's size is a number of boards or a share of them."""
    with pytest.raises(FleetError, match="want a number of boards"):
        share_of(text, 10)


def test_a_stranger_does_not_lead() -> None:
    """A board in `--first` that is not in the fleet is a mistake, and so is a fleet of none."""
    with pytest.raises(FleetError, match="gateway-11 is not in the fleet"):
        stages_of(FLEET, ["gateway-11"], [])
    with pytest.raises(FleetError, match="without boards"):
        stages_of([], [], [])


def test_a_stage_begins_when_the_one_before_is_well(farm: Farm) -> None:
    """Nobody hears of a job before its stage, and the job is COMPLETED when its last board is."""
    farm.publish(*FLEET, sizes=["1", "30%"])
    assert farm.tick() == FLEET[:1]
    assert "execution" not in farm.ask(FLEET[1], "jobs/start-next")[0][1]
    assert farm.ask(FLEET[1], "jobs/update-7/get")[0][1]["code"] == "ResourceNotFound"
    finish(farm, FLEET[:1])
    assert farm.tick() == FLEET[1:4]
    finish(farm, FLEET[1:3])
    assert farm.tick() == []
    finish(farm, FLEET[3:4])
    assert farm.tick() == sorted(FLEET[4:])
    finish(farm, FLEET[4:])
    farm.tick()
    job = farm.service.store.job("update-7")
    assert (job.state, job.reason) == ("COMPLETED", "stage 3: 6 SUCCEEDED")


@pytest.mark.parametrize("status", ["FAILED", "REJECTED"])
def test_a_failure_beyond_the_tolerance_stops_at_once(farm: Farm, status: str) -> None:
    """Of a stage of 4 one may fail: the second failure lets off who has not begun, and leaves who is at work."""
    farm.publish(*FLEET, sizes=["4"], failures="25%")
    farm.tick()
    finish(farm, FLEET[:1], status)
    farm.ask(FLEET[1], "jobs/start-next")
    assert farm.tick() == []
    finish(farm, FLEET[2:3], status)
    assert farm.tick() == [FLEET[3]]
    job = farm.service.store.job("update-7")
    assert job.state == "STOPPED"
    assert job.reason == f"stage 1: 2 {status}, 1 IN_PROGRESS, 1 QUEUED; 1 may fail or be silent"
    assert farm.statuses() == {
        **dict.fromkeys(FLEET, "WAITING"),
        FLEET[0]: status,
        FLEET[1]: "IN_PROGRESS",
        FLEET[2]: status,
        FLEET[3]: "CANCELED",
    }
    assert farm.update(FLEET[1], "SUCCEEDED")[0].endswith("/accepted")
    assert farm.tick() == []


def test_silence_counts_when_the_time_is_over(farm: Farm) -> None:
    """A board that was not there and one that never ended count after the stage's time; the latter is TIMED_OUT."""
    farm.publish(*FLEET, sizes=["3"], limit_s=600)
    farm.tick()
    finish(farm, FLEET[:1])
    farm.ask(FLEET[1], "jobs/start-next")
    assert farm.tick(599) == []
    assert farm.tick(1) == FLEET[1:3]
    assert farm.service.store.job("update-7").reason == (
        "stage 1: 1 SUCCEEDED, 1 TIMED_OUT, 1 QUEUED; 0 may fail or be silent"
    )
    assert farm.tick(600) == []


def test_a_board_that_was_away_is_updated_later(farm: Farm) -> None:
    """Within the tolerance the next stage begins without it, and it finds the job in its queue when it comes back."""
    farm.publish(*FLEET, sizes=["5"], failures="20%", limit_s=600)
    farm.tick()
    finish(farm, FLEET[:4])
    assert farm.tick(599) == []
    assert farm.tick(1) == sorted(FLEET[5:])
    finish(farm, FLEET[5:])
    farm.tick()
    assert farm.service.store.job("update-7").state == "COMPLETED"
    assert farm.ask(FLEET[4], "jobs/start-next")[0][1]["execution"]["status"] == "IN_PROGRESS"
    assert farm.ask(FLEET[4], "streams/update-7/get/json", {"f": 1, "l": 256, "n": 1})[0][1]["l"] == 256


@pytest.mark.parametrize("leap_s", [10_000, -10_000])
@pytest.mark.parametrize("restarts", [False, True])
def test_time_in_which_nobody_could_report_counts_for_nothing(farm: Farm, restarts: bool, leap_s: int) -> None:
    """After hours without broker or service, or a leap of the clock, reports count, and stages have the rest of it."""
    farm.publish(*FLEET, sizes=["2"], limit_s=600)
    farm.tick()
    farm.ask(FLEET[0], "jobs/start-next", {"stepTimeoutInMinutes": 8})
    farm.tick(59)
    farm.now += leap_s
    if restarts:
        farm.service.close()
        farm.open()
    assert farm.service.greet()
    assert farm.service.store.job("update-7").state == "RUNNING"
    assert farm.update(FLEET[0], "SUCCEEDED")[0].endswith("/accepted")
    assert farm.tick(480) == []
    assert farm.service.store.job("update-7").state == "RUNNING"
    farm.tick(121)  # the moment of the last tick is known to a minute
    assert farm.service.store.job("update-7").state == "STOPPED"


def test_a_person_ends_it(farm: Farm) -> None:
    """abort lets off who has not begun; with --force who is at work, too, whose reports then change nothing."""
    farm.publish(*FLEET, sizes=["3"])
    farm.tick()
    farm.ask(FLEET[0], "jobs/start-next")
    assert farm.abort().state == "ABORTED"
    assert farm.tick() == FLEET[1:3]
    with pytest.raises(JobError, match="update-7 is ABORTED already"):
        farm.abort()
    farm.abort(force=True)
    assert farm.tick() == FLEET[:1]
    assert farm.update(FLEET[0], "SUCCEEDED")[1]["code"] == "InvalidStateTransition"
    with pytest.raises(JobError, match="no job 'update-9'"):
        farm.abort("update-9")


def test_one_job_at_a_time_and_no_name_twice(farm: Farm) -> None:
    """A second job waits for the end of the first, and has another name; old files go when nobody can ask for them."""
    farm.publish(*FLEET, sizes=["1"])
    with pytest.raises(JobError, match=r"update-7 still runs; wait, or end it with: abort update-7"):
        farm.publish(*FLEET, job="update-8")
    farm.abort()
    with pytest.raises(JobError, match="give this one another name with --job"):
        farm.publish(*FLEET)
    farm.publish(*FLEET, job="update-7b")
    assert [path.name for path in (farm.folder / "bundles").iterdir()] == ["update-7b"]
    with pytest.raises(JobError, match="want 1 to 64"):
        farm.publish(*FLEET, job="../x")
