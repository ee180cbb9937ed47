"""Beyond the walks: long random lives of a device, with any commands and any bad luck; one that fails is a story."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.safety.explorer import FIRST_EPOCH
from tests.safety.oracle import BrokenPromiseError
from tests.safety.story import narrate
from tests.safety.world import BOOTS, CLOCK, GATEWAY, Cut, Event, World

ZONE_IDS = st.sampled_from(("plot-1a", "plot-1a", "plot-1b", "plot-9z"))
CUTS = st.none() | st.builds(Cut, st.integers(0, 8), st.sampled_from(("before", "torn", "after")))
WAITS = st.sampled_from(("half", "before", "due", "late", "tick"))
FEW_REJECTIONS = 16  # beyond, the supervisor may forget the reason of one

powered = precondition(lambda life: life.world.powered)


class LifeOfADevice(RuleBasedStateMachine):
    """Commands as compute issues them, delivered in any order and number; power, clock and time as bad as they get."""

    @initialize(flow=st.none() | st.sampled_from((0.5, 1.0, 2.0)))
    def begin(self, flow: float | None) -> None:
        self.world = World((), flow=flow)
        self.lines: list[str] = []
        self.epochs: dict[str, int] = {}
        self.steps = 0

    @rule(
        zone_id=ZONE_IDS,
        duration_s=st.integers(1, 86400) | st.integers(1, 90),
        max_volume_l=st.none() | st.floats(0, 100) | st.integers(0, 50),
        life_s=st.integers(0, 600),
    )
    def issue_open(self, zone_id: str, life_s: int, **fields: Any) -> None:
        self._issue("open", zone_id, life_s, **fields)

    @rule(zone_id=ZONE_IDS)
    def issue_close(self, zone_id: str) -> None:
        self._issue("close", zone_id)

    @rule()
    def issue_stop_all(self) -> None:
        self._issue("stop_all", None)

    @precondition(lambda life: life.world.powered and life.world.commands)
    @rule(data=st.data(), cut=CUTS)
    def deliver(self, data: st.DataObject, cut: Cut | None) -> None:
        last = len(self.world.commands) - 1
        self._happens(Event("deliver", last - data.draw(st.integers(0, last)), cut))

    @powered
    @rule(until=WAITS, cut=CUTS)
    def wait(self, until: str, cut: Cut | None) -> None:
        due = self.world.due_ms()
        is_over = due is not None and due <= self.world.at_ms
        if due is not None and is_over == (until == "tick"):
            self._happens(Event("wait", until, cut))

    @powered
    @rule(ms=st.integers(1, 400_000))
    def idle(self, ms: int) -> None:
        self._guarded(lambda: self.world.run_until(self.world.at_ms + ms))

    @powered
    @rule()
    def power_cut(self) -> None:
        self._happens(Event("power"))

    @precondition(lambda life: not life.world.powered)
    @rule(kind=st.sampled_from(BOOTS), cut=CUTS)
    def boot(self, kind: str, cut: Cut | None) -> None:
        self._happens(Event("boot", kind, cut))

    @powered
    @rule(jump=st.sampled_from(sorted(CLOCK)))
    def clock(self, jump: str) -> None:
        # The fence after a lost flash is set by the clock, so that one has to be right.
        if not self.world.used["wear"] or not CLOCK[jump][1] or jump == "trusted":
            self._happens(Event("clock", jump))

    @precondition(lambda life: not life.world.used["wear"] and not life.world.used["clock"])
    @rule()
    def wear(self) -> None:
        self._happens(Event("wear"))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._guarded(self.world.run_out)

    def _issue(self, action: str, zone_id: str | None, life_s: int = 300, **fields: Any) -> None:
        epoch = self.epochs.get(zone_id, FIRST_EPOCH) + 1 if zone_id else 0
        if zone_id:
            self.epochs[zone_id] = epoch
        number, now = len(self.world.commands) + 1, self.world.truth
        command = {"command_id": f"{action}-{number}", "device_id": GATEWAY, "zone_id": zone_id, "action": action}
        times = {"issued_at": now, "expires_at": now + life_s, "epoch": epoch}
        self.world.issue({**command, **times, **fields}, copies=1_000_000)
        self.world.oracle.flooded = number > FEW_REJECTIONS

    def _happens(self, event: Event) -> None:
        self.steps += 1
        self._guarded(lambda: narrate(self.world, event, self.steps, self.lines))

    def _guarded(self, happen: Any) -> None:
        try:
            happen()
        except BrokenPromiseError as broken:
            broken.add_note("\n".join(self.lines))
            raise


LifeOfADevice.TestCase.settings = settings(
    max_examples=200, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLifeOfADevice = LifeOfADevice.TestCase
