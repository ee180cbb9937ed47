"""What people order: stop, close, open, pause, resume; what each changes, what it never does, and how it ends."""

from collections.abc import Callable
from typing import Any

import pytest

from compute_service.adapters import crops_table
from compute_service.domain.conditions import Conditions
from compute_service.domain.constraints import Limits
from compute_service.domain.decide import Run, ZoneState, decide
from compute_service.domain.inputs import config_from
from compute_service.domain.orders import Hold, ManualRun, Order, OrderRow
from compute_service.errors import OrderError
from compute_service.orders import give
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, actions, online, stop_ack

DAY_S = 86400
MIDNIGHT = 1_750_046_400  # the farm's next one, in Toronto
OTHER = "irrigation-gateway-2"


@pytest.fixture
def farm() -> Bench:
    """Two zones at one gateway, one at another."""
    far = zone(zone_id="plot-2a", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a")
    return Bench(InMemoryStore(), (zone("a"), zone("b"), far))


@pytest.fixture
def people(farm: Bench) -> People:
    return People(farm)


# stop


def test_stop_reaches_every_gateway_and_ends_with_their_acks(farm: Bench, people: People) -> None:
    """One stop a gateway; the order is under way until the last of them has answered."""
    row = people.order("stop")
    assert actions(farm) == [("stop_all", GATEWAY, None), ("stop_all", OTHER, None)]
    assert row.state == "under_way"
    for message, state in zip(farm.commands(), ("under_way", "done"), strict=True):
        stop_ack(farm, message)
        assert people.again(row).state == state
    assert farm.store.commands.deliveries() == []


def test_stop_holds_until_resume_also_after_a_restart(farm: Bench, people: People) -> None:
    """A dry zone gets nothing, with who and since when as the reason, until somebody resumes."""
    people.order("stop")
    farm.hear_reading("a")
    farm.tick(10)
    [decision] = farm.store.decisions.last(1)
    assert "ana stopped the farm at 2025-06-15 11:06, until somebody resumes" in decision["sentence"]
    assert decision["checks"][0]["name"] == "not_stopped"
    later = Bench(farm.store, farm.zones, now=farm.now + 40 * DAY_S)
    later.service.start()
    later.hear_reading("a", sample={"seq": 2})
    later.tick(10)
    assert [one["action"] for one in later.commands()] == ["stop_all", "stop_all"]  # unanswered, so said again
    assert People(later).bench is later
    resumed = _order(later, "resume")
    assert resumed.state == "done"
    later.hear_reading("a", at=later.now + 1, sample={"seq": 3})
    later.tick(20)
    assert later.commands()[-1]["action"] == "open"


def test_a_stop_that_waited_comes_before_what_it_stops(farm: Bench, people: People) -> None:
    """The service died with an open on its way: back again it sends the stop, and the open no more."""
    opening = farm.water("a")
    people.give("stop")
    later = Bench(farm.store, farm.zones, now=farm.now + 5)
    later.service.start()
    assert [one["action"] for one in later.commands()] == ["stop_all", "stop_all"]
    assert later.state_of(opening) == "pending"
    later.now += 600
    later.tick()
    assert later.state_of(opening) == "expired"  # and counts as given


def test_an_unanswered_stop_is_said_at_each_status(farm: Bench, people: People) -> None:
    """The gateway was offline: it hears the stop when it is back, as often as it needs, the same one."""
    online(farm, state="offline")
    people.order("stop")
    first = farm.commands()[0]
    for _ in range(2):
        farm.now += 3600
        online(farm)
    online(farm, state="offline")
    assert [one for one in farm.commands() if one["device_id"] == GATEWAY] == [first] * 3
    stop_ack(farm, first)
    online(farm)
    assert len(farm.commands()) == 4


def test_two_stops_are_one_hold_and_both_are_acknowledged(farm: Bench, people: People) -> None:
    """The second waits for the same acks, and the first stays the one who stopped."""
    rows = [people.order("stop"), people.order("stop", by="rui")]
    assert len(farm.commands()) == 4
    assert len({one["command_id"] for one in farm.commands()}) == 2
    for message in farm.commands()[:2]:
        stop_ack(farm, message)
    assert [people.again(row).state for row in rows] == ["done", "done"]
    assert [(hold.kind, hold.by) for hold in farm.store.orders.holds()] == [("stop", "ana")]


def test_a_stop_that_fails_says_so(farm: Bench, people: People) -> None:
    """A valve that did not obey is no stop that is done."""
    row = people.order("stop")
    stop_ack(farm, farm.commands()[0], "failed", code="valve_fault")
    stop_ack(farm, farm.commands()[1])
    assert people.again(row).state == "refused"
    assert people.again(row).reason == f"{GATEWAY}: the gateway answered failed (valve_fault)"


def test_only_a_later_resume_withdraws_a_stop(farm: Bench, people: People) -> None:
    """Nobody has to wait for a gateway that is gone for good, and what was not answered is told as such."""
    row = people.order("stop")
    stop_ack(farm, farm.commands()[0])
    farm.now += 30 * DAY_S
    farm.tick()
    assert people.again(row).state == "under_way"
    people.order("resume")
    assert people.again(row).state == "refused"
    assert people.again(row).reason == f"{OTHER}: somebody resumed before the gateway had answered"
    online(farm, OTHER)
    assert len(farm.commands()) == 2
    stop_ack(farm, farm.commands()[1])
    assert farm.store.updates.counters()["acks_without_effect"] == 1


# close


def test_close_ends_a_run_and_holds_for_the_day(farm: Bench, people: People) -> None:
    """The run's own ack settles its water; the zone gets no more until the farm's midnight, the others do."""
    opening = farm.water("a")
    farm.hear_ack(opening, "started")
    row = people.order("close", "plot-1a")
    closing = farm.commands()[-1]
    assert (closing["action"], closing["zone_id"], closing["epoch"]) == ("close", "plot-1a", opening["epoch"] + 1)
    farm.hear_ack(opening, "done", duration_s=20, volume_l=10.0, end_reason="close")
    stop_ack(farm, closing)
    assert people.again(row).state == "done"
    assert [(one.duration_s, one.end_reason) for one in farm.store.commands.deliveries()] == [(20, "close")]
    farm.now += 2 * 3600
    farm.hear_reading("a", sample={"seq": 2})
    farm.hear_reading("b")
    farm.tick(10)
    assert farm.commands()[-1]["zone_id"] == "plot-1b"
    assert "ana closed it" in farm.store.decisions.last(1, "plot-1a")[0]["sentence"]
    farm.now = MIDNIGHT
    farm.hear_reading("a", sample={"seq": 3})
    farm.tick(10)
    assert farm.commands()[-1]["zone_id"] == "plot-1a"


def test_an_expired_close_kills_nothing(farm: Bench, people: People) -> None:
    """A stop has no duration: neither its ack nor its end without one takes the zone's state along."""
    people.order("close", "plot-1a")
    stop_ack(farm, farm.commands()[0])
    people.order("resume", "plot-1a")
    farm.hear_reading("a")
    farm.tick(10)
    assert farm.commands()[-1]["action"] == "open"


# open


def test_open_by_hand_overrules_what_speaks_against_water(farm: Bench, people: People) -> None:
    """An installer runs a valve before there is a probe: a decision of its own, with who and what was overruled."""
    row = people.order("open", "plot-1a", duration_s=600)
    [command] = farm.commands()
    assert (command["action"], command["duration_s"], command["issued_at"]) == ("open", 600, NOON)
    assert row.state == "under_way"
    [decision] = farm.store.decisions.last(1)
    assert decision["sentence"].startswith("plot-1a gets water for 10 min, as ana ordered; overruled: ")
    assert "fresh_reading" in decision["sentence"]
    assert decision["receipt"]["manual"] == {
        "order_id": row.order.order_id,
        "by": "ana",
        "duration_s": 600,
        "volume_l": None,
    }
    farm.hear_ack(command, "started")
    farm.hear_ack(command, "done")
    assert people.again(row).state == "done"
    assert farm.store.commands.deliveries()[0].volume_l == 300


def test_open_for_litres(farm: Bench, people: People) -> None:
    """The litres bound the run, and time does too: the flow may be less than it should."""
    people.order("open", "plot-1a", volume_l=500.0)
    [command] = farm.commands()
    assert command["max_volume_l"] == 500
    assert 150 < command["duration_s"] == 225  # 200 l/min, and half as long again


def test_a_run_by_hand_stays_within_the_day(farm: Bench, people: People) -> None:
    """The daily cap of 90 min holds for people too: what is left of it is given, then nothing."""
    durations = []
    for _ in range(4):
        row = people.order("open", "plot-1a", duration_s=1700)
        if people.again(row).state == "under_way":
            command = farm.commands()[-1]
            durations.append(command["duration_s"])
            farm.hear_ack(command, "done", duration_s=command["duration_s"])
        farm.now += 1
    assert durations == [1700, 1700, 1700, 300]
    row = people.order("open", "plot-1a", duration_s=60)
    assert row.state == "refused"
    assert "a run needs at least 60 s" in row.reason


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda farm, people: people.order("stop"), "ana stopped the farm"),
        (lambda farm, people: people.order("close", "plot-1a"), "ana closed it"),
        (lambda farm, people: people.order("pause", until=NOON + DAY_S), "ana paused the farm"),
        (lambda farm, people: people.order("pause", "plot-1a", until=NOON + DAY_S, why="harvest"), "(harvest)"),
        (lambda farm, people: online(farm, state="offline"), "is offline since"),
    ],
    ids=["stopped", "closed", "farm paused", "zone paused", "offline"],
)
def test_an_open_is_refused_with_the_reason(
    farm: Bench, people: People, spoil: Callable[[Bench, People], object], why: str
) -> None:
    """At once, to the person who orders it; and nothing is written down."""
    spoil(farm, people)
    before = len(farm.store.orders.last(100))
    with pytest.raises(OrderError, match=r".") as refusal:
        people.order("open", "plot-1a", duration_s=600)
    assert why in str(refusal.value)
    assert len(farm.store.orders.last(100)) == before
    assert all(one["action"] != "open" for one in farm.commands())


