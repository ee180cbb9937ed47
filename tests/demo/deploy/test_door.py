"""A gate whose registry is what the API holds, and what revoking a certificate does to its owner."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from demo.deploy import door
from local_cloud.cloud import Cloud, serve
from local_cloud.policy import render

GATEWAY, OTHER, COMPUTE = "irrigation-gateway-1", "irrigation-gateway-2", "irrigation-compute"
POLICY = Path(__file__).parents[3] / "terraform" / "modules" / "iot" / "policies" / "gateway.json.tftpl"
Open = Callable[[], AbstractAsyncContextManager[Cloud]]


def register(iot: Any, thing: str, certificate: Path) -> None:
    """What Terraform does for a gateway."""
    iot.create_thing(thingName=thing)
    arn = iot.register_certificate_without_ca(certificatePem=certificate.read_text(), status="ACTIVE")["certificateArn"]
    iot.attach_thing_principal(thingName=thing, principal=arn)
    iot.attach_policy(policyName="irrigation-gateway", target=arn)


@pytest.fixture
def gate(aws: Callable[[str], Any], certs: Path, tmp_path: Path) -> Open:
    """Gateways 1 and 2 are registered, and nothing else, although more identities are issued."""
    iot = aws("iot")
    document = render(POLICY, "us-east-1", boto3.client("sts").get_caller_identity()["Account"])
    iot.create_policy(policyName="irrigation-gateway", policyDocument=json.dumps(document))
    for thing in (GATEWAY, OTHER):
        register(iot, thing, certs / thing / "certificate.pem")

    @asynccontextmanager
    async def serving() -> AsyncIterator[Cloud]:
        where = {"certs": certs, "spool": tmp_path / "spool", "bucket": "farm", "prefix": "raw/"}
        async with serve(**where, now=lambda: 0, record=lambda _: None, register=False) as cloud:  # type: ignore[arg-type]  # a dict of several types
            yield cloud

    return serving


async def test_the_registry_is_used_as_it_is(gate: Open, certs: Path, aws: Callable[[str], Any]) -> None:
    """Who is registered is let in; who has an identity of the same CA alone is not, and is not registered by it."""
    async with gate() as cloud:
        assert cloud.things == [GATEWAY, OTHER]
        assert await door.is_admitted(certs / GATEWAY, cloud.port)
        assert not await door.is_admitted(certs / COMPUTE, cloud.port)
    assert {thing["thingName"] for thing in aws("iot").list_things()["things"]} == {GATEWAY, OTHER}


async def test_a_revoked_thing_is_shut_out_alone(gate: Open, certs: Path) -> None:
    """After the revocation its CONNECT is refused, and the other's is not."""
    async with gate() as cloud:
        assert await door.revoking_shuts_out(cloud, certs / GATEWAY, certs / OTHER)
        assert not await door.is_admitted(certs / GATEWAY, cloud.port)
        assert cloud.things == [GATEWAY, OTHER]


async def test_what_proves_nothing_is_not_taken_for_a_proof(gate: Open, certs: Path) -> None:
    """It does not count if the revoked thing could not connect before, or if nobody else can either."""
    async with gate() as cloud:
        assert await door.revoking_shuts_out(cloud, certs / GATEWAY, certs / OTHER)
        assert not await door.revoking_shuts_out(cloud, certs / GATEWAY, certs / OTHER)
        assert not await door.revoking_shuts_out(cloud, certs / OTHER, certs / GATEWAY)


async def test_nobody_is_admitted_where_nobody_listens(certs: Path) -> None:
    """A closed port is no admission."""
    assert not await door.is_admitted(certs / GATEWAY, 9)
