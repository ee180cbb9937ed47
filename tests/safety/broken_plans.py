"""Valve supervisors that each keep fallback plans or a leak's latch a little wrong: the explorer must catch them."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.fallback import Fallback
from gateway.valves import Valves

Message = dict[str, Any]


class _OtherPlans(Valves):
    plans: type[Fallback] = Fallback

    def fallback(self, ticks_ms: int, arrives: bool = False) -> Fallback | None:
        held = super().fallback(ticks_ms, arrives)
        if held:
            held.__class__ = self.plans
        return held


class _AnyReading(Fallback):
    def _is_due(self, plan: Message, samples: Sequence[Any], now: int, ticks_ms: int) -> bool:
        dry = [(sensor, zone_id, {"vwc": 0.0}) for sensor, zone_id, _ in samples]
        return super()._is_due(plan, dry, now, ticks_ms)


class _NoRest(Fallback):
    def _is_due(self, plan: Message, samples: Sequence[Any], now: int, ticks_ms: int) -> bool:
        self._zero_ms.pop(plan["zone_id"], None)
        self._valves._state = {**self._valves._state, "given": {}}
        return super()._is_due(plan, samples, now, ticks_ms)


class _NoWait(Fallback):
    def _is_due(self, plan: Message, samples: Sequence[Any], now: int, ticks_ms: int) -> bool:
        self._zero_ms[""] = -(10**12)
        return super()._is_due(plan, samples, now, ticks_ms)


class _AnyClock(Fallback):
    def look(self, samples: Sequence[Any], now: int, trusted: bool, ticks_ms: int) -> None:
        super().look(samples, now, True, ticks_ms)


class _Deaf(Fallback):
    def heard(self, ticks_ms: int) -> None:
        self._zero_ms[""] = ticks_ms


class AnyReadingWillDo(_OtherPlans):
    """A plan waters whatever the probes say."""

    plans = _AnyReading


class NoRestBetweenRuns(_OtherPlans):
    """Nobody counts the 24 h."""

    plans = _NoRest


class NoWaitForTheBroker(_OtherPlans):
    """A plan waters while the cloud is there."""

    plans = _NoWait


class PlansByAnyClock(_OtherPlans):
    """A plan waters on a clock that is not trusted."""

    plans = _AnyClock


class PubackIsForgottenAtBoot(_OtherPlans):
    """What was saved of an outage stays after its end."""

    plans = _Deaf


class PlanSurvivesAClose(Valves):
    """A close shuts the valve, and leaves the plan."""

    def _close(self, command: Mapping[str, Any], ticks_ms: int) -> None:
        plans = dict(self._state.get("plans", {}))
        super()._close(command, ticks_ms)
        self._state = {**self._state, "plans": {**plans, **self._state.get("plans", {})}}
        if plans:
            self._state["epochs"] = {**self._state["epochs"], **{name: plans[name]["epoch"] for name in plans}}


class PlanSurvivesAStop(Valves):
    """A stop closes, and leaves the plans."""

    def _stop_all(self, command: Mapping[str, Any], ticks_ms: int) -> None:
        plans = self._state.get("plans", {})
        super()._stop_all(command, ticks_ms)
        self._state = {**self._state, "plans": plans}


class EveryDayCountsAnew(Valves):
    """A boot gives a plan its days back."""

    def boot(self, now: int, trusted: bool = False) -> None:
        super().boot(now, trusted)
        plans = self._state.get("plans", {})
        self._state["plans"] = {name: {**plan, "days": plan["days"] + 1} for name, plan in plans.items()}


class LatchForgottenAtBoot(Valves):
    """A leak is forgotten with the power."""

    def boot(self, now: int, trusted: bool = False) -> None:
        super().boot(now, trusted)
        self._state.pop("leak", None)


class NoLatch(Valves):
    """A leak ends the runs, and no more."""

    def latch(self, zone_ids: Sequence[str], ticks_ms: int, now: int) -> None:
        super().latch(zone_ids, ticks_ms, now)
        self._state.pop("leak", None)


class AnyClearWillDo(Valves):
    """A clear counts without the epochs of all zones."""

    def _wanted(self, command: Mapping[str, Any]) -> dict[str, int]:
        if command["action"] == "clear":
            return {name: epoch + 10 for name, epoch in super()._wanted(command).items()}
        return super()._wanted(command)


class RunSurvivesAClear(Valves):
    """A clear raises every epoch, and what waters by an older one goes on."""

    def _take(self, command: Mapping[str, Any], now: int, ticks_ms: int) -> bool:
        if command["action"] != "clear":
            return super()._take(command, now, ticks_ms)
        runs, self._runs = self._runs, {}
        is_taken = super()._take(command, now, ticks_ms)
        self._runs = runs
        return is_taken


BROKEN_PLANS: dict[type[Valves], tuple[str, str]] = {  # the promises that it may break first, and in which scenario
    AnyReadingWillDo: ("m", "a plan"),
    NoRestBetweenRuns: ("m", "a plan"),
    NoWaitForTheBroker: ("m", "a plan"),
    PlansByAnyClock: ("m", "a plan and the clock"),
    PubackIsForgottenAtBoot: ("m", "a plan"),
    PlanSurvivesAClose: ("m", "plans and a close"),
    PlanSurvivesAStop: ("m", "a plan and a late stop"),
    EveryDayCountsAnew: ("mf", "a plan for a day"),
    LatchForgottenAtBoot: ("n", "a leak"),
    NoLatch: ("n", "a leak"),
    AnyClearWillDo: ("n", "a leak and an old clear"),
    RunSurvivesAClear: ("n", "a leak"),
}
