"""Who may connect, as the AWS IoT API tells it."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.errors import RegistryError
from local_cloud.registry import Registry, fingerprint_of

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


def test_all_policies_of_a_thing_count(registry: Registry, certs: Path) -> None:
    """What does not fit into one document is in a second one, which is attached to its thing alone."""
    registry.register(
        {THING: certs / THING, "irrigation-compute": certs / "irrigation-compute"},
        {**DOCUMENTS, "irrigation-compute-shared": allowing("c")},
    )
    gateway, compute = (registry.find(fingerprint(certs, thing)) for thing in (THING, "irrigation-compute"))
    assert gateway is not None and compute is not None
    may = {topic: compute.policies["irrigation-compute"].allows("iot:Publish", topic) for topic in "abc"}
    assert may == {"a": False, "b": True, "c": True}
    assert not gateway.policies[THING].allows("iot:Publish", "c")


def test_registering_again_changes_nothing_but_the_documents(
    registry: Registry, aws: Callable[[str], Any], certs: Path
) -> None:
    """A second start neither doubles nor fails, and takes changed documents over, more than AWS keeps versions."""
    for topic in ("c", "d", "e", "f", "g", "h", "h"):
        registry.register({THING: certs / THING}, {"irrigation-gateway": allowing(topic)})
    entry = registry.find(fingerprint(certs))
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


def test_what_is_no_certificate_lets_nobody_in(registry: Registry, aws: Callable[[str], Any], certs: Path) -> None:
    """Garbage in the registry, or a policy that cannot be understood, does not stop the others."""
    iot = aws("iot")
    iot.register_certificate_without_ca(certificatePem="garbage", status="ACTIVE")
    iot.create_policy(policyName="broken", policyDocument='{"Version": "2012-10-17", "Statement": []}')
    principal = iot.list_thing_principals(thingName=THING)["principals"][0]
    iot.attach_policy(policyName="broken", target=principal)
    registry.load()
    assert registry.find(fingerprint(certs)) is None
    assert registry.find(fingerprint(certs, "irrigation-compute")) is not None


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
    import boto3  # noqa: PLC0415

    with pytest.raises(RegistryError):
        Registry(boto3.client("iot"), tmp_path).load()
