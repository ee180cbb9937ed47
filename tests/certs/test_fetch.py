"""`certs fetch` against an AWS API: what it writes, and what it says when there is nothing to write."""

import http.server
import os
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from moto.server import ThreadedMotoServer

from certs.authority import Authority
from certs.fetch import ON_BOARD

ROOT = Path(__file__).parents[2]
THING = "irrigation-gateway-1"
SECRET = f"irrigation/dev/{THING}/private-key"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
NOWHERE = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


class Deployment:
    """An account, in a region of its own, in which things can be registered as Terraform does it."""

    def __init__(self, endpoint: str, region: str, issued: Path) -> None:
        self.endpoint, self.region, self.authority = endpoint, region, Authority(issued)
        make: Any = boto3.client
        where = {
            "region_name": region,
            "endpoint_url": endpoint,
            "aws_access_key_id": "t",
            "aws_secret_access_key": "t",
        }
        self.iot, self.secrets = make("iot", **where), make("secretsmanager", **where)

    def register(self, thing: str = THING, key_of: Path | None = None) -> str:
        """Thing, certificate and key, or another folder's key; gives the certificate's id."""
        folder = self.authority.issue(thing)
        self.iot.create_thing(thingName=thing)
        pem = (folder / "certificate.pem").read_text()
        certificate = self.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
        self.iot.attach_thing_principal(thingName=thing, principal=certificate["certificateArn"])
        key = ((key_of or folder) / "private_key.pem").read_text()
        self.secrets.create_secret(Name=f"irrigation/dev/{thing}/private-key", SecretString=key)
        return str(certificate["certificateId"])

    def fetch(
        self, out: Path, *options: str, thing: str = THING, without: str = "", verb: str = "fetch", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "certs", verb, thing, "--out", str(out), *options]
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        where = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": self.region}
        surroundings = {**others, **NOWHERE, **ENVIRONMENT, **where, **environment}
        surroundings.pop(without, None)
        return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


REGIONS = iter(
    [
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "eu-west-1",
        "eu-west-2",
        "eu-central-1",
        "sa-east-1",
        "ca-central-1",
        "ap-south-1",
        "ap-southeast-1",
    ]
)


