"""Compute's side of the house: the real service on its store, which can die, and the people who give it orders."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from agronomy.units import DAY_S
from compute_service import commands, orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.decide import ZoneState, decide
from compute_service.domain.orders import Order, end_of_day, in_force
from compute_service.domain.zone import Config
from compute_service.errors import OrderError
from compute_service.rate_limits import RateLimits
from compute_service.service import Service
from protocol import messages, topics
from tests.compute_service.bench import SITE, Bench, zone
from tests.safety.oracle import BrokenPromiseError, Command
from tests.safety.order_oracle import TIMEZONE, OrderOracle

# How compute dies of an order: before it has taken it, before a command of it has left, or before the broker's answer.
DEATHS = ("untaken", "unsent", "unacked")
_FOR_EVER_S = 10**9
FARM_ZONES = {"plot-1a": zone("a", max_reading_age_s=_FOR_EVER_S), "plot-1b": zone("b", max_reading_age_s=_FOR_EVER_S)}
FARM = Config(farm="a house", timezone=TIMEZONE, site=SITE, zones=tuple(FARM_ZONES.values()))


def _dry_states() -> dict[str, ZoneState]:
    with closing(SqliteStore(":memory:")) as store:
        bench = Bench(store, FARM.zones)
        for letter in ("a", "b"):
            bench.hear_reading(letter)
        bench.tick(10)
        return {name: ZoneState(model=store.zones.model(place)) for name, place in FARM_ZONES.items()}


DRY = _dry_states()


class DiedError(BaseException):
    """The process is gone: whatever ran in it stops here."""


def is_a_persons(order: dict[str, Any]) -> bool:
    """Does somebody order it, so that it can be given while compute is dead? Else compute decides it by itself."""
    return order["action"] != "open" or "by" in order


class Office:
    """The service, its store and its people. `wire` takes what the broker gets; `now` is compute's clock, always right.

    What it writes is one transaction of SQLite, so that `take_back` undoes it at once.
    """

    def __init__(self, now: Callable[[], int], wire: Callable[[Command], None]) -> None:
        self.store = SqliteStore(":memory:")
        self._now, self._wire = now, wire
        self._spare: Service | None = None  # one that nobody has ordered anything from: all it knows is in its store

    def begin(self) -> None:
        """Nothing has happened yet, and the service runs."""
        self.store.database.connection.execute("BEGIN")
        self.judge = OrderOracle()
        self.deaths = 0
        self._death: str | None = None
        self._asleep: list[tuple[str, bytes]] = []  # what the broker keeps for it while it is dead
        self._count = 0
        self.has_people = False  # did anybody order anything?
        self._spare = self._spare or self._new_service()  # to build one takes a tenth of a whole walk
        self._spare._rates = RateLimits()  # of a walk that is taken back no message counts, and its time was not
        self._spare._clock._latest = 0
        self._service: Service | None = self._spare

    def take_back(self) -> None:
        """Nothing of it has happened."""
        self.store.database.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def is_alive(self) -> bool:
        """Does the service run?"""
        return self._service is not None

    def issue(self, order: dict[str, Any], death: str | None = None) -> None:
        """Compute decides to open a valve, or somebody orders something; it may die of it."""
        self._death = death
        try:
            if is_a_persons(order):
                self._give(order)
            else:
                self._decide(order)
        except DiedError:
            pass
        if death:
            self.die()

    def die(self) -> None:
        """kill -9."""
        self._service, self._spare, self._death = None, None, None
        self.deaths += 1

    def restart(self) -> None:
        """A new process goes on from the store, and hears what the broker kept for it."""
        self._service = self._new_service()
        self._service.start()
        asleep, self._asleep = self._asleep, []
        for topic, payload in asleep:
            self._service.handle(topic, payload)

    def hear(self, topic: str, payload: bytes) -> None:
        """A message of the gateway arrives, now or when compute is back.

        A status means something only once somebody has ordered something.
        """
        if not self.has_people and topics.parse(topic)[0] == "status":
            return
        if self._service:
            self._service.handle(topic, payload)
        else:
            self._asleep.append((topic, payload))

    def tick(self) -> None:
        """Take orders, decide what is due, give up what is over."""
        if self._service:
            self._service.tick()

    def give_up(self) -> None:
        """Give up what is over."""
        if self._service:
            self._service.give_up()

    def check_daily_caps(self) -> None:
        """What was commanded of a zone on one day is within its daily cap, as far as it may all have run.

        Raises BrokenPromiseError.
        """
        today = end_of_day(self._now(), TIMEZONE) - DAY_S
        for place in FARM_ZONES.values():
            rows = self.store.commands.in_states("pending", "sent", "received", "started", "done", "failed", "expired")
            runs = [row for row in rows if row.zone_id == place.zone_id and commands.opens(row)]
            delivered = {one.command_id: one.duration_s for one in self.store.commands.deliveries()}
            seconds = sum(
                delivered.get(row.command_id, row.message.get("duration_s") or 0)
                for row in runs
                if row.message["issued_at"] >= today
            )
            if seconds > place.daily_cap_s:
                raise BrokenPromiseError("k", f"{place.zone_id} gets {seconds:.0f} s of {place.daily_cap_s} s a day")

    def unfinished(self) -> list[str]:
        """The orders that keep something shut and have not come to their end, as they are told."""
        given = [row.order for row in self.store.orders.open() if row.order.action != "open"]
        return [f"{order.action} {order.zone_id or ''}".strip() for order in given]

    def _new_service(self) -> Service:
        return Service(FARM, self.store, self._publish, self._now, lambda _: None)

    def _publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        if self._death == "unsent":
            raise DiedError
        command = dict(messages.decode(topic, payload)[1])
        self.judge.leaves(command, self._now())
        self._wire(command)
        if self._death == "unacked":
            raise DiedError
        on_acked()

    def _give(self, row: dict[str, Any]) -> None:
        self._count += 1
        now = self._now()
        fields = {name: value for name, value in row.items() if name != "pause_s"}
        if "pause_s" in row:
            fields["until"] = now + row["pause_s"]
        order = Order(order_id=f"order-{self._count}", at=now, via="house", **{"by": "ana", **fields})
        try:
            order = orders.give(self.store, FARM, order).order
        except OrderError:  # told to the person at once
            return
        self.judge.given(order)
        self.has_people, self._spare = True, None
        if self._death != "untaken":
            self.tick()

    def _decide(self, order: dict[str, Any]) -> None:
        """Decide as the service does, about a zone that is dry for ever: the real checks, without the season."""
        service, now = self._service, self._now()
        assert service
        place = FARM_ZONES[order.get("zone_id", "plot-1a")]
        holds = in_force(self.store.orders.holds(), place.zone_id, now)
        decision = decide(place, replace(DRY[place.zone_id], holds=holds), now)
        if decision.intent is None:
            return
        bounds = {"duration_s": order["duration_s"], "max_volume_l": order.get("max_volume_l", 1e6)}
        decision = replace(decision, intent=decision.intent._replace(**bounds))
        self._count += 1
        message = commands.remember(self.store.commands, place, decision, "decision", f"open-{self._count}")
        assert message
        service._send_command(message)
