"""Does this zone need water now? A pure function of the zone, of what is known about it, of the time and a forecast.

Every check becomes a row of the decision, passed or not, so that a decision explains itself a season later; the first
that fails gives the sentence. A run brings the root zone from what is believed to be missing to what the strategy
leaves, in openings that the soil can take, within every bound. Water is in mm over the zone, times are Unix seconds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agronomy import strategy
from agronomy.balance import Account, stress
from agronomy.probes import STUCK
from agronomy.refill import net_mm, refill
from agronomy.strategy import Aim, Need
from agronomy.units import CALENDAR_MM_A_WEEK, DAY_S, HOUR_S
from compute_service.domain import constraints
from compute_service.domain.conditions import Conditions
from compute_service.domain.constraints import CONSTRAINTS, MIN_RUN_S, NOTHING_MEASURED, Check, Now, Wish
from compute_service.domain.forecast import Forecast
from compute_service.domain.orders import HOLD_REMEDIES, OVERRULED, Hold, ManualRun, hold_check
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Refilling, ZoneModel, usable

FUTURE_S = 300  # a sample from further ahead has a wrong clock
VOLUME_MARGIN = 1.5  # a burst pipe flows more than this times the nominal rate
BY_BALANCE_S = 10 * DAY_S  # so long the balance goes on alone while every probe is stuck
REFILL_S = DAY_S  # a refill that is not complete by then is given up
REST_SHARE, REST_MM = 0.2, 2.0  # a smaller rest of a refill is within what a belief is wrong by
LOOK_AHEAD_H = 14 * 24
LEAST_MM_H = 1e-9  # of a field that takes nothing: what it has lasts
ADVICE = "advice"  # the mode of a zone whose decisions never command
DIGITS = 3  # of the numbers in a receipt


class Run(NamedTuple):
    """A run that is over: what an ack settled or, where no ack ever came, the most that the command allowed."""

    ended_at: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState:
    """What is known about a zone. `runs` covers the farm's local day and the cooldown, in any order; None is unknown.

    `pump_left_l_min` is what the valves that are open leave of the pump; `holds` are those in force, see `orders`;
    `latched` are the zones at which the gateway saw a leak, so that it opens nothing.
    """

    model: ZoneModel | None = None
    under_way: str | None = None  # the command_id whose end is not known yet
    runs: tuple[Run, ...] = ()
    used_today_l: float = 0.0
    used_season_l: float = 0.0
    conditions: Conditions = NOTHING_MEASURED
    pump_left_l_min: float | None = None
    holds: tuple[Hold, ...] = ()
    latched: tuple[str, ...] = ()


class Open(NamedTuple):
    """The intent to water: at most `duration_s` seconds and `max_volume_l` litres, to bring `depth_mm` to the roots."""

    duration_s: int
    max_volume_l: float
    depth_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An intent or none, every check behind it, the same in one sentence, and what it went by: see `receipt`.

    `refilling` is what remains to be given of a refill, with the intent or without; once it is complete it is over.
    """

    zone_id: str
    at: int
    intent: Open | None
    checks: tuple[Check, ...]
    sentence: str
    receipt: Mapping[str, Any]
    refilling: Refilling | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is recorded: plain numbers, rounded, texts, lists and dicts."""
        receipt = self.receipt.items()
        return {
            "zone_id": self.zone_id,
            "at": self.at,
            "intent": self.intent and self.intent._asdict(),
            "checks": [check._asdict() for check in self.checks],
            "sentence": self.sentence,
            "receipt": {name: round(value, DIGITS) if value.__class__ is float else value for name, value in receipt},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What the crop needs, and the opening that would give it, were nothing against it."""

    need: Need
    aim: Aim
    net_mm: float
    cycle_s: int
    soak_s: int
    wish: Wish
    begun_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    zone: Zone
    state: ZoneState
    now: int
    model: ZoneModel
    plan: _Plan
    left_today_s: int
    surroundings: Now
    run_s: int  # of the opening that the plan comes to, within every bound
    manual: ManualRun | None


