"""The diary of a plot: each day one sentence that a grower understands, true to checks, receipts and acks."""

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agronomy.probes import HEALTHY, OUTLIER, VERDICTS
from compute_service.domain.decide import REMEDIES
from tests.demo import report_documents
from tests.demo.report_documents import CHECKS, HOUR, START, command, decision
from views.decisions import NO_DECISIONS, decisions_by_zone
from views.diary import UNTRUSTED, Entry, diary, diary_list
from views.language import Language
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE
from views.zone_chart import Plot, draw, frame

ZONE = report_documents.farm(gateways=1, days=1)["zones"]["zones"][0]  # 60 mm are available, 30 mm without stress
PROBE = ZONE["sensor_id"]
DAY = 24 * HOUR
TORONTO = ZoneInfo("America/Toronto")


def watering(at: int, litres: float, **ack: Any) -> list[dict[str, Any]]:
    """A decision to water, its command, and the ack of 31 minutes."""
    choice = decision(ZONE, at, 31.6, waters=True)
    order = command(choice)
    answer = {"state": "done", "code": "ok", "duration_s": 1860, "volume_l": litres, "end_reason": "duration", **ack}
    return [choice, order, {"kind": "ack", "at": at + 1860, "command_id": order["command_id"], **answer}]


def entries(events: Sequence[dict[str, Any]], days: int = 1, language: Language = ENGLISH) -> list[Entry]:
    axis = frame(START, START + days * DAY, TORONTO, [], language)
    return diary(ZONE, decisions_by_zone(events).get(ZONE["zone_id"], NO_DECISIONS), axis)


def said(events: Sequence[dict[str, Any]], language: Language = ENGLISH) -> str:
    [entry] = entries(events, language=language)
    return entry.words.replace("\u00a0", " ")


def test_a_day_with_water_says_how_much_and_why() -> None:
    """Millimetres by the meter, minutes by the valve, what the roots had used, when water is due."""
    mm = 6.2 * ZONE["area_m2"]
    why = "the roots had used 32 mm, and water is due at 30 mm."
    assert said(watering(START + HOUR, mm)) == f"watered 6.2 mm in 31 min: {why}"
    twice = watering(START + HOUR, mm) + watering(START + 9 * HOUR, mm)
    assert said(twice) == f"watered 12.4 mm in 62 min (2 runs): {why}"
    assert said(watering(START, mm, end_reason="volume")).endswith("A run was stopped early: too much water came.")


def test_a_day_without_the_cloud_says_by_what_it_was_watered() -> None:
    """The acks of a fallback plan's runs come days later, and nobody had decided for them."""
    mm = 4.0 * ZONE["area_m2"]
    ran = {"zone_id": ZONE["zone_id"], "command_id": "01JXT22EEAC54GFB1S3AEQ3XZN-1", "state": "done", "code": "ok"}
    at = START + 5 * HOUR
    events = [
        decision(ZONE, START, 20.8),
        {"kind": "ack", "at": at, "received_at": at + 3 * DAY, "duration_s": 1200, "volume_l": mm, **ran},
    ]
    assert said(events) == ("watered 4.0 mm in 20 min: the board had no cloud, and watered by its fallback plan.")
    assert "plano de reserva" in said(events, PORTUGUESE)


def test_a_day_without_need_says_what_is_left() -> None:
    """And when the next water is likely; rain is told where it fell."""
    assert said([decision(ZONE, START, 20.8)]) == (
        "no water: by the service's reckoning the crop can use another 9 mm; next water in about 2 days."
    )
    wet = decision(ZONE, START, 2.0, rain_mm_24h=12.3)
    rained = "no water: it rained 12.3 mm, and by the service's reckoning the crop can use another 28 mm"
    assert said([wet]) == f"{rained}; none will be due for some days."
    assert "next water within a day" in said([decision(ZONE, START, 28.0)])
    assert said([decision(ZONE, START, 20.8, next_water_in_h=None)]).endswith("another 9 mm.")


def test_the_last_decision_of_a_day_counts() -> None:
    """What a grower finds in the evening."""
    assert "another 5 mm" in said([decision(ZONE, START, 10.0), decision(ZONE, START + 20 * HOUR, 25.0)])


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE], ids=lambda one: str(one.code))
def test_no_check_of_the_service_is_without_words(language: Language) -> None:
    """All that a decision checks, as the service itself makes its decisions: what lacks its words is named."""
    names = {*CHECKS, *REMEDIES} - {"needs_water"}
    assert len(names) > 10
    assert sorted(name for name in names if f"held_{name}" not in language.words) == []


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE], ids=lambda one: str(one.code))
def test_no_verdict_on_a_probe_is_without_words(language: Language) -> None:
    """A probe that the service leaves out for a reason of its own is named with that reason."""
    lasting = set(VERDICTS) - {HEALTHY, OUTLIER}
    assert set(UNTRUSTED) == lasting
    assert sorted(verdict for verdict in lasting if f"verdict_{verdict}" not in language.words) == []


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE], ids=lambda one: str(one.code))
def test_a_check_that_has_no_words_yet_is_told_as_the_service_does(language: Language) -> None:
    """The report of a newer service is still written, and says that it quotes."""
    heat = decision(ZONE, START, 33.0, failed="no_heat", value=41.0)
    heat["sentence"] = "plot-1a gets no water: 41 degrees are measured, and <b>water</b> would burn the leaves."
    words = "“plot-1a gets no water: 41 degrees are measured, and <b>water</b> would burn the leaves”."
    assert said([heat], language).endswith(words)
    assert said([decision(ZONE, START, 33.0, failed="no_heat")], language).endswith("“no_heat”.")


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE], ids=lambda one: str(one.code))
@pytest.mark.parametrize("check", [name for name in REMEDIES if name != "needs_water"])
def test_each_check_that_holds_water_back_has_its_words(check: str, language: Language) -> None:
    """A plot that is dry and gets nothing: the reason, without a name of the program in it."""
    [entry] = entries([decision(ZONE, START, 33.0, failed=check, value=4.5)], language=language)
    assert entry.kind == "held"
    assert language.words[f"held_{check}"].partition("{")[0] in entry.words
    assert "33 mm" in entry.words
    assert not re.search(r"[_{}]", entry.words)


