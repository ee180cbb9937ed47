"""docs/job-files.md says what there is: options, fields, tags, targets."""

import re
from typing import Any

import pytest

from provisioning.job_files.command import parser
from provisioning.job_files.limits import TARGETS
from provisioning.job_files.tags import SOURCES
from tests.provisioning.job_files.files import ROOT

PAGE = (ROOT / "docs" / "job-files.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(title: str) -> set[str]:
    """Every word in code quotes in the first column of a section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| ")]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_the_options_are_those_of_the_command() -> None:
    """Each option of --help has its row, and each row its option."""
    options = {word for action in parser("generate")._actions for word in action.option_strings}
    assert first_cells("Options") == options - {"-h", "--help"}


def test_the_tags_are_those_of_the_table() -> None:
    """No more and no fewer."""
    assert first_cells("Tags") == set(SOURCES)


def test_the_fields_are_those_of_the_targets() -> None:
    """Each type is a column, and each field of a type a row."""
    fields = {name for target in TARGETS.values() for name in target.fields}
    assert first_cells("Targets") == fields | {"--resource-type"}
    assert all(
        f"`{name}`" in next(line for line in section("Targets").splitlines() if line.startswith("| field"))
        for name in TARGETS
    )


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_column_names_the_defaults(target: Any) -> None:
    """What a field is where nobody wrote it."""
    rows = [line.split("|")[1:] for line in section("Targets").splitlines() if line.startswith("| ")]
    column = next(n for n, cell in enumerate(rows[0]) if f"`{target.type}`" in cell)
    for name in ("cpu", "memory", "timeout", "region", "runtime"):
        default = getattr(target.fields.get(name), "default", None)
        cell = next(row[column] for row in rows if f"`{name}`" in row[0])
        assert default is None or re.search(rf"\b{default}\b", cell), (name, cell)
