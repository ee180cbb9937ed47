"""A store that was lost, or brought back from an old copy: nothing is watered again that was watered just now."""

from contextlib import closing
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.rate_limits import NOTES_BURST
from protocol import topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore

HOUR_S = 3600


def status(bench: Bench, epochs: dict[str, int], **fields: Any) -> None:
    message = {"gateway_id": GATEWAY, "boot_id": "boot-1", "state": "online", "at": bench.now, "epochs": epochs}
    bench.hear(topics.status(GATEWAY), {**message, **fields})


def seconds_of_run(bench: Bench) -> int | None:
    """Hear that zone a is dry: how long a run follows, if one does."""
    count = len(bench.commands())
    bench.hear_reading("a")
    bench.tick(10)
    return bench.commands()[-1]["duration_s"] if len(bench.commands()) > count else None


def left_today_s(bench: Bench) -> int:
    """Decide, whatever comes of it: how much of the day's cap is left."""
    seconds_of_run(bench)
    checks = {check["name"]: check["value"] for check in bench.events_of("decision")[-1]["checks"]}
    return int(checks["within_daily_cap"])


def test_a_lost_store_waits_for_the_cooldown(bench: Bench) -> None:
    """A service with an empty store waters no zone of a gateway that gave a run, until that has soaked in."""
    watered = {"watered_24h_s": {"plot-1a": 600, "plot-1b": 0}, "last_end_at": {"plot-1a": NOON - 60}}
    status(bench, {"plot-1a": 7, "plot-1b": 3}, **watered)
    assert seconds_of_run(bench) is None
    assert "the last run ended" in bench.events_of("decision")[-1]["sentence"]
    bench.now = NOON + HOUR_S
    assert seconds_of_run(bench) is not None
    bench.tick(HOUR_S)
    status(bench, {"plot-1a": 8, "plot-1b": 3}, **watered)  # as our own command made it
    assert bench.store.updates.counters()["stores_behind"] == 1


@pytest.mark.parametrize(
    ("watered_s", "left_s"),
    [({"plot-1a": 0}, 5400), ({"plot-1a": 4800}, 600), ({"plot-1a": 90000}, 0), ({}, 0), (None, 0)],
)
def test_what_the_status_tells_counts_towards_the_day(watered_s: dict[str, int] | None, left_s: int) -> None:
    """The day's cap of 5400 s is less what the gateway gave; of older firmware, which does not tell, it is used up."""
    bench = Bench(InMemoryStore(), (zone("a"),))
    status(bench, {"plot-1a": 7}, watered_24h_s=watered_s)
    bench.now += HOUR_S
    assert left_today_s(bench) == left_s


def test_a_store_from_before_the_run_counts_it_once(tmp_path: Path) -> None:
    """A copy from before the last run knows of the runs before it: only what it does not know counts besides."""
    file, copy = tmp_path / "store", tmp_path / "copy"
    with closing(SqliteStore(file)) as store:
        bench = Bench(store, (zone("a"),))
        bench.hear_ack(bench.water("a"), "done", duration_s=1800)
    copyfile(file, copy)
    with closing(SqliteStore(copy)) as store:
        bench = Bench(store, (zone("a"),), now=NOON + 2 * HOUR_S)
        status(bench, {"plot-1a": 2}, watered_24h_s={"plot-1a": 3600}, last_end_at={"plot-1a": NOON + HOUR_S})
        assert left_today_s(bench) == 1800  # of 5400 s, 1800 s were booked and 1800 s were not
        assert bench.commands() == []
        assert bench.store.commands.epoch("plot-1a") == 2


def test_a_run_under_way_is_waited_for(bench: Bench) -> None:
    """A valve that stands open at a command which the store has forgotten: it soaks in from where its run can end."""
    told = {"watered_24h_s": {"plot-1a": 1800}, "last_end_at": {"plot-1a": NOON + 1800}, "open_valves": ["plot-1a"]}
    status(bench, {"plot-1a": 7}, **told)
    bench.now = NOON + HOUR_S + 600
    assert seconds_of_run(bench) is None
    bench.now = NOON + HOUR_S + 1800
    assert seconds_of_run(bench) is not None


def test_a_rejection_tells_it_too(bench: Bench) -> None:
    """A board that rejects the first command as stale has the day used up, until its status tells by how much."""
    bench.hear_ack(bench.water("a"), "rejected", code="stale_epoch", held_epoch=9)
    bench.now += HOUR_S
    assert seconds_of_run(bench) is None
    status(bench, {"plot-1a": 9}, watered_24h_s={"plot-1a": 600}, last_end_at={"plot-1a": NOON - 60})
    assert left_today_s(bench) == 4800


def test_it_holds_over_a_restart(tmp_path: Path) -> None:
    """A service that dies after it has heard the status does not forget what it heard."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        status(Bench(store, (zone("a"),)), {"plot-1a": 7})
        after = Bench(store, (zone("a"),), now=NOON + HOUR_S)
        after.service.start()
        assert seconds_of_run(after) is None


def test_a_log_is_not_drowned(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway that raises its own epoch with each status is counted each time, and written down at a rate."""
    for epoch in range(1, 400):
        status(bench, {"plot-1a": epoch})
    assert bench.store.updates.counters()["stores_behind"] == 399
    assert len([record for record in caplog.records if "knows of runs" in record.msg]) == NOTES_BURST
