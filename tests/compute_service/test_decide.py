"""The decision: each check for itself, and what must hold whatever the state."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy.probes import STUCK, Verdict
from agronomy.units import CALENDAR_MM_A_WEEK, DAY_S
from compute_service.domain.conditions import Conditions
from compute_service.domain.constraints import MIN_RUN_S, Limits
from compute_service.domain.decide import FUTURE_S, REMEDIES, Decision, Run, ZoneState, decide
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.inputs import Inputs, conclude
from compute_service.domain.orders import HOLD_REMEDIES
from compute_service.domain.zone import PlacedProbe, Zone
from compute_service.domain.zone_model import Refilling, Sample, ZoneModel, advance, commanded
from tests.compute_service.bench import NOON, zone

BUSY = ZoneState(under_way="C1")
TORONTO = ZoneInfo("America/Toronto")
MIDNIGHT = int(datetime(2025, 6, 16, tzinfo=TORONTO).timestamp())
CHECKS = (
    *("fresh_reading", "believable_probes", "nothing_under_way", "cooled_down", "needs_water", "within_daily_cap"),
    *("daily_budget", "seasonal_budget", "allowed_hour", "no_frost", "calm", "no_rain_now", "no_rain_ahead"),
    *("pump_free", "bounded_run"),
)


def believed(one: Zone, vwc: float | None = 0.18, at: int = NOON - 60) -> ZoneModel:
    """What is believed of a zone once all its probes have told this moisture."""
    return advance(one, None, (), (), [Sample(name, at, vwc) for name in one.sensor_ids], at)


def state(vwc: float | None = 0.18, at: int = NOON - 60, zone_: Zone | None = None, **overrides: Any) -> ZoneState:
    return ZoneState(model=believed(zone_ or zone(), vwc, at), **overrides)


def lacking(mm: float, **overrides: Any) -> ZoneState:
    """A zone whose roots lack so much, whatever its probe said."""
    known = state(**overrides)
    assert known.model is not None
    belief = known.model.belief
    mean = (mm, *belief.estimate.mean[1:])
    return replace(
        known, model=replace(known.model, belief=replace(belief, estimate=belief.estimate._replace(mean=mean)))
    )


DUE_MM = decide(zone(), lacking(0.0), NOON).receipt["due_mm"]


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def rainy(mm_h: float, at: int = NOON) -> Forecast:
    first = at // 3600 * 3600
    return Forecast(at, tuple(ForecastHour(first + n * 3600, mm_h, 20.0, 1.0, 0.2) for n in range(48)))


def test_dry_zone_is_watered() -> None:
    """A dry zone gets the depth that its roots lack, for the losses, at the emitters' rate."""
    decision = decide(zone(max_run_s=5400), lacking(60.0), NOON)
    net_mm = decision.receipt["net_mm"]
    assert failed(decision) == []
    assert decision.intent is not None
    assert 50 <= net_mm <= 60
    assert decision.intent.depth_mm == pytest.approx(net_mm, abs=0.05)
    assert decision.intent.duration_s == pytest.approx(net_mm / 0.75 / 120 * 3600, abs=1)
    assert decision.intent.max_volume_l == pytest.approx(decision.intent.duration_s * 200 / 60 * 1.5, abs=0.1)
    assert decision.sentence == (
        f"plot-1a gets water for {decision.intent.duration_s / 60:.0f} min: its roots lack 60.0 mm, water is due at"
        f" {DUE_MM:.1f} mm, and this run brings {decision.intent.depth_mm:.1f} mm."
    )


@pytest.mark.parametrize(("days", "is_watered"), [(10, True), (11, False)])
def test_the_balance_goes_on_alone_for_ten_days_only(days: int, is_watered: bool) -> None:
    """While every probe is stuck the balance waters by itself, and from the 11th day nobody goes by a guess."""
    known = lacking(60.0)
    assert known.model is not None
    [name] = known.model.probes
    told_at = NOON - days * DAY_S + 1
    stuck = replace(
        known.model,
        verdicts={name: Verdict(STUCK, "it told the same")},
        belief=replace(known.model.belief, at=told_at),
    )
    decision = decide(zone(max_run_s=5400), replace(known, model=stuck), NOON)
    assert (decision.intent is not None) == is_watered
    assert failed(decision) == ([] if is_watered else ["believable_probes"])


