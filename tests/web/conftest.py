"""A server under test in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.authority import Authority
from tests.web.site_under_test import PASSWORD, Clock, Farm
from web.access import Access
from web.roles import Role


@pytest.fixture(scope="module", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The one that HTTP clients trust here: each reads a whole system's anew, 30 ms of work, and none asks outside."""
    folder = tmp_path_factory.mktemp("authority")
    Authority(folder).issue_server(["localhost"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "ca" / "certificate.pem"))
        yield


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A server with one user a role: `see`, `operate` and `manage`."""
    one = Farm(tmp_path)
    for role in Role:
        one.access.add_user(role.value, PASSWORD, role)
    yield one
    one.access.close()


@pytest.fixture
def access(farm: Farm) -> Access:
    """The file of the server under test."""
    return farm.access


@pytest.fixture
def clock(farm: Farm) -> Clock:
    """Its clock."""
    return farm.clock
