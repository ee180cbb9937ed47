"""What Home Assistant is told of a zone: never more than a board, a probe or a person has said."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.domain.ports import JournalRow
from compute_service.plans import Planner
from integrations.farm_now import FarmReader
from integrations.home_assistant import states
from tests.compute_service.bench import GATEWAY, NOON
from tests.integrations.conftest import Farm


def state(farm: Farm, number: int = 0) -> dict[str, Any]:
    """Of a zone, as a bridge that has just started reads it."""
    farm.beat()
    with closing(SqliteStore.reader(farm.path)) as store:
        now = FarmReader(store).read(time.time())
        return states.zone_state(now, now.zones[number])


def give(farm: Farm, action: str, **fields: Any) -> None:
    order = Order(order_id=orders.new_order_id(farm.now), action=action, at=farm.now, by="ana", via="shell", **fields)
    orders.give(farm.store, farm.config, order)


def test_the_valve_from_wish_to_end(farm: Farm) -> None:
    """Ordered, sent, received: opening. Started: open. Told to shut: closing, until the board has said so."""
    valves = [state(farm)["valve"]]
    give(farm, "open", zone_id="plot-1a", duration_s=600)
    valves.append(state(farm)["valve"])
    farm.tick()
    [command] = farm.commands()
    valves.append(state(farm)["valve"])
    farm.hear_ack(command, "received")
    valves.append(state(farm)["valve"])
    farm.hear_ack(command, "started")
    valves.append(state(farm)["valve"])
    give(farm, "stop")
    farm.tick(1)
    valves.append(state(farm)["valve"])
    farm.hear_ack(farm.commands()[-1], "done", duration_s=None, volume_l=None, end_reason=None)
    farm.hear_ack(command, "done", end_reason="stop_all")
    valves.append(state(farm)["valve"])
    assert valves == ["closed", "opening", "opening", "opening", "open", "closing", "closed"]
    assert "ana stopped the farm" in state(farm)["holds"][0]


def test_a_board_that_reports_a_valve_open_is_believed(farm: Farm) -> None:
    """Whoever opened it; and an ack that comes after that status ends it."""
    farm.hear_status(open_valves=["plot-1a"])
    assert (state(farm)["valve"], state(farm, 1)["valve"]) == ("open", "closed")
    farm.hear_ack(farm.water("a"), "started")
    farm.hear_status(open_valves=["plot-1a"])
    farm.now += 10
    farm.hear_ack(farm.commands()[0], "done")
    assert state(farm)["valve"] == "closed"


def test_what_is_old_is_unknown(farm: Farm) -> None:
    """A moisture of hours ago is none; the sentence says when it was."""
    farm.water("a")
    assert state(farm)["vwc"] == 0.18
    farm.now += 3 * 3600 + 1
    later = state(farm)
    assert (later["vwc"], later["decided_at"] is None) == (None, False)


def test_alarms_are_where_they_belong(farm: Farm) -> None:
    """A zone whose readings have stopped has an alarm, its gateway those that are no zone's."""
    farm.hear_reading("a", vwc=0.25)
    farm.hear_reading("b", vwc=0.25)
    farm.tick(10)
    for _ in range(90):
        farm.tick(60)
    alarms = state(farm)["alarms"]
    assert alarms
    with closing(SqliteStore.reader(farm.path)) as store:
        now = FarmReader(store).read(time.time())
        told = states.gateway_state(now, GATEWAY)["alarms"] + alarms + states.zone_state(now, now.zones[1])["alarms"]
    assert len(told) == len(now.alarms)


def test_a_service_that_is_gone_is_told(farm: Farm) -> None:
    """The gateway's device says that the service does not run, and that is an alarm."""
    farm.beat()
    with closing(SqliteStore.reader(farm.path)) as store:
        gone = states.gateway_state(FarmReader(store).read(time.time() + 60), GATEWAY)
        here = states.gateway_state(FarmReader(store).read(time.time()), GATEWAY)
    assert (here["is_serving"], here["alarms"]) == (True, [])
    assert gone["is_serving"] is False
    assert len(gone["alarms"]) == 1


def test_the_next_water_is_that_of_the_plan(farm: Farm) -> None:
    """The time that the timeline shows as likely; none while the farm is stopped, for nobody knows when it goes on."""
    farm.hear_reading("a", vwc=0.24)
    farm.tick(10)
    planned_at = Planner(farm.store, farm.now).next_run_at(farm.zones[0])
    assert planned_at
    told = datetime.fromisoformat(state(farm)["next_water_at"]).timestamp()
    assert abs(told - planned_at) <= 3600
    give(farm, "stop")
    farm.tick(1)
    assert state(farm)["next_water_at"] is None


def test_who_sleeps_is_not_away(farm: Farm) -> None:
    """A gateway whose broker says that it is gone is online for as long as it said that it sleeps."""
    farm.hear_status(state="offline", wakes_at=farm.now + 3600)
    for later_s, words in ((3600, "online"), (3600 + 601, "offline")):
        farm.beat()
        with closing(SqliteStore.reader(farm.path)) as store:
            now = replace(FarmReader(store).read(time.time()), now=farm.now + later_s)
        assert states.availability(now, GATEWAY) == words


def test_a_plan_is_no_event_of_a_zone() -> None:
    """An automation that waits for the end of a run hears of runs alone, those under a plan among them."""
    row: JournalRow = {"seq": 1, "at": NOON, "kind": "ack", "zone_id": "plot-1a", "gateway_id": GATEWAY, "body": {}}
    assert states.event({**row, "body": {"state": "done", "action": "fallback"}}) is None
    assert states.event({**row, "body": {"state": "done", "command_id": "01JXT22EEAC54GFB1S3AEQ3XZN-1"}}) is not None
