"""The pinned packages and what their licences are, and which of these nobody allowed; `scripts/sbom.py` is its command.

A licence is what the package in this environment says of itself. What lies elsewhere (checkov's environment, Home
Assistant's source) has its row in requirements/licences.toml, which also has the list of what is allowed.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, cast

DECISIONS = "requirements/licences.toml"
RUNTIME = ("demo.txt", "console.txt", "provisioning-google.txt")  # what a farm runs; the rest tests and builds
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)
NAMES_ONLY = {"BSD", "Public Domain"}  # what some say, and SPDX does not


@dataclass(frozen=True, order=True)
class Package:
    """One pinned package; `licence` is an SPDX expression or a name of NAMES_ONLY, "" where it is unknown."""

    purl: str
    name: str
    version: str
    licence: str
    is_runtime: bool


def licence_of(metadata: Message, names: Mapping[str, str]) -> str:
    """What a Python package's metadata says its licence is, "" if it says nothing that `names` knows.

    `names` translates what people write into SPDX. Of several classifiers each counts: they are joined by AND.
    """
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    classifiers = [str(each) for each in metadata.get_all("Classifier") or []]
    for words in ([str(metadata.get("License")).strip()], classifiers):
        if parts := {names[word.rpartition(" :: ")[2]] for word in words if word.rpartition(" :: ")[2] in names}:
            return " AND ".join(sorted(parts))
    return ""


def is_allowed(expression: str, permits: frozenset[str]) -> bool:
    """True if an SPDX expression leaves a choice of which every licence is allowed; AND binds closer than OR."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        word = min(permits) if is_allowed(inner[1], permits) else "refused"
        expression = expression[: inner.start()] + word + expression[inner.end() :]
    return any(all(term.strip() in permits for term in part.split(" AND ")) for part in expression.split(" OR "))


def canonical(name: str) -> str:
    """A Python package's one name, as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_packages(root: Path, decisions: Mapping[str, Any]) -> Iterator[Package]:
    """Every pin of requirements/*.txt, once a version."""
    licences = dict(decisions["elsewhere"])
    for each in importlib.metadata.distributions():
        if words := licence_of(cast(Message, each.metadata), decisions["names"]):
            licences[canonical(each.name)] = words
    pins: dict[tuple[str, str], bool] = {}
    for path in sorted((root / "requirements").glob("*.txt")):
        for name, version in PIN.findall(path.read_text(encoding="utf-8")):
            pin = canonical(name), version
            pins[pin] = pins.get(pin, False) or path.name in RUNTIME
    for (name, version), is_runtime in pins.items():
        yield Package(f"pkg:pypi/{name}@{version}", name, version, licences.get(name, ""), is_runtime)


def node_packages(root: Path) -> Iterator[Package]:
    """Every package of package-lock.json, but the project itself."""
    lock = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for path, entry in lock.items():
        if path:
            name = path.rpartition("node_modules/")[2]
            purl = f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}"
            yield Package(purl, name, entry["version"], entry.get("license", ""), not entry.get("dev"))


def breaches(packages: list[Package], decisions: Mapping[str, Any]) -> Iterator[str]:
    """A sentence with its remedy for each licence that is unknown or not allowed, and each row that is for nothing."""
    permits = frozenset(decisions["allowed"])
    exceptions = decisions["exceptions"]
    for package in packages:
        exception = exceptions.get(package.name, {}).get("licence")
        what = f"{package.name} {package.version}"
        if not package.licence:
            yield f"{what}: no known licence; read it, and give it a row under [elsewhere] of {DECISIONS}"
        elif package.licence != exception and not is_allowed(package.licence, permits):
            yield f"{what}: {package.licence} is not allowed; do without it, or name it with a reason in {DECISIONS}"
    pinned = {(package.name, package.licence) for package in packages}
    for name in sorted(exceptions):
        if (name, exceptions[name]["licence"]) not in pinned:
            yield f"{name}: nothing is pinned of this name and licence; take its row out of {DECISIONS}"
    for name in sorted(decisions["elsewhere"].keys() - {package.name for package in packages}):
        yield f"{name}: nothing is pinned of this name; take its row out of {DECISIONS}"
