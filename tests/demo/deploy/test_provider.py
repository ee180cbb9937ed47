"""One provider for all commands: it is led to, and it ends with who started it, however that ended."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from demo.deploy import provider
from demo.deploy.errors import TerraformError
from tests.waiting import eventually, until_true

ROOT = Path(__file__).parents[3]
WHERE = '{"registry.terraform.io/hashicorp/aws":{"Protocol":"grpc"}}'
SAYS = f"echo $$ >\"$PIDS\"; echo; printf '\\tTF_REATTACH_PROVIDERS='; echo \"'\"'{WHERE}'\"'\"; exec sleep 1000"
HOLDS = """
import asyncio, sys
from pathlib import Path
from demo.deploy import provider

async def main():
    async with provider.running(Path(sys.argv[1]), {"PATH": sys.argv[2], "PIDS": sys.argv[3]}, Path(sys.argv[4])):
        print("READY", flush=True)
        await asyncio.sleep(1000)

asyncio.run(main())
"""


def installed(folder: Path, script: str) -> Path:
    """A TF_DATA_DIR with a provider that is this script of bash."""
    program = folder / "providers/registry.terraform.io/hashicorp/aws/1.0.0/linux_amd64/terraform-provider-aws_v1"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    return folder


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_commands_are_led_to_it_and_it_is_gone_afterwards(tmp_path: Path) -> None:
    """While it runs, its variables lead a Terraform to it; then no process of it is left."""
    data, own = installed(tmp_path / ".terraform", SAYS), {**os.environ, "PIDS": str(tmp_path / "pid")}
    async with provider.running(data, own, tmp_path / "logs" / "provider.log") as variables:
        assert variables == {"TF_REATTACH_PROVIDERS": WHERE}
        pid = int((tmp_path / "pid").read_text())
        assert is_running(pid)
    await eventually(lambda: not is_running(pid), "the provider's end")


def test_it_ends_with_a_killed_parent(tmp_path: Path) -> None:
    """Who kills a deployment outright finds no provider left afterwards, which would wait for ever."""
    data, pids = installed(tmp_path / ".terraform", SAYS), tmp_path / "pid"
    words = [str(data), os.environ["PATH"], str(pids), str(tmp_path / "log")]
    with subprocess.Popen([sys.executable, "-c", HOLDS, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "READY\n"
        pid = int(pids.read_text())
        assert is_running(pid)
        holder.kill()
    until_true(lambda: not is_running(pid), "the provider's end")


async def test_one_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    """What it said stands in the log that the line names."""
    data, log = installed(tmp_path / ".terraform", "echo no memory >&2"), tmp_path / "provider.log"
    with pytest.raises(TerraformError, match=rf"^the provider does not start \(see {log}\)$"):
        async with provider.running(data, os.environ, log):
            pass
    assert log.read_text() == "no memory\n"