@pytest.mark.parametrize(
    ("known", "check", "told"),
    [
        (ZoneState(), "fresh_reading", "there is no reading yet"),
        (state(at=NOON - 3601), "fresh_reading", "the last reading is 60 min old, at most 60 min is allowed (silence"),
        (state(at=NOON + FUTURE_S + 1), "fresh_reading", "the last reading"),
        (state(0.0), "believable_probes", "soil-a: its last reading is none that soil can give"),
        (state(18.0), "believable_probes", "soil-a: it reports percent where a fraction is wanted"),
        (
            lacking(DUE_MM - 0.1),
            "needs_water",
            f"roots lack {DUE_MM - 0.1:.1f} mm, and water is due at {DUE_MM:.1f} mm",
        ),
        (state(under_way="C1"), "nothing_under_way", "command C1 is still under way"),
        (state(runs=(Run(NOON - 3599, 600),)), "cooled_down", "the last run ended 60 min ago"),
        (state(runs=(Run(NOON - 90, 9), Run(NOON - 7200, 9))), "cooled_down", "the last run ended 90 s ago"),
        (state(runs=(Run(NOON - 7200, 5350),)), "within_daily_cap", "50 s of today's 90 min is left"),
        (state(used_today_l=4990), "daily_budget", "10 l of the day's budget of 5000 l is left"),
        (state(used_season_l=99_999), "seasonal_budget", "1 l of the season's budget of 100000 l is left"),
        (state(conditions=Conditions(temperature_c=1.0)), "no_frost", "1.0 degrees are measured"),
        (state(conditions=Conditions(wind_m_s=7.0)), "calm", "the wind of 7.0 m/s"),
        (state(conditions=Conditions(rain_hour_mm=3.0)), "no_rain_now", "it rains: 3.0 mm in the last hour"),
        (state(conditions=Conditions(rain_hour_mm=1.0)), "no_rain_now", "it rains: 1.0 mm in the last hour"),
        (state(pump_left_l_min=199.0), "pump_free", "the pump has 199 l/min left while other zones run"),
    ],
)
def test_each_check_refuses(known: ZoneState, check: str, told: str) -> None:
    """Each check alone keeps the valve shut, and the sentence gives its reason."""
    limits = Limits(daily_l=5000, seasonal_l=100_000, hours=((8 * 3600, 20 * 3600),), frost_c=2.0, wind_m_s=4.0)
    decision = decide(zone(limits=limits), known, NOON)
    assert decision.intent is None
    assert failed(decision)[0] == check
    assert told in decision.sentence


@pytest.mark.parametrize("sown", [date(2025, 6, 10), date(2025, 5, 10), date(2025, 4, 1), date(2025, 2, 20)])
@pytest.mark.parametrize("allowed", [0.2, 0.35])
def test_a_growers_own_limit_is_never_passed(sown: date, allowed: float) -> None:
    """In no stage may more of the available water be gone than the zones file allows."""
    limited = zone(sown=sown, allowed_depletion=allowed)
    receipt = decide(limited, state(0.28, zone_=limited), NOON).receipt
    assert 0 < receipt["due_mm"] <= allowed * receipt["available_mm"]


def test_hours_that_are_not_allowed() -> None:
    """Outside of the allowed hours nothing starts, and a run ends with them."""
    decision = decide(zone(limits=Limits(hours=((20 * 3600, 6 * 3600),))), state(), NOON)
    assert "it is 11:06, and watering is allowed from 20:00 to 06:00" in decision.sentence
    until = 11 * 3600 + 20 * 60  # in Toronto it is 11:06:40
    intent = decide(zone(limits=Limits(hours=((8 * 3600, until),))), state(), NOON).intent
    assert intent is not None
    assert intent.duration_s == 800


