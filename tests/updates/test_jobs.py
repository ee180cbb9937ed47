"""Jobs' device MQTT API, held against what AWS IoT's developer guide says of it."""

from typing import Any

import pytest

from tests.updates.conftest import NOW, Farm

A, B = "irrigation-gateway-1", "irrigation-gateway-2"


def begun(farm: Farm) -> None:
    """Both boards have the job in their queues."""
    farm.publish(A, B, sizes=())
    farm.tick()


def code(answer: tuple[str, Any]) -> str:
    assert answer[0].endswith("/rejected"), answer
    said: str = answer[1]["code"]
    return said


def test_a_board_without_a_job_is_told_so(farm: Farm) -> None:
    """start-next is accepted without an `execution`, and repeats the client's token."""
    answer = farm.ask(A, "jobs/start-next", {"clientToken": "t"})
    assert answer == [("jobs/start-next/accepted", {"clientToken": "t", "timestamp": NOW})]


def test_a_board_starts_its_job(farm: Farm) -> None:
    """QUEUED becomes IN_PROGRESS with the given details and version 2; asked again, nothing changes."""
    begun(farm)
    farm.now += 5
    [(topic, message)] = farm.ask(A, "jobs/start-next", {"statusDetails": {"step": "download"}})
    assert topic == "jobs/start-next/accepted"
    execution = message["execution"]
    document = execution.pop("jobDocument")
    assert execution == {
        "jobId": "update-7",
        "thingName": A,
        "status": "IN_PROGRESS",
        "statusDetails": {"step": "download"},
        "queuedAt": NOW,
        "startedAt": NOW + 5,
        "lastUpdatedAt": NOW + 5,
        "versionNumber": 2,
        "executionNumber": 1,
    }
    assert {**document, "signature": ""} == {
        "operation": "update",
        "version": 7,
        "stream": "update-7",
        "manifest_bytes": (farm.bundle / "manifest.json").stat().st_size,
        "signature": "",
    }
    farm.now += 5
    [(_, again)] = farm.ask(A, "jobs/start-next", {"statusDetails": {"step": "other"}})
    assert again["execution"] == {**execution, "jobDocument": document}


def test_a_board_hears_of_its_next_job_once(farm: Farm) -> None:
    """notify-next comes when another job has become the next one, not when it starts, and without one at the end."""
    begun(farm)
    assert farm.tick() == []
    [_] = farm.ask(A, "jobs/start-next")
    [accepted, (topic, message)] = farm.ask(A, "jobs/update-7/update", {"status": "SUCCEEDED"})
    assert accepted == ("jobs/update-7/update/accepted", {"timestamp": NOW})
    assert (topic, message) == ("jobs/notify-next", {"timestamp": NOW})
    assert farm.tick() == []


def test_work_in_progress_comes_first(farm: Farm) -> None:
    """After an abort that left a board at work, its old job stays next, before one that was queued later."""
    begun(farm)
    farm.ask(A, "jobs/start-next")
    farm.abort()
    farm.now += 1
    farm.publish(A, B, job="update-8", sizes=())
    assert farm.tick() == [B]
    [(_, message)] = farm.ask(A, "jobs/$next/get")
    assert message["execution"]["jobId"] == "update-7"
    [(_, both)] = farm.ask(A, "jobs/get")
    assert [one["jobId"] for one in (*both["inProgressJobs"], *both["queuedJobs"])] == ["update-7", "update-8"]
    [_, (topic, notice)] = farm.ask(A, "jobs/update-7/update", {"status": "FAILED"})
    assert (topic, notice["execution"]["jobId"], notice["execution"]["status"]) == (
        "jobs/notify-next",
        "update-8",
        "QUEUED",
    )


def test_a_job_that_begins_out_of_turn_is_the_next(farm: Farm) -> None:
    """As in the guide's example: a later job that a board begins first becomes its next one, and it is told so."""
    farm.publish(A, sizes=(), failures="100%", limit_s=60)
    farm.tick()
    farm.tick(60)  # COMPLETED without this board, which keeps it in its queue
    farm.publish(A, job="update-8", sizes=())
    assert farm.tick() == []
    answers = farm.ask(A, "jobs/update-8/update", {"status": "IN_PROGRESS"})
    assert [topic for topic, _ in answers] == ["jobs/update-8/update/accepted", "jobs/notify-next"]
    assert answers[1][1]["execution"]["jobId"] == "update-8"
    assert farm.tick() == []


def test_versions_keep_two_reports_apart(farm: Farm) -> None:
    """A report against another version is a VersionMismatch that says the state; the right one counts, as text too."""
    begun(farm)
    farm.ask(A, "jobs/start-next")
    mismatch = farm.update(A, "IN_PROGRESS", expectedVersion=1, clientToken="x")
    assert mismatch[1] == {
        "code": "VersionMismatch",
        "message": "the job execution has version 2, not 1",
        "executionState": {"status": "IN_PROGRESS", "statusDetails": {}, "versionNumber": 2},
        "clientToken": "x",
        "timestamp": NOW,
    }
    topic, message = farm.update(
        A, "IN_PROGRESS", expectedVersion="2", statusDetails={"files": "3/22"}, includeJobExecutionState=True
    )
    assert topic == "jobs/update-7/update/accepted"
    assert message["executionState"] == {
        "status": "IN_PROGRESS",
        "statusDetails": {"files": "3/22"},
        "versionNumber": 3,
    }
    [(_, described)] = farm.ask(A, "jobs/update-7/get", {"includeJobDocument": False})
    assert described["execution"]["statusDetails"] == {"files": "3/22"}
    assert "jobDocument" not in described["execution"]


