"""What Google's Terraform provider takes, for the types that we write: read from a wheel of its bindings.

    python3 scripts/google_schema.py            fetch the pinned wheel by pip, and write the table
    python3 scripts/google_schema.py WHEEL      read that file

The provider itself is in no package registry; bindings made of its schema are. They say names, kinds, nesting and what
is required; what a value may be, which arguments exclude each other, and what a change replaces they do not say.
Standard library only.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "provisioning" / "job_files" / "google_schema.json"
PACKAGE, VERSION = "cdktn-provider-google", "21.1.0"
SHA256 = "157dead5025d5db5abe48e40cc49f0b6a4d8088fd0498eb17ad5a36bca811b2a"
PROVIDER = "8.7.0"
NOTICE = (
    f"Made by scripts/google_schema.py from {PACKAGE} {VERSION}, bindings of hashicorp/google {PROVIDER}. "
    "Copyright IBM Corp. 2021, 2026; SPDX-License-Identifier: MPL-2.0 (https://mozilla.org/MPL/2.0/)"
)
TYPES = (
    "google_artifact_registry_repository",
    "google_bigquery_dataset",
    "google_bigquery_dataset_iam_member",
    "google_cloud_run_v2_job",
    "google_cloud_run_v2_job_iam_member",
    "google_cloud_run_v2_service_iam_member",
    "google_cloud_scheduler_job",
    "google_cloudfunctions2_function",
    "google_compute_network",
    "google_compute_subnetwork",
    "google_logging_metric",
    "google_logging_project_bucket_config",
    "google_logging_project_sink",
    "google_monitoring_alert_policy",
    "google_project_iam_custom_role",
    "google_project_iam_member",
    "google_project_service",
    "google_pubsub_topic",
    "google_secret_manager_secret_iam_member",
    "google_service_account",
    "google_service_account_iam_member",
    "google_storage_bucket",
    "google_storage_bucket_iam_member",
    "google_storage_bucket_object",
)
NOT_WRITTEN = {"timeouts"}
KINDS = {"string": "string", "boolean": "bool", "number": "number", "stringMap": "map", "stringList": "list"}
_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(
    r"^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\"",
    re.MULTILINE,
)
_OWN = re.compile(r"^    synthesizeHclAttributes\(\) \{\n(.*?)^    \}", re.MULTILINE | re.DOTALL)
_INNER = re.compile(r"(\w+)ToHclTerraform(?:, true\))?\)?\((?:struct|this)")
_STRUCT = re.compile(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"#(\w+) \w+#\w+\}[^/]*?\*/\n +readonly \w+(\??):", re.DOTALL)
_GETTER = re.compile(r"^    get (\w+)\(\)", re.MULTILINE)


def main(words: list[str]) -> int:
    """Write the table; 2 if there is no such wheel."""
    if len(words) > 1:
        print("google_schema: usage: google_schema.py [WHEEL]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(words[0]) if words else fetch(Path(folder))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            print(f"google_schema: {wheel} is not {PACKAGE} {VERSION}; change the pin to read another", file=sys.stderr)
            return 2
        TABLE.write_text(text(table(wheel)))
    return 0


def fetch(folder: Path) -> Path:
    """The pinned wheel, from the registry."""
    pin = f"{PACKAGE}=={VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), pin]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def text(rows: dict[str, Any]) -> str:
    """The table's file: a line a type."""
    lines = [f'"{name}": {json.dumps(row, separators=(",", ":"), sort_keys=True)}' for name, row in rows.items()]
    head = f'{{\n"//": {json.dumps(NOTICE)},\n"provider": "{PROVIDER}",\n"resources": {{\n'
    return head + ",\n".join(lines) + "\n}\n}\n"


def table(wheel: Path) -> dict[str, Any]:
    """By type: arguments with kind, blocks in each other, and what can be asked of a resource."""
    folders = {f"package/lib/{name.removeprefix('google_').replace('_', '-')}": name for name in TYPES}
    rows = {}
    for folder, index, declarations in _sources(wheel, set(folders)):
        rows[folders[folder]] = resource(index, declarations)
    return {name: rows[name] for name in TYPES}


def _sources(wheel: Path, folders: set[str]) -> Iterator[tuple[str, str, str]]:
    texts: dict[str, dict[str, str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        inner = archive.read(next(name for name in archive.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(inner)) as files:
        for member in files:
            folder, _, name = member.name.rpartition("/")
            if folder in folders and (file := files.extractfile(member)):
                texts.setdefault(folder, {})[name] = file.read().decode()
    for folder, two in texts.items():
        yield folder, two["index.js"], two["index.d.ts"]


def resource(index: str, declarations: str) -> dict[str, Any]:
    """One type, from its two files."""
    bodies = {name[0].upper() + name[1:]: body for name, body in _FUNCTION.findall(index)}
    required = {
        name: {field for field, mark in _FIELD.findall(body) if not mark}
        for name, body in _STRUCT.findall(declarations)
    }
    own = _OWN.search(index)
    assert own is not None
    config = next(name for name in required if name.endswith("Config") and f"config: {name})" in declarations)
    row = _body(own[1], required[config], bodies, required)
    class_text = declarations[declarations.index(f"export declare class {config.removesuffix('Config')} ") :]
    getters = {_snake(name) for name in _GETTER.findall(class_text) if not name.endswith("Input")}
    row["computed"] = sorted(getters - set(row["arguments"]) - set(row["blocks"]) - NOT_WRITTEN)
    return row


def _body(text: str, required_names: set[str], bodies: dict[str, str], required: dict[str, set[str]]) -> dict[str, Any]:
    arguments: dict[str, str] = {}
    blocks: dict[str, Any] = {}
    for name, value, is_block, _, kind in _ENTRY.findall(text):
        mark = "!" if name in required_names else ""
        if is_block == "false":
            arguments[name] = KINDS.get(kind, kind) + mark
        elif name not in NOT_WRITTEN:
            match = _INNER.search(value)
            assert match is not None, value
            inner = match[1][0].upper() + match[1][1:]
            row = _body(bodies[inner], required.get(inner, set()), bodies, required)
            blocks[name] = {**row, "most": 0 if "listMapper" in value else 1, "least": int(bool(mark))}
    return {"arguments": arguments, "blocks": blocks}


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
