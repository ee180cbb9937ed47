"""Every door where a number enters: what it is there for comes in. What does not, the fuzz room tries."""

from pathlib import Path

import pytest

from tests.doors.doors import DOORS, go_through


@pytest.mark.parametrize("name", DOORS)
def test_good_documents_pass(name: str, tmp_path: Path) -> None:
    """What the doors are there for comes in."""
    for good in DOORS[name].goods:
        assert go_through(DOORS[name], tmp_path, good.encode())
