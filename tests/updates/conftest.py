"""A folder of updates with a clock that tests move, and boards that speak the documented topics."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_cloud.conftest import aws, certs, moto_endpoint, pytest_pyfunc_call, world
from tests.updates.bundles import write_bundle
from updates.bundle import read_bundle
from updates.messages import Reply
from updates.publish import Plan, publish
from updates.rollout import abort
from updates.service import Service
from updates.store import Job

__all__ = ["aws", "certs", "moto_endpoint", "pytest_pyfunc_call", "world"]

NOW = 1_780_000_000


class Farm:
    """A service, its clock, and what boards ask of it without any network."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.seconds = folder / "data", NOW, 0.0
        self.id: str | None = None  # of the farm whose things are served; None: every one's
        self.bundle = write_bundle(folder / "bundle")
        self.open()

    def open(self) -> None:
        """A service on the folder, the first one or one after a kill."""
        self.service = Service(self.folder, lambda: self.now, lambda: self.seconds, self.id)

    def publish(self, *things: str, job: str = "update-7", **plan: Any) -> Job:
        """A job for these boards."""
        whole = Plan(things=things, **plan)
        return publish(self.service.store, self.folder, read_bundle(self.bundle), whole, job, self.now)

    def abort(self, job: str = "update-7", force: bool = False) -> Job:
        """End it by hand."""
        return abort(self.service.store, job, self.now, force=force)

    def ask(self, thing: str, topic: str, request: Any = None) -> list[tuple[str, Any]]:
        """The answers to a request: topics without the thing's part, and messages."""
        payload = request if isinstance(request, bytes) else json.dumps({} if request is None else request).encode()
        self.seconds += 60  # patient enough for any measure
        return spoken(thing, self.service.hear(f"$aws/things/{thing}/{topic}", payload))

    def tick(self, seconds: int = 0) -> list[str]:
        """Who is told of a next job after so many seconds."""
        told: list[str] = []
        for _ in range(seconds // 60):
            self.now += 60
            told += (one.topic.split("/")[2] for one in self.service.tick())
        self.now += seconds % 60
        return sorted([*told, *(one.topic.split("/")[2] for one in self.service.tick())])

    def update(self, thing: str, status: str, job: str = "update-7", **more: Any) -> Any:
        """The answer to a board's report."""
        return self.ask(thing, f"jobs/{job}/update", {"status": status, **more})[0]

    def statuses(self, job: str = "update-7") -> dict[str, str]:
        """Where each board is."""
        return {one.thing: one.status for one in self.service.store.executions(job)}


def spoken(thing: str, replies: list[Reply]) -> list[tuple[str, Any]]:
    """What a board would hear."""
    head = f"$aws/things/{thing}/"
    assert all(one.topic.startswith(head) for one in replies)
    return [(one.topic.removeprefix(head), json.loads(one.payload)) for one in replies]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """Nothing is published yet."""
    farm = Farm(tmp_path)
    yield farm
    farm.service.close()
