"""What is made of the injected faults: for each kind who noticed it, when, and what is plainly said if nobody did."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from demo.faults.evidence import Evidence, Fault, Sample
from demo.faults.lake_samples import quarantine_of, struck_samples
from demo.faults.noticed import SENSES, Verdict, noticed
from demo.report import Season, write_report
from demo.report.boxes import headline
from demo.report.fault_list import fault_list
from demo.report.languages import LANGUAGES, REPORT_ENGLISH, REPORT_PORTUGUESE
from gateway_sim.faults import KINDS
from tests.demo import report_documents
from tests.demo.report_documents import HOUR, START, farm, fault, truth
from views.language import Language
from views.zone_chart import Frame, frame

GATEWAY, ZONE, PROBE = "irrigation-gateway-1", "plot-1a", "irrigation-gateway-1.soil-a"
ZONES = farm(gateways=1)["zones"]["zones"]
DAY = 24 * HOUR
BEGIN, END = START + DAY, START + 2 * DAY
STRUCK = {"sensor": (PROBE, "irrigation-gateway-1.soil-b"), "zone": (ZONE,), "gateway": (GATEWAY,)}


def sample(at: int, value: float | None = 0.2, **more: Any) -> Sample:
    return Sample(at, more.pop("received_at", at), more.pop("boot_id", "boot-1"), more.pop("clock", "synced"), value)


def calm(number: int) -> float:
    """A probe in soil that dries, with the scatter of a probe."""
    return 0.2 - number * 0.0001 + (0.002, -0.001, 0.0, 0.001, -0.002)[number % 5]


def series(change: Any = lambda at, value: value) -> list[Sample]:
    """Three days of quarter-hours, changed while the fault lasts."""
    times = [START + number * HOUR // 4 for number in range(3 * 96)]
    values = [(at, calm(number)) for number, at in enumerate(times)]
    return [sample(at, change(at, value) if BEGIN <= at < END else value) for at, value in values]


def run(at: int, litres: float, **more: Any) -> dict[str, Any]:
    """The last ack of a run of an hour on plot-1a, of 12 mm/h on its 1,500 m2: 18,000 L are nominal."""
    ack = {"kind": "ack", "command_id": f"c{at}", "gateway_id": GATEWAY, "zone_id": ZONE, "state": "done", "code": "ok"}
    outcome = {"duration_s": 3600.0, "volume_l": litres, "volume_source": "measured", "end_reason": "duration"}
    return {**ack, **outcome, "at": at, "received_at": at, **more}


def opening(at: int) -> dict[str, Any]:
    return {"kind": "valve_edge", "at": at, "at_ms": at * 1000, "gateway_id": GATEWAY, "zone_id": ZONE, "open": True}


def judged(at: int, verdict: str) -> dict[str, Any]:
    """A decision whose receipt tells what the service thinks of the probe."""
    return report_documents.decision(ZONES[0], at, 10.0, probes={PROBE: verdict, f"{PROBE}-20cm": "stuck"})


def unseen(at: int, unseen_mm: float) -> dict[str, Any]:
    """A decision whose receipt says that no probe saw the run before."""
    return report_documents.decision(ZONES[0], at, 10.0, unseen_mm=unseen_mm)


def decision(at: int, check: str, value: float) -> dict[str, Any]:
    return {"kind": "decision", "at": at, "zone_id": ZONE, "checks": [{"name": check, "value": value, "passed": False}]}


def error(at: int) -> dict[str, Any]:
    text = f"{PROBE}: vwc of 25.1, it can be 0.0 to 1.0"
    return {"kind": "error", "at": at, "gateway_id": GATEWAY, "boot_id": "boot-1", "code": "bad_value", "text": text}


def reported(at: int, code: str) -> dict[str, Any]:
    return {**error(at), "code": code, "text": f"{ZONE}: 450 l in 900 s"}


def status(at: int, state: str) -> dict[str, Any]:
    return {"kind": "status", "at": at, "gateway_id": GATEWAY, "state": state, "boot_id": "boot-1"}


def healthy() -> Evidence:
    """A season in which nothing went wrong: readings of all, and a run a day with its nominal litres."""
    samples = {(name, "vwc"): series() for name in STRUCK["sensor"]} | {(GATEWAY, ""): series()}
    events = [event for at in (START, BEGIN, END) for event in (opening(at + HOUR), run(at + 2 * HOUR, 17_990.0))]
    return Evidence(ZONES, events, samples)


def season(events: Sequence[dict[str, Any]] = (), **samples: list[Sample]) -> Evidence:
    """These events, and the samples of `probe`, `other` or `gateway`."""
    places = {"probe": (PROBE, "vwc"), "other": (STRUCK["sensor"][1], "vwc"), "gateway": (GATEWAY, "")}
    return Evidence(ZONES, events, {places[name]: series for name, series in samples.items()})


def axis_in(language: Language) -> Frame:
    return frame(START, START + 3 * DAY, UTC, [], language)


def judge(kind: str, evidence: Evidence, amount: float = 0.0, end: float | None = END) -> Verdict:
    targets = STRUCK[KINDS[kind].strikes][: KINDS[kind].targets]
    [verdict] = noticed([Fault.from_row(fault(kind, *targets, begin=BEGIN, end=end, amount=amount))], evidence)
    return verdict


def delayed(by_s: int) -> list[Sample]:
    """What a gateway sends whose clock is behind by so much while the fault lasts."""
    return [
        Sample(
            one.measured_at - by_s if BEGIN <= one.measured_at < END else one.measured_at,
            one.measured_at,
            "b",
            "synced",
            0.2,
        )
        for one in series()
    ]


SWAP = series(lambda _, value: value + 0.05)
RIPPLE = series(lambda at, value: value + (0.05 if at // 900 % 2 else -0.05))
SOAKED = series(lambda at, value: 0.4 if at > BEGIN + DAY / 2 else value)
CUT_OFF = run(BEGIN + 60, 2.0, state="failed", code="power_cut")
REBOOTED = [sample(one.measured_at, boot_id="boot-1" if one.measured_at < BEGIN else "boot-2") for one in series()]
OUTAGE = [
    sample(one.measured_at, received_at=END + 60 if BEGIN <= one.measured_at < END else one.measured_at)
    for one in series()
]

# kind, amount, what the season left -> by whom and how it was noticed, hours after the begin, raised or not
CASES = {
    "percent is refused by the gateway": (
        "percent", 100.0, season([error(BEGIN), error(BEGIN + 900)], probe=series(lambda *_: None)),
        [("gateway", "bad_value", 0, True), ("lake", "missing", 0, False)],
    ),
    "percent in quarantine": (
        "percent", 2.0, Evidence(ZONES, quarantine={PROBE: [BEGIN + HOUR, BEGIN - HOUR]}),
        [("lake", "quarantined", 1, True)],
    ),
    "noise scatters": ("noise", 0.05, season(probe=RIPPLE), [("lake", "scattered", 2.75, False)]),
    "noise that is not believed": (
        "noise", 0.3, season([judged(BEGIN + n * HOUR, word) for n, word in enumerate(("healthy", "outlier", "dead"))]),
        [("compute", "doubted_outlier", 1, True), ("compute", "doubted_dead", 2, True)],
    ),
    "a valve that does not open, by the probes": (
        "dead_valve", 0.0, season([unseen(BEGIN + HOUR, 12.0), unseen(BEGIN + 2 * HOUR, 12.0)]),
        [("compute", "not_seen", 1, True)],
    ),
    "bias is a step": ("bias", 0.05, season(probe=SWAP), [("lake", "stepped_up", 1.25, False)]),
    "stuck repeats itself": (
        "stuck", 0.2, season(probe=series(lambda *_: 0.2)), [("lake", "same", 0.75, False)],
    ),
    "dropout leaves holes": (
        "dropout", 0.5, season(probe=series(lambda at, value: value if at // 900 % 2 else None)),
        [("lake", "missing", 0, False)],
    ),
    "swapped probes step both": (
        "swapped", 0.0, season(probe=SWAP, other=series(lambda _, value: value - 0.05)),
        [("lake", "stepped_up", 1.25, False), ("lake", "stepped_down", 1.25, False)],
    ),
    "a valve that stays shut": (
        "dead_valve", 0.0, season([opening(BEGIN), run(BEGIN + HOUR, 0.0), run(BEGIN + 3 * HOUR, 0.0)]),
        [("acks", "dry_runs", 1, False)],
    ),
    "a valve that stays open": (
        "dead_valve", 1.0, season([opening(BEGIN)], probe=SOAKED),
        [("lake", "soaked", 12.25, False)],
    ),
    "a valve that leaks": (
        "dead_valve", 1.0, season([opening(BEGIN), reported(BEGIN + HOUR, "flow_while_shut")]),
        [("gateway", "leak", 1, True)],
    ),
    "a line that passes next to nothing": (
        "clogged", 0.6, season([opening(BEGIN), reported(BEGIN + HOUR, "unusual_flow")]),
        [("gateway", "unusual_flow", 1, True)],
    ),
    "a valve that the gateway knows of": (
        "dead_valve", 1.0, season([opening(BEGIN), run(BEGIN + HOUR, 18_000.0, state="failed", code="valve_fault")]),
        [("gateway", "valve_fault", 1, True)],
    ),
    "clogged passes less": (
        "clogged", 0.6, season([run(START + HOUR, 18_000.0), opening(BEGIN), run(BEGIN + HOUR, 7_200.0)]),
        [("acks", "less_flow", 1, False)],
    ),
    "burst is cut at its litres": (
        "burst", 1.0, season([opening(BEGIN), run(BEGIN + HOUR, 27_000.0, end_reason="volume")]),
        [("gateway", "cut_by_volume", 1, True), ("acks", "more_flow", 1, False)],
    ),
    "a clock ahead": (
        "wrong_clock", 3600.0, season(gateway=delayed(-3600)),
        [("compute", "from_the_future", 0, True), ("lake", "shifted_ahead", 1, False)],
    ),
    "a clock behind": ("wrong_clock", -3600.0, season(gateway=delayed(3600)), [("lake", "shifted_back", 1, False)]),
    "a clock that rejects": (
        "wrong_clock", 3600.0, season([run(BEGIN + HOUR, 0.0, state="rejected", code="expired")]),
        [("gateway", "rejected", 1, True)],
    ),
    "a clock that is known to be unsure": (
        "wrong_clock", 60.0, season(gateway=[sample(BEGIN + 900, clock="estimated")]),
        [("gateway", "unsure", 0.25, True)],
    ),
    "a clock so late that its readings are old": (
        "wrong_clock", -20_000.0, season([decision(BEGIN + HOUR, "fresh_reading", 20_000.0)]),
        [("compute", "stale", 1, True)],
    ),
    "a reboot between runs": (
        "reboot", 600.0, season([status(BEGIN, "offline")], gateway=REBOOTED),
        [("broker", "last_will", 0, True), ("lake", "new_boot", 0, False)],
    ),
    "a reboot that cuts a run": (
        "reboot", 600.0, season([run(BEGIN + 900, 40.0, state="failed", code="power_cut")]),
        [("gateway", "power_cut", 0.25, True)],
    ),
    "Wi-Fi lost": (
        "wifi_loss", 0.0, season([status(BEGIN + 90, "offline"), status(END, "online")], gateway=OUTAGE),
        [("broker", "last_will", 0.025, True), ("lake", "late", 24 + 1 / 60, False)],
    ),
    "a brown-out": (
        "brown_out", 5.0, season([opening(BEGIN), CUT_OFF], gateway=REBOOTED),
        [("gateway", "power_cut", 1 / 60, True), ("lake", "new_boot", 0, False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_noticed_by_whom_and_when(case: str) -> None:
    """What the season left of a fault gives the right notices, and what was raised comes first."""
    kind, amount, evidence, expected = CASES[case]
    verdict = judge(kind, evidence, amount)
    notices = [(one.by, one.how, pytest.approx(verdict.delay_s(one) / HOUR), one.raised) for one in verdict.notices]
    assert notices == expected
    assert verdict.level == ("noticed" if expected[0][3] else "recorded")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: str(one.code))
def test_every_notice_can_be_told(case: str, language: Any) -> None:
    """Each notice becomes a sentence, with all its places filled, in both languages."""
    kind, amount, evidence, _ = CASES[case]
    axis = axis_in(language)
    items = fault_list([judge(kind, evidence, amount)], axis)
    assert "{" not in items
    assert language.say("noticed" if judge(kind, evidence, amount).level == "noticed" else "recorded") in items


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_season_gives_no_notice(kind: str) -> None:
    """No sense cries wolf: what a season without trouble leaves is not taken for the trace of any fault."""
    verdict = judge(kind, healthy(), amount=1.0)
    assert verdict.notices == ()
    assert verdict.level == "unnoticed"


def test_every_kind_of_fault_has_its_senses() -> None:
    """A kind that the simulator knows and this table does not would be `not noticed` for the wrong reason."""
    assert SENSES.keys() == KINDS.keys()


def test_what_is_before_or_after_a_fault_is_not_its_trace() -> None:
    """An error report, a dry run, a gap in another week belong to something else."""
    long_after = END + DAY
    assert not judge("percent", season([error(BEGIN - 900), error(long_after)])).notices
    assert not judge("dead_valve", season([run(BEGIN - 900, 0.0), run(long_after, 0.0)])).notices
    assert not judge("wifi_loss", season([status(BEGIN - 900, "offline"), status(long_after, "offline")])).notices


def test_a_drift_is_said_to_be_unnoticed() -> None:
    """A slow drift hides in what soil does: the report says plainly that nobody noticed."""
    verdict = judge("drift", season(probe=series(lambda at, value: value + 0.01 * (at - BEGIN) / DAY)), amount=0.01)
    axis = axis_in(REPORT_PORTUGUESE)
    assert verdict.level == "unnoticed"
    assert "Ninguém notou, e as leituras parecem normais." in fault_list([verdict], axis)


def test_a_fault_that_met_no_run_could_not_be_noticed() -> None:
    """A dead valve that nobody told to open is not held against anybody."""
    axis = axis_in(REPORT_ENGLISH)
    idle, not_idle = judge("dead_valve", season()), judge("clogged", season([opening(BEGIN + 60)]))
    assert (idle.idle, not_idle.idle) == (True, False)
    assert "no valve of the plot was told to open" in fault_list([idle], axis)


def test_two_valves_that_share_a_pump_are_not_clogged() -> None:
    """Less flow is held against the zone alone at the pump, where it had a run alone."""
    together = run(BEGIN + HOUR, 9_000.0), run(BEGIN + HOUR, 9_000.0, zone_id="plot-1b", command_id="other")
    alone = run(BEGIN + 4 * HOUR, 17_900.0)
    assert not judge("clogged", season([*together, alone]), amount=0.6).notices
    assert judge("clogged", season([*together, run(BEGIN + 4 * HOUR, 7_000.0)]), amount=0.6).notices


def test_an_ack_that_came_twice_is_counted_once() -> None:
    """Acks are repeated until they are heard; the first to arrive gives the time."""
    first = run(BEGIN + HOUR, 0.0)
    verdict = judge("dead_valve", season([first, {**first, "received_at": BEGIN + 2 * HOUR}]))
    assert [(one.figures["runs"], one.at) for one in verdict.notices] == [(1, BEGIN + HOUR)]


def test_the_headline_counts_what_was_noticed() -> None:
    """With faults the headline says how many were noticed, and does not praise a valve that did not obey."""
    summary = farm(gateways=1)["summary"]
    sentence = headline(
        summary, REPORT_ENGLISH, [judge("dead_valve", season(), amount=1.0), judge("percent", season([error(BEGIN)]))]
    )
    assert "every valve was told to close on time" in sentence
    assert sentence.endswith("1 of 2 faults noticed")
    assert "faults" not in headline(summary, REPORT_ENGLISH)


def lake(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """A lake as a demonstration leaves it, with these samples."""
    times = pl.Datetime("ms", "UTC")
    table = pl.DataFrame(rows).with_columns(pl.col("measured_at", "received_at").cast(times))
    (folder / "samples" / "day=2020-07-01").mkdir(parents=True)
    table.write_parquet(folder / "samples" / "day=2020-07-01" / "0.parquet")
    return folder


def row(sensor_id: str, at: int, **values: Any) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, UTC)
    identity = {
        "sensor_id": sensor_id,
        "gateway_id": sensor_id.partition(".")[0],
        "boot_id": "boot-1",
        "clock": "synced",
    }
    return {**identity, "measured_at": when, "received_at": when, **values}


def test_a_lake_gives_the_samples_that_faults_may_show_in(tmp_path: Path) -> None:
    """Of a sensor the quantity in question, of a gateway one of its sensors, of nobody else anything."""
    other = "irrigation-gateway-2.soil-a"
    rows = [
        row(one, START + n, vwc=0.2, soil_temperature_c=21.5) for n in range(3) for one in (*STRUCK["sensor"], other)
    ]
    faults = [
        Fault.from_row(fault("stuck", PROBE, quantity="soil_temperature_c")),
        Fault.from_row(fault("wifi_loss", GATEWAY)),
        Fault.from_row(fault("noise", other, quantity="battery_v")),
    ]
    samples_of = struck_samples(lake(tmp_path, rows), faults, [PROBE])
    assert {place: [one.value for one in samples] for place, samples in samples_of.items()} == {
        (PROBE, "soil_temperature_c"): [21.5] * 3,
        (PROBE, "vwc"): [0.2] * 3,
        (other, "battery_v"): [None] * 3,
        (GATEWAY, ""): [None] * 3,
    }
    assert struck_samples(tmp_path / "nowhere", faults) == {}


def test_a_quarantine_gives_when_and_of_whom(tmp_path: Path) -> None:
    """Entries that can still be read give their sensor; the rest is nobody's."""
    raws = [json.dumps({"sensor_id": PROBE, "received_at": START}), "{broken", json.dumps([1]), None]
    (tmp_path / "quarantine" / "2020").mkdir(parents=True)
    lines = [json.dumps({"object": "o", "line": 1, "sample": None, "reason": "r", "raw": raw}) for raw in raws]
    (tmp_path / "quarantine" / "2020" / "o.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert quarantine_of(tmp_path) == {PROBE: [START], "": [0.0, 0.0, 0.0]}
    assert quarantine_of(tmp_path / "nowhere") == {}


def test_the_report_tells_of_a_fault_out_of_the_lake(tmp_path: Path) -> None:
    """From files to the page: a probe that is stuck in the lake is on record, and its plot's chart shows when."""
    documents = farm(gateways=1)
    rows = [row(PROBE, START + n * 900, vwc=0.2) for n in range(96)]
    documents["summary"]["parquet_dir"] = str(lake(tmp_path / "lake", rows))
    stuck = fault("stuck", PROBE, begin=START + 6 * HOUR, end=START + 12 * HOUR, amount=0.2)
    page = write_report(tmp_path, Season(**documents, truth=truth(documents, [stuck]))).read_text(encoding="utf-8")
    assert "the same value 24 times in a row" in page
    assert "1 fault injected: 0 noticed, 1 only on record for who looks, 0 not noticed." in page
    [title] = re.findall(r'<rect class="trouble"[^>]*><title>([^<]*)', page)
    assert title == f"Stuck probe: {PROBE}"
