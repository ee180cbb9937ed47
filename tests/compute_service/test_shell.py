"""The commands of a person at a shell, against a store, with a service on it and without one."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from compute_service.__main__ import main
from compute_service.adapters.schema import READABLE, SCHEMAS
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat
from compute_service.orders import is_serving, service_now
from protocol import topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, living, zone
from tests.waiting import LAST_RESORT_S, until_true


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store on which a service has lived, at the farm's noon, and just stopped beating: its time stands."""
    path = tmp_path / "compute.sqlite"
    with closing(SqliteStore(path)) as store:
        Bench(store, (zone("a"), zone("b"))).service.start()
        store.journal.beat(living(NOON))
    return path


@contextmanager
def serving(path: Path) -> Iterator[Bench]:
    """A service that lives on the store for the time of the block, in a thread of its own."""
    over = threading.Event()
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (zone("a"), zone("b")))

        def live() -> None:
            while not over.wait(0.01):
                bench.service.tick()
                store.journal.beat(living(NOON))

        thread = threading.Thread(target=live)
        thread.start()
        try:
            yield bench
        finally:
            over.set()
            thread.join()


def run(*words: str) -> int:
    return main([*words])


def test_a_person_steers_a_running_farm(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open, close, stop and resume are taken while one waits, and each says what it has come to."""
    wait, store = f"--wait={LAST_RESORT_S}", f"--store={path}"
    with serving(path) as bench:
        assert run("open", "plot-1a", "--minutes", "20", "--by", "ana", wait, store) == 0
        assert run("open", "plot-1a", "--litres", "100", wait, store) == 1
        assert run("close", "plot-1b", wait, store) == 0
        assert run("stop", wait, store) == 0
        assert run("resume", wait, store) == 0
        said = capsys.readouterr().out.splitlines()
        assert [(one["action"], one.get("duration_s")) for one in bench.commands()] == [
            ("open", 1200),
            ("close", None),
            ("stop_all", None),
        ]
    assert said[0] == "open plot-1a: sent"
    assert said[1] == f"  waits for the answer of {GATEWAY}"
    assert said[2].startswith("open plot-1a: refused: plot-1a gets no water: command ")
    assert (said[3], said[5], said[7]) == ("close plot-1b: sent", "stop test farm: sent", "resume test farm: done")


def test_without_a_service_orders_wait(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so, and when what is open will shut by itself; back again, the service obeys the stop."""
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (zone("a"), zone("b")))
        bench.hear_ack(bench.water("a"), "started")
        store.journal.beat(Beat(NOON + 60, time.time() - 60, 0.0))
    assert run("stop", "--wait", "0", "--store", str(path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "stop test farm: written down",
        "  the service does not run: the order waits, and an open that waits longer than a minute expires",
        "  plot-1a shuts by its own deadline, at 2025-06-15 11:36 at the latest (29 min)",
    ]
    with closing(SqliteStore(path)) as store:
        later = Bench(store, (zone("a"), zone("b")), now=NOON + 86400)
        later.service.start()
        assert [one["action"] for one in later.commands()] == ["stop_all"]


def test_status_says_how_the_farm_stands(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What runs and until when, what each zone lacks, who holds what, and which orders wait."""
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (zone("a"), zone("b")))
        bench.hear_ack(bench.water("a"), "started")
        store.journal.beat(living(bench.now))
    assert (
        run("pause", "plot-1b", "--hours", "3", "--why", "harvest", "--by", "ana", "--wait=0", f"--store={path}") == 0
    )
    with serving(path) as bench:
        until_true(lambda: bool(bench.store.orders.holds()), "the pause holds")
    capsys.readouterr()
    assert run("status", f"--store={path}") == 0
    assert capsys.readouterr().out.splitlines() == [
        "test farm, 2025-06-15 11:06",
        "  plot-1a  started, shuts by 2025-06-15 11:36; lacks 53.5 mm, due at 25.8 mm",
        (
            "  plot-1b  shut; nothing is known of its water yet; ana paused it at 2025-06-15 11:06,"
            " until 2025-06-15 14:06 (harvest)"
        ),
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["open", "plot-9", "--minutes", "5"], "this farm has no zone 'plot-9'"),
        (["open", "plot-1a", "--minutes", "31"], "plot-1a may run 30 min at most in one go"),
        (["pause", "--until", "tomorrow"], "--until 'tomorrow' is no time; write it as the farm's clock shows it"),
        (["pause", "--until", "2025-06-15 11:00"], "it must be to come"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, and it ends with 2."""
    assert run(*words, "--wait=0", f"--store={path}") == 2
    assert why in capsys.readouterr().err
    with closing(SqliteStore.reader(path)) as store:
        assert store.orders.last() == []


def test_a_store_without_a_farm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No service ever ran on it, or there is none: it says which, and makes no file."""
    SqliteStore(tmp_path / "empty").close()
    assert run("stop", f"--store={tmp_path / 'empty'}") == 2
    assert "no service has run on it yet" in capsys.readouterr().err
    assert run("stop", f"--store={tmp_path / 'none'}") == 2
    assert "no such store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


# reading never writes


@pytest.mark.parametrize("words", [["decisions"], ["status"], ["replay", "2025-06-15"]])
def test_reading_waits_for_nobody(path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """While the service is in the middle of a write the answer comes all the same, and the file stays as it is."""
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (zone("a"), zone("b")))
        bench.water("a")
        with store.transaction():
            store.updates.count("in the middle")
            assert run(*words, f"--store={path}") == 0


def test_reading_migrates_nothing(tmp_path: Path) -> None:
    """A newer program beside an older running service reads what is there, and leaves the file to the service."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as file:
        for schema in SCHEMAS[:3]:
            file.executescript(schema)
        file.execute("PRAGMA user_version=3")
        file.execute("INSERT INTO counters VALUES ('samples', 7)")
        file.commit()
    before = path.read_bytes()
    with closing(SqliteStore.reader(path)) as store:
        assert store.updates.counters() == {"samples": 7}
    assert path.read_bytes() == before


def test_a_file_without_the_newest_indexes_is_read_as_it_is(tmp_path: Path) -> None:
    """A season's file is not copied into memory for each look, only because its service is a little older."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as file:
        for schema in SCHEMAS[:READABLE]:
            file.executescript(schema)
        file.execute(f"PRAGMA user_version={READABLE}")
        for at in range(9):
            file.execute("INSERT INTO history VALUES ('plot-1a', ?, 0.2, 1, 2, 0.5, 1)", (at,))
        file.commit()
    with closing(SqliteStore.reader(path)) as store:
        [(_, _, name)] = store.database.all("PRAGMA database_list")
        assert Path(name) == path
        assert [(one.at, one.litres) for one in store.journal.moments("plot-1a", 0, 9, most=2)] == [(4, 5.0), (8, 4.0)]


def test_status_of_a_gateway_is_whole(path: Path) -> None:
    """Signal, heap, outbox: what a person will ask for is kept, and how it was before."""
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (zone("a"), zone("b")))
        for rssi in (-60, -70):
            bench.now += 60
            message = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": bench.now, "rssi_dbm": rssi}
            bench.hear(topics.status(GATEWAY), message)
        assert store.updates.gateways()[0]["status"]["rssi_dbm"] == -70
        assert [row["status"]["rssi_dbm"] for row in store.updates.statuses(GATEWAY, 0, 2 * NOON)] == [-60, -70]


def test_is_the_service_there() -> None:
    """Its last beat says so, and on a farm whose time runs faster what its time is."""
    beat = Beat(NOON, 1000.0, 60.0)
    assert service_now(beat, 1002.0) == NOON + 120
    assert service_now(None, 1002.5) == 1002
    assert [is_serving(beat, wall_s) for wall_s in (1000.0, 1015.0, 1015.1)] == [True, True, False]
    assert not is_serving(None, 5.0)