def decide(
    zone: Zone, state: ZoneState, now: int, forecast: Forecast | None = None, manual: ManualRun | None = None
) -> Decision:
    """Decide about one zone at `now`; the same arguments always give the same decision.

    With a `manual` run the question is whether a person's wish may be granted: it overrules what speaks against water,
    and nothing that bounds it.
    """
    if state.model is None:
        check = Check("fresh_reading", None, zone.max_reading_age_s, False, "there is no reading yet")
        sentence = _refusal(zone.zone_id, check)
        return Decision(zone_id=zone.zone_id, at=now, intent=None, checks=(check,), sentence=sentence, receipt={})
    case = _case(zone, state, state.model, now, forecast, manual)
    by_limits = constraints.find(zone.limits, case.surroundings, case.plan.wish)
    holds = [hold_check(hold, zone.timezone) for hold in state.holds]  # no row while nothing holds
    checks = (
        *holds,
        *_latch(zone, state),
        *[row.check(case) for row in FIRST],
        *by_limits,
        *[row.check(case) for row in LAST],
    )
    if manual is None and zone.mode == ADVICE and all(check.passed for check in checks):
        checks = (*checks, _advice(case))
    overruled = OVERRULED if manual else ()
    obstacle = next((check for check in checks if not check.passed and check.name not in overruled), None)
    if obstacle is not None:
        rest = _under_way(case) if case.plan.net_mm > 0 else None
        return _decision(case, checks, _refusal(zone.zone_id, obstacle), None, rest)
    intent = _opening(case)
    return _decision(case, checks, _consent(case, intent, checks), intent, _rest(case, intent))


def _decision(
    case: _Case, checks: tuple[Check, ...], sentence: str, intent: Open | None, rest: Refilling | None
) -> Decision:
    return Decision(
        zone_id=case.zone.zone_id,
        at=case.now,
        intent=intent,
        checks=checks,
        sentence=sentence + _warning(case),
        receipt=_receipt(case),
        refilling=rest,
    )


def _case(  # noqa: PLR0913, PLR0917  # all that a decision goes by
    zone: Zone,
    state: ZoneState,
    model: ZoneModel,
    now: int,
    forecast: Forecast | None,
    manual: ManualRun | None,
) -> _Case:
    surroundings = Now(
        at=now,
        timezone=zone.timezone,
        used_today_l=state.used_today_l,
        used_season_l=state.used_season_l,
        conditions=state.conditions,
        forecast=forecast,
    )
    left_today_s = _left_today_s(zone, state, now)
    plan = _plan(zone, model, now)
    if manual:
        plan = replace(plan, cycle_s=_manual_s(zone, manual))
        plan = replace(plan, wish=_wish(zone, plan.net_mm, plan.cycle_s, plan.wish.spare_mm))
    bounds_s = (zone.max_run_s, left_today_s, max(plan.cycle_s, MIN_RUN_S))
    limits = replace(zone.limits, hours=()) if manual else zone.limits
    return _Case(
        zone=zone,
        state=state,
        now=now,
        model=model,
        plan=plan,
        left_today_s=left_today_s,
        surroundings=surroundings,
        run_s=int(min(*bounds_s, constraints.most_seconds(limits, surroundings, zone.flow_l_min))),
        manual=manual,
    )


def _manual_s(zone: Zone, manual: ManualRun) -> int:
    """How long a person's run may take: litres may come slower than they should."""
    bounds_s = (
        zone.max_run_s,
        manual.duration_s,
        None if manual.volume_l is None else math.ceil(manual.volume_l / zone.flow_l_min * 60 * VOLUME_MARGIN),
    )
    return min(bound_s for bound_s in bounds_s if bound_s is not None)


def _wish(zone: Zone, net_mm: float, seconds: int, spare_mm: float) -> Wish:
    return Wish(net_mm, seconds * zone.flow_l_min / 60, seconds, spare_mm)