@pytest.mark.parametrize(
    ("action", "zone_id", "fields", "why"),
    [
        ("open", "plot-1x", {"duration_s": 600}, "this farm has no zone 'plot-1x', did you mean"),
        ("open", None, {"duration_s": 600}, "open wants a zone; there are plot-1a, plot-1b, plot-2a"),
        ("open", "plot-1a", {}, "no valve opens without a bound"),
        ("open", "plot-1a", {"duration_s": 1801}, "plot-1a may run 30 min at most in one go"),
        ("open", "plot-1a", {"duration_s": 59}, "59 s is shorter than the shortest run of 60 s"),
        ("open", "plot-1a", {"volume_l": 1e6}, "plot-1a may run 30 min at most in one go"),
        ("open", "plot-1a", {"volume_l": 0.0}, "want more than 0"),
        ("close", None, {}, "close wants a zone"),
        ("stop", "plot-1a", {}, "stop is for the whole farm; `close plot-1a` ends one zone's run"),
        ("pause", None, {}, "a pause wants the time at which it ends"),
        ("pause", "plot-1a", {"until": NOON}, "it must be to come"),
        ("flood", "plot-1a", {}, "'flood' is no order; there are stop, close, open, pause, resume"),
    ],
)
def test_an_order_that_cannot_be(
    farm: Bench, action: str, zone_id: str | None, fields: dict[str, Any], why: str
) -> None:
    """One clear sentence, and nothing changes."""
    with pytest.raises(OrderError, match=r".") as refusal:
        People(farm).give(action, zone_id, **fields)
    assert why in str(refusal.value)
    assert farm.store.orders.last(100) == []
    assert farm.store.journal.newest() == 0


