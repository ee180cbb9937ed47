"""An identity for the boards under test."""

from pathlib import Path

import pytest

from certs.authority import Authority


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Authority(tmp_path_factory.mktemp("issued")).issue("irrigation-gateway-1")
