"""Real brokers and real certificates for the simulated boards; `async def` tests run on a loop of their own."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Broker
from tests.vm.bench.field import Commander, Identities, commanding

LONGEST_TEST_S = 800  # less than pytest's own limit, so that what was awaited is told


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def within_limit() -> None:
        async with asyncio.timeout(LONGEST_TEST_S):
            await pyfuncitem.obj(**arguments)

    asyncio.run(within_limit())
    return True


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("issued"))


@pytest.fixture
def mosquitto(tmp_path: Path, identities: Identities) -> Iterator[Broker]:
    broker = Broker(tmp_path, identities)  # type: ignore[arg-type]  # it asks for `issue` only
    yield broker
    broker.stop()


@pytest.fixture
def commander(mosquitto: Broker, identities: Identities) -> Iterator[Commander]:
    with commanding(mosquitto.port, identities.issue("irrigation-compute")) as somebody:
        yield somebody
