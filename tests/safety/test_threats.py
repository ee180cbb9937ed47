"""The page of threats stays true: six kinds of attacker, six letters each, and every claim with a test that exists."""

import re
from pathlib import Path

import pytest

from tests.safety.test_promises import named

DOCUMENT = Path(__file__).parents[2] / "docs" / "threats.md"
LETTERS = [
    *("Spoofing", "Tampering", "Repudiation", "Information disclosure", "Denial of service"),
    "Elevation of privilege",
]
ATTACKERS = [
    *("A stranger", "A stolen gateway", "A rogue neighbour gateway", "A gateway of another farm"),
    *("A bad forecast server", "A stolen laptop of the operator"),
]
SECTIONS = {part.splitlines()[0]: part for part in DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]}


def rows(attacker: str) -> list[list[str]]:
    """The cells of an attacker's table, without its head."""
    lines = [line for line in SECTIONS[attacker].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:]]


def test_every_attacker_is_there() -> None:
    """Who looks for one of the six finds a section, and after them what to do after a theft."""
    assert list(SECTIONS) == [*ATTACKERS, "After a theft"]


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_every_claim_has_its_test(attacker: str) -> None:
    """Six letters; what an attacker cannot do names tests, each in the file that the page says."""
    assert [row[0] for row in rows(attacker)] == LETTERS
    for letter, _, cannot, tests in rows(attacker):
        assert cannot, letter
        claims = named(tests)
        assert claims and all(name.startswith("test_") for _, name in claims), letter
        for path, name in claims:
            assert re.search(rf"^ *(?:async def|def) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE), name
