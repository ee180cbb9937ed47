"""The compute service dies at every moment of a run's life: it neither repeats nor forgets a run.

Its moments are before and after each commit, publish, PUBACK and record, and between handling a message and
acknowledging it to the broker. After each death a new service starts on what the disk holds.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.commands import ACK_GRACE_S, LIFE_S
from protocol.messages import FINAL_STATES
from tests.compute_service.bench import NOON
from tests.safety.farm import (
    STATUSES_S,
    ZONES,
    Farm,
    KilledError,
    Luck,
    balance,
    breaches,
    story,
)
from tests.safety.fate import Fate, lived, to_its_end

LUCKS = {
    "all in order": Luck(),
    "all twice, PUBACKs last": Luck(copies=2, pubacks_last=True),
    "commands come too late": Luck(deaf=(0, 700)),
    "acks come after the command was given up": Luck(mute=(5, 5000)),
    "the end is told after the run was given up": Luck(mute=(15, 5000)),
    "the gateways lose power": Luck(cut_at=900),
    "the gateways do not know the time": Luck(unsure=(0, 600)),
}
WHOLE = ("all in order", "all twice, PUBACKs last")  # of these every moment is tried, of the others every third
# Each moment is tried with one of these absences in turn; in the soak with each of them.
LENGTHS_S = (7, LIFE_S + ACK_GRACE_S, 8000)
ABSENCES = [
    *(pytest.param(length, slice(turn, None, len(LENGTHS_S)), id=str(length)) for turn, length in enumerate(LENGTHS_S)),
    *(pytest.param(length, slice(None), id=f"{length} always", marks=pytest.mark.soak) for length in LENGTHS_S),
]
LEAST_POINTS = 140  # of one story; a change that leaves fewer has lost moments to die at
KINDS = {
    "before a commit",
    "after a commit",
    "before a publish",
    "after a publish",
    "before the PUBACK is heard",
    "after the PUBACK is heard",
    "before a record",
    "before the PUBACK to the broker",
}

Story = list[tuple[str, int, int]]


class Death(NamedTuple):
    """A story in which the service died at this point, and its store."""

    point: str
    farm: Farm
    store: SqliteStore


class Case:
    """One luck, the story without any death, and every moment to die at."""

    def __init__(self, folder: Path, luck: Luck, every: int = 1) -> None:
        self._folder = folder
        self._runs = 0
        self.played = 0  # the deaths that were lived to the end, and not told by another's
        self.luck = luck
        fate = Fate(self._new_folder())
        farm, store = lived(fate, luck)
        with closing(store):
            self.flaws = breaches(farm, store) + balance(farm, store)
        self.story = story(farm)
        self.points = fate.points
        self.moments = range(1, len(self.points) + 1, every)

    def _new_folder(self) -> Path:
        self._runs += 1
        folder = self._folder / str(self._runs)
        folder.mkdir()
        return folder

    def deaths(
        self, *deaths: tuple[int, ...], down_s: int = 0, after: str = "kill", merge: bool = True
    ) -> Iterator[Death]:
        """Live the story again, and from its first point on each of these deaths, given as points counted from 1.

        What a story was until its first death is lived once for all: it is the same in each of them. So is what follows
        of those that leave the same disk and the same farm, unless each has more deaths to die, or without `merge`.
        """
        twins: list[list[tuple[str, Farm, Fate]]] = []
        met: dict[object, list[tuple[str, Farm, Fate]]] = {}
        kills = {first: later for first, *later in deaths}

        def at_point(fate: Fate) -> None:
            if (point := len(fate.points)) in kills:
                farm, twin = fate.twin(self._new_folder(), tuple(kills[point]))
                alike = met.setdefault(twin.state(farm) if merge and not kills[point] else point, [])
                if not alike:
                    twins.append(alike)
                alike.append((f"point {point}, {self.points[point - 1]}", farm, twin))

        _, store = lived(Fate(self._new_folder(), after=after, at_point=at_point), self.luck, down_s)
        store.close()
        assert sum(len(alike) for alike in twins) == len(deaths)
        self.played += len(twins)
        for alike in twins:
            _, farm, fate = alike[0]
            with closing(to_its_end(farm, fate)) as store:
                for point, _, _ in alike:
                    yield Death(point, farm, store)


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    name = getattr(request, "param", None)
    return Case(tmp_path, LUCKS[name or WHOLE[0]], 1 if name in WHOLE else 3)


def test_the_points_are_all_there(tmp_path: Path) -> None:
    """There are more than a thousand moments to die at, of every kind, and the luck of a story is what it says."""
    cases: dict[str, Case] = {}
    for name, luck in LUCKS.items():
        folder = tmp_path / str(len(cases))
        folder.mkdir()
        cases[name] = Case(folder, luck, 1 if name in WHOLE else 3)
    assert [name for name, case in cases.items() if case.flaws] == []
    assert all(set(case.points) == KINDS for case in cases.values())
    assert min(len(case.points) for case in cases.values()) >= LEAST_POINTS
    assert sum(len(case.points) for case in cases.values()) >= 1200
    assert sum(len(case.moments) for case in cases.values()) >= 700
    rows = cases["all in order"].story
    assert [row[:2] for row in rows] == [("plot-1a", 10), ("plot-1a", 7210), ("plot-2a", 10), ("plot-2a", 7210)]
    assert [seconds for _, at, seconds in rows if at == 10] == [1800, 1800]
    assert cases["commands come too late"].story[0] == ("plot-1a", 1210, 1800)
    assert cases["the gateways lose power"].story[0] == ("plot-1a", 10, 890)
    assert cases["the gateways do not know the time"].story[0] == ("plot-1a", 1210, 1800)


@pytest.mark.parametrize("case", LUCKS, indirect=True)
def test_a_death_at_any_moment_changes_nothing(case: Case) -> None:
    """A service that is back at once leaves the fields exactly as if it had not died, and every run settled once."""
    assert case.flaws == []
    for point, farm, store in case.deaths(*zip(case.moments)):
        assert breaches(farm, store) == [], point
        assert balance(farm, store) == [], point
        assert story(farm) == case.story, point
        assert set(store.commands.counts()) <= {*FINAL_STATES}, point


@pytest.mark.soak
@pytest.mark.parametrize("case", WHOLE, indirect=True)
def test_a_death_is_told_by_another_that_leaves_the_same(case: Case) -> None:
    """Of those that leave the same disk and the same farm one is played above; here each is, and ends no other way."""
    for point, farm, store in case.deaths(*zip(case.moments), merge=False):
        assert breaches(farm, store) == balance(farm, store) == [], point
        assert story(farm) == case.story, point
    assert case.played == len(case.moments)


@pytest.mark.parametrize(("down_s", "moments"), ABSENCES)
def test_a_long_absence_loses_no_run(case: Case, down_s: int, moments: slice) -> None:
    """However long it was away: no run twice, none unsettled, every command at its end, and each zone is watered."""
    assert case.flaws == []
    for point, farm, store in case.deaths(*zip(case.moments[moments]), down_s=down_s):
        assert breaches(farm, store) == [], point
        assert balance(farm, store) == [], point
        assert {zone_id for zone_id, _, _ in story(farm)} == {zone.zone_id for zone in ZONES}, point
        assert set(store.commands.counts()) <= {*FINAL_STATES, "expired"}, point


@pytest.mark.parametrize("case", ["all twice, PUBACKs last"], indirect=True)
def test_deaths_in_a_row(case: Case) -> None:
    """Dying again while it takes up its work, and once more, changes nothing either."""
    assert case.flaws == []
    rows = [(point, point + 1 + point % 3, point + 4 + point % 5) for point in case.moments[:-6:3]]
    for point, farm, store in case.deaths(*rows):
        assert farm.deaths == 3
        assert breaches(farm, store) == balance(farm, store) == [], point
        assert story(farm) == case.story, point


def test_a_power_cut_loses_only_what_may_be_lost(case: Case) -> None:
    """If the machine forgets what was not synced, nothing is watered twice, and only an end may stay untold."""
    assert case.flaws == []
    for point, farm, store in case.deaths(*zip(case.moments), after="power"):
        assert breaches(farm, store) == [], point
        untold = {row.command_id for row in store.commands.in_states("expired")}
        assert all(line.split(":")[0] in untold for line in balance(farm, store)), point


def test_a_lost_store_learns_the_epochs_again(case: Case) -> None:
    """With its file deleted the service starts anew, and from the next status on its commands are obeyed."""
    obeyed = 0
    assert case.flaws == []
    for point, farm, store in case.deaths(*zip(case.moments), after="loss"):
        heard_at = next((NOON + at for at in STATUSES_S if NOON + at > farm.died_at), farm.now)
        later = {command["command_id"] for command in farm.published if command["issued_at"] > heard_at}
        answers = [ack for gateway in farm.gateways for ack in gateway.said if ack["command_id"] in later]
        assert "rejected" not in {ack["state"] for ack in answers}, point
        obeyed += any(ack["state"] == "done" for ack in answers)
        epochs = {zone.zone_id: store.commands.epoch(zone.zone_id) for zone in ZONES}
        if heard_at < farm.now:
            assert all(epochs[gateway.zone.zone_id] >= max(gateway.valves.epochs.values()) for gateway in farm.gateways)
    assert obeyed > len(case.moments) / 3  # in the others the day is used up by what was given before


def test_a_late_ack_settles_once(tmp_path: Path) -> None:
    """An ack that comes after `expired`, and again, and again after a death, is booked one time."""
    (tmp_path / "late").mkdir()
    case = Case(tmp_path / "late", Luck(mute=(5, 5000), copies=3), every=7)
    expired = 0
    assert case.flaws == []
    for point, farm, store in case.deaths(*zip(case.moments)):
        assert balance(farm, store) == [], point
        given_up = [event for event in farm.events if event["kind"] == "ack" and event["received_at"] > NOON + 5000]
        expired += bool(given_up)
        assert len(store.commands.deliveries()) == len({row.command_id for row in store.commands.deliveries()}) == 4
    assert expired == len(case.moments) > 20


# A real process, and a real kill -9


class Process:
    """The service in a process of its own; `chance` decides when it is killed, at most `lives` times in all."""

    def __init__(self, farm: Farm, path: Path, chance: random.Random, kills: list[int], most: int) -> None:
        self._farm, self._chance, self._kills, self._most = farm, chance, kills, most
        self._due: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.safety.compute_process", str(path), str(farm.now)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._ask("start")

    def handle(self, topic: str, payload: bytes) -> None:
        self._ask("handle", topic, payload.decode())

    def puback(self, number: int) -> None:
        self._ask("puback", number)

    def tick(self) -> None:
        self._ask("tick")

    def next_due(self) -> int | None:
        return self._due

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()

    def _ask(self, *words: Any) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        doomed = len(self._kills) < self._most and self._chance.random() < 0.3
        killer = threading.Timer(self._chance.uniform(0, 0.004), os.kill, (self._process.pid, signal.SIGKILL))
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([self._farm.now, *words]) + "\n")
            self._process.stdin.flush()
        if doomed:
            killer.start()
        for line in self._process.stdout:
            if line.endswith("\n") and self._hear(*json.loads(line)) and not doomed:
                return
        killer.join()
        self._bury()

    def _hear(self, what: str, *words: Any) -> bool:
        if what == "publish":
            topic, payload, number = words
            self._farm.publish(topic, payload.encode(), number)
        elif what == "record":
            self._farm.events.append(words[0])
        else:
            [self._due] = words
        return what == "done"

    def _bury(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        assert self._process.wait(120) == -signal.SIGKILL
        self._kills.append(self._process.pid)
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        raise KilledError


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_real_process_killed_at_random(tmp_path: Path, seed: int) -> None:
    """A process that is killed a dozen times, within milliseconds of its work, leaves no trace in the fields."""
    chance, kills = random.Random(seed), list[int]()
    path = tmp_path / "compute.sqlite"
    farm = Farm(lambda farm: Process(farm, path, chance, kills, 12))
    farm.live()
    (tmp_path / "case").mkdir()
    with closing(SqliteStore(path)) as store:
        assert len(kills) == farm.deaths == 12
        assert breaches(farm, store) == balance(farm, store) == []
        assert story(farm) == Case(tmp_path / "case", Luck()).story
        assert store.commands.counts() == {"done": 4}
        assert store.updates.counters().get("refusals", 0) == 0
