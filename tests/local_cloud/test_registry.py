"""Who may connect, as the AWS IoT API tells it."""

import http.client
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from certs.renewal import RenewingAuthority
from local_cloud.cloud import POLICIES
from local_cloud.errors import RegistryError
from local_cloud.registry import Registry, _policies_of, fingerprint_of

THING = "irrigation-gateway-1"
SCOPE = "arn:aws:iot:us-east-1:123456789012"


def allowing(topic: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": f"{SCOPE}:topic/{topic}"}
    return {"Version": "2012-10-17", "Statement": [statement]}


DOCUMENTS = {"irrigation-gateway": allowing("a"), "irrigation-compute": allowing("b")}


@pytest.fixture
def registry(aws: Callable[[str], Any], certs: Path) -> Registry:
    registry = Registry(aws("iot"), certs / "ca" / "revoked")
    registry.register({THING: certs / THING, "irrigation-compute": certs / "irrigation-compute"}, DOCUMENTS)
    return registry


@contextmanager
def closing_client(endpoint: str) -> Iterator[Any]:
    client = boto3.client("iot", endpoint_url=endpoint)
    yield client
    client.close()


def fingerprint(certs: Path, thing: str = THING) -> str:
    return fingerprint_of(ssl.PEM_cert_to_DER_cert((certs / thing / "certificate.pem").read_text()))


def test_a_thing_has_its_policy(registry: Registry, certs: Path) -> None:
    """Gateways get the gateways' policy, compute the one of its name; the id is the SHA-256 of the DER."""
    gateway, compute = (registry.find(fingerprint(certs, thing)) for thing in (THING, "irrigation-compute"))
    assert gateway is not None and compute is not None
    assert gateway.things == {THING}
    assert gateway.policies[THING].allows("iot:Publish", "a")
    assert not gateway.policies[THING].allows("iot:Publish", "b")
    assert compute.policies["irrigation-compute"].allows("iot:Publish", "b")
    assert registry.find("0" * 64) is None


def test_a_second_look_knows_the_same_and_asks_once(registry: Registry, certs: Path) -> None:
    """What was read is kept: a look without news is one call, for pages as large as IoT Core gives, and no larger."""
    calls: list[Any] = []
    registry._iot.meta.events.register("provide-client-params.iot", lambda **event: calls.append(event["params"]))
    registry.refresh()
    assert [call["pageSize"] for call in calls] == [250]
    assert registry.things() == ["irrigation-compute", THING]
    assert registry.find(fingerprint(certs)) is not None


def test_a_next_certificate_is_registered_beside_the_one_before(
    aws: Callable[[str], Any], certs: Path, tmp_path: Path
) -> None:
    """At a look, of a thing that was registered here: with the thing's policies, once, and not while it is half a file.

    What is registered there already, by a start before this one, is not registered again.
    """
    authority = RenewingAuthority(shutil.copytree(certs, tmp_path / "issued"))
    things = {THING: authority.folder / THING}
    book = Registry(aws("iot"), tmp_path / "revoked")
    book.register(things, DOCUMENTS)
    following = authority.folder / THING / "next" / "certificate.pem"
    following.parent.mkdir()
    following.write_text("half a certif")
    book.refresh()
    assert len(aws("iot").list_certificates()["certificates"]) == 1
    following.unlink()
    authority.make_spares(THING, 1)
    authority.hand_over(THING)
    identity = authority.renew(THING)
    book.refresh()
    for register in (book, Registry(aws("iot"), tmp_path / "revoked")):
        register.register(things, DOCUMENTS)
        register.refresh()
        for each in (identity.certificate_id, fingerprint(certs)):
            entry = register.find(each)
            assert entry is not None and entry.things == {THING}
            assert entry.policies[THING].allows("iot:Publish", "a")
        assert len(aws("iot").list_certificates()["certificates"]) == 2


def test_one_look_lets_a_next_certificate_in(aws: Callable[[str], Any], certs: Path, tmp_path: Path) -> None:
    """Not the one after it: a look that finds news reads again, and one that finds none does not."""
    authority = RenewingAuthority(shutil.copytree(certs, tmp_path / "issued"))
    book = Registry(aws("iot"), tmp_path / "revoked")
    book.register({THING: authority.folder / THING}, DOCUMENTS)
    authority.make_spares(THING, 1)
    authority.hand_over(THING)
    identity = authority.renew(THING)
    calls: list[str] = []
    book._iot.meta.events.register("provide-client-params.iot", lambda **event: calls.append(event["model"].name))
    book.refresh()
    entry = book.find(identity.certificate_id)
    assert entry is not None and entry.policies[THING].allows("iot:Publish", "a")
    assert calls.count("ListCertificates") == 2
    book.refresh()
    assert calls.count("ListCertificates") == 3


def test_a_revoked_file_counts_before_the_api(registry: Registry, certs: Path, tmp_path: Path) -> None:
    """A certificate that was revoked on this machine is not found, whatever the API says."""
    book = Registry(registry._iot, tmp_path)
    book.load()
    assert book.find(fingerprint(certs)) is not None
    (tmp_path / f"{fingerprint(certs)}.pem").write_text("revoked")
    assert book.find(fingerprint(certs)) is None


def test_all_policies_of_a_thing_count(registry: Registry, certs: Path) -> None:
    """What does not fit into one document is in a second one, attached to its thing alone, or to every gateway."""
    registry.register(
        {THING: certs / THING, "irrigation-compute": certs / "irrigation-compute"},
        {**DOCUMENTS, "irrigation-compute-shared": allowing("c"), "irrigation-gateway-updates": allowing("d")},
    )
    gateway, compute = (registry.find(fingerprint(certs, thing)) for thing in (THING, "irrigation-compute"))
    assert gateway is not None and compute is not None
    for policy, topics in ((compute.policies["irrigation-compute"], "bc"), (gateway.policies[THING], "ad")):
        assert "".join(topic for topic in "abcd" if policy.allows("iot:Publish", topic)) == topics
    assert _policies_of("irrigation-gateway-updates", POLICIES) == _policies_of(THING, POLICIES)


def test_registering_again_changes_nothing_but_the_documents(
    registry: Registry, aws: Callable[[str], Any], certs: Path
) -> None:
    """A second start neither doubles nor fails, and takes changed documents over, more than AWS keeps versions."""
    for topic in ("c", "d", "e", "f", "g", "h", "h"):
        registry.register({THING: certs / THING}, {"irrigation-gateway": allowing(topic)})
    versions = aws("iot").list_policy_versions(policyName="irrigation-gateway")["policyVersions"]
    assert len(versions) == 2  # of "g" and of "h": the same document again is no new version
    again = Registry(aws("iot"), certs / "ca" / "revoked")
    again.register({THING: certs / THING}, {"irrigation-gateway": allowing("h")})
    entry = again.find(fingerprint(certs))
    assert entry is not None and entry.policies[THING].allows("iot:Publish", "h")
    assert len(aws("iot").list_certificates()["certificates"]) == 2


def test_a_revoked_certificate_stays_revoked(registry: Registry, aws: Callable[[str], Any], certs: Path) -> None:
    """A refresh sees the new status, and registering again does not lift it."""
    iot = aws("iot")
    certificate_id = iot.list_thing_principals(thingName=THING)["principals"][0].split("/")[1]
    iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    assert registry.find(fingerprint(certs)) is not None
    registry.refresh()
    assert registry.find(fingerprint(certs)) is None
    registry.register({THING: certs / THING}, DOCUMENTS)
    assert registry.find(fingerprint(certs)) is None


def test_one_revoked_entry_counts_for_all_of_a_certificate(
    registry: Registry, aws: Callable[[str], Any], certs: Path
) -> None:
    """moto lets the same certificate in twice, its PEM written differently: revoking either entry revokes it."""
    iot = aws("iot")
    twin = iot.register_certificate_without_ca(
        certificatePem=(certs / THING / "certificate.pem").read_text() + "\n", status="INACTIVE"
    )
    assert twin["certificateId"] not in iot.list_thing_principals(thingName=THING)["principals"][0]
    registry.refresh()
    assert registry.find(fingerprint(certs)) is None


@pytest.mark.parametrize("broken", ['{"Version": "2012-10-17", "Statement": []}', '{"Version": '])
def test_what_is_no_certificate_lets_nobody_in(
    registry: Registry, aws: Callable[[str], Any], certs: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage in the registry, or a policy that cannot be understood, is named and does not stop the others."""
    iot = aws("iot")
    garbage = iot.register_certificate_without_ca(certificatePem="garbage", status="ACTIVE")["certificateId"]
    iot.create_policy(policyName="broken", policyDocument=broken)
    principal = iot.list_thing_principals(thingName=THING)["principals"][0]
    iot.attach_policy(policyName="broken", target=principal)
    registry.load()
    assert registry.find(fingerprint(certs)) is None
    assert registry.find(fingerprint(certs, "irrigation-compute")) is not None
    assert f"certificate {garbage} is no PEM; nobody can connect with it" in caplog.text
    assert f"certificate {principal.split('/')[1]}: " in caplog.text


def test_a_missing_identity_is_one_line(registry: Registry, tmp_path: Path) -> None:
    """The file is named, with the remedy."""
    with pytest.raises(RegistryError, match=r"certificate\.pem.*certs issue"):
        registry.register({"ghost": tmp_path / "ghost"}, DOCUMENTS)


def test_an_api_that_does_not_answer_is_a_registry_error(
    registry: Registry, aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """boto3's own errors do not leave this module."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(RegistryError):
        Registry(boto3.client("iot"), tmp_path).load()


class Halver(ThreadingHTTPServer):
    """Stands before the API at `target`, and hangs up in the middle of the answers to paths that begin with `torn`."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Halving)
        self.target = target.removeprefix("http://")
        self.torn = ""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Halving(BaseHTTPRequestHandler):
    """One request to a Halver."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Halver)
        api = http.client.HTTPConnection(server.target)
        length = int(self.headers.get("Content-Length") or 0)
        api.request(self.command, self.path, self.rfile.read(length), dict(self.headers))
        answer = api.getresponse()
        body = answer.read()
        api.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        is_torn = server.torn and self.path.startswith(server.torn)
        self.wfile.write(body[: len(body) // 2] if is_torn else body)

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def halver(moto_endpoint: str) -> Iterator[Halver]:
    with Halver(moto_endpoint) as server:
        yield server
        server.shutdown()


def test_half_an_answer_is_a_registry_error(registry: Registry, halver: Halver, certs: Path, tmp_path: Path) -> None:
    """Whatever answer is cut off on its way, what was known before still counts, and the next look reads it all.

    boto3 does not say that an answer was cut off: it gives one without what was asked for.
    """
    with closing_client(f"http://127.0.0.1:{halver.server_port}") as iot:
        book = Registry(iot, tmp_path)
        book.load()
        for torn in ("/certificates?", "/certificates/", "/principals/things", "/attached-policies/", "/policies/"):
            halver.torn = torn
            with pytest.raises(RegistryError, match="an answer without '"):
                book.load()
            assert book.things() == ["irrigation-compute", THING], torn
            assert book.find(fingerprint(certs)) is not None
            halver.torn = ""
            book.refresh()
            assert book.find(fingerprint(certs)) is not None
