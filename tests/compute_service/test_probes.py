"""What is said of a probe: that a broken one is found out, each in its way, and a healthy one is left alone."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy.probes import (
    DEAD,
    DRIFTING,
    HEALTHY,
    OUTLIER,
    PERCENT,
    SILENT,
    STUCK,
    VERDICTS,
    Probe,
    Verdict,
    drying,
    hear,
    judge,
    responded,
    taken_below,
    to_go_by,
    watch,
    weights,
)
from tests.compute_service.plot import live
from tests.compute_service.seasons import NAMES, START, WILTING_POINT, season

DAY, HOUR = 86400, 3600
BROKEN_AT = START + 30 * DAY
Break = Callable[[int, float], float | str | None]


def stuck(_at: int, _vwc: float) -> float:
    return 0.231


def percent(_at: int, vwc: float) -> float:
    return vwc * 100


def in_air(_at: int, _vwc: float) -> float:
    return 0.01


def null(_at: int, _vwc: float) -> None:
    return None


def silent(_at: int, _vwc: float) -> str:
    return "nothing"


BREAKS: list[tuple[Break, str, float]] = [
    (stuck, STUCK, 10.0),
    (percent, PERCENT, 0.05),
    (in_air, DEAD, 0.2),
    (null, DEAD, 0.2),
    (silent, SILENT, 0.3),
]


@pytest.mark.parametrize(("broken", "kind", "days"), BREAKS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_broken_probe_is_called_what_it_is(broken: Break, kind: str, days: float, which: int) -> None:
    """Broken on day 30, at any depth: it is called so within days (a stuck one) or hours, and ever after.

    The other two stay healthy. What it costs the belief is tested in test_fusion.py.
    """

    def change(at: int, read: tuple[float, ...]) -> tuple[float | str | None, ...]:
        if at < BROKEN_AT:
            return read
        return (*read[:which], broken(at, read[which]), *read[which + 1 :])

    told = live(season(2), change)
    kinds = [verdicts[NAMES[which]] for verdicts in told.verdicts]
    begun = next(index for index, hour in enumerate(season(2)) if hour.at >= BROKEN_AT)
    assert set(kinds[:begun]) == {HEALTHY}
    assert kind in kinds[begun : begun + int(days * 24)]
    assert set(kinds[begun + int(days * 24) :]) == {kind}
    assert {verdicts[name] for verdicts in told.verdicts for name in NAMES if name != NAMES[which]} == {HEALTHY}


def test_a_leap_is_an_outlier_until_it_is_repeated() -> None:
    """A single reading far below the last is doubted and not believed; told twice, it is how things are."""
    probe = heard(Probe(0.1), [0.25, 0.25, 0.05])
    assert judge(probe, probe.heard_at, 0.5).kind == OUTLIER
    assert probe.vwc == 0.25
    assert judge(heard(probe, [0.25]), probe.heard_at, 0.5).kind == HEALTHY
    again = heard(probe, [0.06])
    assert (again.vwc, judge(again, again.heard_at, 0.5).kind) == (0.06, HEALTHY)


def test_a_drift_shows_when_the_soil_is_full() -> None:
    """In full soil every month, 0.02 more each: called drifting once it is 0.035 off, and with so many words."""
    probe, kinds = Probe(0.2), []
    for day in range(1, 120):
        at = START + day * DAY
        probe = hear(probe, 0.28 + 0.02 * day / 30 + 0.001 * (day % 3), at, WILTING_POINT)
        full_at = START + (day - day % 15) * DAY
        probe = watch(probe, 0.01 + 0.005 * (day % 15), 0.29, full_at if day >= 15 else 0)
        kinds.append(judge(probe, at, 0.6).kind)
    assert set(kinds[:45]) == {HEALTHY}
    assert set(kinds[90:]) == {DRIFTING}
    assert "in full soil it reads +0.0" in judge(probe, START + 119 * DAY, 0.6).why


def test_steady_soil_is_not_taken_for_a_stuck_probe() -> None:
    """The same value for a month in a field that hardly moves is what a good probe says in winter."""
    probe = Probe(0.1)
    for hour in range(1, 720):
        probe = watch(hear(probe, 0.25, START + hour * HOUR, WILTING_POINT), 0.04 + 0.01 * hour / 720, 0.29, 0)
    assert judge(probe, probe.heard_at, 0.6).kind == HEALTHY


@pytest.mark.parametrize("interval_s", [600, HOUR, 6 * HOUR, DAY])
def test_silence_is_judged_by_the_probe_s_own_cadence(interval_s: int) -> None:
    """A probe of one reading a day is not silent after three, one of six an hour is after some hours."""
    probe = Probe(0.1)
    for count in range(1, 30):
        probe = hear(probe, 0.25 + 0.001 * (count % 2), START + count * interval_s, WILTING_POINT)
    patience = max(2 * HOUR, 4 * interval_s)
    assert judge(probe, probe.heard_at + patience - 1, 0.5).kind == HEALTHY
    assert judge(probe, probe.heard_at + patience + interval_s, 0.5).kind == SILENT
    assert judge(Probe(0.1), START, 0.5).kind == SILENT


def test_a_gap_does_not_make_silence_usual() -> None:
    """After five days without a word the same cadence is expected as before, or nearly."""
    probe = heard(Probe(0.1), [0.25, 0.251] * 10)
    late = hear(probe, 0.24, probe.heard_at + 5 * DAY, WILTING_POINT)
    assert late.interval_s <= 1.2 * HOUR


def test_healthy_probes_are_left_alone() -> None:
    """False alarms: none in 6 seasons of 90 days of 3 probes, judged every hour (38,880 judgements), noise 0.003.

    And at a noise of 0.01, which is a poor probe's, at most 1 in 1,000.
    """
    for noise, most in ((0.003, 0.0), (0.01, 0.001)):
        counts: Counter[str] = Counter()
        for seed in range(6):
            told = live(season(seed, noise))
            counts.update(kind for verdicts in told.verdicts for kind in verdicts.values())
        assert counts.total() == 6 * 90 * 24 * 3
        assert 1 - counts[HEALTHY] / counts.total() <= most, counts


def test_a_drifting_probe_counts_only_where_there_is_no_other() -> None:
    """What is slowly off spoils no healthy probe's word, and is better than nothing."""
    drifting, healthy = Probe(0.1, vwc=0.2, at=START), Probe(0.3, vwc=0.3, at=START)
    verdicts = {"off": Verdict(DRIFTING, "it reads 0.05 less"), "good": Verdict(HEALTHY)}
    assert to_go_by({"off": drifting, "good": healthy}, verdicts, START - 1) == {"good": healthy}
    assert to_go_by({"off": drifting}, verdicts, START - 1) == {"off": drifting}


