"""`make live`: real processes on a clock that keeps pace with the world, steered through the store by another one."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from compute_service import settings
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import DONE, EXPIRED, UNDER_WAY, WAITING, Order, OrderRow
from compute_service.orders import give, is_serving, new_order_id, service_now
from compute_service.reading import farm_of
from tests.waiting import LAST_RESORT_S, until_true

SPEED = 10.0


class LiveFarm:
    """A live farm in a process of its own, and what its store and its valves say."""

    def __init__(self, out: Path, process: subprocess.Popen[str], log: Path) -> None:
        self.out, self.process, self.log = out, process, log
        until_true(lambda: "the farm is up" in log.read_text() or process.poll() is not None, "the farm")
        assert process.poll() is None, log.read_text()
        self.store = SqliteStore(out / "compute.sqlite", must_exist=True)
        until_true(lambda: self.store.journal.last_beat() is not None, "a beat")

    def now(self) -> int:
        """Field time, as whoever opens the store knows it."""
        return service_now(self.store.journal.last_beat(), time.time())

    def give(self, action: str, zone_id: str | None = None, **fields: Any) -> OrderRow:
        """Give an order, as a page would."""
        now = self.now()
        order = Order(
            order_id=new_order_id(now), action=action, at=now, by="ana", via="page", zone_id=zone_id, **fields
        )
        return give(self.store, farm_of(self.store), order)

    def again(self, row: OrderRow) -> OrderRow:
        after = self.store.orders.get(row.order.order_id)
        assert after
        return after

    def open(self, zone_id: str) -> OrderRow:
        """Open a zone for half an hour; once more where the machine had no time for it within a minute of the field."""
        row = self.give("open", zone_id, duration_s=1800)
        until_true(lambda: self.again(row).state != WAITING, "somebody takes the order")
        return self.open(zone_id) if self.again(row).state == EXPIRED else self.again(row)

    def stands_still(self, service: int) -> bool:
        """Hold the service, unless it has the store to itself at that moment: nobody could give an order then."""
        os.kill(service, signal.SIGSTOP)
        until_true(lambda: psutil.Process(service).status() == psutil.STATUS_STOPPED, "the service is held")
        with closing(sqlite3.connect(self.out / "compute.sqlite", timeout=0)) as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(service, signal.SIGCONT)
                return False
        return True

    def set_max_run_s(self, seconds: int) -> None:
        """Save another longest run of the first zone, as the settings' page would."""
        document = settings.read(self.out / "zones.yaml")
        farm = yaml.safe_load(document.text)
        farm["zones"][0]["max_run_s"] = seconds
        edit = settings.Edit(text=yaml.safe_dump(farm), digest=document.digest, by="ana", via="page", at=self.now())
        settings.edit(self.store, document.path, edit)

    def edges(self) -> list[dict[str, Any]]:
        """What the valves did."""
        lines = (self.out / "events" / "fleet.jsonl").read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["kind"] == "valve_edge"]

    def is_open(self, zone_id: str) -> bool:
        """Where the zone's valve stands, in the world of the fleet."""
        moves = [edge["open"] for edge in self.edges() if edge["zone_id"] == zone_id]
        return bool(moves) and moves[-1]

    def children(self) -> list[int]:
        """Its processes."""
        return [
            int(word)
            for path in Path(f"/proc/{self.process.pid}/task").glob("*/children")
            for word in path.read_text().split()
        ]

    def compute(self) -> int:
        """The process of the compute service."""
        for pid in self.children():
            if b"demo.processes.compute" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise AssertionError("no compute service runs")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveFarm]:
    """A small farm, ended by Ctrl-C, of which nothing may be left."""
    log, out = tmp_path / "live.log", tmp_path / "out"
    words = ("--speed", str(SPEED), "--gateways", "1", "--out", str(out))
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo.live", *words], stdout=output, stderr=output, text=True, start_new_session=True
        )
        try:
            farm = LiveFarm(out, process, log)
            with closing(farm.store):
                yield farm
                children = farm.children()
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=LAST_RESORT_S)
    assert code == 0, log.read_text()
    assert "live: stopped; nothing is left running" in log.read_text()
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def test_a_person_steers_a_live_farm(live: LiveFarm) -> None:
    """Open, and the valve opens; stop, and it closes although the service is killed; nothing opens before resume."""
    assert live.open("plot-1a").state in {UNDER_WAY, DONE}
    until_true(lambda: live.is_open("plot-1a"), "the valve opens")
    compute = live.compute()
    until_true(lambda: live.stands_still(compute), "the service is held in no transaction of its own")
    stop = live.give("stop")  # it surely waits when the service dies
    os.kill(compute, signal.SIGKILL)
    until_true(lambda: live.again(stop).state == DONE, "the stop is answered")
    assert not live.is_open("plot-1a")
    assert live.compute() != compute
    [hold] = live.store.orders.holds()

    def refused_by_hold() -> bool:
        rows = live.store.decisions.last(50)
        return any("not_stopped" in [check["name"] for check in row["checks"]] for row in rows)

    until_true(refused_by_hold, "a decision while everything is stopped")
    assert [edge for edge in live.edges() if edge["open"] and edge["at"] > hold.since] == []
    resume = live.give("resume")
    until_true(lambda: live.again(resume).state == DONE, "the resume")
    live.open("plot-1a")
    until_true(lambda: live.is_open("plot-1a"), "the valve opens again")
    assert is_serving(live.store.journal.last_beat(), time.time())
    live.set_max_run_s(1234)
    until_true(lambda: live.store.orders.last(1)[0].state == DONE, "the service goes by the settings of the page")
    assert farm_of(live.store).zones[0].max_run_s == 1234


@pytest.mark.parametrize("speed", ["0", "61", "nan", "fast"])
def test_a_speed_that_nobody_could_steer_is_refused(speed: str) -> None:
    """One sentence says which speeds there are, and why."""
    command = [sys.executable, "-m", "demo.live", "--speed", speed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LAST_RESORT_S, check=False)
    assert done.returncode == 2
    assert f"want a number from 0.1 to 60, got '{speed}'" in done.stderr
