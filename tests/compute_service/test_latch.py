"""A gateway that saw a leak opens nothing until a person clears it: what the service does, and how it ends."""

from typing import Any

import pytest

from compute_service.domain.alarm_kinds import words
from compute_service.errors import OrderError
from protocol import topics
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, actions, online, stop_ack

OTHER = "irrigation-gateway-2"


@pytest.fixture
def farm() -> Bench:
    """Two zones at one gateway, one at another."""
    far = zone(zone_id="plot-2a", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a")
    return begun(InMemoryStore(), zone("a"), zone("b"), far)


def begun(store: Any, *zones: Any, now: int | None = None) -> Bench:
    bench = Bench(store, zones) if now is None else Bench(store, zones, now=now)
    bench.service.start()
    return bench


def dry(bench: Bench, letter: str = "a") -> dict[str, Any]:
    """A dry zone is decided about; gives the decision."""
    bench.now += 900
    bench.hear_reading(letter, vwc=0.18)
    bench.tick(10)
    return dict(bench.store.decisions.last(1)[0])


def alarms(bench: Bench) -> list[str]:
    return [row.alarm.kind for row in bench.store.alarms.open() if row.alarm.kind == "leak"]


def test_a_latched_gateway_is_told_to_open_nothing(farm: Bench) -> None:
    """None of its zones, with the reason in the decision and in the alarm; another gateway's zone is watered."""
    online(farm, latched=["plot-1b"])
    farm.tick()
    for letter in "ab":
        decision = dry(farm, letter)
        assert decision["intent"] is None
        assert decision["checks"][0]["name"] == "no_leak"
        assert f"{GATEWAY} saw water where none should flow, at plot-1b, and opens nothing" in decision["sentence"]
    assert farm.commands() == []
    assert words(farm.store.alarms.open()[0].alarm).wrong.startswith(f"{GATEWAY} saw water where none should flow")
    farm.hear_reading("a", vwc=0.18, sensor_id=f"{OTHER}.soil-a", gateway_id=OTHER, zone_id="plot-2a")
    farm.tick(10)
    assert [one["device_id"] for one in farm.commands()] == [OTHER]


def test_nobody_opens_a_latched_gateway_by_hand(farm: Bench) -> None:
    """The refusal says what to do first."""
    online(farm, latched=["plot-1b"])
    with pytest.raises(OrderError, match="look there, then `clear plot-1a`"):
        People(farm).order("open", "plot-1a", duration_s=600)


def test_a_latch_outlives_wills_and_restarts(farm: Bench) -> None:
    """A last will says nothing of it, and it is not forgotten with the service."""
    online(farm, latched=["plot-1b"])
    online(farm, state="offline")
    later = begun(farm.store, *farm.zones, now=farm.now + 60)
    online(later, state="offline")
    assert dry(later)["checks"][0]["name"] == "no_leak"
    later.tick(60)
    assert alarms(later) == ["leak"]


def test_an_open_that_was_on_its_way_is_not_said_again(farm: Bench) -> None:
    """The service died with it, and meanwhile the gateway saw a leak."""
    farm.water()
    online(farm, latched=["plot-1b"])
    assert begun(farm.store, *farm.zones, now=farm.now + 5).commands() == []


def test_one_clear_ends_a_latch(farm: Bench) -> None:
    """By a person's order, once, with an epoch for each zone of the board that is above all that are known."""
    for zone_id, epoch in (("plot-1a", 5), ("plot-1b", 9)):
        farm.store.commands.raise_epoch(zone_id, epoch)
    online(farm, latched=["plot-1b"], epochs={"plot-1a": 3, "plot-1b": 9, "unused": 4, "plot-2a": 8})
    people = People(farm)
    row = people.order("clear", "plot-1a", by="ana", why="the pipe is new")
    [clear] = farm.commands()
    assert (clear["action"], clear["device_id"], clear["zone_id"]) == ("clear", GATEWAY, None)
    assert clear["epochs"] == {"plot-1a": 6, "plot-1b": 10, "unused": 5, "plot-2a": 9}
    assert farm.store.commands.epoch("plot-2a") == 0  # what it says of another's zone counts for its own board alone
    assert clear["expires_at"] == farm.now + 300
    assert clear["reason"] == "ana ordered it"
    assert row.state == "under_way"
    farm.tick(60)
    online(farm, latched=["plot-1b"])
    assert farm.commands() == [clear]  # it is never said again by itself
    stop_ack(farm, clear)
    assert people.again(row).state == "done"
    farm.tick(60)
    assert alarms(farm) == []
    farm.hear_ack({**clear, "zone_id": None}, "done", at=farm.now)
    assert dry(farm)["intent"] is not None
    assert farm.commands()[-1]["epoch"] == 7
    notes = [note["body"] for note in farm.store.journal.last(99, ("order",))]
    assert [(note["by"], note["state"]) for note in notes] == [
        ("ana", "waiting"),
        ("ana", "under_way"),
        ("ana", "done"),
    ]


def test_nothing_clears_by_itself(farm: Bench) -> None:
    """Neither time, nor a restart, nor somebody who resumes the farm."""
    online(farm, latched=["plot-1b"])
    people = People(farm)
    people.order("stop")
    people.order("resume")
    later = begun(farm.store, *farm.zones, now=farm.now + 86400)
    online(later, latched=["plot-1b"])
    later.tick(3600)
    assert "clear" not in {action for bench in (farm, later) for action, _, _ in actions(bench)}


def test_a_stopped_farm_can_be_cleared(farm: Bench) -> None:
    """Whoever sees a leak stops the farm first; the clear opens nothing, and the stop holds."""
    online(farm, latched=["plot-1b"])
    people = People(farm)
    people.order("stop")
    people.order("clear", "plot-1b")
    assert actions(farm)[-1] == ("clear", GATEWAY, None)
    again = begun(farm.store, *farm.zones, now=farm.now + 5)
    assert [one for one in again.commands() if one["action"] == "clear"] == farm.commands()[-1:]


@pytest.mark.parametrize(
    ("fields", "place", "why"),
    [
        ({"latched": []}, "plot-1a", "has told of no leak that keeps its valves shut"),
        ({"latched": ["plot-1b"]}, "plot-2a", "has told of no leak that keeps its valves shut"),
        ({"latched": ["plot-1b"]}, None, "clear wants a zone"),
        ({"latched": ["plot-1b"], "state": "offline"}, "plot-1a", "a clear never starts late"),
    ],
    ids=["no latch", "another gateway", "no zone", "offline"],
)
def test_a_clear_that_cannot_be(farm: Bench, fields: dict[str, Any], place: str | None, why: str) -> None:
    """It is refused in a sentence, and nothing is written or sent."""
    online(farm, **fields)
    with pytest.raises(OrderError, match=why):
        People(farm).order("clear", place)
    assert farm.commands() == []


def test_a_clear_is_never_late(farm: Bench) -> None:
    """The service was down: the order expires, for whoever gave it has gone on; so does the command."""
    online(farm, latched=["plot-1b"])
    people = People(farm)
    row = people.give("clear", "plot-1a")
    farm.tick(60)
    assert people.again(row).state == "expired"
    assert farm.commands() == []
    people.order("clear", "plot-1a")
    assert begun(farm.store, *farm.zones, now=farm.now + 301).commands() == []
    farm.tick(421)
    assert people.again(people.give("stop")).state == "waiting"
    assert farm.state_of(farm.commands()[0]) == "expired"
    assert alarms(farm) == ["leak"]


def test_a_clear_that_is_refused_says_so(farm: Bench) -> None:
    """And the latch stands."""
    online(farm, latched=["plot-1b"])
    people = People(farm)
    row = people.order("clear", "plot-1a")
    stop_ack(farm, farm.commands()[0], "rejected", code="stale_epoch")
    assert people.again(row).reason == f"{GATEWAY}: the gateway answered rejected (stale_epoch)"
    assert dry(farm)["intent"] is None


@pytest.mark.parametrize(("state", "fields"), [("rejected", {"code": "leak"}), ("done", {"end_reason": "leak"})])
def test_a_leak_that_an_ack_tells_of_counts_at_once(farm: Bench, state: str, fields: dict[str, str]) -> None:
    """Before the status that says the same; one of an earlier time than that status changes nothing."""
    online(farm)
    opening = farm.water()
    farm.hear_ack(opening, state, **fields)
    assert dry(farm, "b")["checks"][0]["name"] == "no_leak"
    farm.now += 60
    online(farm, latched=[])
    farm.now += 7200
    second = farm.water()
    assert second != opening
    farm.hear_ack(second, state, at=farm.now - 7300, **fields)
    assert dry(farm, "b")["checks"][0]["name"] != "no_leak"


def test_no_gateway_latches_another(farm: Bench) -> None:
    """Whatever zone a gateway names, it is the one that opens nothing; and nobody's word counts on the old topics."""
    online(farm)
    message = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": farm.now, "latched": ["plot-1a"]}
    farm.hear(topics.OLD_STATUS, message)
    farm.tick(60)
    assert alarms(farm) == []
    assert dry(farm)["intent"] is not None


def test_a_zone_that_was_moved_keeps_no_latch(farm: Bench) -> None:
    """A board that still knows a zone which the settings give to another gateway is latched by it, and cleared."""
    online(farm, latched=["plot-2a"], epochs={"plot-1a": 3, "plot-1b": 9, "plot-2a": 8})
    farm.tick(60)
    assert alarms(farm) == ["leak"]
    assert dry(farm)["checks"][0]["name"] == "no_leak"
    people = People(farm)
    people.order("clear", "plot-1a")
    [clear] = [one for one in farm.commands() if one["action"] == "clear"]
    assert clear["epochs"].keys() == {"plot-1a", "plot-1b", "plot-2a"}
    assert people.order("open", "plot-2a", duration_s=600).state != "refused"


def test_a_clear_has_no_more_zones_than_a_message(farm: Bench) -> None:
    """A board that tells of 64 zones besides is cleared all the same, its own zones first."""
    online(farm, latched=["plot-1a"], epochs={f"zone-{number}": 1 for number in range(64)})
    People(farm).order("clear", "plot-1a")
    [clear] = farm.commands()
    assert len(clear["epochs"]) == 64 and {"plot-1a", "plot-1b"} <= clear["epochs"].keys()
