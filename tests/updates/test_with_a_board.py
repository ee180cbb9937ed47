"""The board's own code and this service, message by message and without a network: what comes twice, late or never.

All that is between them is in tests/vm/test_update_end_to_end.py.
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub

from gateway import update
from tests.updates.conftest import NOW, Farm
from tests.vm.portable import update_world
from tests.vm.portable.bench import NAME
from tests.vm.portable.update_world import NEW, OLD, TOPIC
from updates.bundle import MANIFEST, SIGNATURE
from updates.messages import Reply
from updates.store import Job

# They run on MicroPython, too, so they are untyped.
Bundle: Any = update_world.Bundle
World: Any = update_world.World
MOST_MESSAGES = 200  # of one life: twice as many as an update of these files has

Boards = Callable[["Line"], Any]


class Line:
    """A board's client: what it says goes to the service, and what it has subscribed to comes back."""

    def __init__(self, farm: Farm, copies: int = 1) -> None:
        self._farm, self._copies = farm, copies
        self.online = True
        self.update: Any = None  # the board's, of each life
        self.filters: list[str] = []
        self.said: list[str] = []
        self.rejected: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _topic: None

    def subscribe(self, filters: list[str]) -> None:
        self.filters = filters

    def send(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        """At QoS 1 a message comes once, or more often."""
        on_acked()
        tail = topic.removeprefix(TOPIC)
        self.said.append(tail)
        assert len(self.said) < MOST_MESSAGES, self.said
        self.before(tail)
        for _ in range(self._copies):
            self._farm.seconds += 1
            self.take(self._farm.service.hear(topic, payload))

    def take(self, replies: list[Reply]) -> None:
        """What the service says, to the board."""
        for one in replies:
            message: dict[str, Any] = json.loads(one.payload)
            if "rejected" in one.topic:
                self.rejected.append((one.topic.removeprefix(TOPIC), message.get("code") or message["o"]))
            if self.update and any(topic_matches_sub(wanted, one.topic) for wanted in self.filters):
                for _ in range(self._copies):
                    self.update.hear(one.topic, one.payload)


@pytest.fixture
def release(farm: Farm) -> Any:
    """Version 2, as the farm's bundle, which this board's key has signed."""
    release = Bundle(2, NEW)
    farm.bundle = farm.folder.parent / "release"
    for path, content in NEW.items():
        file = farm.bundle / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (farm.bundle / MANIFEST).write_bytes(release.manifest)
    (farm.bundle / SIGNATURE).write_bytes(base64.b64decode(release.signature))
    return release


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boards]:
    """Makes a board of version 1 on a line, on which an answer is there at once or never."""
    monkeypatch.setattr(update, "ANSWER_S", 0.01)
    made: list[Any] = []

    def make(line: Line) -> Any:
        made.append(World(line))
        return made[-1]

    yield make
    made[0].leave()


async def to_the_end(board: Any, lives: int = 4) -> None:
    """Until there is nothing left to do."""
    for _ in range(lives):
        board.boot()
        if await board.live():
            return
    raise AssertionError(f"no end: {board.cloud.said}")


@pytest.mark.parametrize("copies", [1, 2])
async def test_a_board_takes_what_is_served(farm: Farm, release: Any, boards: Boards, copies: int) -> None:
    """Once, and also if every message comes twice; the second report of an end is refused, and nobody minds."""
    farm.publish(NAME)
    line = Line(farm, copies)
    line.take(farm.service.tick())
    board = boards(line)
    await to_the_end(board)
    assert board.image() == NEW
    [end] = farm.service.store.executions("update-7")
    assert (end.status, end.details) == ("SUCCEEDED", {"version": "2"})
    assert line.rejected == [("jobs/update-7/update/rejected", "InvalidStateTransition")] * (copies - 1)
    farm.tick()
    assert farm.service.store.job("update-7").state == "COMPLETED"


@pytest.mark.parametrize("document", ['{"operation": "reboot"}', '{"operation": "update"}'])
async def test_a_job_that_is_none_of_ours_is_ended(farm: Farm, boards: Boards, document: str) -> None:
    """AWS takes no empty text for a detail: a job that the board cannot do has to leave its queue all the same."""
    farm.service.store.add(
        Job(id="strange", version=1, document=document, created_at=NOW, limit_s=60, tolerances=(0,)), [[NAME]]
    )
    line = Line(farm)
    line.take(farm.service.tick())
    await to_the_end(boards(line))
    [end] = farm.service.store.executions("strange")
    assert (end.status, end.details) == ("FAILED" if "update" in document else "REJECTED", {"reason": "document"})
    assert line.rejected == []


async def test_a_job_that_is_taken_away_at_work(farm: Farm, release: Any, boards: Boards) -> None:
    """`abort --force` in the middle of a file: the board hears of it, asks for no more, and runs what it ran before."""
    farm.publish(NAME)
    line = Line(farm)
    line.take(farm.service.tick())

    def abort(tail: str) -> None:
        if line.said.count(tail) == 3 and tail.startswith("streams/"):
            farm.abort(force=True)
            line.take(farm.service.tick())

    line.before = abort
    board = boards(line)
    await to_the_end(board)
    assert (board.image(), board.mark().get("trial")) == (OLD, None)
    assert farm.statuses() == {NAME: "CANCELED"}
    assert len([tail for tail in line.said if tail.startswith("streams/")]) == 3


async def test_a_report_after_the_time_was_over(farm: Farm, release: Any, boards: Boards) -> None:
    """The board was too slow for its job: it runs the new version, its report is refused, and it asks no further."""
    farm.publish(NAME)
    line = Line(farm)
    line.take(farm.service.tick())
    board = boards(line)
    board.boot()
    assert not await board.live()
    farm.tick(3600 + 60)
    assert farm.statuses() == {NAME: "TIMED_OUT"}
    await to_the_end(board)
    assert (board.image(), board.mark()["good"]["version"]) == (NEW, 2)
    assert farm.statuses() == {NAME: "TIMED_OUT"}


async def test_a_service_that_was_killed_in_between(farm: Farm, release: Any, boards: Boards) -> None:
    """A notice that comes again, while the board is at work and after it, begins nothing anew."""
    farm.publish(NAME)
    line = Line(farm)
    line.take(farm.service.tick())

    def kill(tail: str) -> None:
        if line.said.count(tail) in {2, 4} and tail.startswith("streams/"):
            farm.service.close()
            farm.open()
            line.take(farm.service.greet())

    line.before = kill
    board = boards(line)
    await to_the_end(board)
    assert board.image() == NEW
    assert farm.statuses() == {NAME: "SUCCEEDED"}
    blocks = [tail for tail in line.said if tail.startswith("streams/")]
    assert len(blocks) == sum(-(-len(content) // update.BLOCK_BYTES) for content in (release.manifest, *NEW.values()))
