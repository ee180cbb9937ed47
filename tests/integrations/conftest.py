"""A farm's store with a service on it, and a plain broker as it stands on a farm."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat
from protocol import topics
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.processes import end
from tests.waiting import free_port, until_true

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"  # Debian keeps it off a user's PATH


class Farm(Bench):
    """A service on a file, whose clock is the world's as far as readers of the file can tell."""

    store: SqliteStore

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.store.database.path)

    def beat(self) -> None:
        """The service lives, and its time is the bench's."""
        self.store.journal.beat(Beat(self.now, time.time(), 1.0))

    def hear_status(self, state: str = "online", **overrides: Any) -> None:
        """A status of the gateway."""
        fields = {
            "gateway_id": GATEWAY,
            "boot_id": "boot-1",
            "state": state,
            "at": self.now,
            "firmware": "0.1.0",
            "uptime_s": 60,
            "heap_free_bytes": 31744,
            "rssi_dbm": -67,
            "open_valves": [],
            "epochs": {},
            "outbox_depth": 2,
            "outbox_dropped": 3,
        }
        self.hear(topics.status(GATEWAY), {**fields, **overrides})


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """Two zones of one gateway that is online; nothing was read yet."""
    with closing(SqliteStore(tmp_path / "compute.sqlite")) as store:
        farm = Farm(store, (zone("a"), zone("b")))
        farm.service.start()
        farm.hear_status()
        farm.beat()
        yield farm


class PlainBroker:
    """mosquitto on a free loopback port, without any access control, as a small farm has it."""

    def __init__(self, folder: Path, *limits: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        lines = (
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            *limits,
            "user root",  # else it drops to a user who may not read this folder
        )
        (folder / "plain.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start it unless it runs, and wait until it takes connections."""
        if self._process:
            return
        with (self._folder / "plain.log").open("ab") as log:
            arguments = [MOSQUITTO, "-c", str(self._folder / "plain.conf")]
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log)
        until_true(self._is_up, "the broker's port")

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process:
            end(self._process)
            self._process = None

    def forget(self) -> None:
        """What it keeps over a restart is gone."""
        (self._folder / "mosquitto.db").unlink(missing_ok=True)

    def _is_up(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PlainBroker]:
    """Not started yet."""
    broker = PlainBroker(tmp_path)
    yield broker
    broker.stop()