@pytest.mark.parametrize(
    ("known", "check"),
    [
        ({"under_way": "C1"}, "nothing_under_way"),
        ({"runs": (Run(NOON - 60, 5400),)}, "within_daily_cap"),
        ({"used_today_l": 4990}, "daily_budget"),
        ({"used_season_l": 99_999}, "seasonal_budget"),
        ({"conditions": Conditions(temperature_c=1.0)}, "no_frost"),
        ({"pump_left_l_min": 199.0}, "pump_free"),
        (
            {"holds": (Hold(kind="pause", zone_id=None, since=NOON, until=None, by="rui", order_id="O1"),)},
            "not_paused",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_persons_open_never_overrules(farm: Bench, known: dict[str, Any], check: str) -> None:
    """Nobody opens by hand into frost, an empty pump, a spent budget, a run under way, or a field with people in it."""
    limited = zone("a", limits=Limits(daily_l=5000, seasonal_l=100_000, frost_c=2.0))
    farm.water("a")
    model = farm.store.zones.model(farm.zones[0])
    by_hand = ManualRun("O2", "ana", 600, None)
    assert decide(limited, ZoneState(model=model), NOON, manual=by_hand).intent
    decision = decide(limited, ZoneState(model=model, **known), NOON, manual=by_hand)
    assert decision.intent is None
    assert check in [one.name for one in decision.checks if not one.passed]


def test_an_open_that_waits_before_a_stop_never_opens(farm: Bench, people: People) -> None:
    """The service was away for a moment: the valve must not open for the second between the two orders."""
    opening, other = (people.give("open", name, duration_s=600) for name in ("plot-1a", "plot-1b"))
    people.give("close", "plot-1a")
    people.give("resume", "plot-1a")
    farm.tick(5)
    assert people.again(opening).reason == "ana has since ordered close"
    assert people.again(other).state == "under_way"
    assert ("open", GATEWAY, "plot-1a") not in actions(farm)


def test_an_open_never_starts_late(farm: Bench, people: People) -> None:
    """The service was down for a minute: the open is over, and says so; a stop of the same time is obeyed."""
    late, kept = people.give("open", "plot-1a", duration_s=600), people.give("stop")
    farm.tick(60)
    assert people.again(late).state == "expired"
    assert [one["action"] for one in farm.commands()] == ["stop_all", "stop_all"]
    assert people.again(kept).state == "under_way"


def test_a_repeated_order_acts_once(farm: Bench, people: People) -> None:
    """A page that sends its form twice, or a bridge that is not sure, gets the same order again."""
    rows = [people.order("open", "plot-1a", duration_s=600, key="form-1") for _ in range(3)]
    assert {row.order.order_id for row in rows} == {"O001"}
    assert len(farm.commands()) == 1


def test_a_run_under_way_is_not_doubled(farm: Bench, people: People) -> None:
    """The second of two people who open the same zone hears that it is open already."""
    people.order("open", "plot-1a", duration_s=600)
    row = people.order("open", "plot-1a", duration_s=600, by="rui")
    assert row.state == "refused"
    assert "is still under way" in row.reason
    assert len(farm.commands()) == 1


# pause and resume


def test_a_pause_closes_what_runs_there_and_ends_by_itself(farm: Bench, people: People) -> None:
    """Pickers walk in: the run ends first; at its time the zone is watered again without anybody."""
    farm.water("a")
    row = people.order("pause", "plot-1a", until=NOON + 3 * 3600, why="harvest")
    assert [(one["action"], one["zone_id"]) for one in farm.commands()][1:] == [("close", "plot-1a")]
    assert row.state == "under_way"
    stop_ack(farm, farm.commands()[-1])
    farm.hear_ack(farm.commands()[0], "done", duration_s=5, volume_l=1.0)
    assert people.again(row).state == "done"
    farm.now = NOON + 3 * 3600 - 20
    farm.hear_reading("a", sample={"seq": 2})
    farm.tick(10)
    assert (
        "ana paused it at 2025-06-15 11:06, until 2025-06-15 14:06 (harvest)"
        in farm.store.decisions.last(1)[0]["sentence"]
    )
    farm.now = NOON + 3 * 3600
    farm.hear_reading("a", sample={"seq": 3})
    farm.tick(10)
    assert farm.commands()[-1]["action"] == "open"


def test_a_pause_closes_a_run_whose_acks_never_came(farm: Bench, people: People) -> None:
    """The gateway obeyed, and its acks are lost: until the run's own end nobody walks in unclosed."""
    opening = farm.water("a")
    farm.tick(430)
    assert farm.state_of(opening) == "expired"
    people.order("pause", "plot-1a", until=NOON + DAY_S)
    assert actions(farm)[-1] == ("close", GATEWAY, "plot-1a")
    later = people.order("pause", until=farm.now + 2 * DAY_S)
    stop_ack(farm, farm.commands()[-1])
    farm.now += 2 * 3600
    assert people.order("pause", until=farm.now + 3 * DAY_S).state == "done"
    assert people.again(later).state == "done"


def test_a_pause_closes_a_valve_that_is_only_said_to_be_open(farm: Bench, people: People) -> None:
    """A gateway reports an open valve that no command explains: it is closed all the same."""
    online(farm, open_valves=["plot-1b", "tap"])
    people.order("pause", until=NOON + DAY_S)
    assert actions(farm) == [("close", GATEWAY, "plot-1b")]


def test_resume_of_the_farm_leaves_a_zones_own_hold(farm: Bench, people: People) -> None:
    """Who resumes the farm does not send water to the zone in which pickers walk."""
    people.order("pause", "plot-1a", until=NOON + DAY_S)
    people.order("stop")
    people.order("resume")
    assert [(hold.kind, hold.zone_id) for hold in farm.store.orders.holds()] == [("pause", "plot-1a")]
    people.order("resume", "plot-1a")
    assert farm.store.orders.holds() == []


def test_who_resumes_or_pauses_in_vain_is_told(farm: Bench, people: People) -> None:
    """A zone of a stopped farm stays held, and a shorter pause shortens none: the order says what still holds."""
    people.order("pause", "plot-1a", until=NOON + DAY_S)
    shorter = people.order("pause", "plot-1a", until=NOON + 3600, by="rui")
    assert shorter.reason == "still held: ana paused it at 2025-06-15 11:06, until 2025-06-16 11:06"
    people.order("stop")
    resumed = people.order("resume", "plot-1a")
    assert resumed.state == "done"
    assert resumed.reason == "still held: ana stopped the farm at 2025-06-15 11:06, until somebody resumes"


def test_resume_of_the_farm_withdraws_what_its_pause_closed(farm: Bench, people: People) -> None:
    """A close that was never answered must not end, days later, a run that somebody allowed again.

    What somebody else waits for at a zone of its own is still said.
    """
    farm.water("a")
    online(farm, open_valves=["plot-1b"])
    people.order("pause", until=NOON + DAY_S)
    own = people.order("close", "plot-1b", by="rui")
    first, second, repeated = farm.commands()[1:]
    assert (first["zone_id"], second, own.state) == ("plot-1a", repeated, "under_way")
    people.order("resume")
    online(farm)
    assert [farm.state_of(one) for one in (first, second)] == ["withdrawn", "pending"]
    assert farm.commands()[4:] == [second]


def test_a_stop_after_a_resume_of_the_same_second_holds(farm: Bench, people: People) -> None:
    """Ids of one second sort by chance: what counts is who spoke last."""
    for order_id, action in (("Z", "resume"), ("A", "stop")):
        order = Order(order_id=order_id, action=action, at=farm.now, by="ana", via="shell")
        give(farm.store, farm.config, order)
    farm.tick()
    assert [hold.kind for hold in farm.store.orders.holds()] == ["stop"]


# advice


def test_advice_never_commands_and_people_still_do(farm: Bench) -> None:
    """A grower who wants to see first what it would do; the valve obeys people only."""
    bench = Bench(InMemoryStore(), (zone("a", mode="advice"), zone("b")))
    bench.hear_reading("a")
    bench.tick(10)
    assert bench.commands() == []
    assert (
        "its decisions are advice, and this one would open for 30 min" in bench.store.decisions.last(1)[0]["sentence"]
    )
    _order(bench, "open", "plot-1a", duration_s=120)
    _order(bench, "close", "plot-1a")
    assert [one["action"] for one in bench.commands()] == ["open", "close"]


# the journal, and what is shown


def test_the_journal_has_it_all_in_order(farm: Bench, people: People) -> None:
    """Who ordered what, what was decided and commanded, and how it ended; a decision that fails leaves no trace."""
    online(farm)
    row = people.order("open", "plot-1a", duration_s=600)
    farm.hear_ack(farm.commands()[0], "started")
    farm.hear_ack(farm.commands()[0], "done", volume_l=2000.0)
    people.order("stop")
    kinds = [(one["kind"], one["body"].get("state", "")) for one in farm.store.journal.after(0)]
    assert kinds == [
        ("status", "online"),
        ("order", "waiting"),
        ("decision", ""),
        ("command", ""),
        ("order", "under_way"),
        ("ack", "started"),
        ("ack", "done"),
        ("order", "done"),
        ("order", "waiting"),
        ("hold", ""),
        ("order", "under_way"),
        ("command", ""),
        ("command", ""),
    ]
    assert {one["body"]["by"] for one in farm.store.journal.last(9, ["order"])} == {"ana"}
    [moment] = farm.store.journal.moments("plot-1a", 0, 2 * NOON)
    assert (moment.at, moment.vwc, moment.litres) == (row.order.at, None, 0)


def test_the_farm_is_in_the_store(farm: Bench) -> None:
    """A shell or a page needs the store alone to know the zones and their bounds, as the service does."""
    farm.service.start()
    text = farm.store.updates.config()
    assert text
    assert config_from(text, crops_table.crop) == farm.config


def _order(bench: Bench, action: str, zone_id: str | None = None, **fields: Any) -> OrderRow:
    named = {"by": "ana", "via": "shell", "at": bench.now, **fields}
    order = Order(order_id=f"later-{len(bench.store.orders.last(100)):03}", action=action, zone_id=zone_id, **named)
    row = give(bench.store, bench.config, order)
    bench.tick()
    after = bench.store.orders.get(row.order.order_id)
    assert after
    return after
