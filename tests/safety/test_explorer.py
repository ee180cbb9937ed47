"""The valve rules hold in every interleaving of bad luck, walked through exhaustively to a stated depth."""

import random
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from compute_service.domain.constraints import Check
from gateway.store import MemoryStore, TwoSlots
from gateway.valves import Valves
from tests.safety.broken import BROKEN, FOUND_IN, ForgetsTheLoss, NoFence
from tests.safety.broken_plans import BROKEN_PLANS
from tests.safety.explorer import (
    SCENARIOS,
    CounterExampleError,
    Explorer,
    Scenario,
    Tally,
    shortest,
    texts_made_once,
)
from tests.safety.house import HOUSES, LONG_HOUSES
from tests.safety.oracle import PROMISES, BrokenPromiseError
from tests.safety.story import tell
from tests.safety.world import BOOTS, CLOCK, PASSES_S, READINGS, Cut, Event, World

AT_LEAST = 100_000
PASSED = Check("not_stopped", None, None, True)
HANDLED = (
    "open",
    "close",
    "stop_all",
    "fallback",
    "clear",
    "boot",
    "wait",
    "sample",
    "leak",
)  # what a supervisor does that ends in a write

Walks = dict[Scenario, Tally]


@pytest.fixture(scope="module")
def walks() -> Walks:
    """Every scenario, walked through to its depth."""
    return {scenario: _walk(scenario) for scenario in SCENARIOS}


def _walk(scenario: Scenario) -> Tally:
    try:
        return Explorer(scenario).run(scenario.depth)
    except CounterExampleError as example:
        pytest.fail(tell(example), pytrace=False)


def test_no_interleaving_breaks_a_promise(walks: Walks, capsys: pytest.CaptureFixture[str]) -> None:
    """Over 400,000 distinct interleavings, to depths of 4 to 8 events, keep every promise."""
    rows = [
        f"{walk.name:28} depth {walk.depth} {tally.interleavings:8,} interleavings" for walk, tally in walks.items()
    ]
    total = sum(tally.interleavings for tally in walks.values())
    with capsys.disabled():
        sys.stdout.write("\n  ".join(["", *rows, f"{'in all':36}{total:8,}\n"]))
    assert total >= 4 * AT_LEAST
    assert min(scenario.depth for scenario in walks) >= 4
    assert max(scenario.depth for scenario in walks) >= 7


def test_everything_that_can_happen_happens(walks: Walks) -> None:
    """Every kind of message, loss, wait, clock jump, power cut and boot is part of the walks."""
    expected = {f"deliver {action}" for action in ("open", "close", "stop_all", "fallback", "clear")}
    expected |= (
        {"drop open", "power", "wear"} | {f"clock {jump}" for jump in CLOCK} | {f"boot {kind}" for kind in BOOTS}
    )
    expected |= {f"pass {name}" for name in PASSES_S} | {f"sample {reading}" for reading in READINGS}
    expected |= {"puback", "leak plot-1b"}
    expected |= {f"wait {until}" for until in ("half", "before", "due", "late", "tick", "expiry")}
    events = _sum(tally.events for tally in walks.values())
    assert not expected - set(events), "never happened"
    assert min(events[kind] for kind in expected) >= 100


def test_power_goes_at_every_point_of_persistence(walks: Walks) -> None:
    """Before, within and after a write of every kind of work, and after each move of a valve and each ack in it."""
    cuts = _sum(tally.cuts for tally in walks.values())
    expected = {f"{work}: {when} save" for work in HANDLED for when in ("before", "torn", "after")}
    expected |= {"open: after pin", "wait: after pin", "close: after pin", "stop_all: after pin", "boot: after pin"}
    expected |= {"sample: after pin", "leak: after pin"}
    expected |= {"open: after ack", "wait: after ack", "boot: after ack"}
    assert not expected - set(cuts), "never happened"
    assert min(cuts[point] for point in expected) >= 100


def test_valves_open(walks: Walks) -> None:
    """In most interleavings of each scenario water flows: the rules are not kept by keeping everything shut."""
    watered = {walk: tally.watered / tally.interleavings for walk, tally in walks.items()}
    assert min(share for walk, share in watered.items() if not walk.readings) > 0.25
    assert min(watered.values()) > 0.05
    assert sum(tally.watered for tally in walks.values()) >= AT_LEAST


