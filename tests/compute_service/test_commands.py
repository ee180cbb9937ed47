"""Commands: remembered before they are published, followed by acks, settled once, and never doubled by a crash."""

import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.commands import ACK_GRACE_S, LIFE_S, SETTLED, TRANSITIONS, ulid
from compute_service.domain.decide import Run
from compute_service.errors import StoreError
from protocol import topics
from protocol.messages import ACK_STATES, FINAL_STATES
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore


def test_command_is_on_the_disk_before_it_is_published(file_bench: Bench, tmp_path: Path) -> None:
    """Whoever opens the store at the moment of the publish finds the command and its decision there."""
    found = []

    def publish(_topic: str, _payload: bytes, _on_acked: object) -> None:
        with closing(sqlite3.connect(tmp_path / "compute.sqlite")) as other:
            query = "SELECT c.state, d.command_id = c.command_id FROM commands c JOIN decisions d USING (command_id)"
            found.extend(other.execute(query).fetchall())

    file_bench.service._publish = publish
    file_bench.hear_reading("a")
    file_bench.tick(10)
    assert found == [("pending", 1)]


def test_the_usual_walk(bench: Bench) -> None:
    """A command goes from pending to done by its PUBACK and its acks, and its delivery is settled."""
    command = bench.water("a")
    states = [bench.state_of(command)]
    bench.published[-1][2]()
    states.append(bench.state_of(command))
    for state in ("received", "started", "done"):
        bench.now += 300
        bench.hear_ack(command, state)
        states.append(bench.state_of(command))
    assert states == ["pending", "sent", "received", "started", "done"]
    [delivery] = bench.store.commands.deliveries()
    assert (delivery.duration_s, delivery.volume_l, delivery.source) == (600, 300.0, "measured")
    assert delivery.ended_at == bench.now
    assert bench.service.next_due() is None


def test_ack_may_overtake_the_puback(bench: Bench) -> None:
    """A PUBACK that comes after the acks does not turn the command back."""
    command = bench.water("a")
    bench.hear_ack(command, "started")
    bench.published[-1][2]()
    assert bench.state_of(command) == "started"


@pytest.mark.parametrize(("first", "second"), list(product(FINAL_STATES, ACK_STATES)))
def test_settled_once(bench: Bench, first: str, second: str) -> None:
    """After the first final ack no other ack, late or repeated, changes anything."""
    command = bench.water("a")
    bench.hear_ack(command, first, duration_s=100, volume_l=50)
    for _ in range(3):
        bench.hear_ack(command, second, duration_s=999, volume_l=999)
    assert bench.state_of(command) == first
    assert [delivery.duration_s for delivery in bench.store.commands.deliveries()] == [100]
    assert bench.store.updates.counters()["acks_without_effect"] == 3
    assert len(bench.events_of("ack")) == 4


def test_rejected_delivers_nothing(bench: Bench) -> None:
    """A rejected command gave no water, starts no cooldown, and the next reading may try again."""
    command = bench.water("a")
    bench.hear_ack(command, "rejected", code="stale_epoch", held_epoch=7)
    assert bench.store.commands.deliveries()[0].duration_s == 0
    status = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": bench.now, "epochs": {"plot-1a": 7}}
    bench.hear(topics.status(GATEWAY), status | {"watered_24h_s": {"plot-1a": 0}, "last_end_at": {}})
    bench.now += bench.zones[0].cooldown_s + 60
    assert bench.water("a")["epoch"] == 8


def test_done_without_duration_counts_in_full(bench: Bench) -> None:
    """A run whose ack tells no duration counts with its bound against the day."""
    command = bench.water("a")
    bench.hear_ack(command, "done", duration_s=None)
    assert bench.store.commands.deliveries()[0].duration_s == command["duration_s"]


@pytest.mark.parametrize(("claimed", "booked"), [(NOON - 10**7, NOON + 10), (NOON + 10**7, NOON + 700)])
def test_wrong_clock_does_not_escape_the_day(bench: Bench, claimed: int, booked: int) -> None:
    """An ack with a wrong clock is booked between its command and now, so it counts against the right day."""
    command = bench.water("a")
    bench.now = NOON + 700
    bench.hear_ack(command, "done", at=claimed)
    assert bench.store.commands.deliveries()[0].ended_at == booked