def test_silence_is_told_with_its_length() -> None:
    """Three hours without a reading, or none ever."""
    silent = decision(ZONE, START, 33.0, failed="fresh_reading", value=3 * HOUR)
    assert said([silent]).endswith("nothing was heard for 3 h, and silence is not dryness.")
    assert said([decision(ZONE, START, 33.0, failed="fresh_reading")]).endswith("30 mm: no reading has come.")


def test_what_held_water_back_most_of_the_day_is_the_reason() -> None:
    """Eleven hours of wind, one of rain."""
    windy = [decision(ZONE, START + n * HOUR, 33.0, failed="calm", value=8.0) for n in range(11)]
    assert "too much wind (8.0 m/s)" in said([*windy, decision(ZONE, START + 12 * HOUR, 33.0, failed="no_rain_now")])


@pytest.mark.parametrize(
    ("ack", "words"),
    [
        ({"state": "rejected", "code": "expired"}, "refused the order, for its clock was not right"),
        ({"state": "rejected", "code": "unknown_zone"}, "the gateway refused the order"),
        ({"state": "failed", "code": "valve_fault"}, "the valve did not obey"),
        ({"state": "failed", "code": "power_cut"}, "the power failed as the valve opened"),
        ({}, "the valve was opened, and no water came through"),
    ],
)
def test_a_command_without_water_says_what_became_of_it(ack: dict[str, Any], words: str) -> None:
    """Whoever was to blame."""
    entry = said(watering(START, 0.0, **ack))
    assert entry.startswith("no water, though the roots had used 32 mm, and water is due at 30 mm: ")
    assert words in entry


def test_a_command_without_an_answer() -> None:
    """Is told as such."""
    assert said(watering(START, 0.0)[:2]).endswith("the gateway never answered.")


def test_a_probe_that_is_left_out_is_named() -> None:
    """With what is wrong with it; an outlier is over with the next reading, and no news."""
    verdicts = {PROBE: "healthy", f"{PROBE}-20cm": "percent", f"{PROBE}-30cm": "outlier"}
    words = said([decision(ZONE, START, 20.8, probes=verdicts)])
    assert words.endswith(" Left out: probe soil-a-20cm (looks like percent).")


def test_a_run_that_no_probe_saw_is_told() -> None:
    """With its millimetres; and the rest of a refill is told as such."""
    words = said([decision(ZONE, START, 20.8, unseen_mm=11.7)])
    assert words.endswith(" The probes did not see the last run of 11.7 mm: look at valve, pipes and probes.")
    rest = watering(START + HOUR, 9000.0)
    rest[0]["receipt"]["refill_since"] = START - HOUR
    assert "6.0 mm in 31 min: a refill that had begun was still to be finished." in said(rest)


def test_every_day_has_an_entry() -> None:
    """By the farm's own midnights; a day of which nothing is known says so."""
    diary_of_three = entries([decision(ZONE, START + 5 * 60, 20.8), decision(ZONE, START + 3 * DAY - 60, 20.8)], days=3)
    assert [(entry.day.day, entry.kind) for entry in diary_of_three] == [(1, "waited"), (2, "unheard"), (3, "waited")]
    assert entries([], days=3) == []


def test_a_repeated_word_changes_nothing() -> None:
    """A service that was killed may tell of a decision, a command or an ack again."""
    once = watering(START + HOUR, 3000.0)
    assert said(once + once) == said(once)


def test_the_diary_unfolds_and_is_escaped() -> None:
    """One line a day under a title, without a script."""
    axis = frame(START, START + DAY, TORONTO, [])
    page = diary_list([Entry(axis.local(START).date(), "held", "<b>")], axis)
    assert page.startswith('<details class="diary"><summary>')
    assert '<li class="held"><b>Wed 1 Jul</b> &lt;b&gt;</li>' in page
    assert diary_list([], axis) == ""


def test_the_chart_shows_what_was_believed_and_what_was_true() -> None:
    """Both as lines between the zone's limits; water is due where the receipts say."""
    wetter = [decision(ZONE, START + n * HOUR, 10.0 + n, due_mm=15.0) for n in range(24)]
    decisions = decisions_by_zone(wetter)[ZONE["zone_id"]]
    plot = Plot(zone=ZONE, readings=[], runs=[], decisions=decisions, true=[(START, 0.2), (START + HOUR, 0.19)])
    assert decisions.beliefs(ZONE)[0][1] == pytest.approx(0.20)  # 10 of 60 mm between 0.22 and 0.10
    assert plot.due_below == pytest.approx(0.19)
    chart = draw(plot, frame(START, START + DAY, TORONTO, []))
    assert chart.count('<path class="belief"') == chart.count('<path class="true"') == 1
    assert Plot(zone=ZONE, readings=[], runs=[]).due_below == pytest.approx(0.16)