def _plan(zone: Zone, model: ZoneModel, now: int) -> _Plan:
    """The strategy's depth, or the rest of a refill, in openings that the soil can take."""
    place = zone.place
    depletion_mm, begun_at = model.belief.depletion_mm, now
    kc, account, day = model.day.kc, model.day.account, place.day(now)
    need = Need(soil=place.soil, crop=place.crop, day=day, kc=kc, account=account, belief=model.belief)
    aim, rest = strategy.aim(need, place.strategy), model.refilling
    spare_mm = aim.due_mm + strategy.demand_mm(account) - depletion_mm
    if rest and now - rest.begun_at < REFILL_S:
        aim, begun_at = Aim(rest.left_mm + rest.least_mm, rest.left_mm), rest.begun_at
    missing_mm = 0.0
    cycle_s = soak_s = 0
    if depletion_mm > aim.due_mm and day >= 0:
        missing_mm = depletion_mm - aim.left_mm
        cycle = refill(place.emitters, missing_mm).cycles[0]
        cycle_s, soak_s = min(cycle.open_s, zone.max_run_s), cycle.soak_s
    return _Plan(
        need=need,
        aim=aim,
        net_mm=missing_mm,
        cycle_s=cycle_s,
        soak_s=soak_s,
        wish=_wish(zone, missing_mm, cycle_s, spare_mm),
        begun_at=begun_at,
    )


def _fresh_reading(case: _Case) -> Check:
    heard_at = max([probe.heard_at for probe in case.model.probes.values()])
    age = case.now - heard_at if heard_at else None
    most = case.zone.max_reading_age_s
    if age is not None and -FUTURE_S <= age <= most:
        return Check("fresh_reading", age, most, True)
    newest = "there is no reading yet" if age is None else f"the last reading is {span(age)} old"
    return Check(
        "fresh_reading", age, most, False, f"{newest}, at most {span(most)} is allowed (silence is not dryness)"
    )


def _believable_probes(case: _Case) -> Check:
    """One probe to go by is enough; while all are stuck, the balance knows better for a while."""
    model = case.model
    good = sum([usable(model, name) for name in model.probes])
    if good:
        return Check("believable_probes", good, 1, True)
    verdicts = {name: model.verdicts[name] for name in model.probes if name in model.verdicts}
    if any(verdict.kind == STUCK for verdict in verdicts.values()) and case.now - model.belief.at < BY_BALANCE_S:
        return Check("believable_probes", "stuck: by the balance alone", 1, True)
    whys = "; ".join(f"{name}: {verdict.why or 'nothing was heard of it'}" for name, verdict in verdicts.items())
    return Check("believable_probes", good, 1, False, f"no probe can be believed ({whys})")


def _nothing_under_way(case: _Case) -> Check:
    command_id = case.state.under_way
    why = f"command {command_id} is still under way" if command_id else ""
    return Check("nothing_under_way", command_id, None, command_id is None, why)


def _cooled_down(case: _Case) -> Check:
    rest = case.model.refilling
    most = rest.soak_s if rest and rest.soak_s else case.zone.cooldown_s
    since = min([case.now - run.ended_at for run in case.state.runs], default=None)
    if since is None or since >= most:
        return Check("cooled_down", since, most, True)
    why = f"the last run ended {span(since)} ago, water needs {span(most)} to soak in"
    return Check("cooled_down", since, most, False, why)


def _needs_water(case: _Case) -> Check:
    depletion_mm, due_mm, day = case.model.belief.depletion_mm, case.plan.aim.due_mm, case.plan.need.day
    value, threshold = round(depletion_mm, 2), round(due_mm, 2)
    if case.plan.net_mm > 0:
        return Check("needs_water", value, threshold, True)
    why = f"the roots lack {depletion_mm:.1f} mm, and water is due at {due_mm:.1f} mm"
    if day < 0:
        why = f"{case.zone.crop} is sown in {span(-day * DAY_S)}"
    return Check("needs_water", value, threshold, False, why)


def _within_daily_cap(case: _Case) -> Check:
    left_s = case.left_today_s
    if left_s >= MIN_RUN_S:
        return Check("within_daily_cap", left_s, MIN_RUN_S, True)
    why = f"{span(left_s)} of today's {span(case.zone.daily_cap_s)} is left, a run needs at least {span(MIN_RUN_S)}"
    return Check("within_daily_cap", left_s, MIN_RUN_S, False, why)