def test_plans_water(walks: Walks) -> None:
    """In each scenario with a plan that may water it does, and on two days where it has two."""
    planned = {walk.name: tally.planned for walk, tally in walks.items() if "plan" in walk.name}
    assert min(planned.values()) >= 1000
    twice = {walk.name: tally.twice for walk, tally in walks.items() if "plan" in walk.name}
    assert twice.pop("a plan for a day") == 0
    assert min(twice.values()) >= 50
    assert sum(planned.values()) >= AT_LEAST


@pytest.mark.parametrize(
    "scenario", [SCENARIOS[1], SCENARIOS[3], SCENARIOS[9], *SCENARIOS[14:]], ids=lambda scenario: scenario.name
)
def test_going_back_to_a_snapshot_is_faithful(scenario: Scenario) -> None:
    """A world that went back and forth is in the very state of one in which the same events happened once."""

    class Watched(Explorer):
        def _leaf(self) -> None:
            states.append((tuple(self._path), _state(self._world)))

    states: list[tuple[tuple[Event, ...], Any]] = []
    Watched(scenario, merge=False).run(3)
    assert len(states) == len({path for path, _ in states}), "every interleaving is distinct"
    for path, state in random.Random(1).sample(states, min(400, len(states))):
        world = scenario.world()
        for event in path:
            world.apply(event)
        assert _state(world) == state


def test_a_state_that_was_walked_through_is_not_walked_through_again() -> None:
    """The walk that knows where it has been counts the very interleavings, events and cuts of the one that does not."""
    merged = 0
    for scenario in SCENARIOS:
        plain, short = (Explorer(scenario, merge=merge).run(scenario.depth - 2) for merge in (False, True))
        merged += short.merged
        assert (plain.merged, replace(short, merged=0)) == (0, plain), scenario.name
    assert merged > 100


def test_a_text_that_was_made_before_is_the_stores_own() -> None:
    """What a walk has from memory are the bytes that the store would write: of a number, too, and after a change."""
    document: dict[str, Any] = {"zones": {f"plot-{number}": {"epoch": 1, "runs": [1]} for number in range(9)}}

    def written() -> list[bytes | None]:
        store, documents = MemoryStore(), []
        for value in (1, True, 1.0, "1", 1):
            document["zones"]["plot-3"]["runs"][0] = value
            TwoSlots(store, "x").save(document)
            documents.append(store.load("x.0"))
        return documents

    plain = written()
    with texts_made_once():
        assert [written(), written()] == [plain, plain]
    assert len(set(plain)) == 4


def _state(world: World) -> Any:
    snapshot = world.snapshot()
    values = [value for value in snapshot[0] if not hasattr(value, "__dict__")]
    memory = {
        name: value
        for name, value in snapshot[4][0].items()
        if name != "_fallback" and not (hasattr(value, "__dict__") or callable(value))
    }
    held = {name: value for name, value in snapshot[4][3].items() if name != "_valves"}
    return values, *snapshot[1:4], memory, held, {name: snapshot[4][1][name] for name in ("_target", "_generation")}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_supervisor_is_caught(broken: type[Valves]) -> None:
    """Without any one of its mechanisms the supervisor breaks the promise that the mechanism is for, within seconds."""
    begin = time.process_time()
    example = shortest(broken, [row for row in SCENARIOS if row.name == FOUND_IN.get(broken, row.name)])
    assert example is not None, f"{broken.__name__} breaks no promise"
    assert example.violation.promise in BROKEN[broken], tell(example, broken)
    assert time.process_time() - begin < 60  # of work: what else this machine does is no matter


@pytest.mark.parametrize("broken", BROKEN_PLANS, ids=lambda broken: broken.__name__)
def test_plans_and_leaks_kept_wrong_are_caught(broken: type[Valves]) -> None:
    """Without any one of these mechanisms a plan waters when it must not, or a leak does not latch."""
    promises, name = BROKEN_PLANS[broken]
    example = shortest(broken, [row for row in SCENARIOS if row.name == name])
    assert example is not None, f"{broken.__name__} breaks no promise"
    assert example.violation.promise in promises, tell(example, broken)


def test_a_lost_flash_must_not_be_forgotten() -> None:
    """It takes seven events to show why: the supervisor may not believe an old open even two reboots later."""
    example = shortest(ForgetsTheLoss, [scenario for scenario in SCENARIOS if scenario.wear])
    assert example is not None
    assert (example.violation.promise, len(example.events)) == ("g", 7)