def test_every_check_is_a_row() -> None:
    """A decision keeps every check with its value and threshold, also those that passed, in one order."""
    for known in (state(), state(0.28)):
        assert tuple(check.name for check in decide(zone(), known, NOON).checks) == CHECKS
    assert {*CHECKS, *HOLD_REMEDIES, "no_leak", "not_only_advised"} == set(
        REMEDIES
    )  # these stand there only where they refuse
    needs = decide(zone(), lacking(60.0), NOON).checks[4]
    assert (needs.value, needs.passed) == (60.0, True)
    assert needs.threshold == pytest.approx(DUE_MM, abs=0.01)


def test_a_crop_that_is_not_sown_gets_nothing() -> None:
    """Before sowing there is nothing to water."""
    one = zone(sown=date(2025, 7, 1))
    assert "tomato is sown in 16 d" in decide(one, state(0.13, zone_=one), NOON).sentence


def test_a_crop_that_can_wait_waits_for_rain() -> None:
    """Rain enough in a fresh forecast is waited for; by a crop that would suffer meanwhile, it is not."""
    rain = rainy(4.0)
    assert failed(decide(zone(), lacking(DUE_MM + 0.1), NOON, rain)) == ["no_rain_ahead"]
    assert failed(decide(zone(), lacking(60.0), NOON, rain)) == []
    old = decide(zone(), lacking(DUE_MM + 0.1), NOON, replace(rain, fetched_at=NOON - 7 * 3600))
    assert failed(old) == []
    assert {check.name: check.value for check in old.checks}["no_rain_ahead"] == "forecast 7 h old, not trusted"


def test_one_good_probe_is_enough() -> None:
    """With one of three probes dead, the others are gone by."""
    one = zone(
        probes=(
            PlacedProbe("irrigation-gateway-1.soil-a-20cm", 0.2),
            PlacedProbe("irrigation-gateway-1.soil-a-40cm", 0.4),
        )
    )
    model = believed(one)
    for minute in range(3):
        model = advance(one, model, (), (), [Sample(one.sensor_id, NOON - 50 + minute, 0.0)], NOON)
    decision = decide(one, ZoneState(model=model), NOON)
    assert decision.intent is not None
    assert decision.receipt["probes"] == {
        "irrigation-gateway-1.soil-a": "dead",
        "irrigation-gateway-1.soil-a-20cm": "healthy",
        "irrigation-gateway-1.soil-a-40cm": "healthy",
    }


def test_daily_cap_follows_the_farms_day() -> None:
    """The cap is of the farm's local day: midnight in Toronto opens a new one, midnight in Greenwich does not."""
    spent = (Run(MIDNIGHT - 4000, 5400),)
    at = {"before": MIDNIGHT - 1, "after": MIDNIGHT}
    caps = {when: decide(zone(), state(0.18, now, runs=spent), now) for when, now in at.items()}
    assert "within_daily_cap" in failed(caps["before"])
    assert failed(caps["after"]) == []


def test_bounds_clip_the_run() -> None:
    """What is left of the day, and of the budgets, bounds the run, and a budget its litres too."""
    intent = decide(zone(), state(runs=(Run(NOON - 4000, 5300),)), NOON).intent
    assert intent is not None
    assert intent.duration_s == 100
    intent = decide(zone(limits=Limits(daily_l=5000)), state(used_today_l=4000), NOON).intent
    assert intent is not None
    assert (intent.duration_s, intent.max_volume_l) == (300, 1000)


def test_a_refill_in_cycles() -> None:
    """Where soil lets water in slowly a refill is several openings, each after the soak of the one before."""
    one = zone(infiltration_mm_h=30.0, max_run_s=5400, daily_cap_s=86400)
    known, now, openings, soaks = lacking(55.0, zone_=one), NOON, [], set()
    for _ in range(40):
        decision = decide(one, known, now)
        if decision.intent is None:
            break
        assert known.model is not None
        openings.append(decision.intent.duration_s)
        if decision.refilling:
            soaks.add(decision.refilling.soak_s)
        model = commanded(known.model, decision.refilling)
        depletion = model.belief.depletion_mm - decision.intent.depth_mm
        mean = (depletion, *model.belief.estimate.mean[1:])
        model = replace(model, belief=replace(model.belief, estimate=model.belief.estimate._replace(mean=mean)))
        ended = now + decision.intent.duration_s
        known = ZoneState(model=model, runs=(Run(ended, decision.intent.duration_s),))
        now = ended + (decision.refilling.soak_s if decision.refilling else 0)
        known = replace(known, model=replace(model, probes=believed(one, 0.18, now).probes))
    assert 8 <= len(openings) <= 12
    assert max(openings) <= 200  # 5 mm may stand while 90 mm/h more come than go
    assert all(soak_s >= 3 * opening for soak_s in soaks for opening in openings[:1])
    assert sum(openings) / 3600 * 120 * 0.75 == pytest.approx(55, rel=0.25)
    assert decision.refilling is None


