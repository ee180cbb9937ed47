"""A server under test in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.site_under_test import PASSWORD, Farm
from web.roles import Role


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A server with one user a role: `see`, `operate` and `manage`."""
    one = Farm(tmp_path)
    for role in Role:
        one.access.add_user(role.value, PASSWORD, role)
    yield one
    one.access.close()
