"""What gives a faulty probe away. A sense takes a fault and the evidence, and gives the notices it finds."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median

from agronomy.probes import HEALTHY
from demo.faults.evidence import Evidence, Fault, Notice, Sample
from demo.job import DAY_S
from views.decisions import receipt_of

SCATTER_SAMPLES = 12  # enough of them to judge how a probe scatters
SAME_VALUES = 4  # a probe in soil scatters: so many equal values in a row are no measurement
MANY_TIMES = 2.5  # what scatters so many times more than before is seen
STEP_SAMPLES = 6  # on either side of a step
LEAST_STEP = 0.015  # m3/m3; less than that, weather and water do within an hour


def bad_value(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway reported a value that its quantity cannot have, and sent none instead."""
    for target in fault.targets:
        times = [
            event["at"]
            for event in evidence.of_kind("error", code="bad_value")
            if event["text"].startswith(f"{target}: {fault.quantity} ") and fault.may_show(event["at"])
        ]
        if times:
            yield Notice("gateway", "bad_value", times[0], True, {"times": len(times)})


def doubted(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The compute service judged the probe by what a soil and a probe can do, and said what is wrong with it."""
    for target in fault.targets:
        doubts: dict[str, list[float]] = {}
        for event in evidence.of_kind("decision"):
            verdict = receipt_of(event).get("probes", {}).get(target, HEALTHY)
            if verdict != HEALTHY and fault.may_show(event["at"]):
                doubts.setdefault(verdict, []).append(event["at"])
        for verdict, times in doubts.items():
            yield Notice("compute", f"doubted_{verdict}", times[0], True, {"decisions": len(times)})


def quarantined(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The lake set samples aside."""
    ids = [sensor_id for sensor_id in evidence.quarantine for target in fault.targets if _is_or_has(target, sensor_id)]
    times = sorted(at for sensor_id in ids for at in evidence.quarantine[sensor_id] if fault.may_show(at))
    if times:
        yield Notice("lake", "quarantined", times[0], True, {"samples": len(times)})


def missing(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Samples came without a value."""
    for target in fault.targets:
        during, _ = _halves(fault, evidence.values(fault, target))
        empty = [sample for sample in during if sample.value is None]
        if empty:
            yield Notice("lake", "missing", empty[0].received_at, False, {"n": len(empty), "samples": len(during)})


def scattered(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The values scatter more than they did before."""
    for target in fault.targets:
        during, before = _halves(fault, evidence.values(fault, target))
        now, then = _scatter(during), _scatter(before)
        if now is not None and then is not None and now > MANY_TIMES * then:
            at = during[SCATTER_SAMPLES - 1].received_at
            yield Notice("lake", "scattered", at, False, {"value": now, "earlier": then})


def stepped(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The values jumped when the fault came, more than water does."""
    for target in fault.targets:
        during, before = _halves(fault, evidence.values(fault, target))
        after, ahead = _values(during)[:STEP_SAMPLES], _values(before)[-STEP_SAMPLES:]
        if len(after) < STEP_SAMPLES or len(ahead) < STEP_SAMPLES:
            continue
        step = median(after) - median(ahead)
        if abs(step) > max(LEAST_STEP, MANY_TIMES * (_scatter(before) or 0.0)):
            at = during[STEP_SAMPLES - 1].received_at
            yield Notice("lake", "stepped_up" if step > 0 else "stepped_down", at, False, {"points": step})


def same(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The values are equal for too long."""
    for target in fault.targets:
        during, _ = _halves(fault, evidence.values(fault, target))
        rows = [list(group) for _, group in groupby(during, key=lambda sample: sample.value)]
        longest = max((row for row in rows if row[0].value is not None), key=len, default=[])
        if len(longest) >= SAME_VALUES:
            at = longest[SAME_VALUES - 1].received_at
            yield Notice("lake", "same", at, False, {"times": len(longest), "value": longest[0].value or 0.0})


def _is_or_has(target: str, sensor_id: str) -> bool:
    return sensor_id == target or sensor_id.startswith(f"{target}.")


def _halves(fault: Fault, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The samples of the fault, and those of the two days before it."""
    during = [sample for sample in samples if fault.active(sample.measured_at)]
    before = [sample for sample in samples if fault.begin - 2 * DAY_S <= sample.measured_at < fault.begin]
    return during, before


def _values(samples: Sequence[Sample]) -> list[float]:
    return [sample.value for sample in samples if sample.value is not None]


def _scatter(samples: Sequence[Sample]) -> float | None:
    """Standard deviation about a slow course, by the median step between neighbours; None of too few."""
    steps = [abs(later - earlier) for earlier, later in pairwise(_values(samples))]
    return 1.4826 * median(steps) / 2**0.5 if len(steps) >= SCATTER_SAMPLES - 1 else None
