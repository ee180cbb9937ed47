"""Beyond the walks of orders: long random lives of a house, in which people, readings, deaths and bad luck meet."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import topics
from tests.compute_service.bench import reading
from tests.safety.house import House
from tests.safety.office import DEATHS
from tests.safety.oracle import BrokenPromiseError
from tests.safety.story import narrate
from tests.safety.world import Event

ZONE_IDS = st.sampled_from(("plot-1a", "plot-1a", "plot-1b"))
SLEEPS_S = st.sampled_from((1, 30, 59, 60, 61, 200, 299, 301, 421, 1200, 7200, 86_400))
MANY_REJECTIONS = 16  # beyond, the supervisor may forget the reason of one

powered = precondition(lambda life: life.house.powered)
alive = precondition(lambda life: life.house.office.is_alive)


class LifeOfAFarm(RuleBasedStateMachine):
    """One gateway with two zones, its service, which dies and comes back, and people who steer it meanwhile."""

    @initialize()
    def begin(self) -> None:
        self.house = House((), copies=1)
        self.lines: list[str] = []
        self.steps = self.seq = self.people = 0

    # people

    @rule(zone_id=ZONE_IDS, minutes=st.integers(1, 30), key=st.sampled_from((None, "a form", "another")))
    def open_by_hand(self, zone_id: str, minutes: int, key: str | None) -> None:
        self._order("open", zone_id, duration_s=60 * minutes, key=key)

    @rule(zone_id=ZONE_IDS, litres=st.integers(10, 900))
    def open_for_litres(self, zone_id: str, litres: int) -> None:
        self._order("open", zone_id, volume_l=float(litres))

    @rule()
    def stop(self) -> None:
        self._order("stop", None)

    @rule(zone_id=ZONE_IDS)
    def close_zone(self, zone_id: str) -> None:
        self._order("close", zone_id)

    @rule(zone_id=st.none() | ZONE_IDS, pause_s=st.sampled_from((60, 600, 86_400)))
    def pause(self, zone_id: str | None, pause_s: int) -> None:
        self._order("pause", zone_id, pause_s=pause_s)

    @rule(zone_id=st.none() | ZONE_IDS)
    def resume(self, zone_id: str | None) -> None:
        self._order("resume", zone_id)

    # the service

    @powered
    @rule(letter=st.sampled_from("ab"), vwc=st.sampled_from((0.15, 0.18, 0.28)))
    def a_reading(self, letter: str, vwc: float) -> None:
        """As the gateway would send it: the real service decides ten seconds later."""
        self.seq += 1
        message = reading(letter, self.house.truth, vwc, sample={"seq": self.seq})
        payload = json.dumps({"v": 1, **message}).encode()
        self._guarded(lambda: self.house.office.hear(topics.data(message["sensor_id"]), payload))
        self._sleep(11)

    @alive
    @rule()
    def compute_dies(self) -> None:
        self.lines.append("     Compute dies.")
        self.house.office.die()

    @precondition(lambda life: not life.house.office.is_alive)
    @rule()
    def compute_is_back(self) -> None:
        self._happens(Event("restart"))

    @precondition(lambda life: life.house.uplink and life.house.office.is_alive)
    @rule(data=st.data(), is_acked=st.booleans())
    def an_ack_arrives(self, data: st.DataObject, is_acked: bool) -> None:
        number = data.draw(st.integers(0, len(self.house.uplink) - 1))
        self._happens(Event("hear", (number, is_acked)))

    # the wire, and the device

    @precondition(lambda life: life.house.powered and any(life.house.left))
    @rule(data=st.data())
    def a_command_arrives(self, data: st.DataObject) -> None:
        numbers = [number for number, copies in enumerate(self.house.left) if copies]
        self._happens(Event("deliver", data.draw(st.sampled_from(numbers))))

    @rule(seconds=SLEEPS_S)
    def time_passes(self, seconds: int) -> None:
        self._sleep(seconds)

    @powered
    @rule()
    def power_cut(self) -> None:
        self._happens(Event("power"))

    @precondition(lambda life: not life.house.powered)
    @rule(kind=st.sampled_from(("kept", "outage")))
    def boot(self, kind: str) -> None:
        self._happens(Event("boot", kind))

    @invariant()
    def no_zone_gets_more_than_its_day(self) -> None:
        """No number of orders and decisions brings a zone beyond its daily cap, as far as compute can know."""
        if hasattr(self, "house"):
            self._guarded(self.house.office.check_daily_caps)

    def teardown(self) -> None:
        if hasattr(self, "house"):
            try:
                self._guarded(self.house.run_out)
            finally:
                self.house.close()

    def _order(self, action: str, zone_id: str | None, **fields: Any) -> None:
        self.people += 1
        self.house.oracle.flooded = self.people > MANY_REJECTIONS
        by = fields.get("key") or f"p{self.people}"
        self.house.orders.append({"action": action, "zone_id": zone_id, "by": by.replace(" ", "-"), **fields})
        death = self._death() if self.house.office.is_alive else None
        self._happens(Event("issue", death))

    def _death(self) -> str | None:
        """One order in five is the service's last."""
        return DEATHS[self.people // 5 % 3] if self.people % 5 == 0 else None

    def _sleep(self, seconds: int) -> None:
        def pass_by() -> None:
            house = self.house
            if house.powered:
                house.run_until(house.at_ms + seconds * 1000)
            else:
                house.pass_outage(seconds)
            house.office.tick()

        self.lines.append(f"     {seconds} s pass.")
        self._guarded(pass_by)

    def _happens(self, event: Event) -> None:
        self.steps += 1
        self._guarded(lambda: narrate(self.house, event, self.steps, self.lines))

    def _guarded(self, happen: Any) -> None:
        try:
            happen()
        except BrokenPromiseError as broken:
            broken.add_note("\n".join(self.lines))
            raise


LifeOfAFarm.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLifeOfAFarm = LifeOfAFarm.TestCase
