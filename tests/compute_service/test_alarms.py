"""What is wrong on a farm, from the messages that tell of it: raised, told in words, seen, ended, kept."""

import json
import re
import string
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_service import alarms
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain import alarm_kinds
from compute_service.domain.alarm_conditions import MINUTE_S
from compute_service.domain.alarm_kinds import KIND_OF, KINDS, LANGUAGES, words
from compute_service.domain.alarms import (
    SEVERITIES,
    Alarm,
    AlarmKind,
    Answer,
    FarmState,
    Finding,
    GatewayFacts,
    Key,
    Standing,
    Subject,
    Words,
    evaluate,
    worst,
)
from compute_service.domain.constraints import Limits
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.ports import Beat
from compute_service.domain.units import HOUR_S
from compute_service.errors import AlarmError
from protocol import topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import hold

CLOUDLESS = tuple(ForecastHour(NOON + hour * HOUR_S, 0.0, 20.0, 1.0, 0.2) for hour in range(48))


class Farm(Bench):
    """A bench whose alarms are looked at, and whose disk is the test's."""

    free: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.service._alarms._free_bytes = lambda: self.free

    def hear_status(self, state: str = "online", **fields: Any) -> None:
        message = {"gateway_id": GATEWAY, "boot_id": "boot-1", "state": state, "at": self.now, **fields}
        self.hear(topics.STATUS, message)

    def hear_error(self, code: str, text: str) -> None:
        report = {"gateway_id": GATEWAY, "boot_id": "boot-1", "at": self.now, "code": code, "text": text}
        self.hear(topics.ERRORS, report)

    def pass_time(self, seconds: int, every_s: int = 900) -> None:
        """As when all is well: readings of both zones, and a status, every quarter of an hour."""
        for _ in range(seconds // every_s):
            self.tick(every_s)
            for letter in "ab":
                self.hear_reading(letter, vwc=0.27 + self.now % 7 / 1000)
            self.hear_status()
            self.tick(10)

    def kinds(self) -> list[str]:
        return sorted(row.alarm.kind for row in self.store.alarms.open())

    def of_kind(self, kind: str) -> Alarm:
        [alarm] = [row.alarm for row in self.store.alarms.open() if row.alarm.kind == kind]
        return alarm


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with closing(SqliteStore(tmp_path / "store")) as store:
        yield begun(store)


def begun(store: Any, now: int = NOON, **options: Any) -> Farm:
    farm = Farm(store, options.pop("zones", (zone("a"), zone("b"))), now=now, **options)
    farm.service.start()
    return farm


def reborn(farm: Farm) -> Farm:
    """The service killed and started again, on the same store."""
    return begun(farm.store, farm.now, zones=farm.zones, forecast=farm.forecast)


# each kind: what raises it, and what ends it


def silence(farm: Farm) -> None:
    farm.pass_time(1800)
    farm.tick(4 * HOUR_S)


def no_reading(farm: Farm) -> None:
    farm.pass_time(1800)
    for _ in range(6):
        farm.hear_status()
        farm.hear_reading("b", vwc=0.27)
        farm.tick(900)


def stuck(farm: Farm) -> None:
    """The one probe tells the same for days while the other's soil dries, and rain falls on both."""
    farm.hear_reading("a", vwc=0.25)
    farm.tick(10)
    model = farm.service._zone_models._models["plot-1a"]
    assert model is not None
    probe = replace(model.probes[f"{GATEWAY}.soil-a"], same_since=farm.now - 3 * 86400, repeats=40, low=0.0, high=0.1)
    farm.service._zone_models._models["plot-1a"] = replace(model, probes={f"{GATEWAY}.soil-a": probe})
    farm.hear_reading("a", at=farm.now + 1, vwc=0.25)
    farm.tick(20)


def moves_again(farm: Farm) -> None:
    farm.pass_time(4 * HOUR_S)


def dead(farm: Farm) -> None:
    farm.hear_reading("a", vwc=0.25)
    for _ in range(4):
        farm.tick(900)
        farm.hear_reading("a", vwc=0.01)
        farm.tick(10)


def percent(farm: Farm) -> None:
    farm.hear(topics.data(f"{GATEWAY}.soil-a"), _percent_reading(farm.now))
    farm.tick(10)


def _percent_reading(at: int) -> dict[str, Any]:
    sample = {"seq": 1, "measured_at": at, "clock": "synced", "vwc": 27.0}
    fields = {"gateway_id": GATEWAY, "sensor_id": f"{GATEWAY}.soil-a", "zone_id": "plot-1a", "boot_id": "boot-1"}
    return {**fields, "samples": [sample]}


def no_answer(farm: Farm) -> None:
    farm.water()
    farm.tick(500)


def answer(farm: Farm) -> None:
    farm.hear_ack(farm.commands()[0], "done", volume_l=2000.0)
    farm.tick(10)


def open_valve(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", volume_l=2000.0)
    farm.tick(300)
    farm.hear_status(open_valves=["plot-1a"])
    farm.tick(1)


def shut_valve(farm: Farm) -> None:
    farm.hear_status(open_valves=[])
    farm.tick(1)


def stop_in_vain(farm: Farm) -> None:
    command = {"device_id": GATEWAY, "action": "stop_all", "issued_at": farm.now, "expires_at": farm.now + 300}
    farm.store.commands.add(GATEWAY, {**command, "command_id": "stop-1", "zone_id": None, "epoch": 1}, 2**40)  # type: ignore[typeddict-item]
    farm.tick(400)


def stopped(farm: Farm) -> None:
    farm.store.commands.move("stop-1", "done", "ok", closed_at=farm.now)
    farm.tick(60)


def unseen(farm: Farm) -> None:
    """A run that the ack tells of, and no probe."""
    farm.hear_ack(farm.water(), "done", volume_l=2000.0, duration_s=600)
    for _ in range(16):
        farm.tick(900)
        farm.hear_reading("a", vwc=0.18)
        farm.tick(10)


def seen(farm: Farm) -> None:
    farm.tick(6 * HOUR_S)
    farm.hear_ack(farm.water(), "done", volume_l=2000.0, duration_s=600)
    for _ in range(16):
        farm.tick(900)
        farm.hear_reading("a", vwc=0.27)
        farm.tick(10)


def leak(farm: Farm) -> None:
    farm.hear_error("flow_while_shut", "plot-1a: 30 l in 900 s")
    farm.tick(1)


def no_leak(farm: Farm) -> None:
    farm.pass_time(8 * HOUR_S)


def burst(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", duration_s=300, volume_l=2000.0)
    farm.tick(1)


def trickle(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", duration_s=600, volume_l=300.0)
    farm.tick(1)


def usual_run(farm: Farm) -> None:
    farm.tick(6 * HOUR_S)
    farm.hear_ack(farm.water(), "done", duration_s=600, volume_l=2000.0)
    farm.tick(1)


def used_up(farm: Farm) -> None:
    farm.hear_ack(farm.water("b"), "done", duration_s=600, volume_l=2000.0)
    farm.tick(2 * HOUR_S)
    farm.hear_reading("b", vwc=0.17)
    farm.tick(10)


def more_litres(farm: Farm) -> Farm:
    """The zones file allows more, and the service is started with it."""
    again = begun(farm.store, farm.now)
    for _ in range(6):
        again.tick(900)
        again.hear_reading("b", vwc=0.17)
        again.tick(10)
    return again


def dropped(farm: Farm) -> None:
    farm.hear_status(outbox_dropped=3)
    farm.tick(60)
    farm.hear_status(outbox_dropped=8)
    farm.tick(1)


def unsure(farm: Farm) -> None:
    for _ in range(4):
        farm.hear_reading("a", sample={"clock": "estimated"})
        farm.tick(900)


def sure(farm: Farm) -> None:
    farm.pass_time(3 * HOUR_S)


def old_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(NOON, CLOUDLESS)
    farm.pass_time(8 * HOUR_S)


def new_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(farm.now, tuple(hour._replace(at=hour.at + 8 * HOUR_S) for hour in CLOUDLESS))
    farm.tick(60)


def short_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(NOON, CLOUDLESS[:10])
    farm.pass_time(2 * HOUR_S)


def longer_forecast(farm: Farm) -> None:
    new_forecast(farm)
    farm.pass_time(2 * HOUR_S)


def full_disk(farm: Farm) -> None:
    farm.free = 400_000_000
    farm.tick(60)


def roomy_disk(farm: Farm) -> None:
    farm.free = 600_000_000  # not so full any more, and not yet well
    farm.tick(60)
    assert farm.kinds() == ["disk_low"]
    farm.free = 800_000_000
    farm.tick(60)


def heard_again(farm: Farm) -> None:
    farm.pass_time(1800)


STORIES: dict[str, tuple[Callable[[Farm], None], Callable[[Farm], Farm | None], str]] = {
    "gateway_silent": (silence, heard_again, GATEWAY),
    "reading_stale": (no_reading, heard_again, "plot-1a"),
    "probe_stuck": (stuck, moves_again, f"{GATEWAY}.soil-a"),
    "probe_dead": (dead, moves_again, f"{GATEWAY}.soil-a"),
    "probe_percent": (percent, moves_again, f"{GATEWAY}.soil-a"),
    "command_expired": (no_answer, answer, "plot-1a"),
    "valve_open": (open_valve, shut_valve, "plot-1a"),
    "stop_unanswered": (stop_in_vain, stopped, "stop-1"),
    "run_unseen": (unseen, seen, "plot-1a"),
    "water_while_shut": (leak, no_leak, "plot-1a"),
    "flow_high": (burst, usual_run, "plot-1a"),
    "flow_low": (trickle, usual_run, "plot-1a"),
    "budget_used_up": (used_up, more_litres, "plot-1b"),
    "outbox_drops": (dropped, no_leak, GATEWAY),
    "clock_unsure": (unsure, sure, GATEWAY),
    "forecast_stale": (old_forecast, new_forecast, "farm"),
    "forecast_useless": (short_forecast, longer_forecast, "farm"),
    "disk_low": (full_disk, roomy_disk, "farm"),
}
# These rest on a verdict like the others of their probes; what makes it is tested with the probes.
BY_VERDICT = {"probe_drifting", "probe_silent"}
ZONES = (zone("a", cooldown_s=6 * HOUR_S), zone("b", limits=Limits(daily_l=2000.0)))


@pytest.mark.parametrize("kind", STORIES)
def test_an_alarm_is_raised_and_ends(farm: Farm, kind: str) -> None:
    """It stands at its place once the messages say so, is in the journal both times, and is over when all is well."""
    farm = begun(farm.store, zones=ZONES)
    worse, better, place = STORIES[kind]
    worse(farm)
    assert kind in farm.kinds()
    alarm = farm.of_kind(kind)
    assert (alarm.place, alarm.severity) == (place, KIND_OF[kind].severity)
    assert alarm.since <= alarm.raised_at <= farm.now
    farm = better(farm) or farm
    assert kind not in farm.kinds()
    states = [note["body"]["state"] for note in farm.store.journal.last(99, ["alarm"]) if note["body"]["kind"] == kind]
    assert states == ["opened", "ended"]


@pytest.mark.parametrize("kind", STORIES)
def test_a_restart_loses_no_alarm(farm: Farm, kind: str) -> None:
    """Killed and started again the service neither ends it, for it knows nothing yet, nor raises it a second time."""
    farm = begun(farm.store, zones=ZONES)
    STORIES[kind][0](farm)
    before = farm.of_kind(kind)
    again = reborn(farm)
    again.free = farm.free
    again.tick(MINUTE_S)
    assert again.of_kind(kind) == before
    assert len([row for row in again.store.alarms.last(99) if row.alarm.kind == kind]) == 1


def test_every_kind_has_a_story() -> None:
    """A new row of the table comes with what raises it and what ends it."""
    assert set(STORIES) | BY_VERDICT | {alarm_kinds.SERVICE_STILL} == set(KIND_OF)
    assert {kind.severity for kind in KINDS} == set(SEVERITIES)


def test_when_all_is_well_nothing_is_wrong(farm: Farm) -> None:
    """Two quiet days, with a run that is acknowledged and seen: no alarm at all."""
    farm.water()
    for _ in range(48):
        for command in farm.commands():
            seconds = command["duration_s"]
            farm.hear_ack(command, "done", duration_s=seconds, volume_l=seconds / 60 * zone("a").flow_l_min)
        farm.pass_time(HOUR_S)
    assert farm.store.alarms.last() == []


def test_a_silent_gateway_is_one_alarm(farm: Farm) -> None:
    """Its zones' readings are all stale, and that is one thing to do, not one a zone."""
    silence(farm)
    assert farm.kinds() == ["gateway_silent"]
    assert words(farm.of_kind("gateway_silent")).wrong.startswith(f"{GATEWAY} is silent, and 2 of the farm's zones")


def test_a_service_that_was_away_blames_nobody(farm: Farm) -> None:
    """What was not said while nobody listened is not missed: the gateways have time to be heard first."""
    farm.pass_time(1800)
    farm.now += 3 * 86400
    again = reborn(farm)
    again.tick(MINUTE_S)
    assert again.kinds() == []


def test_a_run_under_way_is_no_open_valve(farm: Farm) -> None:
    """Also when its acks were lost: until the last moment at which it may be open, nobody is alarmed."""
    command = farm.water()
    for _ in range(4):
        farm.tick(600)
        farm.hear_status(open_valves=["plot-1a"])
        farm.tick(1)
        late = farm.now > command["expires_at"] + command["duration_s"] + 120
        assert ("valve_open" in farm.kinds()) == late
    assert "valve_open" in farm.kinds()


def test_a_zone_that_people_hold_has_no_budget_to_lack(farm: Farm) -> None:
    """Who has closed a zone for the day need not hear that its litres are used up."""
    farm = begun(farm.store, zones=ZONES)
    used_up(farm)
    assert "budget_used_up" in farm.kinds()
    farm.store.orders.hold(hold("close", "plot-1b", farm.now, farm.now + 86400))
    for _ in range(6):
        farm.tick(900)
        farm.hear_reading("b", vwc=0.17)
        farm.tick(10)
    assert "budget_used_up" not in farm.kinds()


# none flaps

ODD = "odd"


def kind_of(after_s: int, quiet_s: int, odd: set[int]) -> AlarmKind:
    def condition(state: FarmState, _subject: Subject, _stands: bool) -> Answer:
        return Finding(state.now, {}) if state.now in odd else None

    return AlarmKind(ODD, "warning", "gateway", condition, after_s, quiet_s, {"en": Words("", "", "")})


def run_through(kind: AlarmKind, seconds: int) -> list[tuple[int, str]]:
    """What is raised and ended, second by second."""
    memory: dict[Key, Standing] = {}
    events = []
    for now in range(1, seconds):
        state = FarmState(now=now, listening_since=1, zones={}, gateways={"g": GatewayFacts(gateway_id="g")})
        changes = evaluate([kind], state, memory)
        events += [(now, "opened") for _ in changes.opened] + [(now, "ended") for _ in changes.ended]
        memory = changes.memory
    return events


@given(st.sets(st.integers(1, 80)), st.integers(0, 9), st.integers(1, 9))
def test_no_alarm_flaps(odd: set[int], after_s: int, quiet_s: int) -> None:
    """However a fault comes and goes, an alarm needs its time to be raised, and its quiet to end."""
    events = run_through(kind_of(after_s, quiet_s, odd), 100)
    assert [name for _, name in events] == (["opened", "ended"] * 50)[: len(events)]
    for at, name in events:
        if name == "opened":
            assert set(range(at - after_s, at + 1)) <= odd
        else:
            assert not set(range(at - quiet_s + 1, at + 1)) & odd


def test_a_part_that_leaves_the_farm_takes_its_alarms_along(farm: Farm) -> None:
    """A zone that the zones file no longer has is not reported on for ever."""
    leak(farm)
    again = begun(farm.store, farm.now, zones=(zone("b"),))
    again.tick(MINUTE_S)
    assert again.kinds() == []


# seen by people


def test_an_alarm_is_acknowledged_once(farm: Farm) -> None:
    """The first who has seen it stays, the journal has it once, and it stands until what is wrong is over."""
    leak(farm)
    alarm_id = farm.of_kind("water_while_shut").alarm_id
    assert alarms.acknowledge(farm.store, alarm_id, "ana", NOON + 5).acknowledged_by == "ana"
    assert alarms.acknowledge(farm.store, alarm_id, "bob", NOON + 6).acknowledged_at == NOON + 5
    notes = [note["body"] for note in farm.store.journal.last(9, ["alarm"])]
    assert [(note["state"], note["by"]) for note in notes] == [("opened", None), ("acknowledged", "ana")]
    assert farm.kinds() == ["water_while_shut"]


def test_an_alarm_that_is_not_there_is_named(farm: Farm) -> None:
    """A slip of the pen changes nothing, and is answered with what stands."""
    leak(farm)
    alarm_id = farm.of_kind("water_while_shut").alarm_id
    with pytest.raises(AlarmError, match=re.escape(alarm_id)):
        alarms.acknowledge(farm.store, alarm_id[:-1], "ana", NOON)
    with pytest.raises(AlarmError, match="ends when it moves again"):
        alarms.acknowledge(farm.store, f"service_still:farm:{NOON}", "ana", NOON)
    assert farm.store.journal.last(9, ["alarm"])[-1]["body"]["state"] == "opened"


def test_a_service_that_does_not_move_is_found_by_its_readers(farm: Farm) -> None:
    """It cannot say so itself: whoever reads sees by the beat that nothing is decided, and when that began."""
    farm.store.journal.beat(Beat(NOON, 1000.0, 1.0))
    beat = farm.store.journal.last_beat()
    assert alarms.standing(farm.store, beat, 1010.0, NOON + 10) == []
    [row] = alarms.standing(farm.store, beat, 1100.0, NOON + 100)
    assert (row.alarm.kind, row.alarm.since, row.alarm.severity) == ("service_still", NOON, "critical")
    assert farm.store.alarms.last() == []


def test_the_worst_comes_first(farm: Farm) -> None:
    """A valve that stands open is above a forecast that is old; what was seen is below what was not."""
    old_forecast(farm)
    leak(farm)
    rows = worst(farm.store.alarms.open())
    assert [row.alarm.kind for row in rows] == ["water_while_shut", "forecast_stale"]
    alarms.acknowledge(farm.store, rows[0].alarm.alarm_id, "ana", NOON)
    assert [row.alarm.kind for row in worst(farm.store.alarms.open())] == ["forecast_stale", "water_while_shut"]


# in words


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_its_words_in_every_language(kind: AlarmKind) -> None:
    """What is wrong, what to do, and when it ends, of the same values in each language, and in words of its own."""
    assert set(kind.words) == set(LANGUAGES)
    fields = {
        language: sorted(
            {name for text in kind.words[language] for _, name, _, _ in string.Formatter().parse(text) if name}
        )
        for language in LANGUAGES
    }
    assert fields["en"] == fields["pt"]
    assert all(text for language in LANGUAGES for text in kind.words[language])
    assert not set(kind.words["en"]) & set(kind.words["pt"])


@pytest.mark.parametrize("kind", STORIES)
def test_no_words_are_left_open(farm: Farm, kind: str) -> None:
    """Every place of the sentences is filled with a value that the alarm has, also after it was kept as JSON."""
    farm = begun(farm.store, zones=ZONES)
    STORIES[kind][0](farm)
    alarm = farm.of_kind(kind)
    kept = replace(alarm, values=json.loads(json.dumps(dict(alarm.values))))
    for language in LANGUAGES:
        assert words(kept, language) == words(alarm, language)
        assert "{" not in "".join(words(alarm, language))


def test_numbers_are_written_as_people_write_them() -> None:
    """With their unit, and in Portuguese with a comma; a kind of a later release is named at least."""
    alarm = replace(_alarm("run_unseen"), values={"unseen_mm": 8.54})
    assert "8.5 mm" in words(alarm).wrong
    assert "8,5 mm" in words(alarm, "pt").wrong
    assert words(_alarm("of_tomorrow")).wrong == "of_tomorrow: plot-1a"


def _alarm(kind: str) -> Alarm:
    return Alarm(
        alarm_id="A1",
        kind=kind,
        place="plot-1a",
        zone_id="plot-1a",
        gateway_id=GATEWAY,
        severity="warning",
        since=NOON,
        raised_at=NOON,
    )


# what it costs


def test_looking_asks_the_store_for_commands_under_way_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick at which nothing is wrong reads one small index and writes nothing, however many zones there are."""
    farm = begun(InMemoryStore())
    farm.pass_time(1800)
    questions: list[str] = []

    def watched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **options: Any) -> Any:
            questions.append(name)
            return method(*args, **options)

        return ask

    for port in ("zones", "commands", "decisions", "updates", "orders", "journal", "alarms"):
        part = getattr(farm.store, port)
        for name in [name for name in dir(part) if not name.startswith("_")]:
            monkeypatch.setattr(part, name, watched(f"{port}.{name}", getattr(part, name)))
    farm.service._alarms.look(farm.now + MINUTE_S)
    assert questions == ["commands.open"]
