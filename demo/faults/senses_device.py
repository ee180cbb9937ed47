"""What gives a faulty gateway away: its clock, its power, its network."""

from collections.abc import Iterator, Sequence

from compute_service.domain.decide import FUTURE_S
from demo.faults.evidence import AFTERWARDS_S, Evidence, Fault, Notice, Sample
from demo.job import DAY_S
from views.diary import CLOCK_CODES
from views.events import Document

PUBLISHED_EVERY_S = 3600  # what arrives within it may have been measured before
LATE_S = 2 * PUBLISHED_EVERY_S  # what is older on arrival was kept back


def rejected(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway rejected commands, for its clock says that they are over, or it does not trust its clock."""
    acks = [ack for ack in _acks(fault, evidence) if ack["state"] == "rejected" and ack["code"] in CLOCK_CODES]
    if acks:
        yield Notice("gateway", "rejected", acks[0]["received_at"], True, {"commands": len(acks)})


def from_the_future(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The compute service left out samples that were measured later than now."""
    ahead = [s for s in _received(fault, evidence) if s.measured_at > s.received_at + FUTURE_S]
    if ahead:
        yield Notice("compute", "from_the_future", ahead[0].received_at, True, {"samples": len(ahead)})


def unsure(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway itself marked its times as estimated, and the compute service left those samples out."""
    estimated = [s for s in _received(fault, evidence) if s.clock != "synced"]
    if estimated:
        yield Notice("gateway", "unsure", estimated[0].received_at, True, {"samples": len(estimated)})


def stale(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The compute service gave no water, for the newest reading was too old."""
    zone_ids = {zone["zone_id"] for zone in evidence.zones_of(fault)}
    times = [
        event["at"]
        for event in evidence.of_kind("decision")
        for check in event["checks"]
        if check["name"] == "fresh_reading" and not check["passed"]
        if event["zone_id"] in zone_ids and fault.may_show(event["at"])
    ]
    if times:
        yield Notice("compute", "stale", times[0], True, {"decisions": len(times)})


def shifted(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Samples stand in the lake at other times than usual before their receipt."""
    during = [s for s in _received(fault, evidence) if s.received_at >= fault.begin + PUBLISHED_EVERY_S]
    usual = [s for s in _all(fault, evidence) if fault.begin - DAY_S <= s.received_at < fault.begin]
    if not during or not usual:
        return
    shift = _least_delay(during) - _least_delay(usual)
    if abs(shift) > FUTURE_S:
        how = "shifted_back" if shift > 0 else "shifted_ahead"
        yield Notice("lake", how, during[0].received_at, False, {"span": abs(shift)})


def last_will(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The broker told of a gateway that was gone without a word."""
    for target in fault.targets:
        wills = [
            event["at"]
            for event in evidence.of_kind("status", gateway_id=target, state="offline")
            if fault.begin <= event["at"] < min(fault.end, _until(fault))
        ]
        if wills:
            yield Notice("broker", "last_will", wills[0], True, {"times": len(wills)})


def power_cut(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway acknowledged runs that a power cut ended."""
    acks = [ack for ack in _acks(fault, evidence) if ack["code"] == "power_cut"]
    if acks:
        yield Notice("gateway", "power_cut", acks[0]["received_at"], True, {"runs": len(acks)})


def new_boot(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Samples carry the id of another boot than before."""
    samples = sorted(_all(fault, evidence), key=lambda sample: sample.measured_at)
    before = [s.boot_id for s in samples if s.measured_at < fault.begin]
    after = [s for s in samples if fault.begin <= s.measured_at < _until(fault)]
    boots = {s.boot_id for s in after} - set(before[-1:])
    if before and boots:
        first = next(s for s in after if s.boot_id in boots)
        yield Notice("lake", "new_boot", first.received_at, False, {"boots": len(boots)})


def late(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Samples arrived hours after they were measured."""
    overdue = [
        s for s in _all(fault, evidence) if fault.active(s.measured_at) and s.received_at - s.measured_at > LATE_S
    ]
    if overdue:
        longest = max(s.received_at - s.measured_at for s in overdue)
        yield Notice("lake", "late", overdue[0].received_at, False, {"span": longest, "samples": len(overdue)})


def _until(fault: Fault) -> float:
    """A reboot happens once, at its begin, however long its row says that it lasts."""
    if fault.kind == "reboot":
        return min(fault.end, fault.begin + fault.amount) + AFTERWARDS_S
    return fault.end + AFTERWARDS_S


def _acks(fault: Fault, evidence: Evidence) -> list[Document]:
    return [
        ack
        for ack in evidence.runs
        if ack["gateway_id"] in fault.targets and fault.begin <= ack["received_at"] < _until(fault)
    ]


def _all(fault: Fault, evidence: Evidence) -> list[Sample]:
    return [s for target in fault.targets for s in evidence.samples.get((target, ""), ())]


def _received(fault: Fault, evidence: Evidence) -> list[Sample]:
    """By the time of receipt, for a wrong clock spoils the other one."""
    return [s for s in _all(fault, evidence) if fault.active(s.received_at)]


def _least_delay(samples: Sequence[Sample]) -> float:
    return min(s.received_at - s.measured_at for s in samples)