def test_a_counter_example_is_a_story() -> None:
    """Numbered lines say when, what happened and what the device did; the last ones name the promise."""
    example = shortest(NoFence)
    assert example is not None
    moment = "[device 0.000 s, its clock 2025-06-15 15:06:50]"
    times = "issued 15:06:40, expires 15:11:40"
    assert tell(example, NoFence).splitlines() == [
        "A promise was broken in 2 steps (open, stop_all, open):",
        f"  1. {moment}  The broker delivers stop_all-2 for all valves (issued 15:06:41, expires 15:11:41).",
        "       It writes its state.",
        "       It says: stop_all-2 is done (ok).",
        f"  2. {moment}  The broker delivers open-1 for plot-1a (epoch 101, 60 s, {times}).",
        "       It writes its state.",
        "       It OPENS plot-1a.",
        f"Broken is promise (c): {PROMISES['c']}.",
        "But open-1 opened plot-1a after a stop_all that was not issued before it.",
    ]


def test_a_story_tells_power_cuts() -> None:
    """Where exactly the power went is part of the story."""
    torn = Event("boot", "kept", Cut(1, "torn"))
    events = (Event("deliver", 0), Event("wait", "half"), Event("power"), torn, Event("boot", "lost"))
    story = tell(CounterExampleError(SCENARIOS[0], events, BrokenPromiseError("a", "nothing is wrong")))
    lost = "[device 30.000 s, its clock 2000-01-01 00:00:00 (not trusted)]"
    assert story.splitlines()[5:14] == [
        "  2. [device 30.000 s, its clock 2025-06-15 15:07:20]  Time passes, half of the way to the next deadline.",
        "  3. [device 30.000 s, its clock 2025-06-15 15:07:20]  The power goes.",
        "  4. [device 30.000 s, its clock 2025-06-15 15:07:20]  The power is back; the device boots.",
        "       It closes plot-1a.",
        "       While it wrote its state, ...",
        "       The power goes.",
        f"  5. {lost}  The power is back, the clock is lost and not trusted; the device boots.",
        "       It writes its state.",
        "       It says: open-1 is failed (power_cut, 60 s, ended by power_cut).",
    ]


@pytest.mark.parametrize(
    "scenario",
    [
        *(pytest.param(house, id=house.name) for house in HOUSES),
        *(pytest.param(house, id=f"{house.name}, long", marks=pytest.mark.soak) for house in LONG_HOUSES),
    ],
)
def test_the_whole_house_keeps_its_promises(scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    """Gateway, outbox, service and people together: what is booked was delivered, what is stopped is shut."""
    tally = _walk(scenario)
    with capsys.disabled():
        sys.stdout.write(f"\n  house: {scenario.name}, depth {scenario.depth}, {tally.interleavings:,} interleavings ")
    assert tally.watered / tally.interleavings > 0.4
    assert tally.events["hear"] and tally.events["hear again"]


@pytest.mark.parametrize(
    ("house", "place", "replacement", "promise"),
    [
        ("an open stopped", "gateway.gateway.Valves", NoFence, "c"),
        ("an open", "gateway.valves.Valves.repeat_acks", lambda *_: None, "i"),
        ("an open", "compute_service.commands.TRANSITIONS", {}, "i"),
        ("an open unsent, and stopped", "compute_service.service.in_force", lambda *_: (), "j"),
        ("an order in an outage", "compute_service.service.overtaken", lambda *_: "", "j"),
        ("pickers walk in", "compute_service.domain.decide.hold_check", lambda *_: PASSED, "j"),
        ("an order in an outage", "compute_service.domain.orders.OPEN_LIFE_S", 86400, "k"),
        ("a stop while compute dies", "compute_service.commands.unanswered_stops", lambda *_: [], "l"),
        ("pickers walk in", "compute_service.commands.may_be_open", lambda *_: False, "l"),
    ],
    ids=[
        "stop_all does not fence",
        "acks are not said after a boot",
        "acks are not heard",
        "a restart sends what somebody has stopped since",
        "an open that waited comes before the stop that waited",
        "a decision does not look at holds",
        "an open may start late",
        "a stop that nobody answered is not said again",
        "a pause believes that what nobody answered is over",
    ],
)
def test_a_broken_house_is_caught(
    house: str, place: str, replacement: Any, promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no supervisor alone can get wrong is caught in the whole house."""
    monkeypatch.setattr(place, replacement)
    example = shortest(Valves, [scenario for scenario in HOUSES if scenario.name == house])
    assert example is not None
    assert example.violation.promise == promise, tell(example)


def _sum(counters: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total += counter
    return total