def test_what_a_refill_left_is_given_without_a_new_need() -> None:
    """A refill that was bound by the longest run goes on below the depletion at which it began, for a day."""
    known = state(0.27, runs=(Run(NOON - 3700, 1800),))
    assert known.model is not None
    assert decide(zone(), known, NOON).intent is None
    rest = Refilling(NOON - 6000, 0.0, 3.0, 0)
    goes_on = replace(known, model=commanded(known.model, rest))
    decision = decide(zone(), goes_on, NOON)
    assert decision.intent is not None
    assert decision.receipt["refill_since"] == NOON - 6000
    assert decision.intent.depth_mm == pytest.approx(known.model.belief.depletion_mm, abs=0.05)
    forgotten = replace(known, model=commanded(known.model, replace(rest, begun_at=NOON - 86400)))
    assert decide(zone(), forgotten, NOON).intent is None


def test_a_run_that_no_probe_saw_is_told() -> None:
    """Whatever is decided, the sentence says that the last run was not confirmed."""
    known = state(0.25)
    assert known.model is not None
    unseen = replace(known, model=replace(known.model, unseen_mm=12.0))
    assert "The probes did not see the last run of 12.0 mm" in decide(zone(), unseen, NOON).sentence
    assert "did not see" not in decide(zone(), known, NOON).sentence


def test_the_receipt_holds_what_it_went_by() -> None:
    """Every number behind a decision is in its receipt, and what a calendar would have given."""
    receipt = decide(zone(), state(0.25), NOON).receipt
    names = {
        *("depletion_mm", "sigma_mm", "readily_available_mm", "available_mm", "stage", "day", "kc", "et0_mm_24h"),
        *("etc_mm_24h", "rain_mm_24h", "irrigation_mm_24h", "demand", "offset", "probes", "spare_mm"),
        *("next_water_in_h", "calendar_l", "due_mm", "left_mm", "net_mm", "weather", "unseen_mm"),
    }
    assert names <= receipt.keys()
    assert (receipt["available_mm"], receipt["stage"], receipt["day"]) == (pytest.approx(85), "mid", 75)
    assert receipt["calendar_l"] == pytest.approx(CALENDAR_MM_A_WEEK / 7 * 100, abs=0.1)
    lacking = receipt["due_mm"] - receipt["depletion_mm"]
    assert receipt["next_water_in_h"] == pytest.approx(lacking / receipt["etc_mm_24h"] * 24, abs=0.1)


