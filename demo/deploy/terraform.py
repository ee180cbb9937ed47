"""The root module under terraform/, applied from a copy: nothing of a run, and no state, gets into the checkout."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from demo.deploy import provider
from demo.deploy.errors import TerraformError
from demo.deploy.programs import run

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "terraform"
# What a person may have beside the code, and what Terraform leaves there.
NOT_COPIED = (
    "*.tfvars",
    "*.tfvars.json",
    "*_override.tf",
    "backend.tf",
    "credentials",
    "tests",
    ".terraform*",
    "*.tfstate*",
    "*.tfplan",
)
PARALLEL = 20
UNCHANGED = ("noop", "read")
KEY = re.compile(r'\["(\\.|[^"\\])*"\]|\[\d+\]')  # of one of several, as in x.y["key"]

Tell = Callable[[int], None]


class Resource(NamedTuple):
    """One resource of the state."""

    address: str
    type: str


class Terraform:
    """A working copy of the module in `folder`, with `variables`. Every method raises TerraformError."""

    def __init__(self, folder: Path, variables: Mapping[str, Any], environment: Mapping[str, str], logs: Path) -> None:
        self.folder = folder
        self._logs = logs
        own = {
            "TF_DATA_DIR": str(folder / ".terraform"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "TMPDIR": str(folder.parent),  # where a provider that was killed leaves its socket
        }
        self._environment = {**environment, **own}
        shutil.copytree(ROOT / "terraform", folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (folder / "terraform.tfvars.json").write_text(json.dumps(variables, indent=2))

    async def init(self) -> None:
        """Fetch the providers."""
        await self._run("init", "-input=false", "-json")

    @asynccontextmanager
    async def one_provider(self) -> AsyncIterator[None]:
        """While this lasts, every command uses the same running provider, of those that `init` fetched."""
        data, log = self.folder / ".terraform", self._logs / "provider.log"
        own = self._environment
        async with provider.running(data, own, log) as where:
            self._environment = {**own, **where}
            try:
                yield
            finally:
                self._environment = own

    async def plan(self, name: str) -> list[str]:
        """Save a plan under this name; gives the addresses of what it would change, outputs included."""
        return _changes(await self._run("plan", *_options(), f"-out={name}.tfplan"))

    async def apply(self, name: str, tell: Tell) -> None:
        """Apply a saved plan; `tell` hears how many resources are done."""
        await self._run("apply", *_options(), f"{name}.tfplan", tell=_counting("apply_complete", tell))

    async def destroy(self, tell: Tell) -> None:
        """Destroy everything; `tell` hears how many resources are gone."""
        await self._run("destroy", *_options(), "-auto-approve", tell=_counting("apply_complete", tell))

    async def outputs(self) -> dict[str, Any]:
        """The outputs, by name."""
        document = json.loads("\n".join(await self._run("output", "-json")))
        return {name: output["value"] for name, output in document.items()}

    async def resources(self) -> list[Resource]:
        """The managed resources of the state."""
        return [resource for line in await self._run("state", "list") for resource in _managed(line)]

    async def _run(self, verb: str, *options: str, tell: Callable[[str], None] = lambda _line: None) -> list[str]:
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            tell(line)

        log = self._logs / f"terraform-{verb}.log"
        command = (str(PROGRAM), f"-chdir={self.folder}", verb, *options)
        code = await run(*command, folder=self.folder, environment=self._environment, log=log, tell=hear)
        if code:
            raise TerraformError(f"terraform {verb}: {_complaint(lines) or f'ended with {code}'} (see {log})")
        return lines


def _options() -> tuple[str, ...]:
    return ("-input=false", "-json", f"-parallelism={PARALLEL}")


def _changes(lines: list[str]) -> list[str]:
    """What a plan tells that it would change, among its JSON messages."""
    messages = _messages(lines)
    planned = [m["change"] for m in messages if m["type"] == "planned_change"]
    outputs = {name: o for m in messages if m["type"] == "outputs" for name, o in m["outputs"].items()}
    resources = [change["resource"]["addr"] for change in planned if change["action"] not in UNCHANGED]
    return resources + [f"output.{name}" for name, output in outputs.items() if output["action"] not in UNCHANGED]


def _counting(kind: str, tell: Tell) -> Callable[[str], None]:
    count = 0

    def hear(line: str) -> None:
        nonlocal count
        if f'"type":"{kind}"' in line:
            count += 1
            tell(count)

    return hear


def _managed(address: str) -> Iterator[Resource]:
    """The resource at an address of the state, unless it is one that is only read."""
    *modules, type_, _name = KEY.sub("", address).split(".")
    if not modules or modules[-1] != "data" or (len(modules) > 1 and modules[-2] == "module"):
        yield Resource(address, type_)


def _messages(lines: list[str]) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return [message for message in messages if "type" in message]


def _complaint(lines: list[str]) -> str:
    """The first error among Terraform's JSON messages, and how many more there are."""
    diagnostics = [m["diagnostic"] for m in _messages(lines) if m["type"] == "diagnostic"]
    errors = [d for d in diagnostics if d["severity"] == "error"]
    if not errors:
        return ""
    detail = errors[0].get("detail", "").split("\n\n")[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return " ".join(f"{errors[0]['summary']}: {detail}".split()) + more