def test_each_probe_stands_for_the_soil_around_it() -> None:
    """Weights go from middle to middle and sum to 1; a probe below young roots stands for nothing yet."""
    assert weights([0.1, 0.3, 0.5], 0.6) == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert weights([0.1, 0.3, 0.5], 0.2) == pytest.approx([1, 0, 0])
    assert weights([0.4], 0.2) == [1]


def test_soil_below_the_last_probe_is_as_dry_as_its_roots_are_many() -> None:
    """Roots of 1 m take 40, 30, 20 and 10 % from their quarters: below a probe at 0.6 m lies half of what it sees."""
    assert drying(0.6, 0.7, 0.15) == 1
    assert drying(0.6, 1.0, 0.15) == pytest.approx(0.5)
    assert drying(0.1, 1.0, 0.15) == pytest.approx((1.2 + 0.8 + 0.4) / 3 / 1.6)
    assert drying(0.9, 0.5, 0.15) == 1
    assert [taken_below(share) for share in (0, 0.25, 0.5, 0.875, 1, 2)] == pytest.approx([1, 0.6, 0.3, 0.05, 0, 0])


def test_a_run_that_no_probe_saw_is_not_confirmed() -> None:
    """25 mm raise the top probe, or all a little; noise alone does not."""
    shares = (0.4, 0.3, 0.3)
    assert responded((0.20, 0.20, 0.20), (0.26, 0.20, 0.20), shares, 25, 0.6)
    assert responded((0.20, 0.20, 0.20), (0.218, 0.216, 0.218), shares, 25, 0.6)
    assert not responded((0.20, 0.20, 0.20), (0.203, 0.198, 0.201), shares, 25, 0.6)


READINGS = st.lists(
    st.tuples(st.integers(-100, 40 * DAY), st.none() | st.floats(allow_nan=True) | st.floats(0, 1)), max_size=40
)


@given(READINGS, st.floats(0.05, 2), st.floats(-0.2, 0.6))
def test_whatever_a_probe_says_it_gets_a_verdict(
    readings: list[tuple[int, float | None]], roots_m: float, depletion: float
) -> None:
    """Any numbers, NaN and infinity among them, at any times: one verdict with a reason, and a memory that is JSON.

    What is believed stays within what soil can hold, and the memory's copy by way of JSON goes on as the original.
    """
    probe = Probe(0.2)
    for after, vwc in readings:
        probe = watch(hear(probe, vwc, START + after, WILTING_POINT), depletion, 0.29, START)
        assert probe.vwc is None or 0 < probe.vwc <= 0.65
        copy = Probe.from_json(json.loads(json.dumps(probe.to_json(), allow_nan=False)))
        assert copy == probe
    verdict = judge(probe, START + 40 * DAY, roots_m)
    assert verdict.kind in VERDICTS
    assert bool(verdict.why) == (verdict.kind != HEALTHY)


def heard(probe: Probe, readings: list[float]) -> Probe:
    """An hour apart."""
    for count, vwc in enumerate(readings, 1):
        probe = hear(probe, vwc, (probe.heard_at or START) + (HOUR if count else 0), WILTING_POINT)
    return probe
