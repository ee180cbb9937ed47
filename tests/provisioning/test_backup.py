"""A service's folder that is lost comes back from its bucket, encrypted there; a backup that fails stops no job."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning import states
from provisioning.__main__ import main
from provisioning.surroundings import setup_of
from tests.provisioning import cloud
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.conftest import short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

PLACE = "s3://farm-backup/copies"


def health(client: Client) -> Any:
    """What the service says of itself."""
    return client.get("/api/deploy/health").json()


def keys(s3: Any) -> set[str]:
    """What is in the bucket."""
    return {row["Key"] for row in s3.list_objects_v2(Bucket="farm-backup").get("Contents", ())}


def deploy(client: Client) -> Any:
    """The job, ended."""
    return ended(client, client.post("/api/deploy", json={"projectId": "p", "iacCode": SMALL}).json()["jobId"])


def test_a_lost_folder_comes_back(
    mirror: Path, door: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """First the bucket is missing, which is told; once it is there all is copied, and another folder takes it up."""
    aws = environment(door.endpoint)
    with short_folder() as folder:
        with in_process(mirror, folder, is_open=True, aws=aws, backup=PLACE) as client:
            assert deploy(client)["status"] == "completed"
            until_true(lambda: seldom(health(client)["status"] == "failing"), "the word that no backup was made")
            assert "NoSuchBucket" in health(client)["error"]
            s3 = cloud.client("s3", door.endpoint)
            s3.create_bucket(Bucket="farm-backup")
            assert deploy(client)["status"] == "completed"
            place = client.service.setup.place("p")
            numbered = [f"copies/snapshots/p/{path.name}" for path in states.numbered(place)]
            expected = {"copies/provisioning.db", *numbered}
            until_true(lambda: seldom(keys(s3) == expected), "both snapshots and the database")
            until_true(lambda: seldom(health(client)["status"] == "ok"), "the word that all is well")
            assert (len(numbered), health(client)["error"]) == (2, None)
            assert health(client)["backupAt"] is not None
            before = states.read(place.state)
        ways = {s3.head_object(Bucket="farm-backup", Key=key)["ServerSideEncryption"] for key in expected}
        assert ways == {"aws:kms"}

        shutil.rmtree(folder / "d")
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        words = ["recover", PLACE, "--data", str(folder / "d")]
        assert main(words) == 0
        assert "post its code again" in capsys.readouterr().out
        assert main(words) == 2
        assert "is there already" in capsys.readouterr().err
        assert states.read(setup_of(folder / "d", {}).place("p").state) == before
        with in_process(mirror, folder, is_open=True, aws=aws) as client:
            assert client.get("/api/deploy/infrastructure/p").json()["deploymentStatus"] == "deployed"
            refusal = client.post("/api/deploy/destroy", json={"projectId": "p"})
            assert (refusal.status_code, "PUT it to" in refusal.json()["error"]) == (409, True)
            assert deploy(client)["result"]["message"].startswith("No changes")


def test_a_backup_that_is_none_is_told(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no half of a folder."""
    for name, value in environment(door.endpoint).items():
        monkeypatch.setenv(name, value)
    assert main(["recover", "s3://no-such-bucket/x", "--data", str(tmp_path / "d")]) == 2
    assert not (tmp_path / "d" / "provisioning.db").exists()