MOISTURE = st.none() | st.floats(0, 1)
TIMES = st.integers(NOON - 3 * 86400, NOON + 3600)
RUNS = st.lists(st.builds(Run, ended_at=TIMES, duration_s=st.floats(1, 7200)), max_size=4).map(tuple)
STATES = st.builds(
    lambda vwc, at, under_way, runs, used: (vwc, at, {"under_way": under_way, "runs": runs, "used_today_l": used}),
    MOISTURE,
    TIMES,
    st.none() | st.just("C1"),
    RUNS,
    st.floats(0, 6000),
)
LIKELY = st.builds(  # a state in which a run is likely, so that its bounds are really tried
    lambda vwc, at, runs: (vwc, at, {"runs": runs}),
    st.floats(0.10, 0.2),
    st.integers(NOON - 3600, NOON),
    st.lists(
        st.builds(Run, ended_at=st.integers(NOON - 86400, NOON - 4000), duration_s=st.floats(1, 3000)), max_size=3
    ).map(tuple),
)
ZONES = st.builds(
    zone,
    root_depth_m=st.floats(0.02, 5),
    application_rate_mm_h=st.floats(0.1, 500),
    efficiency=st.floats(0.05, 1),
    max_run_s=st.integers(MIN_RUN_S, 5400),
    cooldown_s=st.integers(0, 4000),
    infiltration_mm_h=st.none() | st.floats(0.1, 500),
    allowed_depletion=st.none() | st.floats(0.1, 0.8),
    limits=st.builds(Limits, daily_l=st.none() | st.floats(0, 9000), hours=st.sampled_from([(), ((0, 86400 // 2),)])),
    timezone=st.sampled_from(["America/Toronto", "UTC", "Pacific/Kiritimati", "Asia/Kathmandu"]),
)
Told = tuple[float | None, int, dict[str, Any]]


def known_of(zone_: Zone, told: Told) -> ZoneState:
    vwc, at, rest = told
    return state(vwc, at, zone_, **rest)


@given(ZONES, STATES | LIKELY)
def test_whatever_the_state(zone_: Zone, told: Told) -> None:
    """No state makes a run that is unbounded, blind, too soon, doubled or above the day's cap and budget."""
    known = known_of(zone_, told)
    decision = decide(zone_, known, NOON)
    intent = decision.intent
    assert (intent is None) == bool(failed(decision))
    if intent is None:
        return
    assert known.model is not None
    assert -FUTURE_S <= NOON - told[1] <= zone_.max_reading_age_s
    assert known.model.belief.depletion_mm > decision.receipt["due_mm"] - 1e-3
    assert known.under_way is None
    assert all(NOON - run.ended_at >= zone_.cooldown_s for run in known.runs)
    assert MIN_RUN_S <= intent.duration_s <= zone_.max_run_s
    assert 0 < intent.max_volume_l < float("inf")
    assert zone_.limits.daily_l is None or known.used_today_l + intent.max_volume_l <= zone_.limits.daily_l + 0.05
    farm = ZoneInfo(zone_.timezone)
    today = datetime.fromtimestamp(NOON, farm).date()
    used = sum(r.duration_s for r in known.runs if datetime.fromtimestamp(r.ended_at, farm).date() == today)
    assert used + intent.duration_s <= zone_.daily_cap_s


@given(ZONES, LIKELY, st.floats(0.10, 0.2))
def test_drier_never_gets_less(zone_: Zone, told: Told, other: float) -> None:
    """All else equal, drier soil is never left without the water that wetter soil gets, nor given less in all."""
    vwc, at, rest = told
    assert vwc is not None
    low, high = sorted((vwc, other))
    drier, wetter = (decide(zone_, known_of(zone_, (value, at, rest)), NOON) for value in (low, high))
    if wetter.intent is not None:
        assert drier.intent is not None
        assert drier.receipt["net_mm"] >= wetter.receipt["net_mm"] - 1e-9


@given(ZONES, STATES)
def test_same_arguments_same_decision(zone_: Zone, told: Told) -> None:
    """The decision depends on its arguments alone, and the order of the runs does not matter."""
    known = known_of(zone_, told)
    turned = replace(known, runs=known.runs[::-1])
    assert decide(zone_, known, NOON).to_json() == decide(zone_, turned, NOON).to_json()


def test_a_refill_that_is_complete_is_over() -> None:
    """Once its rest is not worth a run it is not taken up again, although the crop goes on drinking."""
    rest = Refilling(NOON - 6000, 0.0, 3.0, 0)
    known = lacking(2.5)
    assert known.model is not None
    model = commanded(known.model, rest)
    decision, after = conclude(zone(), model, Inputs(samples=(Sample(zone().sensor_id, NOON - 9, 0.285),)), NOON)
    assert (decision.intent, decision.refilling, after.refilling) == (None, None, None)
    waiting = conclude(zone(), commanded(lacking(20.0).model or model, rest), Inputs(state=BUSY), NOON)[1]
    assert waiting.refilling == rest
