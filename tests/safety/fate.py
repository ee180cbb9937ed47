"""A farm's compute service in this process: it dies at counted points, and the farm goes on from there as a twin."""

import io
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.service import Service
from tests.safety.farm import CONFIG, Farm, KilledError, Luck

_CONNECT = sqlite3.connect
_FILES = ("compute.sqlite", "compute.sqlite-wal")


@dataclass
class Fate:
    """When the service dies: at the points of these numbers, counted over all its lives.

    `after`: what the next life finds: "kill" what was committed, "power" only what the disk was told to keep, "loss"
    nothing.
    """

    folder: Path
    kills: tuple[int, ...] = ()
    after: str = "kill"
    points: list[str] = field(default_factory=list)
    lives: int = 0
    store: SqliteStore | None = None  # of the last life, at the story's end
    farm: Farm | None = None  # of the life under way
    at_point: Callable[["Fate"], None] = lambda _: None

    @property
    def path(self) -> Path:
        """The store of this life."""
        return self.folder / f"life-{self.lives}" / "compute.sqlite"

    def start(self, farm: Farm) -> "InProcess":
        """Start the service on what the life before left."""
        self.path.parent.mkdir(exist_ok=True)
        self.farm = farm
        return InProcess(farm, self)

    def point(self, name: str) -> None:
        """A moment at which the process may be killed."""
        self.points.append(name)
        self.at_point(self)
        if len(self.points) in self.kills:
            self._image(self.folder / f"life-{self.lives + 1}")
            self.lives += 1
            raise KilledError(name)

    def twin(self, folder: Path, kills: tuple[int, ...]) -> tuple[Farm, "Fate"]:
        """The farm and its fate in `folder` if the service dies at this moment; it dies again at `kills`."""
        assert self.farm is not None
        twin = replace(self, folder=folder, kills=kills, points=[*self.points], lives=1, at_point=lambda _: None)
        self._image(twin.path.parent)
        return self.farm.twin(twin.start), twin

    def state(self, farm: Farm) -> tuple[bytes, ...]:
        """All that the next life of a twin and its farm begin with: byte for byte the same, they end the same."""
        files = [self.path.parent / name for name in _FILES]
        text = io.BytesIO()
        _Farms(text).dump(farm)
        return text.getvalue(), *(file.read_bytes() if file.exists() else b"" for file in files)

    def _image(self, target: Path) -> None:
        """What the disk holds at this moment: the file and its log, while the connection is still open."""
        source = {"kill": self.path.parent, "power": self.path.parent / "synced"}.get(self.after)
        target.mkdir()
        for name in _FILES:
            if source is not None and (source / name).exists():
                shutil.copy(source / name, target / name)

    def synced(self) -> None:
        """All that was written until now would survive a power cut."""
        if self.after == "power":
            folder = self.path.parent / "synced"
            shutil.rmtree(folder, ignore_errors=True)
            self.after = "kill"
            self._image(folder)
            self.after = "power"


class _Farms(pickle.Pickler):
    """Writes a farm down without its fate, which counts its points and does nothing to it before the next death."""

    def persistent_id(self, what: object) -> str | None:
        return "fate" if isinstance(what, Fate) else None


class InProcess:
    """The real service on a connection that is watched."""

    def __init__(self, farm: Farm, fate: Fate) -> None:
        self._farm, self._fate = farm, fate
        self._waiting: dict[int, Callable[[], None]] = {}
        self._connections: list[sqlite3.Connection] = []
        with self._dying():
            with patch("sqlite3.connect", self._connect):
                self._store = SqliteStore(fate.path)
            self._service = Service(CONFIG, self._store, self._publish, lambda: farm.now, self._record)
            self._service.start()

    def handle(self, topic: str, payload: bytes) -> None:
        with self._dying():
            self._service.handle(topic, payload)
            self._fate.point("before the PUBACK to the broker")

    def puback(self, number: int) -> None:
        with self._dying():
            self._fate.point("before the PUBACK is heard")
            self._waiting.pop(number)()
            self._fate.point("after the PUBACK is heard")

    def tick(self) -> None:
        with self._dying():
            self._service.tick()

    def next_due(self) -> int | None:
        return self._service.next_due()

    def end(self) -> None:
        """The story is over; who looks at the store closes it."""
        self._fate.store = self._store

    def _publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        self._fate.point("before a publish")
        number = len(self._fate.points)
        self._waiting[number] = on_acked
        self._farm.publish(topic, payload, number)
        self._fate.point("after a publish")

    def _record(self, event: Any) -> None:
        self._fate.point("before a record")
        self._farm.events.append(event)

    def _connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        fate = self._fate

        class Watched(sqlite3.Connection):
            """Tells of each commit; it need not wait for a disk that cannot fail here."""

            durable = False

            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                if statement.startswith("PRAGMA synchronous="):
                    self.durable = statement.endswith("FULL")
                    return super().execute("PRAGMA synchronous=OFF")
                if statement != "COMMIT":
                    return super().execute(statement, *values)
                fate.point("before a commit")
                cursor = super().execute(statement)
                if self.durable:
                    fate.synced()
                fate.point("after a commit")
                return cursor

        connection = _CONNECT(path, factory=Watched, **options)
        connection.execute("PRAGMA synchronous=NORMAL")
        self._connections.append(connection)
        return connection

    @contextmanager
    def _dying(self) -> Iterator[None]:
        try:
            yield
        except KilledError:
            self._close()
            raise

    def _close(self) -> None:
        for connection in self._connections:
            with suppress(sqlite3.Error):
                connection.close()


def lived(fate: Fate, luck: Luck, down_s: int = 0) -> tuple[Farm, SqliteStore]:
    """A farm after its whole story, and its store."""
    farm = Farm(fate.start, luck, down_s)
    farm.forgetful = fate.after == "loss"
    return farm, to_its_end(farm, fate)


def to_its_end(farm: Farm, fate: Fate) -> SqliteStore:
    """Let a farm live the rest of its story; gives its store."""
    farm.live()
    assert fate.store is not None
    return fate.store