def _pump_free(case: _Case) -> Check:
    left_l_min, flow_l_min = case.state.pump_left_l_min, round(case.zone.flow_l_min, 3)
    if left_l_min is None or left_l_min + 1e-6 >= flow_l_min:
        return Check("pump_free", left_l_min, flow_l_min, True)
    why = f"the pump has {left_l_min:.0f} l/min left while other zones run, and the zone takes {flow_l_min:.0f}"
    return Check("pump_free", left_l_min, flow_l_min, False, why)


def _bounded_run(case: _Case) -> Check:
    value = case.run_s if case.plan.net_mm > 0 or case.manual else case.zone.max_run_s
    passed = MIN_RUN_S <= value <= case.zone.max_run_s
    why = "" if passed else f"a run of {value} s is shorter than the shortest useful run of {MIN_RUN_S} s"
    return Check("bounded_run", value, MIN_RUN_S, passed, why)


class _CaseCheck(NamedTuple):
    """As a Constraint, of all that is known."""

    name: str
    check: Callable[[_Case], Check]
    remedy: str


FIRST = (
    _CaseCheck("fresh_reading", _fresh_reading, "a reading not older than {threshold} s"),
    _CaseCheck("believable_probes", _believable_probes, "one probe whose readings can be believed"),
    _CaseCheck("nothing_under_way", _nothing_under_way, "the end of the command under way"),
    _CaseCheck("cooled_down", _cooled_down, "{threshold} s since the last run instead of {value}"),
    _CaseCheck("needs_water", _needs_water, "a depletion beyond {threshold} mm instead of {value} mm"),
    _CaseCheck("within_daily_cap", _within_daily_cap, "{threshold} s left of the day's cap instead of {value}"),
)
LAST = (
    _CaseCheck("pump_free", _pump_free, "{threshold} l/min free at the pump instead of {value}"),
    _CaseCheck("bounded_run", _bounded_run, "a run of {threshold} s or more instead of {value} s"),
)
REMEDIES = {  # of every check, in their order
    **HOLD_REMEDIES,
    "no_leak": "an order to clear the gateway, once somebody has looked at valves and pipes",
    **{row.name: row.remedy for row in (*FIRST, *CONSTRAINTS, *LAST)},
    "not_only_advised": "a zone whose decisions act: `mode: act` in the zones file",
}


def _latch(zone: Zone, state: ZoneState) -> tuple[Check, ...]:
    """No row while the gateway is well."""
    if not state.latched:
        return ()
    names = ", ".join(state.latched)
    why = f"{zone.gateway_id} saw water where none should flow, at {names}, and opens nothing until somebody clears it"
    return (Check("no_leak", names, None, False, why),)


def _advice(case: _Case) -> Check:
    why = f"its decisions are advice, and this one would open for {span(case.run_s)}"
    return Check("not_only_advised", case.run_s, None, False, why)


def _opening(case: _Case) -> Open:
    """The intent; its litres bound a burst pipe, and what the budgets have left."""
    litres = case.run_s * case.zone.flow_l_min / 60
    most_l = constraints.most_litres(case.zone.limits, case.surroundings)
    bounds_l = (litres * VOLUME_MARGIN, most_l, case.manual.volume_l if case.manual else None)
    bound_l = min(bound for bound in bounds_l if bound is not None)
    return Open(case.run_s, round(bound_l, 1), round(net_mm(case.zone.place.emitters, litres), 2))


def _under_way(case: _Case) -> Refilling | None:
    """The refill that is being given, until it is complete or too old."""
    rest = case.model.refilling
    return rest if rest and case.plan.begun_at == rest.begun_at else None