def test_cooldown_and_cap_follow_what_was_settled(bench: Bench) -> None:
    """After a run the zone rests for its cooldown, and then only what is left of the day is given."""
    bench.hear_ack(bench.water("a"), "done", duration_s=5200)
    bench.now += 60
    bench.hear_reading("a")
    bench.tick(10)
    assert len(bench.commands()) == 1
    bench.now += 3600
    assert bench.water("a")["duration_s"] == 200


def test_no_second_command_while_one_is_under_way(bench: Bench) -> None:
    """A zone with an open command gets no other, in every state of the first."""
    command = bench.water("a")
    for state in (None, "received", "started"):
        if state:
            bench.hear_ack(command, state)
        bench.now += 60
        bench.hear_reading("a")
        bench.tick(10)
        assert len(bench.commands()) == 1


def test_unanswered_command_expires(file_bench: Bench) -> None:
    """A command that nobody answers is given up after its expiry and a grace, and that moment is due."""
    command = file_bench.water("a")
    file_bench.published[-1][2]()
    issued = file_bench.now
    assert file_bench.service.next_due() == issued + LIFE_S + ACK_GRACE_S
    file_bench.tick(LIFE_S + ACK_GRACE_S - 1)
    assert file_bench.state_of(command) == "sent"
    file_bench.tick(1)
    assert file_bench.state_of(command) == "expired"
    assert file_bench.service.next_due() is None


def test_started_command_has_the_time_of_its_run(bench: Bench) -> None:
    """Once started, a command is given up only after the run's own length and the grace."""
    command = bench.water("a")
    bench.hear_ack(command, "started")
    bench.tick(command["duration_s"] + ACK_GRACE_S - 1)
    assert bench.state_of(command) == "started"
    bench.tick(1)
    assert bench.state_of(command) == "expired"


def test_unknown_end_counts_as_given(file_bench: Bench) -> None:
    """Water that may have flowed counts against cooldown and cap until an ack tells better, and is never settled."""
    command = file_bench.water("a")
    file_bench.tick(LIFE_S + ACK_GRACE_S)
    closed = file_bench.now
    assert file_bench.store.zones.zone_state(file_bench.zones[0], 0, 0, 0).runs == (Run(closed, command["duration_s"]),)
    assert file_bench.store.commands.deliveries() == []
    file_bench.hear_reading("a")
    file_bench.tick(10)
    assert len(file_bench.commands()) == 1
    assert "the last run ended" in file_bench.store.decisions.last()[-1]["sentence"]


def test_late_ack_settles_an_expired_command(bench: Bench) -> None:
    """An ack that waited in the gateway's outbox settles the command after it was given up, once."""
    command = bench.water("a")
    started = bench.now
    bench.tick(86400)
    assert bench.state_of(command) == "expired"
    assert bench.store.zones.zone_state(bench.zones[0], 0, 0, 0).used_season_l == 1800 * 200 / 60
    for _ in range(2):
        bench.hear_ack(command, "started", at=started + 1)
        bench.hear_ack(command, "done", at=started + 601)
    assert bench.state_of(command) == "done"
    assert bench.store.zones.zone_state(bench.zones[0], 0, 0, 0).runs == (Run(started + 601, 600),)
    assert bench.store.zones.zone_state(bench.zones[0], 0, 0, 0).under_way is None
    assert bench.store.zones.zone_state(bench.zones[0], 0, 0, 0).used_season_l == 300
    assert sum(water.litres for water in bench.store.zones.news(bench.zones[0]).water) == 300


def test_daily_cap_holds_without_any_ack(store: InMemoryStore) -> None:
    """Even if no ack ever comes back, the commands of a day stay below its cap."""
    bench = Bench(store, (zone("a", application_rate_mm_h=12.0),))  # a run brings little of what is missing
    for _ in range(100):
        bench.now += 600
        bench.hear_reading("a")
        bench.tick(10)
    assert sum(command["duration_s"] for command in bench.commands()) <= 2 * 5400  # the 17 hours touch two local days


def test_epochs_rise_over_restarts(store: InMemoryStore) -> None:
    """Every command of a zone has a larger epoch than the one before, also after a restart."""
    epochs = []
    for turn in range(3):
        bench = Bench(store, (zone("a"),), now=NOON + turn * 7200)
        command = bench.water("a")
        bench.hear_ack(command, "done")
        epochs.append(command["epoch"])
    assert epochs == [1, 2, 3]


