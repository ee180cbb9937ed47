"""Long random lives of a service and a board that keeps plans: people, leaks, deaths, lost messages, days alone.

The board is a script of the contract, no firmware: it takes what it is told, deletes its plan as it must, waters by it
while it has no cloud, and tells everything late. What is judged is the service alone.
"""

import math
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agronomy.units import DAY_S, HOUR_S
from compute_service.commands import ACK_GRACE_S
from compute_service.domain.zone import FallbackSettings
from compute_service.errors import OrderError
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, online
from tests.safety.order_oracle import OrderOracle

ZONES = (zone("a", fallback=FallbackSettings(run_s=1200, days=3)), zone("b"))
NOTHING = {"volume_source": "none", "duration_s": None, "volume_l": None, "end_reason": None}

AWAY_S = st.sampled_from((1, 30, 299, 301, 90_000))
connected = precondition(lambda life: life.is_connected)
alone = precondition(lambda life: not life.is_connected)


class Board:
    """What it holds: its plan, epochs, latch; what it has given, and said and not yet got rid of."""

    def __init__(self) -> None:
        self.plan: dict[str, Any] | None = None
        self.runs = 0
        self.epochs = {"plot-1a": 0, "plot-1b": 0}
        self.latched: list[str] = []
        self.given: dict[str, float] = {}
        self.is_open: dict[str, Any] | None = None  # the command of a run under way
        self.opened_at = 0
        self.outbox: list[tuple[dict[str, Any], str, dict[str, Any]]] = []


