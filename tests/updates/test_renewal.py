"""A board's identity is renewed over the air: a job of its own, from `certs renew` to what the board made of it."""

import asyncio
import base64
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.folder import pkcs8
from certs.renewal import RenewingAuthority
from tests.local_cloud.conftest import Start, World
from tests.updates.boards import Board
from tests.updates.bundles import FILES, write_bundle
from tests.updates.conftest import Farm
from tests.waiting import eventually
from updates.__main__ import main
from updates.errors import JobError
from updates.renewal import publish_renewal, read_renewal
from updates.service import DATABASE
from updates.store import Job, Store

ONE, TWO = "irrigation-gateway-1", "irrigation-gateway-2"
ARN = f"arn:aws:iot:us-east-1:123456789012:thing/{ONE}"


class Renewing(Board):
    """A board that takes a certificate as the contract has it: tries it at the broker, and reports what came of it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.spares = {int(path.stem[-1]): path.read_bytes() for path in folder.glob("spares/*.der")}

    async def come(self, identity: Path) -> None:
        """Connect with an identity."""
        super().__init__(ONE, await self.world.open(identity))
        await self.arrive()

    async def next_job(self) -> Any:
        """The execution that it is told of, begun."""
        await self._until("jobs/notify-next")
        return (await self.ask("jobs/start-next", {}, "jobs/start-next/accepted"))["execution"]

    def write_next(self, document: Any) -> Path:
        """What it was given, beside the key of its spare; another key's certificate is none."""
        assert set(document) == {"operation", "spare", "certificate"} and document["operation"] == "renew"
        certificate = x509.load_der_x509_certificate(base64.b64decode(document["certificate"], validate=True))
        key = serialization.load_der_private_key(self.spares[document["spare"]], None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert certificate.public_key() == key.public_key()
        following = self.folder / "following"
        following.mkdir()
        (following / "private_key.pem").write_bytes(pkcs8(key))
        (following / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.serial = f"{certificate.serial_number:x}"
        return following

    async def report(self, job: str, status: str, **details: str) -> None:
        """How far it is."""
        report = {"status": status, "statusDetails": details}
        await self.ask(f"jobs/{job}/update", report, f"jobs/{job}/update/accepted")


@pytest.fixture
def authority(certs: Path, tmp_path: Path) -> RenewingAuthority:
    """The farm's identities; gateway 1 has its spares on its board, which is the folder `board`."""
    authority = RenewingAuthority(shutil.copytree(certs, tmp_path / "issued"))
    authority.make_spares(ONE)
    shutil.copytree(authority.folder / ONE, tmp_path / "board")
    authority.hand_over(ONE)
    return authority


def say(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Code, output and errors of a command."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


# From end to end


async def test_a_board_is_renewed_where_it_stands(
    world: Start, authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Certified, published, tried at the gate, reported, settled by what was seen: then the old one opens nothing."""
    data, board = ("--data", tmp_path / "updates"), tmp_path / "board"
    async with world(certs=authority.folder, updates=tmp_path / "updates") as w:
        device = Renewing(w, board)
        await device.come(board)
        identity = authority.renew(ONE)
        serial = identity.serial
        code, output, _ = say(capsys, "renew", ONE, "--certs", authority.folder, *data)
        job = f"renew-{ONE}-{serial[:8].lower()}"
        assert (code, output) == (0, f"{job}  {ONE} gets the certificate for its spare 1, serial {serial}\n")
        execution = await device.next_job()
        assert execution["jobId"] == job
        following = device.write_next(execution["jobDocument"])
        await device.report(job, "IN_PROGRESS", step="trial")
        assert say(capsys, "status", *data)[1].splitlines() == [
            f"{job}  spare 1  RUNNING",
            f"  {ONE:<32} IN_PROGRESS  step=trial",
        ]
        old = device.client
        await eventually(lambda: w.cloud.registry.find(identity.certificate_id) is not None, "the gate's next look")
        await device.come(following)
        assert await old.closed()
        await device.report(job, "SUCCEEDED", serial=device.serial)
        await eventually(lambda: "COMPLETED" in say(capsys, "status", *data)[1], "the job's end")
        assert say(capsys, "status", *data)[1].splitlines() == [
            f"{job}  spare 1  COMPLETED  stage 1: 1 SUCCEEDED",
            f"  {ONE:<32} SUCCEEDED    serial={device.serial}",
        ]
        authority.settle(ONE, device.serial)
        assert (await (await w.open(board)).connect(ONE))[1] == 5
        assert (await (await w.open(following)).connect(ONE))[1] == 0
    assert "no next certificate" in say(capsys, "renew", ONE, "--certs", authority.folder, *data)[2]


async def test_a_renewal_that_fails_costs_the_roll_out_nothing(
    world: Start, authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same board says FAILED, and takes its firmware; the certificate is given again under another name."""
    data, board = tmp_path / "updates", tmp_path / "board"
    bundle = write_bundle(tmp_path / "bundle")
    async with world(certs=authority.folder, updates=data) as w:
        device = Renewing(w, board)
        await device.come(board)
        serial = authority.renew(ONE).serial
        give = ("renew", ONE, "--certs", authority.folder, "--data", data)
        job = f"renew-{ONE}-{serial[:8].lower()}"
        assert say(capsys, *give)[0] == 0
        assert say(capsys, "publish", bundle, "--things", ONE, TWO, "--stages", 1, "--data", data)[0] == 0
        assert (await device.next_job())["jobId"] == job
        await device.report(job, "FAILED", reason="not let in")
        other = Board(TWO, await w.open(TWO))
        await other.arrive()
        await asyncio.gather(device.live(), other.live())
        assert (device.files, other.files) == (FILES, FILES)
        await eventually(
            lambda: "update-7  version 7  COMPLETED" in say(capsys, "status", "--data", data)[1], "its end"
        )
        output = say(capsys, "status", "--data", data)[1]
        assert f"{job}  spare 1  STOPPED  stage 1: 1 FAILED; 0 may fail or be silent\n" in output
        assert f"  {ONE:<32} FAILED       reason=not let in\n" in output
        assert say(capsys, *give)[1].startswith(f"{job}-2  ")


# Beside a roll-out


def publish(farm: Farm, authority: RenewingAuthority, thing: str = ONE, minutes: int = 1440) -> Job:
    """The renewal of a thing that has a next certificate."""
    renewal = read_renewal(authority.folder, thing)
    return publish_renewal(farm.service.store, renewal, None, 60 * minutes, farm.now)


def test_neither_job_stops_the_other(farm: Farm, authority: RenewingAuthority) -> None:
    """A roll-out that was stopped leaves the renewal in its queue, and one that goes on asks nobody's renewal."""
    authority.renew(ONE)
    farm.publish(ONE, TWO, sizes=["1"])
    renewal = publish(farm, authority)
    farm.tick()
    farm.update(ONE, "FAILED")
    farm.tick()
    assert farm.service.store.job("update-7").state == "STOPPED"
    assert farm.statuses(renewal.id) == {ONE: "QUEUED"}
    farm.publish(ONE, TWO, job="update-8", sizes=["1"])
    farm.update(ONE, "REJECTED", job=renewal.id)
    farm.tick()
    assert farm.service.store.job(renewal.id).state == "STOPPED"
    farm.update(ONE, "SUCCEEDED", job="update-8")
    farm.tick()
    assert farm.statuses("update-8") == {ONE: "SUCCEEDED", TWO: "QUEUED"}
    assert farm.service.store.job("update-8").state == "RUNNING"


def test_a_stage_waits_for_a_board_that_is_renewing(farm: Farm, authority: RenewingAuthority) -> None:
    """While it tries its new certificate it takes no firmware: the stage's time stands still, and then goes on."""
    authority.renew(ONE)
    renewal = publish(farm, authority, minutes=120)
    farm.tick()
    farm.ask(ONE, "jobs/start-next")
    farm.publish(ONE, TWO, sizes=["1"])
    farm.tick(5000)
    assert farm.service.store.job("update-7").state == "RUNNING"
    farm.tick(5000)  # the board is never heard again
    assert farm.statuses(renewal.id) == {ONE: "TIMED_OUT"}
    assert farm.service.store.job("update-7").state == "STOPPED"


def test_renewals_stand_side_by_side_but_not_of_one_board(farm: Farm, authority: RenewingAuthority) -> None:
    """A fleet is renewed at once; a board has one at a time, and no firmware's job stands in the way."""
    for thing in (ONE, TWO):
        if thing == TWO:
            authority.make_spares(TWO)
            authority.hand_over(TWO)
        authority.renew(thing)
        publish(farm, authority, thing)
    with pytest.raises(JobError, match=f"renew-{ONE}-[0-9a-f]+ still runs"):
        publish(farm, authority, ONE)
    farm.publish(ONE, TWO)
    with pytest.raises(JobError, match="update-7 still runs"):
        farm.publish(ONE, TWO, job="update-8")


def test_a_board_that_stays_away_is_let_off(farm: Farm, authority: RenewingAuthority) -> None:
    """After its time the job is over and nothing waits for the board; it keeps its identity."""
    authority.renew(ONE)
    job = publish(farm, authority, minutes=60)
    farm.tick()
    farm.tick(3660)
    assert farm.statuses(job.id) == {ONE: "CANCELED"}
    assert farm.service.store.job(job.id).state == "STOPPED"


def test_a_renewal_has_no_stream(farm: Farm, authority: RenewingAuthority) -> None:
    """There is nothing to take but the document."""
    authority.renew(ONE)
    job = publish(farm, authority)
    farm.tick()
    [(topic, answer)] = farm.ask(ONE, f"streams/{job.id}/describe/json")
    assert (topic, answer["o"]) == (f"streams/{job.id}/rejected/json", "ResourceNotFound")


# What is refused


def test_nothing_is_published_without_a_next_certificate(
    authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No thing, no next certificate, a damaged one, one of another thing: a line with the remedy, and no job."""
    data = ("--certs", authority.folder, "--data", tmp_path / "data")
    folder = authority.folder / ONE
    following = folder / "next"

    def refused(thing: str) -> str:
        code, output, errors = say(capsys, "renew", thing, *data)
        assert (code, output, len(errors.splitlines())) == (2, "", 1)
        return errors

    assert "want a thing's name" in refused("../issued")
    for thing in ("nobody", ONE):
        assert f"no next certificate; make it with: python -m certs renew {thing}" in refused(thing)
    authority.renew(ONE)
    for number in ("0", "6", "one"):
        (following / "spare.txt").write_text(number)
        assert "want the number of a spare" in refused(ONE)
    (following / "spare.txt").write_text("1")
    own = (following / "certificate.pem").read_bytes()
    for stranger, told in (
        ((authority.folder / TWO / "certificate.pem").read_bytes(), f"is of {TWO}"),
        ((folder / "certificate.pem").read_bytes(), "bring the settle to its end"),
        (b"half a certificate", "no certificate that can be read"),
    ):
        (following / "certificate.pem").write_bytes(stranger)
        assert told in refused(ONE)
    assert not (tmp_path / "data").exists()
    (following / "certificate.pem").write_bytes(own)
    assert say(capsys, "renew", ONE, *data)[0] == 0


def test_a_revoked_thing_gets_no_certificate(
    authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder is gone; and if it comes back from a copy, it is refused all the same, for AWS too."""
    authority.renew(ONE)
    shutil.copytree(authority.folder / ONE, tmp_path / "copy")
    authority.revoke(ONE)
    where = ("--certs", authority.folder, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert "no next certificate" in say(capsys, "renew", ONE, *where)[2]
    shutil.copytree(tmp_path / "copy", authority.folder / ONE)
    for options in ((), ("--aws", ARN)):
        code, output, errors = say(capsys, "renew", ONE, *where, *options)
        assert (code, output) == (2, "")
        assert f"{ONE} was revoked" in errors
    assert not (tmp_path / "data").exists() and not (tmp_path / "out").exists()


# On AWS


def test_aws_takes_what_is_written_for_it(
    authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file fits CreateJob by AWS's own description; the ARN has to be the thing's."""
    serial = authority.renew(ONE).serial
    where = ("--certs", authority.folder, "--out", tmp_path / "out", "--aws")
    code, output, _ = say(capsys, "renew", ONE, *where, ARN)
    job = f"renew-{ONE}-{serial[:8].lower()}"
    assert (code, output.splitlines()) == (
        0,
        [
            f"aws iot create-job --cli-input-json file://{tmp_path / 'out' / 'job.json'}",
            (
                f"aws iot describe-job-execution --job-id {job} --thing-name {ONE} "
                f"--query 'execution.[status,statusDetails]'"
            ),
        ],
    )
    given = json.loads((tmp_path / "out" / "job.json").read_text())
    shape: Any = botocore.session.get_session().get_service_model("iot").operation_model("CreateJob").input_shape
    assert ParamValidator().validate(given, shape).generate_report() == ""
    assert (given["jobId"], given["targets"]) == (job, [ARN])
    document = json.loads(given["document"])
    assert base64.b64decode(document["certificate"]) == (authority.folder / ONE / "next/certificate.der").read_bytes()
    for arn in (ARN.replace(ONE, TWO), ARN.replace("thing/", "thinggroup/"), "here"):
        assert "want the ARN of the thing" in say(capsys, "renew", ONE, *where, arn)[2]


def test_a_name_that_is_none_or_was_given_is_told(
    authority: RenewingAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job has a name of its own for ever."""
    authority.renew(ONE)
    where = ("--certs", authority.folder, "--data", tmp_path / "data", "--job")
    assert "want 1 to 64" in say(capsys, "renew", ONE, *where, "a b")[2]
    assert say(capsys, "renew", ONE, *where, "once")[0] == 0
    with closing(Store(tmp_path / "data" / DATABASE)) as store:
        assert store.job("once").is_renewal
    assert say(capsys, "abort", "once", "--data", tmp_path / "data")[1] == "once  spare 1  ABORTED  by hand\n"
    assert "there was a job 'once' before" in say(capsys, "renew", ONE, *where, "once")[2]
