"""What a loss left outside the state: looked for until it is quiet, and found again by the names of a plan."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioning import outside
from provisioning.cloud import Look
from provisioning.errors import CloudError
from provisioning.identities import Owner
from provisioning.reconcile import Earlier, orphans_of, remedies
from provisioning.remedies import with_remedy
from provisioning.states import EMPTY
from provisioning.store import Job, Orphan, Store, Wanted
from provisioning.surroundings import Setup
from provisioning.task import Pulse

OWNER = Owner("123456789012", "us-east-1")
ROLE, GROUP = "arn:aws:iam::123456789012:role/r", "arn:aws:logs:us-east-1:123456789012:log-group:/g"


class Voice:
    """A cloud that complains as told."""

    def __init__(self, *complaints: str) -> None:
        self._complaints = list(complaints)

    def complaint(self) -> str:
        """The next one."""
        return self._complaints.pop(0)


def test_an_aws_that_cannot_be_asked_is_told_once_and_taken_back() -> None:
    """Also by a service that was started again meanwhile."""
    pulse = Pulse(Voice("", "no such host", "no such host", "", ""), 0.0, was_gone=False)  # type: ignore[arg-type]
    assert pulse.news() is None
    assert str(pulse.news()).startswith("AWS cannot be asked: no such host; Terraform goes on calling")
    assert [pulse.news() for _ in range(3)] == [None, "", None]
    assert Pulse(Voice(""), 0.0, was_gone=True).news() == ""  # type: ignore[arg-type]


class Sky:
    """A cloud of which each look shows the next row; the last one stays."""

    def __init__(self, *rows: set[str] | None) -> None:
        self._rows = list(rows)
        self.looks = 0

    def look(self) -> Look:
        """None is an AWS that does not answer."""
        self.looks += 1
        row = self._rows.pop(0) if len(self._rows) > 1 else self._rows[0]
        if row is None:
            raise CloudError("AWS cannot be asked")
        return Look(OWNER, set(row), {}, lambda _: None)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """One that has begun."""
    store = Store(tmp_path / "s.db", lambda: 0.0)
    store.add_project("p", "f")
    yield store.add_job(Wanted(id=store.new_id("deploy"), project_id="p", kind="deploy", by_key="k"))
    store.close()


@pytest.mark.parametrize(
    ("rows", "looks"),
    [
        ([{ROLE}], 2),
        ([set(), {ROLE}, {ROLE, GROUP}, {ROLE, GROUP}], 4),
        ([{GROUP}, set()], 3),
    ],
)
def test_looks_go_on_until_two_agree(tmp_path: Path, job: Job, rows: list[set[str] | None], looks: int) -> None:
    """A call that was on its way is carried out after its sender was killed."""
    sky: Any = Sky(*rows)
    assert outside.wait_until_quiet(Setup(data=tmp_path, quiet_s=0.0), job, sky, threading.Event())
    assert sky.looks == looks


def test_an_aws_that_does_not_answer_is_asked_once(tmp_path: Path, job: Job) -> None:
    """Nothing is known then, and the job says so."""
    sky: Any = Sky(None)
    with pytest.raises(CloudError):
        outside.wait_until_quiet(Setup(data=tmp_path), job, sky, threading.Event())
    assert sky.looks == 1


def test_a_service_that_stops_waits_no_longer(tmp_path: Path, job: Job) -> None:
    """The next one looks anew."""
    halt, sky = threading.Event(), Sky({ROLE})
    halt.set()
    assert not outside.wait_until_quiet(Setup(data=tmp_path), job, sky, halt)  # type: ignore[arg-type] # a stand-in
    assert sky.looks == 1


def test_what_is_outside_has_its_address_and_its_remedy(job: Job) -> None:
    """By the name it would have in a plan; what no plan names is for somebody's hands."""
    names = [
        {"address": "aws_cloudwatch_log_group.b", "type": "aws_cloudwatch_log_group", "values": {"name": "/g"}},
        {"address": "aws_sns_topic.c", "type": "aws_sns_topic", "values": {"name": "other"}},
    ]
    planned = replace(job, plan={"names": names})
    look = Look(OWNER, {f"{GROUP}:*", "arn:aws:s3:::b"}, {}, lambda _: None)
    rows = orphans_of(planned, Earlier([], []), EMPTY, look, 0.0)
    assert {one.arn: one.address for one in rows} == {GROUP: "aws_cloudwatch_log_group.b", "arn:aws:s3:::b": ""}
    told = remedies(rows)
    assert f"outside the state: {GROUP}; the next deploy brings them in" in told
    assert any("arn:aws:s3:::b; " in line and line.endswith("remove it by hand") for line in told)


def test_what_an_earlier_job_left_keeps_its_name(job: Job) -> None:
    """The plan of a later job may no longer tell it."""
    names = [{"address": "aws_cloudwatch_log_group.b", "type": "aws_cloudwatch_log_group", "values": {"name": "/g"}}]
    first = Orphan(
        project_id="p", type="", import_id="", arn=GROUP, job_id="first", address="aws_cloudwatch_log_group.b"
    )
    look = Look(OWNER, {GROUP}, {}, lambda _: None)
    [kept] = orphans_of(job, Earlier([first], names), EMPTY, look, 0.0)
    assert (kept.address, kept.import_id, kept.job_id) == ("aws_cloudwatch_log_group.b", "/g", "first")


@pytest.mark.parametrize(
    ("complaint", "word"),
    [
        ("api error InvalidClientTokenId: the token is invalid", "AWS credentials"),
        ("write terraform.tfstate: no space left on device", "make room"),
        ("dial tcp 127.0.0.1:9: connect: connection refused", "AWS does not answer"),
    ],
)
def test_what_comes_from_outside_the_code_has_a_remedy(complaint: str, word: str) -> None:
    """And what is wrong in the code has its place only."""
    assert word in with_remedy(complaint).partition("; remedy: ")[2]
    assert with_remedy("main.tf:1: Unsupported argument") == "main.tf:1: Unsupported argument"
