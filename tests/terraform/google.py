"""The roots for Google under terraform/gcp/: a copy to run Terraform in, and their code as trees. No part of Google."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from provisioning.job_files.tree import Expression, Root, TerraformBlock
from provisioning.screen import syntax
from provisioning.screen.tree import Block, Expr

TOP = Path(__file__).parents[2]
FOLDER = TOP / "terraform" / "gcp"
FUNCTION, FARM = "functions/provisioner/terraform", "farm"
ENVIRONMENTS = ("environments/dev", "environments/prod")
ROOTS = (*ENVIRONMENTS, FUNCTION, FARM)
MODULES = ("modules/base-infrastructure", "modules/service-account")
# What a farm's root gets beside the environment's part, with names of each naming profile.
FARMS: dict[str, dict[str, str]] = {
    "irrigation": {
        "farm": "sitio1",
        "bucket_name": "irrigation-data-my-farms-dev-sitio1-dev",
        "dataset_id": "FARM_sitio1_DEV_RAW",
        "job_name": "irrigation-sync-sitio1-dev",
        "schedule_name": "irrigation-sync-schedule-sitio1-dev",
        "account_id": "irrigation-sitio1-dev",
    },
    "vmhub": {
        "farm": "12abc34501de35",
        "cnpj": "12abc34501de35",
        "user_id": "maria",
        "bucket_name": "vmhub-data-semantc-ai-12abc34501de35-dev",
        "dataset_id": "CNPJ_12abc34501de35_RAW",
        "job_name": "vmhub-sync-12abc34501de35",
        "schedule_name": "vmhub-sync-schedule-12abc34501de35",
        "account_id": "vmhub-12abc34501de35-dev",
    },
}
IMAGE = f"us-central1-docker.pkg.dev/my-farms-dev/irrigation-sync-dev/sync@sha256:{'0' * 64}"


class Place:
    """A copy of terraform/gcp, and Terraform led to the stub."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder / "gcp"
        shutil.copytree(FOLDER, self.folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "backend.tf"))
        self._variables = {**os.environ, **variables}

    def terraform(self, root: str, *words: str, fails: bool = False) -> str:
        """Run a command in a root; gives what it said."""
        command = [str(TOP / "scripts" / "terraform"), f"-chdir={self.folder / root}", *words]
        own = {**self._variables, "TF_DATA_DIR": str(self.folder.parent / "data" / root)}
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=600, check=False)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def plan(self, root: str, variables: Mapping[str, Any]) -> Any:
        """Initialise, validate and plan a root; gives the plan, which lies beside it."""
        given = self.folder / root / "given.auto.tfvars.json"
        given.write_text(json.dumps(dict(variables)))
        self.terraform(root, "init", "-input=false")
        assert json.loads(self.terraform(root, "validate", "-json"))["diagnostics"] == []
        self.terraform(root, "plan", "-input=false", "-out=made.tfplan")
        return json.loads(self.terraform(root, "show", "-json", "made.tfplan"))

    def apply(self, root: str) -> dict[str, Any]:
        """Make what was planned, see that the next plan is empty, and give the outputs."""
        self.terraform(root, "apply", "-input=false", "made.tfplan")
        assert "No changes" in self.terraform(root, "plan", "-input=false", "-no-color")
        outputs = json.loads(self.terraform(root, "output", "-json"))
        return {name: one["value"] for name, one in outputs.items()}

    def destroy(self, root: str) -> list[Any]:
        """Remove it all; gives what is left in the state."""
        self.terraform(root, "destroy", "-auto-approve", "-input=false")
        return list(json.loads((self.folder / root / "terraform.tfstate").read_text())["resources"])


def after(plan: Any, kind: str) -> list[Any]:
    """What resources of a type will be, wherever they stand."""
    return [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == kind]


def tree(folder: Path) -> Root:
    """All code of one folder, as the judge of job files reads it."""
    return Root((), tuple(one for path in sorted(folder.glob("*.tf")) for one in _blocks(path.read_bytes())))


@cache
def _blocks(raw: bytes) -> list[TerraformBlock]:
    return [_block(one) for one in syntax.read(raw).blocks]


def _block(block: Block) -> TerraformBlock:
    arguments = {name: _value(expr) for name, expr in block.body.attributes.items()}
    return TerraformBlock(block.kind, block.labels, arguments, tuple(_block(one) for one in block.body.blocks))


def _value(expr: Expr) -> Any:
    """What is written out as a value, all else as an expression that names what it refers to."""
    if expr.kind == "text":
        return expr.text
    if expr.kind == "number":
        return float(expr.text)
    if expr.kind == "word":
        return {"true": True, "false": False}.get(expr.text, Expression("null"))
    if expr.kind == "list":
        return [_value(part) for part in expr.parts]
    return Expression(said(expr))


def said(expr: Expr) -> str:
    """The names in an expression, those that belong together by dots and brackets."""
    parts = [said(part) for part in expr.parts]
    if expr.kind == "attr":
        return f"{parts[0]}.{expr.text}"
    if expr.kind == "index":
        return f"{parts[0]}[{parts[1]}]"
    return " ".join(part for part in (expr.text, *parts) if part)


def unused(folder: Path) -> list[str]:
    """Declared variables that reach nothing: no resource, no module, no output. Their own checks do not count."""
    blocks = tree(folder).blocks
    names = {one.labels[0] for one in blocks if one.kind == "variable"}
    reached = {name for one in blocks if one.kind != "variable" for name in _variables(one)}
    return sorted(names - reached)


def _variables(block: TerraformBlock) -> Iterator[str]:
    yield from re.findall(r"\bvar\.(\w+)", str(list(block.arguments.values())))
    for inner in block.blocks:
        yield from _variables(inner)


def resources(folder: Path, kind: str = "") -> list[TerraformBlock]:
    """Resources that stand in a folder's code, of one type or all."""
    return [one for one in tree(folder).blocks if one.kind == "resource" and kind in {"", one.labels[0]}]
