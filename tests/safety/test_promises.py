"""The table of promises stays true: what it names exists, and the mutation list stands in it whole."""

import re
from pathlib import Path

import pytest

from tests.safety.mutation_list import MUTATIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "promises.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| ") and line.count("|") == 5][1:]
NAMED = re.compile(r"\[[^\]]+\]\((?P<path>[^)]+)\)(?P<names>(?: `[^`]+`,?)*)")


def named(cell: str) -> list[tuple[Path, str]]:
    """Each `name` with the file that the cell says it is in; a file without names stands for itself."""
    found = []
    for match in NAMED.finditer(cell):
        path = (DOCUMENT.parent / match["path"]).resolve()
        found += [(path, name) for name in re.findall(r"`([^`]+)`", match["names"]) or [""]]
    return found


def test_the_table_is_read() -> None:
    """The walk sees every row: an empty walk would find no mistake."""
    assert len(ROWS) >= 13
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_what_a_row_names_exists(row: list[str]) -> None:
    """Mechanism and test are where the row says, and there is a test for every promise."""
    assert named(row[2])
    for path, name in [*named(row[1]), *named(row[2])]:
        source, found = path.read_text(encoding="utf-8"), rf"^ *(?:async def|def|class) {name}\b|^{name}\b"
        assert not name or re.search(found, source, re.MULTILINE), f"{path}: {name}"


def test_every_mutation_is_listed() -> None:
    """The mutation list of the document is that of the command, in its order."""
    section = TEXT.split("## The mutation list")[1].split("## ")[0]
    assert re.findall(r"^- (.+?): `", section, re.MULTILINE) == [mutation.mechanism for mutation in MUTATIONS]
