"""`python -m certs revoke`: one command, and a stolen thing is refused by gate and AWS, now and after restarts."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

ROOT = Path(__file__).parents[2]
STOLEN, OTHER = "irrigation-gateway-1", "irrigation-gateway-2"


@pytest.fixture
def issued(certs: Path, tmp_path: Path) -> Path:
    """A copy of the identities: `certs` then is what the thief has."""
    return Path(shutil.copytree(certs, tmp_path / "issued"))


def revoke(issued: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "certs", "revoke", STOLEN, "--out", str(issued), *options]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


async def test_a_stolen_gateway_is_cut_off_here_and_in_aws(
    world: Any, aws: Callable[[str], Any], certs: Path, issued: Path
) -> None:
    """Its connection ends, it cannot come back, its certificate is INACTIVE without policies; the others stay."""
    async with world("embedded", certs=issued) as w:
        other, thief = await w.connected(OTHER), await w.connected(STOLEN)
        done = await asyncio.to_thread(revoke, issued)
        assert done.returncode == 0, done.stderr
        assert [line.rpartition("no more ")[2] for line in done.stdout.splitlines()] == ["here", "in AWS"]
        assert await thief.closed()
        assert (await (await w.open(certs / STOLEN)).connect(STOLEN))[1] == 5
        await other.ping()
        [arn] = aws("iot").list_thing_principals(thingName=STOLEN)["principals"]
        described = aws("iot").describe_certificate(certificateId=arn.split("/")[1])["certificateDescription"]
        assert described["status"] == "INACTIVE"
        assert aws("iot").list_attached_policies(target=arn)["policies"] == []
        assert not (issued / STOLEN).exists()


async def test_no_restart_lets_a_revoked_gateway_in(world: Any, certs: Path, issued: Path) -> None:
    """A cloud that starts anew and registers the old identity from a backup refuses it; a new one is let in."""
    assert revoke(issued, "--here-only").returncode == 0
    shutil.copytree(certs / STOLEN, issued / STOLEN)
    async with world("embedded", certs=issued) as w:
        assert (await (await w.open(certs / STOLEN)).connect(STOLEN))[1] == 5
    command = [sys.executable, "-m", "certs", "issue", "--things", STOLEN, "--out", str(issued)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    async with world("embedded", certs=issued) as w:
        await w.connected(STOLEN)
        assert (await (await w.open(certs / STOLEN)).connect(STOLEN))[1] == 5


async def test_the_gate_refuses_while_aws_cannot_be_asked(
    world: Any, certs: Path, issued: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without AWS the command says so and fails; the gate refuses all the same, even without its registry."""
    async with world("embedded", certs=issued) as w:
        thief = await w.connected(STOLEN)
        monkeypatch.setattr(w.cloud.registry._iot.meta.events, "emit_until_response", _silence)
        nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
        done = await asyncio.to_thread(revoke, issued, **nowhere)
        assert done.returncode == 2
        [line] = done.stderr.splitlines()
        assert line.startswith("certs: not revoked in AWS: AWS: Could not connect")
        assert await thief.closed()
        assert (await (await w.open(certs / STOLEN)).connect(STOLEN))[1] == 5


def _silence(*_words: object, **_parameters: object) -> None:
    raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
