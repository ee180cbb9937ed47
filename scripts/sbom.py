"""Bill of materials, CycloneDX 1.6, of every pinned package; part of `make check`.

    python scripts/sbom.py --out build/sbom.cdx.json

Prints each licence that nobody allowed, and then exits 1 and writes nothing. The same requirements give the same bytes:
no time, no serial number, everything in order.
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from scripts.licences import DECISIONS, NAMES_ONLY, Package, breaches, node_packages, python_packages

ROOT = Path(__file__).resolve().parent.parent


def document(packages: list[Package], root: Path) -> dict[str, Any]:
    """The bill of materials as CycloneDX 1.6 has it; `excluded` is what only tests and builds need."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    product = {"type": "application", "name": project["name"], "version": project["version"]}
    components = [
        {
            "type": "library",
            "bom-ref": each.purl,
            "purl": each.purl,
            "name": each.name,
            "version": each.version,
            "scope": "required" if each.is_runtime else "excluded",
            "licenses": [
                {"expression": each.licence} if is_spdx(each.licence) else {"license": {"name": each.licence}}
            ],
        }
        for each in packages
    ]
    metadata = {"component": {**product, "licenses": [{"expression": project["license"]}]}}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components,
    }


def is_spdx(licence: str) -> bool:
    """Whether a licence is written as SPDX writes it: "BSD" is only a name."""
    return not NAMES_ONLY & set(re.split(r" AND | OR ", licence))


def main(words: list[str]) -> int:
    """Write the bill; 1 if a licence in it is not allowed, and then nothing is written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the bill goes")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="FOLDER", help="the checkout (this one)")
    arguments = parser.parse_args(words)
    decisions = tomllib.loads((arguments.root / DECISIONS).read_text(encoding="utf-8"))
    packages = sorted({*python_packages(arguments.root, decisions), *node_packages(arguments.root)})
    lines = list(breaches(packages, decisions))
    for line in lines:
        print(line, file=sys.stderr)
    if lines:
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document(packages, arguments.root), indent=1) + "\n", encoding="utf-8")
    print(f"{len(packages)} packages, every licence allowed: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
