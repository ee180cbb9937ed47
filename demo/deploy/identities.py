"""The identities of what was deployed, fetched in the two ways that people are told of, which must agree."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.deploy.errors import CommandError
from demo.deploy.programs import run

FILES = ("private_key.pem", "certificate.pem", "thing_name.txt", "endpoint.txt")


@dataclass(frozen=True)
class Fetching:
    """Where identities come from and go to; `root_ca` is the CA of the gate, in place of Amazon's."""

    environment: Mapping[str, str]
    deployment: str
    root_ca: Path
    logs: Path


async def by_commands(commands: Mapping[str, Sequence[str]], into: Path, how: Fetching) -> None:
    """Run the printed AWS CLI commands of every thing. Raises CommandError."""
    into.mkdir(parents=True)
    for thing, lines in commands.items():
        command = ("bash", "-euo", "pipefail", "-c", "\n".join(lines))
        await _run(*command, what=f"the printed commands of {thing}", folder=into, how=how)
        shutil.copy(how.root_ca, into / thing / "root_ca.pem")


async def by_certs(things: Sequence[str], into: Path, how: Fetching) -> None:
    """Run `python -m certs fetch` for every thing. Raises CommandError."""
    for thing in things:
        options = ("--environment", how.deployment, "--root-ca", str(how.root_ca), "--out", str(into))
        command = (sys.executable, "-m", "certs", "fetch", thing, *options)
        await _run(*command, what=f"certs fetch {thing}", folder=Path.cwd(), how=how)


def compare(things: Sequence[str], one: Path, other: Path) -> None:
    """Raise CommandError unless both folders hold the same identities."""
    for thing in things:
        for name in FILES:
            if (one / thing / name).read_text().strip() != (other / thing / name).read_text().strip():
                raise CommandError(f"{thing}: the printed commands and certs fetch give another {name}")


async def _run(*command: str, what: str, folder: Path, how: Fetching) -> None:
    log = how.logs / "fetch.log"
    if code := await run(*command, folder=folder, environment=how.environment, log=log):
        last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise CommandError(f"{what} ended with {code}: {last} (see {log})")