@pytest.fixture
def deployment(endpoint: str, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(endpoint, next(REGIONS), tmp_path / "issued")
    yield made
    made.iot.close()
    made.secrets.close()


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command writes."""
    assert result.returncode == 2, result
    [line] = result.stderr.splitlines()
    return line


def test_the_files_are_those_that_a_board_and_a_service_need(deployment: Deployment, tmp_path: Path) -> None:
    """Certificate and key are the issued ones, in both forms; the key is its owner's; the root is Amazon's."""
    deployment.register()
    out = tmp_path / "fetched"
    done = deployment.fetch(out)
    assert (done.returncode, done.stdout) == (0, f"{out / THING}\n"), done.stderr
    folder, issued = out / THING, tmp_path / "issued" / THING
    for name in ("certificate.pem", "certificate.der", "private_key.pem", "private_key.der", "thing_name.txt"):
        assert (folder / name).read_bytes() == (issued / name).read_bytes(), name
    for name in ("private_key.pem", "private_key.der"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    root = x509.load_pem_x509_certificate((folder / "root_ca.pem").read_bytes())
    assert "CN=Amazon Root CA 1" in root.subject.rfc4514_string()
    assert (folder / "root_ca.der").read_bytes() == root.public_bytes(serialization.Encoding.DER)
    host = (folder / "endpoint.txt").read_text()
    assert host.endswith(f"-ats.iot.{deployment.region}.amazonaws.com")


def test_another_root_can_be_trusted(deployment: Deployment, tmp_path: Path) -> None:
    """With `--root-ca` the identity fits a gate of that CA: TLS takes all three files."""
    deployment.register()
    ca = tmp_path / "issued" / "ca" / "certificate.pem"
    assert deployment.fetch(tmp_path / "fetched", "--root-ca", str(ca)).returncode == 0
    folder = tmp_path / "fetched" / THING
    assert (folder / "root_ca.pem").read_bytes() == ca.read_bytes()
    context = ssl.create_default_context(cafile=folder / "root_ca.pem")
    context.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")


def test_after_a_rotation_the_new_certificate_is_fetched(deployment: Deployment, tmp_path: Path) -> None:
    """Of several ACTIVE certificates the one that matches the key is taken, over what was fetched before."""
    deployment.register()
    assert deployment.fetch(tmp_path / "fetched").returncode == 0
    rotated = deployment.authority.rotate(THING)
    pem = (rotated / "certificate.pem").read_text()
    certificate = deployment.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    deployment.iot.attach_thing_principal(thingName=THING, principal=certificate["certificateArn"])
    deployment.secrets.put_secret_value(SecretId=SECRET, SecretString=(rotated / "private_key.pem").read_text())
    assert deployment.fetch(tmp_path / "fetched").returncode == 0
    assert (tmp_path / "fetched" / THING / "certificate.pem").read_text() == pem


@pytest.mark.parametrize("status", ["REVOKED", "INACTIVE"])
def test_a_certificate_that_is_not_active_is_not_fetched(deployment: Deployment, tmp_path: Path, status: str) -> None:
    """Nobody would let it in: the line says so, and nothing is written."""
    deployment.iot.update_certificate(certificateId=deployment.register(), newStatus=status)
    line = refused(deployment.fetch(tmp_path / "fetched"))
    assert f"'{THING}': its certificate is {status}" in line
    assert not (tmp_path / "fetched").exists()


def test_revoked_in_aws_is_every_certificate_of_the_thing(deployment: Deployment, tmp_path: Path) -> None:
    """Also the one before the last rotation, and of a thing whose folder is elsewhere; who is no thing is told."""
    old = deployment.register()
    pem = (deployment.authority.rotate(THING) / "certificate.pem").read_text()
    new = deployment.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    deployment.iot.attach_thing_principal(thingName=THING, principal=new["certificateArn"])
    elsewhere = tmp_path / "elsewhere"
    for _ in range(2):
        done = deployment.fetch(elsewhere, verb="revoke")
        assert f"'{THING}' was never issued in {elsewhere}" in refused(done)
        ids = sorted([old, new["certificateId"]])
        assert done.stdout.splitlines() == [f"{THING}: certificate {each} counts no more in AWS" for each in ids]
        listed = deployment.iot.list_certificates()["certificates"]
        assert [entry["status"] for entry in listed] == ["INACTIVE"] * 2
    line = refused(deployment.fetch(elsewhere, thing="nobody", verb="revoke"))
    assert "not revoked here" in line and "not revoked in AWS: 'nobody' is not registered" in line
    assert "its certificate is INACTIVE" in refused(deployment.fetch(tmp_path / "fetched"))


def test_a_key_of_another_thing_is_noticed(deployment: Deployment, tmp_path: Path) -> None:
    """A board with such files could not connect: nothing is written."""
    deployment.register(key_of=deployment.authority.issue("irrigation-gateway-2"))
    assert "key and certificate do not match" in refused(deployment.fetch(tmp_path / "fetched"))
    deployment.secrets.put_secret_value(SecretId=SECRET, SecretString="no key at all")
    assert "key and certificate do not match" in refused(deployment.fetch(tmp_path / "fetched"))
    assert not (tmp_path / "fetched").exists()


def test_a_key_that_is_on_its_board_alone_is_not_fetched(deployment: Deployment, tmp_path: Path) -> None:
    """A board that renewed itself has its key, and nobody else: the line says so."""
    deployment.register()
    deployment.secrets.put_secret_value(SecretId=SECRET, SecretString=ON_BOARD)
    assert f"'{THING}' has its key on its board alone" in refused(deployment.fetch(tmp_path / "fetched"))
    assert not (tmp_path / "fetched").exists()


def test_what_is_not_there_is_named(deployment: Deployment, tmp_path: Path) -> None:
    """A thing that nobody registered, one without a certificate, a secret of another environment, a missing root."""
    out = tmp_path / "fetched"
    assert f"'{THING}' is not registered in AWS IoT, {deployment.region}" in refused(deployment.fetch(out))
    deployment.iot.create_thing(thingName="bare")
    assert "'bare' is not registered" in refused(deployment.fetch(out, thing="bare"))
    deployment.register()
    line = refused(deployment.fetch(out, "--environment", "prod"))
    assert f"no secret 'irrigation/prod/{THING}/private-key'" in line
    missing = str(tmp_path / "missing.pem")
    assert missing in refused(deployment.fetch(out, "--root-ca", missing))


def test_an_account_that_cannot_be_asked_is_one_line(deployment: Deployment, tmp_path: Path) -> None:
    """No credentials, no region, a profile that is not there, nobody at the endpoint: each is told with the remedy."""
    cases = {
        "Unable to locate credentials": {"without": "AWS_ACCESS_KEY_ID"},
        "You must specify a region": {"without": "AWS_DEFAULT_REGION"},
        "The config profile (nobody) could not be found": {"AWS_PROFILE": "nobody"},
        "Could not connect to the endpoint URL": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
    }
    for told, environment in cases.items():
        line = refused(deployment.fetch(tmp_path / "fetched", **environment))
        assert told in line
        assert "check credentials (AWS_PROFILE), --region and the network" in line


class Torn(http.server.BaseHTTPRequestHandler):
    """Begins an answer, and hangs up."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b'{"principals"')

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_an_answer_that_was_cut_off_is_one_line(deployment: Deployment, tmp_path: Path) -> None:
    """A line that breaks in the middle of an answer is told as such, and not as a missing key of Python."""
    with http.server.HTTPServer(("127.0.0.1", 0), Torn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            line = refused(deployment.fetch(tmp_path / "fetched", AWS_ENDPOINT_URL=address))
        finally:
            server.shutdown()
    assert "an answer without 'principals'" in line