def test_crash_before_the_puback(tmp_path: Path) -> None:
    """After a crash between commit and PUBACK the same command is published again, to the letter, and no other."""
    path = tmp_path / "store"
    with closing(SqliteStore(path)) as store:
        before = Bench(store, (zone("a"),))
        command = before.water("a")
    with closing(SqliteStore(path)) as store:
        after = Bench(store, (zone("a"),), now=before.now + 5)
        after.service.start()
        assert after.commands() == [command]
        assert after.events == before.events_of("command")
        after.hear_reading("a", at=NOON + 5)
        after.tick(10)
        assert after.commands() == [command]
        after.published[-1][2]()
        assert after.state_of(command) == "sent"
    with closing(SqliteStore(path)) as store:
        again = Bench(store, (zone("a"),), now=before.now + 20)
        again.service.start()
        assert again.commands() == []


def test_crash_before_the_decision(tmp_path: Path) -> None:
    """A reading that was acknowledged to the broker gets its decision after a crash."""
    path = tmp_path / "store"
    with closing(SqliteStore(path)) as store:
        Bench(store, (zone("a"),)).hear_reading("a")
    with closing(SqliteStore(path)) as store:
        after = Bench(store, (zone("a"),), now=NOON + 60)
        after.tick()
        assert len(after.commands()) == 1


@pytest.mark.parametrize("later_s", [LIFE_S, LIFE_S + ACK_GRACE_S, 86400])
def test_expired_command_is_not_published_again(tmp_path: Path, later_s: int) -> None:
    """A command that expired while the service was down is not published, and is closed."""
    path = tmp_path / "store"
    with closing(SqliteStore(path)) as store:
        before = Bench(store, (zone("a"),))
        command = before.water("a")
    with closing(SqliteStore(path)) as store:
        after = Bench(store, (zone("a"),), now=before.now + later_s)
        after.service.start()
        assert after.published == []
        after.tick(ACK_GRACE_S)
        assert after.state_of(command) == "expired"


def test_failed_transaction_leaves_nothing(file_bench: Bench, file_store: SqliteStore) -> None:
    """If a decision cannot be kept, neither is its command, and nothing is published."""
    file_bench.hear_reading("a")
    disk_full = "CREATE TRIGGER full BEFORE INSERT ON decisions BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
    file_store.database.run(disk_full)
    with pytest.raises(sqlite3.IntegrityError):
        file_bench.tick(10)
    assert file_store.commands.in_states("pending") == []
    assert file_bench.published == []
    file_store.database.run("DROP TRIGGER full")
    file_bench.tick()
    assert len(file_bench.commands()) == 1


def test_table_knows_every_ack() -> None:
    """The table of states knows every ack state of the protocol, and each row leads to a known state."""
    heard = {happening for row in TRANSITIONS.values() for happening in row}
    assert heard == {*ACK_STATES, "puback", "given_up", "withdrawn"}
    states = {state for row in TRANSITIONS.values() for state in row.values()}
    assert states <= {*TRANSITIONS, *SETTLED, "withdrawn"}
    assert set(SETTLED) == set(FINAL_STATES)


def test_ulid() -> None:
    """An id has the ULID's form: it sorts by time, and holds the time and the random bits."""
    assert ulid(0, bytes(10)) == "0" * 26
    assert ulid(1_469_918_176, bytes(10))[:10] == "01ARYZ6RR0"  # of the ULID specification, to the second
    assert ulid(2**48 // 1000, b"\xff" * 10)[10:] == "Z" * 16
    assert ulid(NOON, b"\xff" * 10) < ulid(NOON + 1, bytes(10))


def test_store_in_memory() -> None:
    """A store without a file works, for demonstrations."""
    with closing(SqliteStore(":memory:")) as store:
        assert Bench(store, (zone("a"),)).water("a")["epoch"] == 1


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says " * 100, None])
def test_bad_store(tmp_path: Path, content: bytes | None) -> None:
    """A store that is no database, or in a folder that is not there, is named with the remedy."""
    path = tmp_path / "nowhere" / "store"
    if content:
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"nowhere/store: .*check the path"):
        SqliteStore(path)


def test_newer_store(tmp_path: Path) -> None:
    """A store that a newer service wrote is left alone."""
    with closing(sqlite3.connect(tmp_path / "store")) as newer:
        newer.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="has schema 99"):
        SqliteStore(tmp_path / "store")
