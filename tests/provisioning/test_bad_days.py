"""AWS that goes away in the middle of an apply, wrong credentials, a full disk: a sentence each, and nothing lost."""

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from provisioning.cloud import Cloud
from provisioning.errors import CloudError
from provisioning.surroundings import setup_of
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.conftest import short_folder
from tests.provisioning.house import House, seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

ALMOST_NOTHING = 96 * 1024  # bytes: room for a row, and soon no more


@pytest.fixture
def client(mirror: Path) -> Iterator[Client]:
    """A service without keys."""
    with in_process(mirror, is_open=True) as client:
        yield client


def test_an_aws_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says what could not be asked, and of whom."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    setup = setup_of(tmp_path, nowhere, roles={"f": "arn:aws:iam::123456789012:role/f"})
    with pytest.raises(CloudError, match="cannot be asked what project p has"):
        Cloud(setup, "g", "p").look()
    with pytest.raises(CloudError, match="role/f of farm f cannot be assumed"):
        Cloud(setup, "f", "p").variables()


def test_a_disk_that_is_full_is_a_sentence(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is begun that could not be written down, and nothing of its code stays."""
    connection = client.service.store.database._connection
    monkeypatch.setattr(client.service.store.database, "_connection", Full(connection))
    answer = client.post("/api/deploy", json={"projectId": "full", "iacCode": SMALL})
    assert answer.status_code == 500
    assert "disk" in answer.json()["error"]
    monkeypatch.undo()
    assert list(client.service.setup.data.glob("projects/full/jobs/*")) == []
    assert ended(client, client.post("/api/deploy", json={"projectId": "full", "iacCode": SMALL}).json()["jobId"])


class Limit:
    """No file of the service, and of the children that it starts then, gets longer than it may: on any system."""

    def __init__(self, data: Path) -> None:
        self.prefix: list[str] = []
        self._data = data

    def _set(self, house: House, most: int) -> None:
        assert house.process is not None
        resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def fill(self, house: House) -> None:
        """Nothing can be written."""
        self._set(house, 0)

    def spare(self, house: House) -> None:
        """A little can."""
        longest = max(path.stat().st_size for path in self._data.glob("provisioning.db*"))
        self._set(house, longest + ALMOST_NOTHING)

    def empty(self, house: House) -> None:
        """All that there is to write can."""
        self._set(house, resource.RLIM_INFINITY)


class SmallDisk:
    """The service's folder lies on a disk of its own, and no block of it is left."""

    def __init__(self, data: Path) -> None:
        self.prefix = small_disk(data)
        self._data = data

    def _file(self, house: House) -> Path:
        assert house.process is not None
        return Path(f"/proc/{house.process.pid}/root{self._data}/fill")

    def fill(self, house: House) -> None:
        """No block is left."""
        with suppress(OSError), self._file(house).open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def spare(self, house: House) -> None:
        """A few are."""
        os.truncate(self._file(house), self._file(house).stat().st_size - ALMOST_NOTHING)

    def empty(self, house: House) -> None:
        """Eight megabytes are."""
        self._file(house).unlink()


def small_disk(data: Path) -> list[str]:
    """A command before which this folder lies on a disk of its own."""
    command = f'mount -t tmpfs -o size=8m none {data} && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", command, "-"]


def may_mount() -> bool:
    """True where this system lets anybody make a disk of his own."""
    with short_folder() as folder:
        command = [*small_disk(folder), "true"]
        return (
            shutil.which("unshare") is not None
            and not subprocess.run(command, check=False, capture_output=True).returncode
        )


@pytest.mark.parametrize("kind", [Limit, SmallDisk] if may_mount() else [Limit])
def test_a_disk_that_fills_up_ends_no_job_without_a_word(mirror: Path, kind: type[Limit] | type[SmallDisk]) -> None:
    """A plan that waits goes on waiting; an apply for which there is no room ends, and the next deploy goes well."""
    with short_folder() as folder:
        data = folder / "d"
        data.mkdir()
        disk = kind(data)
        house = House(data, {}, {}, mirror, prefix=disk.prefix)
        house.start()
        try:
            job_id = house.deploy("full", SMALL, approve=True)
            until_true(lambda: seldom(house.job(job_id)["detail"] == "planned"), "the plan")
            digest = {"digest": house.job(job_id)["plan"]["digest"]}
            disk.fill(house)
            code, answer = house.call("POST", f"/api/deploy/confirm/{job_id}", digest)
            assert (code, "the disk" in answer["error"]) == (500, True)
            assert house.job(job_id)["detail"] == "planned"
            assert house.project("full")["terraformState"]["resources"] == []
            disk.spare(house)
            house.call("POST", f"/api/deploy/confirm/{job_id}", digest)
            disk.fill(house)
            disk.empty(house)
            until_true(lambda: house.job(job_id)["detail"] == "planned" or seldom(ended_at(house, job_id)), "its end")
            if house.job(job_id)["detail"] == "planned":
                house.call("POST", f"/api/deploy/cancel/{job_id}")
            assert house.end(house.deploy("full", SMALL))["status"] == "completed"
        finally:
            house.close()


def ended_at(house: House, job_id: str) -> bool:
    """True for a job that is through."""
    return house.job(job_id)["endTime"] is not None


class Full:
    """A connection whose file takes no new row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """As the real one, but for what writes."""
        if statement.startswith(("INSERT", "UPDATE")):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        """As the real one."""
        return self._connection.in_transaction
