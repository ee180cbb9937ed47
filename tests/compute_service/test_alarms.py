"""What is wrong on a farm, from the messages that tell of it: raised, told in words, seen, ended, kept."""

import json
import re
import string
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy.units import HOUR_S
from compute_service import alarms
from compute_service.__main__ import main
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain import alarm_kinds
from compute_service.domain.alarm_conditions import MINUTE_S
from compute_service.domain.alarm_kinds import KIND_OF, KINDS, LANGUAGES, words
from compute_service.domain.alarms import (
    SEVERITIES,
    UNKNOWN,
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
from compute_service.domain.ports import Beat
from compute_service.errors import AlarmError
from tests.compute_service.alarm_farm import (
    BY_VERDICT,
    STORIES,
    ZONES,
    Farm,
    begun,
    leak,
    no_leak,
    old_forecast,
    reborn,
    silence,
    used_up,
)
from tests.compute_service.bench import GATEWAY, NOON, living, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import hold


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with closing(SqliteStore(tmp_path / "store")) as store:
        yield begun(store)


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


def test_no_gateway_speaks_for_another(farm: Farm) -> None:
    """A report of a leak at a zone of another gateway raises no alarm there."""
    other = zone("c", gateway_id="irrigation-gateway-2", sensor_id="irrigation-gateway-2.soil-c")
    farm = begun(farm.store, zones=(zone("a"), other))
    farm.hear_error("flow_while_shut", "plot-1c: 30 l in 900 s", zone_id="plot-1c", volume_l=30.0)
    farm.tick(1)
    assert farm.kinds() == []


def test_a_clock_that_runs_ahead_is_found(farm: Farm) -> None:
    """A gateway that is sure of a wrong time has samples from the future, which do not count."""
    for _ in range(4):
        farm.hear_reading("a", at=farm.now + HOUR_S)
        farm.tick(900)
    assert farm.kinds() == ["clock_unsure"]


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

    return AlarmKind(
        name=ODD,
        severity="warning",
        scope="gateway",
        condition=condition,
        after_s=after_s,
        quiet_s=quiet_s,
        words={"en": Words("", "", "")},
    )


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


def test_what_cannot_be_known_changes_nothing() -> None:
    """While nothing is heard of a part, its alarm stands however long that is, and none is raised."""
    answers: list[Answer] = [UNKNOWN, Finding(2, {}), UNKNOWN, UNKNOWN, None]
    kind = replace(kind_of(0, 0, set()), condition=lambda state, _subject, _stands: answers[state.now - 1])
    assert run_through(kind, 6) == [(2, "opened"), (5, "ended")]


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


@pytest.fixture
def path(farm: Farm, tmp_path: Path) -> Path:
    """The store of a farm with a leak, whose service has just beaten."""
    leak(farm)
    farm.store.journal.beat(living(farm.now))
    return tmp_path / "store"


def test_a_person_reads_the_alarms(path: Path, farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong, what to do, when it ends, since when, and its id; in either language."""
    alarm_id = farm.of_kind("water_while_shut").alarm_id
    assert main(["alarms", f"--store={path}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "critical Water flows at plot-1a while its valve is shut: 30 l were told of last.",
        (
            "         Shut the main valve, and look for a leak or a valve that does not close."
            " Ends when none was told of for 6 h."
        ),
        f"         since 2025-06-15 11:06; {alarm_id}",
    ]
    assert main(["alarms", "--language", "pt", f"--store={path}"]) == 0
    assert "Corre água em plot-1a com a válvula fechada: 30 l no último aviso." in capsys.readouterr().out


def test_a_person_acknowledges_from_a_shell(path: Path, farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said who has seen it, without the service too; a slip is one line on stderr, and changes nothing."""
    alarm_id = farm.of_kind("water_while_shut").alarm_id
    assert main(["alarms", "--ack", alarm_id, "--by", "ana", f"--store={path}"]) == 0
    assert capsys.readouterr().out == f"{alarm_id}: seen by ana at 2025-06-15 11:06\n"
    assert main(["alarms", f"--store={path}"]) == 0
    assert f"; seen by ana; {alarm_id}" in capsys.readouterr().out
    assert main(["alarms", "--ack", "water", f"--store={path}"]) == 2
    assert capsys.readouterr().err.startswith("compute_service: there is no alarm 'water'")


def test_what_is_over_can_be_asked_for(path: Path, farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """When all is well that is said, and `--last` shows what was; a service that stands still is one of what stands."""
    no_leak(farm)
    farm.store.journal.beat(living(farm.now))
    assert main(["alarms", f"--store={path}"]) == 0
    assert capsys.readouterr().out == "no alarm stands\n"
    assert main(["alarms", "--last", "9", f"--store={path}"]) == 0
    assert "; ended 2025-06-15 " in capsys.readouterr().out
    farm.store.journal.beat(Beat(farm.now, time.time() - 999, 0.0))
    assert main(["alarms", f"--store={path}"]) == 0
    assert capsys.readouterr().out.startswith("critical The service does not move")


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


def test_the_documents_table_is_the_codes() -> None:
    """docs/alarms.md has a row for each kind, in their order, with its severity and its end."""
    text = (Path(__file__).parents[2] / "docs" / "alarms.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")
    ]
    expected = [(kind.name, kind.severity, kind.words["en"].ends) for kind in KINDS]
    assert [(row[0], row[1], row[3]) for row in rows] == expected


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