def _rest(case: _Case, intent: Open) -> Refilling | None:
    """The refill, while a worthwhile part of it is still to come."""
    plan, refilling = case.plan, _under_way(case)
    if case.manual:
        return refilling
    least_mm = refilling.least_mm if refilling else max(REST_MM, REST_SHARE * plan.net_mm)
    if plan.net_mm - intent.depth_mm <= least_mm:
        return None
    soak_s = plan.soak_s if intent.duration_s >= plan.cycle_s else 0
    return Refilling(plan.begun_at, plan.aim.left_mm, least_mm, soak_s)


def _left_today_s(zone: Zone, state: ZoneState, now: int) -> int:
    """Seconds of the daily cap that are left; a run counts on the local day in which it ended."""
    if not state.runs:
        return zone.daily_cap_s
    farm = ZoneInfo(zone.timezone)
    today = datetime.fromtimestamp(now, farm).date()
    used_s = sum(run.duration_s for run in state.runs if datetime.fromtimestamp(run.ended_at, farm).date() == today)
    return int(max(zone.daily_cap_s - used_s, 0))


def _receipt(case: _Case) -> dict[str, Any]:
    """What the decision went by: mm over the zone, of the last 24 hours where the name says so."""
    model, plan, day = case.model, case.plan, case.model.day
    belief, account, rest = model.belief, day.account, _under_way(case)
    by_hand = {} if case.manual is None else {"manual": case.manual._asdict()}
    return {
        **by_hand,
        "depletion_mm": belief.depletion_mm,
        "sigma_mm": belief.sigma_mm,
        "due_mm": plan.aim.due_mm,
        "left_mm": plan.aim.left_mm,
        "net_mm": plan.net_mm,
        "readily_available_mm": account.readily_available_mm,
        "available_mm": account.available_mm,
        "spare_mm": plan.wish.spare_mm,
        "stress": stress(account.available_mm, belief.depletion_mm, account.depletion_fraction),
        "stage": day.kc.stage,
        "day": int(plan.need.day // 1),
        "kc": day.kc.single,
        "roots_m": model.state.roots_m,
        "et0_mm_24h": day.et0_mm,
        "etc_mm_24h": account.evapotranspiration_mm,
        "rain_mm_24h": account.rain_mm,
        "irrigation_mm_24h": account.irrigation_mm,
        "weather": dict(day.sources),
        "demand": belief.demand,
        "offset": belief.offset,
        "probes": {name: verdict.kind for name, verdict in model.verdicts.items()},
        "unseen_mm": model.unseen_mm,
        "refill_since": rest.begun_at if rest else None,
        "next_water_in_h": _next_water_h(account, plan.aim.due_mm - belief.depletion_mm),
        "used_today_l": case.state.used_today_l,
        "used_season_l": case.state.used_season_l,
        "calendar_l": CALENDAR_MM_A_WEEK / 7 * case.zone.area_m2,
    }


def _next_water_h(account: Account, spare_mm: float) -> float:
    """Hours until so much is gone, at the last day's pace; no farther than one can look ahead."""
    an_hour_mm = max(strategy.demand_mm(account) / 24, LEAST_MM_H)
    return min(max(spare_mm, 0.0) / an_hour_mm, LOOK_AHEAD_H)


def _refusal(zone_id: str, obstacle: Check) -> str:
    return f"{zone_id} gets no water: {obstacle.why}."


def _consent(case: _Case, intent: Open, checks: tuple[Check, ...]) -> str:
    if case.manual:
        reasons = [check.name for check in checks if not check.passed]
        overruled = f"; overruled: {', '.join(reasons)}" if reasons else ""
        return f"{case.zone.zone_id} gets water for {span(intent.duration_s)}, as {case.manual.by} ordered{overruled}."
    return (
        f"{case.zone.zone_id} gets water for {span(intent.duration_s)}: its roots lack"
        f" {case.model.belief.depletion_mm:.1f} mm, water is due at {case.plan.aim.due_mm:.1f} mm,"
        f" and this run brings {intent.depth_mm:.1f} mm."
    )


def _warning(case: _Case) -> str:
    if not case.model.unseen_mm:
        return ""
    return f" The probes did not see the last run of {case.model.unseen_mm:.1f} mm: look at valve, pipes and probes."


def span(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