class LifeOfAPlan(RuleBasedStateMachine):
    """One board with two zones, one of them with a fallback plan."""

    @initialize()
    def begin(self) -> None:
        self.store, self.board, self.oracle = InMemoryStore(), Board(), OrderOracle()
        self.now, self.is_connected, self.seq, self.people, self.ordered_clears = NOON, True, 0, 0, 0
        self.seen: list[dict[str, Any]] = []
        self.under_way: dict[str, float] = {}  # until when a run may be open, as far as anybody can know
        self._start()
        self._status()
        self.readings("a", 0.27, 1)

    def _start(self) -> None:
        self.bench = Bench(self.store, ZONES, now=self.now)
        self.bench.service.start()
        self.heard = 0
        self._obey()

    # the service and its board

    def _tick(self, seconds: int) -> None:
        run = self.board.is_open
        if run and self.now + seconds >= self.board.opened_at + run["duration_s"]:
            self._end_run()  # by its own deadline
            self._flush()
        self.now += seconds
        self.bench.tick(seconds)
        self._obey()

    def _obey(self) -> None:
        """The board hears what is published while it is there, once or twice."""
        commands, self.heard = self.bench.commands()[self.heard :], len(self.bench.commands())
        for command in commands:
            self._judge(command)
            if self.is_connected:
                self._hear(command)
        self._flush()

    def _judge(self, command: dict[str, Any]) -> None:
        """What may leave the service now."""
        is_new = command["command_id"] not in {one["command_id"] for one in self.seen}
        if not is_new:
            assert command in self.seen, "a repeat is another command"
        self.seen.append(command)
        zone_id, action = command["zone_id"], command["action"]
        self.oracle.leaves({**command, "zone_id": zone_id or ""}, self.now)
        if action in {"open", "fallback"}:
            assert not self._said_latched(), "something that opens left for a latched board"
        if action == "fallback":
            assert zone_id == "plot-1a", "a plan that nobody asked for"
            assert not self.oracle.holds(zone_id, self.now), "a plan while somebody keeps the zone shut"
            assert self.now >= self.under_way.get(zone_id, 0), "a plan during a run"
            assert command["duration_s"] <= 1200 and command["days"] == 3
        if action == "clear" and is_new:
            self.ordered_clears -= 1
            assert self.ordered_clears >= 0, "a clear that nobody ordered"
        if action in {"open", "fallback", "close"} and is_new:
            before = [one["epoch"] for one in self.seen[:-1] if one["zone_id"] == zone_id]
            assert command["epoch"] > max(before, default=0), "an epoch twice"
        if action == "open":
            self.under_way[zone_id] = command["expires_at"] + ACK_GRACE_S

    def _said_latched(self) -> list[str]:
        [row] = self.store.updates.gateways()
        return list(row["status"].get("latched") or ())

    def _hear(self, command: dict[str, Any]) -> None:
        board, action, zone_id = self.board, command["action"], command["zone_id"]
        if action == "stop_all":
            board.plan = None
            self._end_run()
            self._say(command, "done", NOTHING)
        elif action == "clear":
            is_good = all(command["epochs"].get(name, -1) > epoch for name, epoch in board.epochs.items())
            if is_good:
                board.epochs |= command["epochs"]
                board.latched, board.plan = [], None
            self._say(command, "done" if is_good else "rejected", NOTHING)
        elif action == "close" or command["epoch"] > board.epochs[zone_id]:
            board.epochs[zone_id] = max(board.epochs[zone_id], command["epoch"])
            if zone_id == "plot-1a":
                board.plan = None
            if board.is_open and board.is_open["zone_id"] == zone_id:
                self._end_run()
            self._take(command)

    def _take(self, command: dict[str, Any]) -> None:
        action = command["action"]
        if action == "close":
            self._say(command, "done", NOTHING)
        elif self.board.latched:
            self._say(command, "rejected", {**NOTHING, "code": "leak"})
        elif action == "fallback":
            self.board.plan, self.board.runs = command, 0
            self._say(command, "done", NOTHING)
        else:
            self._end_run()
            self.board.is_open, self.board.opened_at = command, self.now
            self.under_way[command["zone_id"]] = math.inf
            self._say(command, "started", NOTHING)

    def _end_run(self) -> None:
        if self.board.is_open:
            self._give(self.board.is_open, 300)
            self.board.is_open = None

    def _give(self, command: dict[str, Any], seconds: int) -> None:
        self.board.given[command["command_id"]] = 100.0
        self._say(command, "done", {"duration_s": seconds, "volume_l": 100.0, "at": self.now})

    def _say(self, command: dict[str, Any], state: str, fields: dict[str, Any]) -> None:
        self.board.outbox.append((command, state, {"at": self.now, **fields}))

    def _flush(self, repeats: int = 1) -> None:
        if not self.is_connected:
            return
        said, self.board.outbox = self.board.outbox, []
        for command, state, fields in said * repeats:
            self.bench.hear_ack(command, state, **fields)
            if state != "started" and command["action"] == "open":
                self.under_way.pop(command["zone_id"], None)

    def _status(self) -> None:
        plan, board = self.board.plan, self.board
        days = {"plot-1a": plan["days"] - board.runs} if plan else {}
        online(self.bench, epochs=dict(board.epochs), fallback_days=days, latched=list(board.latched))
        self._obey()

    @connected
    @rule()
    def all_is_well(self) -> None:
        """Nobody holds the zone, and it needs nothing: its board has a plan after this, if it is none that leaks."""
        self._end_run()
        self._flush()
        for place in (None, "plot-1a"):
            self._give_order("resume", place)
        self.time_passes(7)
        self.readings("a", 0.27, 2)

    @connected
    @rule(letter=st.sampled_from("aab"), vwc=st.sampled_from((0.16, 0.19, 0.27)), again=st.integers(1, 6))
    def readings(self, letter: str, vwc: float, again: int) -> None:
        for _ in range(again):
            self.seq += 1
            self.bench.hear_reading(letter, vwc=vwc, sample={"seq": self.seq})
            self._tick(11)
            self._tick(889)

    @rule()
    def a_run_ends(self) -> None:
        self._end_run()
        self._flush()

    @rule(hours=st.sampled_from((1, 7, 30)))
    def time_passes(self, hours: int) -> None:
        self._end_run()  # no run is so long
        self._flush()
        self._tick(hours * HOUR_S)
        if self.is_connected:
            self._status()

    @rule(vwc=st.sampled_from((0.16, 0.27)), action=st.sampled_from((None, "clear", "stop", "pause")), away_s=AWAY_S)
    def the_service_dies(self, vwc: float, action: str | None, away_s: int) -> None:
        """It had decided, and what it had published is lost; somebody orders, or the board sees a leak meanwhile."""
        if self.is_connected:
            self.seq += 1
            self.bench.hear_reading("a", vwc=vwc, sample={"seq": self.seq})
            self.now += 11
            self.bench.tick(11)
            lost = self.bench.commands()[self.heard :]
            opens = [one for one in lost if one["action"] == "open"]
            self.under_way |= {one["zone_id"]: one["expires_at"] + ACK_GRACE_S for one in opens}
        if action:
            self._give_order(action)
        if away_s > HOUR_S:
            self._end_run()  # by its own deadline
        self.now += away_s
        self._start()
        if self.is_connected:
            self._status()

    # the cloud

    @connected
    @rule()
    def the_cloud_goes(self) -> None:
        self.is_connected = False

    @alone
    @rule(days=st.integers(1, 3))
    def days_without_the_cloud(self, days: int) -> None:
        """The board waters by its plan, once a day."""
        self._end_run()
        for _ in range(days):
            self._tick(DAY_S + HOUR_S)
            plan = self.board.plan
            if plan and not self.board.latched and self.board.runs < plan["days"] and self.now < plan["valid_until"]:
                self.board.runs += 1
                run = {**plan, "action": "a run", "command_id": f"{plan['command_id']}-{self.board.runs}"}
                self._say(run, "started", NOTHING)
                self._give(run, 1200)

    @alone
    @rule(repeats=st.integers(1, 2))
    def the_cloud_is_back(self, repeats: int) -> None:
        self.is_connected = True
        self._flush(repeats)
        self._status()

    @connected
    @rule(days=st.integers(1, 4), repeats=st.integers(1, 2))
    def an_outage(self, days: int, repeats: int) -> None:
        """From a quiet farm on: its board has its plan."""
        self.all_is_well()
        self.is_connected = False
        self.days_without_the_cloud(days)
        self.the_cloud_is_back(repeats)

    # people, and water where none should be

    @connected
    @rule()
    def a_leak(self) -> None:
        self.board.latched = ["plot-1b"]
        self._status()

    @rule(action=st.sampled_from(("stop", "close", "pause", "resume", "open", "clear")))
    def an_order(self, action: str) -> None:
        self._give_order(action)
        self._tick(1)

    def _give_order(self, action: str, place: str | None = "plot-1a") -> None:
        self.people += 1
        place = None if action == "stop" else place
        fields: dict[str, Any] = {"by": f"p{self.people}"}
        fields |= {"until": self.now + 9 * HOUR_S} if action == "pause" else {}
        fields |= {"duration_s": 600} if action == "open" else {}
        self.bench.now = self.now
        people = People(self.bench)
        people.count = self.people
        with suppress(OrderError):
            row = people.give(action, place, **fields)
            self.ordered_clears += action == "clear"
            if action != "clear":
                self.oracle.given(row.order)

    @invariant()
    def each_run_counts_once(self) -> None:
        """What the board gave and could tell of is in the book, each run once."""
        said = {row.command_id: row.volume_l for row in self.store.commands.deliveries() if row.volume_l}
        waiting = {command["command_id"] for command, _, _ in self.board.outbox}
        told = {name: litres for name, litres in self.board.given.items() if name not in waiting}
        assert said == told, f"{GATEWAY} gave {told}, and the book has {said}"


LifeOfAPlan.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
TestLifeOfAPlan = LifeOfAPlan.TestCase
