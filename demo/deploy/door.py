"""Who is let in: a CONNECT to the gate, and what becomes of it when the certificate is revoked."""

import asyncio
from pathlib import Path

import boto3

from gateway_sim.fleet import tls_context
from local_cloud.cloud import Cloud

NOTICED_WITHIN_S = 10  # the gate asks the registry every second or so


async def is_admitted(identity: Path, port: int) -> bool:
    """True if the gate on `port` accepts the CONNECT of the thing whose identity this folder holds."""
    try:
        streams = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls_context(identity), server_hostname="localhost"
        )
    except OSError:
        return False
    reader, writer = streams
    try:
        writer.write(_connect(identity.name))
        return (await reader.readexactly(4))[3] == 0
    except (OSError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.transport.abort()


async def revoking_shuts_out(cloud: Cloud, one: Path, other: Path) -> bool:
    """Revoke one thing's certificate: True if it was admitted before and is not now, while another still is."""
    was_admitted = await is_admitted(one, cloud.port)
    await asyncio.to_thread(_revoke, one.name)
    try:
        async with asyncio.timeout(NOTICED_WITHIN_S):
            while await is_admitted(one, cloud.port):
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return was_admitted and await is_admitted(other, cloud.port)


def _revoke(thing_name: str) -> None:
    iot = boto3.client("iot")
    for arn in iot.list_thing_principals(thingName=thing_name)["principals"]:
        iot.update_certificate(certificateId=arn.rsplit("/", 1)[1], newStatus="REVOKED")
    iot.close()


def _connect(client_id: str) -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session and a keep-alive of 30 s."""
    body = _text("MQTT") + b"\x04\x02\x00\x1e" + _text(client_id)
    return bytes([0x10, len(body)]) + body


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()