def test_the_end_is_the_end(farm: Farm) -> None:
    """Nothing changes a terminal status, and a description of it is TerminalStateReached."""
    begun(farm)
    farm.update(A, "SUCCEEDED")
    again = farm.update(A, "IN_PROGRESS")
    assert code(again) == "InvalidStateTransition"
    assert again[1]["executionState"]["status"] == "SUCCEEDED"
    assert code(farm.ask(A, "jobs/update-7/get")[0]) == "TerminalStateReached"


@pytest.mark.parametrize(
    ("topic", "request_", "expected"),
    [
        ("jobs/start", {}, "InvalidTopic"),
        ("jobs/update-7/cancel", {}, "InvalidTopic"),
        ("jobs/start-next", b"", "InvalidJson"),
        ("jobs/start-next", b"\xff", "InvalidJson"),
        ("jobs/start-next", b"[" * 10_000, "InvalidJson"),
        ("jobs/start-next", b'{"clientToken": "' + b"x" * 40_000 + b'"}', "InvalidJson"),
        ("jobs/start-next", b"[]", "InvalidRequest"),
        ("jobs/start-next", {"clientToken": "x" * 65}, "InvalidRequest"),
        ("jobs/start-next", {"clientToken": 1}, "InvalidRequest"),
        ("jobs/start-next", {"stepTimeoutInMinutes": 0}, "InvalidRequest"),
        ("jobs/start-next", {"statusDetails": {"a": 1}}, "InvalidRequest"),
        ("jobs/update-7/update", {}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "QUEUED"}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": ["FAILED"]}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "TIMED_OUT"}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "expectedVersion": "two"}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "expectedVersion": True}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "statusDetails": []}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "statusDetails": {"a b": "x"}}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "statusDetails": {"a": ""}}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "statusDetails": {"a": "x" * 1025}}, "InvalidRequest"),
        (
            "jobs/update-7/update",
            {"status": "FAILED", "statusDetails": dict.fromkeys("abcdefghijk", "x")},
            "InvalidRequest",
        ),
        ("jobs/update-7/update", {"status": "FAILED", "includeJobDocument": 1}, "InvalidRequest"),
        ("jobs/update-7/update", {"status": "FAILED", "executionNumber": 2}, "ResourceNotFound"),
        ("jobs/update-8/update", {"status": "FAILED"}, "ResourceNotFound"),
        ("jobs/update-8/get", {}, "ResourceNotFound"),
    ],
)
def test_what_is_wrong_has_its_documented_code(farm: Farm, topic: str, request_: Any, expected: str) -> None:
    """Each mistake is answered on `rejected` with AWS's word for it, and changes nothing."""
    begun(farm)
    assert code(farm.ask(A, topic, request_)[0]) == expected
    assert farm.statuses() == {A: "QUEUED", B: "QUEUED"}


def test_no_board_sees_or_moves_anothers_job(farm: Farm) -> None:
    """A job that another board has is not there for this one, whatever it knows of its name."""
    farm.publish(A, sizes=())
    farm.tick()
    assert code(farm.update(B, "FAILED")) == "ResourceNotFound"
    assert "execution" not in farm.ask(B, "jobs/start-next")[0][1]
    assert farm.statuses() == {A: "QUEUED"}


def test_a_board_may_set_itself_a_time(farm: Farm) -> None:
    """After the minutes that a board gave itself its job is TIMED_OUT, unless it has set them anew."""
    begun(farm)
    farm.ask(A, "jobs/start-next", {"stepTimeoutInMinutes": 2})
    farm.tick(119)
    farm.update(A, "IN_PROGRESS", stepTimeoutInMinutes=1)
    farm.tick(59)
    assert farm.statuses()[A] == "IN_PROGRESS"
    assert A in farm.tick(1)
    assert farm.statuses()[A] == "TIMED_OUT"
    assert code(farm.update(A, "SUCCEEDED")) == "InvalidStateTransition"


def test_nothing_is_forgotten_after_a_kill(farm: Farm) -> None:
    """A new service on the folder knows each status and version, and tells every board with a job of it again."""
    begun(farm)
    farm.ask(A, "jobs/start-next")
    farm.service.close()
    farm.open()
    assert sorted(one.topic.split("/")[2] for one in farm.service.greet()) == [A, B]
    assert farm.update(A, "SUCCEEDED", expectedVersion=2)[0].endswith("accepted")


@pytest.mark.parametrize(
    ("farm_id", "ours", "others"),
    [
        ("sitio1", "sitio1-gateway-1", ("sitio10-gateway-1", A, "north-barn")),
        ("irrigation", "north-barn", ("sitio1-gateway-1", "sitio10-updates")),
    ],
)
def test_a_service_answers_its_own_farm_s_things_only(
    farm: Farm, farm_id: str, ours: str, others: tuple[str, ...]
) -> None:
    """Two farms at one broker have a service each: one that answered for both would tell a board that it has no job."""
    farm.service.close()
    farm.id = farm_id
    farm.open()
    farm.publish(ours, *others, sizes=())
    assert farm.tick() == [ours]
    assert farm.ask(ours, "jobs/start-next")[0][0] == "jobs/start-next/accepted"
    for thing in others:
        assert farm.ask(thing, "jobs/start-next") == []
        assert farm.ask(thing, "streams/update-7/describe/json", {}) == []
