"""What a loss left outside the state: looked for until it is quiet, and found again by the names of a plan."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning import outside
from provisioning.cloud import Look
from provisioning.errors import CloudError
from provisioning.keeps import Owner
from provisioning.reconcile import addressed
from provisioning.remedies import with_remedy
from provisioning.store import Job, Orphan, Store, Wanted
from provisioning.surroundings import Setup

OWNER = Owner("123456789012", "us-east-1")
ROLE, GROUP = "arn:aws:iam::123456789012:role/r", "arn:aws:logs:us-east-1:123456789012:log-group:/g"


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


def test_what_is_outside_has_its_address_from_the_plan() -> None:
    """By the name it would have there; what no plan names has none."""
    rows = [
        Orphan(project_id="p", type="", import_id=arn, arn=arn, job_id="j") for arn in (ROLE, GROUP, "arn:aws:s3:::b")
    ]
    names = [
        {"address": "aws_iam_role.a[0]", "type": "aws_iam_role", "values": {"name": "r"}},
        {"address": "aws_cloudwatch_log_group.b", "type": "aws_cloudwatch_log_group", "values": {"name": "/g"}},
        {"address": "aws_iam_role.c", "type": "aws_iam_role", "values": {"name": "other"}},
    ]
    found = {one.arn: address for one, address in addressed(rows, names)}
    assert found == {ROLE: "aws_iam_role.a[0]", GROUP: "aws_cloudwatch_log_group.b"}


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
