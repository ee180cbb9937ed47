"""`scripts/sbom.py`: every pinned package is in the bill of materials, and none has a licence that nobody allowed."""

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from scripts import licences, sbom

ROOT = Path(__file__).parents[2]
DECISIONS = tomllib.loads((ROOT / licences.DECISIONS).read_text(encoding="utf-8"))
[CHECKOV] = (ROOT / ".venv-checkov" / "lib").glob("python3*/site-packages")
SCHEMAS = CHECKOV / "cyclonedx" / "schema" / "_res"  # a library of OWASP's, there for checkov


def checkout(folder: Path) -> Path:
    """What the bill is made from, copied so that a test can change it."""
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for name in ("package-lock.json", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "sbom.py"), "--root", str(root), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def validator() -> Any:
    """CycloneDX's own schema of 1.6, with the two that it refers to."""
    names = ["bom-1.6", "spdx", "jsf-0.82"]
    documents = [json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text()) for name in names]
    resources = [(document["$id"], Resource.from_contents(document)) for document in documents]
    return Draft7Validator(documents[0], registry=Registry[Any]().with_resources(resources))


def test_the_bill_names_every_pinned_package(tmp_path: Path) -> None:
    """Who asks what runs on a farm gets all of it, valid by CycloneDX's schema and the same bytes each time."""
    first, second = tmp_path / "deep" / "first.json", tmp_path / "second.json"
    for out in (first, second):
        done = run(ROOT, out)
        assert done.returncode == 0, done.stderr
    assert first.read_bytes() == second.read_bytes()
    bill = json.loads(first.read_text(encoding="utf-8"))
    validator().validate(bill)
    purls = [component["purl"] for component in bill["components"]]
    assert purls == sorted(set(purls))
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "==" in line and not line.startswith("#"):
                name, version = line.split(" ")[0].split("==")
                assert f"pkg:pypi/{name}@{version}" in purls
    scopes = {component["name"]: component["scope"] for component in bill["components"]}
    assert [scopes[name] for name in ("cryptography", "aedes")] == ["required"] * 2
    assert [scopes[name] for name in ("hypothesis", "checkov", "pyright")] == ["excluded"] * 3
    assert not any(word in first.read_text(encoding="utf-8") for word in ("timestamp", "serialNumber"))


def test_a_package_without_a_known_licence_is_named(tmp_path: Path) -> None:
    """Who pins a package of which nobody knows the licence is told its name and what to do, and gets no bill."""
    root = checkout(tmp_path / "root")
    (root / "requirements" / "demo.txt").write_text("never-heard-of==1.0 \\\n", encoding="utf-8")
    replace(root / "package-lock.json", '"license": "BSD-3-Clause"', '"licence": "typo"')
    done = run(root, tmp_path / "bill.json")
    assert done.returncode == 1
    unknown = "no known licence; read it, and give it a row under [elsewhere] of requirements/licences.toml"
    assert f"never-heard-of 1.0: {unknown}" in done.stderr
    assert re.search(r"ieee754 \S+: no known licence", done.stderr)
    assert not (tmp_path / "bill.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"MIT",', "", "anyio .* MIT is not allowed; do without it, or name it with a reason in requirements/"),
        ("esptool = {", "gone = {", "esptool .* GPL-2.0-or-later is not allowed"),
        ('certifi = { licence = "MPL-2.0"', 'certifi = { licence = "MPL-1.1"', "certifi .* MPL-2.0 is not allowed"),
        ("[exceptions]", '[exceptions]\nold = { licence = "GPL", reason = "" }', "old: nothing is pinned"),
        ("[elsewhere]", '[elsewhere]\nold = "MIT"', "old: nothing is pinned of this name; take its row"),
    ],
)  # fmt: skip
def test_a_licence_is_allowed_or_excepted(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A licence off the list, an exception of another licence, and a row for what is gone: each is one line."""
    root = checkout(tmp_path / "root")
    replace(root / licences.DECISIONS, old, new)
    decisions = tomllib.loads((root / licences.DECISIONS).read_text(encoding="utf-8"))
    packages = sorted({*licences.python_packages(root, decisions), *licences.node_packages(root)})
    assert re.search(told, "\n".join(licences.breaches(packages, decisions)))


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND ISC", True),
        ("(GPL-3.0-only OR MIT) AND ISC", True),
        ("(GPL-3.0-only OR MIT) AND MPL-2.0", False),
        ("MIT AND (ISC AND (GPL-3.0-only OR MPL-2.0))", False),
        ("", False),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression: str, verdict: bool) -> None:
    """A choice is enough, a sum must be allowed whole."""
    assert licences.is_allowed(expression, frozenset({"MIT", "ISC"})) == verdict


def test_what_lies_elsewhere_is_as_its_row_says() -> None:
    """checkov's environment is read here, where it exists: a licence that changed there is seen."""
    seen = 0
    for each in importlib.metadata.distributions(path=[str(CHECKOV)]):
        name = licences.canonical(each.name)
        said = licences.licence_of(cast(Message, each.metadata), DECISIONS["names"])
        exception = DECISIONS["exceptions"].get(name, {}).get("licence")
        assert said == exception or licences.is_allowed(said, frozenset(DECISIONS["allowed"])), (name, said)
        if name in DECISIONS["elsewhere"]:
            assert said == DECISIONS["elsewhere"][name], name
            seen += 1
    assert seen >= 50


def test_esptool_is_never_imported() -> None:
    """The one program under the GPL stays a program: no file of ours imports it, or what it is made of."""
    names = subprocess.run(["git", "ls-files", "*.py", "*.pyi"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in names.stdout.splitlines()]
    assert len(files) > 200
    for path in files:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "esptool" in text else ():
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(module.split(".")[0] == "esptool" for module in modules), path


def test_every_exception_has_its_reason() -> None:
    """Who reads the list learns why each exception was made."""
    assert all(len(entry["reason"]) > 20 for entry in DECISIONS["exceptions"].values())
    assert sbom.is_spdx("MIT AND ISC")
    assert not sbom.is_spdx("BSD AND MIT")
