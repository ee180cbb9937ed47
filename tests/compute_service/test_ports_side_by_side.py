"""Both stores under the same random calls: they answer alike, or the call that tells them apart is named."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import WEATHER_KEPT_S, Beat, Store
from compute_service.domain.zone_model import Sample
from compute_service.errors import StoreError
from tests.compute_service.bench import GATEWAY, NOON
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import (
    WRITES,
    ZONES,
    A,
    alarm,
    command,
    decision,
    delivery,
    everything,
    hold,
    hour,
    model,
    moment,
    order,
    status,
    water,
)

# side by side

names = st.sampled_from(["C1", "C2", "C3", "C4"])
zone_ids = st.sampled_from(sorted(ZONES))
moments = st.integers(NOON - 5, NOON + 5)
durations = st.sampled_from([0, 60, 600])
states = st.sampled_from(["pending", "sent", "started", "expired", "done"])
gateway_ids = st.sampled_from([GATEWAY, "gw-2"])
kinds = st.sampled_from(["stop", "pause", "close"])
keys = st.tuples(st.integers(0, 2), st.sampled_from(["b", "c"]))


class SideBySide(RuleBasedStateMachine):
    """The same calls on both stores, in and outside of transactions; their answers never differ."""

    def __init__(self) -> None:
        super().__init__()
        self.stores: tuple[SqliteStore, InMemoryStore] = (SqliteStore(":memory:"), InMemoryStore())

    def teardown(self) -> None:
        """Close both."""
        for store in self.stores:
            store.close()

    def both(self, call: Callable[[Store], object]) -> None:
        """Call both, and compare what they answer, raise, and hold afterwards."""
        first, second = (answer(store, call) for store in self.stores)
        assert first == second
        assert everything(self.stores[0]) == everything(self.stores[1])

    @rule(zone_id=zone_ids, at=moments, vwc=st.sampled_from([None, 0.1, 0.2]), key=keys, due_at=st.none() | moments)
    def save_sample(self, zone_id: str, at: int, vwc: float | None, key: tuple[int, str], due_at: int | None) -> None:
        """A sample of a zone's own probe."""
        sample = Sample(ZONES[zone_id].sensor_id, at, vwc)
        self.both(lambda store: store.zones.save_sample(zone_id, sample, key, due_at))

    @rule(zone_id=zone_ids)
    def forget(self, zone_id: str) -> None:
        """A zone is gone."""
        self.both(lambda store: store.zones.forget(zone_id))

    @rule(name=names, zone_id=zone_ids, at=moments, litres=st.none() | durations, back_s=durations)
    def add_water(self, name: str, zone_id: str, at: int, litres: float | None, back_s: int) -> None:
        """Water is booked."""
        row = replace(water(name, zone_id, at, litres), back_s=back_s)
        self.both(lambda store: store.zones.add_water(row))

    @rule(zone_id=zone_ids, gateway_id=gateway_ids, at=st.sampled_from([NOON, NOON + WEATHER_KEPT_S + 3]))
    def save_model(self, zone_id: str, gateway_id: str, at: int) -> None:
        """A zone was decided about."""
        zone = replace(A, zone_id=zone_id, gateway_id=gateway_id)
        self.both(lambda store: store.zones.save_model(zone, model(), [hour(at)]))

    @rule(gateway_id=gateway_ids, at=moments, key=keys, rain_mm=durations)
    def save_weather(self, gateway_id: str, at: int, key: tuple[int, str], rain_mm: int) -> None:
        """A station reports."""
        self.both(lambda store: store.zones.save_weather(gateway_id, at, key, {"rain_mm": rain_mm}))

    @rule(name=names, zone_id=zone_ids, at=moments, duration_s=durations)
    def add_command(self, name: str, zone_id: str, at: int, duration_s: int) -> None:
        """A command, perhaps of an id that is taken."""
        self.both(lambda store: store.commands.add(GATEWAY, command(name, zone_id, at, duration_s), at + 2))

    @rule(name=names, state=states, code=st.none() | st.just("ok"), until=st.none() | moments, at=st.none() | moments)
    def move_command(self, name: str, state: str, code: str | None, until: int | None, at: int | None) -> None:
        """A command is in another state."""
        self.both(lambda store: store.commands.move(name, state, code, give_up_at=until, closed_at=at))

    @rule(name=names, zone_id=zone_ids, at=moments, duration_s=durations)
    def add_delivery(self, name: str, zone_id: str, at: int, duration_s: int) -> None:
        """A command is settled, perhaps once more."""
        self.both(lambda store: store.commands.add_delivery(delivery(name, zone_id, at, duration_s)))

    @rule(zone_id=zone_ids, epoch=st.integers(0, 3))
    def raise_epoch(self, zone_id: str, epoch: int) -> None:
        """An epoch is used."""
        self.both(lambda store: store.commands.raise_epoch(zone_id, epoch))

    @rule(name=names, zone_id=zone_ids, at=moments)
    def add_decision(self, name: str, zone_id: str, at: int) -> None:
        """A decision, perhaps of an id that is taken."""
        self.both(lambda store: store.decisions.add(name, decision(zone_id, at), None, {"zone": zone_id}))

    @rule(digest=names, text=names)
    def save_settings(self, digest: str, text: str) -> None:
        """A zone's settings."""
        self.both(lambda store: store.decisions.save_settings(digest, text))
        self.both(lambda store: store.decisions.settings(digest))

    @rule(name=names, state=states)
    def update(self, name: str, state: str) -> None:
        """An update is queued, perhaps again, and moved."""
        self.both(lambda store: store.updates.add(name, "all", {"sample_interval_s": 600}))
        self.both(lambda store: store.updates.move(name, state))

    @rule(gateway_id=gateway_ids, state=states, at=moments)
    def save_gateway(self, gateway_id: str, state: str, at: int) -> None:
        """A gateway claims, and it is counted."""
        self.both(lambda store: store.updates.save_gateway(status(state, gateway_id, at), at))
        self.both(lambda store: store.updates.count(state))

    @rule(name=names, key=names, state=states, ended_at=st.none() | moments)
    def order(self, name: str, key: str, state: str, ended_at: int | None) -> None:
        """An order is given, perhaps again, and moved."""
        self.both(lambda store: store.orders.add(order(name, key=key)))
        self.both(lambda store: store.orders.move(name, state, reason=key, ended_at=ended_at, command_ids=[key]))

    @rule(kind=kinds, zone_id=st.none() | zone_ids, at=moments, until=st.none() | moments)
    def hold(self, kind: str, zone_id: str | None, at: int, until: int | None) -> None:
        """Something is held, perhaps for longer."""
        self.both(lambda store: store.orders.hold(hold(kind, zone_id, at, until)))

    @rule(chosen=st.sets(kinds), zone_id=st.none() | zone_ids)
    def release(self, chosen: set[str], zone_id: str | None) -> None:
        """Holds are let go."""
        self.both(lambda store: store.orders.release(chosen, zone_id))

    @rule(kind=kinds, zone_id=st.none() | zone_ids, at=moments, count=st.integers(0, 3), seq=st.integers(0, 5))
    def happen(self, kind: str, zone_id: str | None, at: int, count: int, seq: int) -> None:
        """Something happens, and is asked for."""
        self.both(lambda store: store.journal.add(at, kind, zone_id, GATEWAY, {"at": at}))
        self.both(lambda store: store.journal.after(seq, count))
        self.both(lambda store: store.journal.last(count, [kind], zone_id))
        self.both(lambda store: store.journal.last(count, (), zone_id))

    @rule(chosen=st.sets(kinds), before=moments)
    def forget_what_happened(self, chosen: set[str], before: int) -> None:
        """The journal becomes shorter; no number is used again."""
        self.both(lambda store: store.journal.forget(chosen, before))

    @rule(zone_id=zone_ids, at=moments, vwc=st.none() | st.just(0.2), until=moments)
    def add_moment(self, zone_id: str, at: int, vwc: float | None, until: int) -> None:
        """A zone in numbers, perhaps again."""
        self.both(lambda store: store.journal.add_moment(moment(zone_id, at, vwc)))
        self.both(lambda store: store.journal.moments(zone_id, at, until))
        self.both(lambda store: store.journal.moments(zone_id, at, until, most=2))
        self.both(lambda store: store.updates.statuses(GATEWAY, at, until))
        self.both(lambda store: store.journal.beat(Beat(at, until, 60)))

    @rule(name=names, at=moments, zone_id=st.none() | zone_ids, before=moments, last=st.integers(0, 3))
    def alarm(self, name: str, at: int, zone_id: str | None, before: int, last: int) -> None:
        """An alarm is raised, perhaps again, seen, ended, and forgotten; what stands is never forgotten."""
        self.both(lambda store: store.alarms.add(alarm(name, at, zone_id)))
        self.both(lambda store: store.alarms.last(last))
        self.both(lambda store: store.alarms.forget(before))

    @rule(name=names, by=keys, at=moments)
    def see_alarm(self, name: str, by: tuple[int, str], at: int) -> None:
        """Somebody has seen it."""
        self.both(lambda store: store.alarms.acknowledge(name, by[1], at))

    @rule(name=names, at=moments)
    def end_alarm(self, name: str, at: int) -> None:
        """It is over."""
        self.both(lambda store: store.alarms.end(name, at))

    @rule(since=moments, until=moments, last=st.integers(0, 3), chosen=states)
    def ask(self, since: int, until: int, last: int, chosen: str) -> None:
        """Questions with bounds."""
        self.both(lambda store: store.commands.open(overdue_at=since))
        self.both(lambda store: store.commands.in_states(chosen, "done"))
        self.both(lambda store: store.zones.zone_state(A, since, since, until))
        self.both(lambda store: store.zones.weather(GATEWAY, since, until))
        self.both(lambda store: store.decisions.last(last))
        self.both(lambda store: list(store.decisions.with_inputs(since, until)))
        self.both(lambda store: store.updates.in_states(chosen))

    @rule(chosen=st.lists(st.sampled_from(sorted(WRITES)), max_size=4), fails=st.booleans())
    def in_one_transaction(self, chosen: list[str], fails: bool) -> None:
        """Several writes at once, that may fail on the way or at the end."""

        def work(store: Store) -> None:
            with store.transaction():
                for name in chosen:
                    WRITES[name](store)
                if fails:
                    raise ValueError

        self.both(work)


def answer(store: Store, call: Callable[[Store], object]) -> object:
    try:
        return call(store)
    except (ValueError, StoreError) as error:
        return type(error)


def test_both_stores_answer_alike() -> None:
    """Whatever is written, in whatever order, whatever fails: what a test sees in memory is what a file would say."""
    some = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(SideBySide, settings=some)
