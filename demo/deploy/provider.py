"""Terraform's AWS provider, started once for all commands: each would start it five times, its longest work by far."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from demo.deploy.errors import TerraformError

REATTACH = re.compile(r"(TF_REATTACH_PROVIDERS)='(.*)'")
# The provider does not look after itself: it ends with its input, that is with who started it, however that ended.
ENDS_WITH_INPUT = '"$0" -debug </dev/null & exec >/dev/null; cat; kill -9 $!'

GOGC = "300"  # as scripts/terraform has it


def installed(data: Path) -> Path:
    """The newest one under `data`, a mirror of providers or the TF_DATA_DIR of a `terraform init`."""
    name = "registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*"
    return max((*data.glob(name), *data.glob(f"providers/{name}")), key=_version)


def _version(program: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", program.parents[1].name)]


@asynccontextmanager
async def running(data: Path, environment: Mapping[str, str], log: Path) -> AsyncIterator[dict[str, str]]:
    """Start the provider; gives the variables that lead a `terraform` to it. Raises TerraformError.

    Its environment counts, not that of the command: the account is the same for all of them.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", ENDS_WITH_INPUT, str(installed(data))),
            env={"GOGC": GOGC, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            start_new_session=True,  # Ctrl-C is for us
        )
    try:
        yield await _where(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _where(process: asyncio.subprocess.Process, log: Path) -> dict[str, str]:
    """What it says of itself when it is ready."""
    assert process.stdout is not None
    async for line in process.stdout:
        if found := REATTACH.search(line.decode()):
            return {found[1]: found[2]}
    raise TerraformError(f"the provider does not start (see {log})")
