"""What gives a faulty valve or line away: what acks say was delivered, against what the zone's pipes should pass."""

from collections.abc import Iterator
from statistics import median

from demo.faults.evidence import Evidence, Fault, Notice
from views.decisions import receipt_of
from views.events import Document

NOTHING = 0.1  # of the expected volume: less is no water
LESS, MORE = 0.85, 1.15  # of the zone's usual flow
SOAKED = 0.02  # m3/m3 above field capacity: more than a probe errs


def valve_fault(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway found out that a valve does not obey."""
    acks = [ack for ack in _struck(fault, evidence) if ack["code"] == "valve_fault"]
    if acks:
        yield Notice("gateway", "valve_fault", acks[0]["received_at"], True, {"runs": len(acks)})


def cut_by_volume(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway ended runs at their bound of litres: too much water came through the meter."""
    acks = [ack for ack in _struck(fault, evidence) if ack.get("end_reason") == "volume"]
    if acks:
        litres = sum(ack.get("volume_l") or 0.0 for ack in acks) / len(acks)
        yield Notice("gateway", "cut_by_volume", acks[0]["received_at"], True, {"runs": len(acks), "litres": litres})


def leak(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway reported water through a valve that was shut."""
    yield from _reported(fault, evidence, "flow_while_shut", "leak")


def unusual_flow(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The gateway reported a run with far less, or far more, than the nominal flow."""
    yield from _reported(fault, evidence, "unusual_flow", "unusual_flow")


def not_seen(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The compute service said that the zone's probes did not see a run."""
    for zone in evidence.zones_of(fault):
        unseen = [
            (event["at"], unseen_mm)
            for event in evidence.of_kind("decision", zone_id=zone["zone_id"])
            if (unseen_mm := receipt_of(event).get("unseen_mm")) and fault.may_show(event["at"])
        ]
        if unseen:
            yield Notice("compute", "not_seen", unseen[0][0], True, {"mm": unseen[0][1], "decisions": len(unseen)})


def dry_runs(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Acks of runs in which next to nothing passed the meter."""
    dry = []
    for ack in _measured(fault, evidence):
        nominal_l = _nominal_l(ack, evidence)
        if nominal_l and ack["volume_l"] < NOTHING * nominal_l:
            dry.append((ack, nominal_l))
    if dry:
        litres, nominal_l = sum(ack["volume_l"] for ack, _ in dry), sum(nominal for _, nominal in dry)
        figures = {"runs": len(dry), "litres": litres, "expected": nominal_l}
        yield Notice("acks", "dry_runs", dry[0][0]["received_at"], False, figures)


def other_flow(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """Acks of runs with less, or more, flow than the zone's pipes should pass, and had passed before."""
    shares = [(ack, share) for ack in _measured(fault, evidence) if (share := _flow(ack, evidence)) is not None]
    if not shares:
        return
    alone = [(ack, share) for ack, share in shares if not _shared(ack, evidence)]
    usual = _usual(fault, evidence)
    (first, _), share = (alone or shares)[0], median(share for _, share in alone or shares)
    if not LESS * usual < share < MORE * usual:
        how = "less_flow" if share < usual else "more_flow"
        yield Notice("acks", how, first["received_at"], False, {"share": share, "usual": usual, "runs": len(shares)})


def soaked(fault: Fault, evidence: Evidence) -> Iterator[Notice]:
    """The zone's readings stood above field capacity: a valve that does not close."""
    if fault.amount < 1:
        return
    for zone in evidence.zones_of(fault):
        samples = evidence.samples.get((zone.get("sensor_id", ""), "vwc"), ())
        limit = zone["field_capacity"]
        wet = [s for s in samples if s.value is not None and s.value > limit + SOAKED and fault.may_show(s.measured_at)]
        if wet:
            most = max(sample.value or 0.0 for sample in wet)
            yield Notice("lake", "soaked", wet[0].received_at, False, {"moisture": most, "before": limit})


def had_a_run(fault: Fault, evidence: Evidence) -> bool:
    """True if a valve of the zones that a fault strikes was told to open while it lasted."""
    zone_ids = {zone["zone_id"] for zone in evidence.zones_of(fault)}
    return any(
        edge["open"] and edge["zone_id"] in zone_ids and fault.active(edge["at"])
        for edge in evidence.of_kind("valve_edge")
    )


def _reported(fault: Fault, evidence: Evidence, code: str, how: str) -> Iterator[Notice]:
    times = [
        event["at"]
        for event in evidence.of_kind("error", code=code)
        if event["text"].partition(":")[0] in fault.targets and fault.may_show(event["at"])
    ]
    if times:
        yield Notice("gateway", how, times[0], True, {"times": len(times)})


def _struck(fault: Fault, evidence: Evidence) -> list[Document]:
    """The runs of the zones that a fault strikes, that had begun while it lasted."""
    return [ack for ack in evidence.runs if ack["zone_id"] in fault.targets and fault.active(_began(ack))]


def _measured(fault: Fault, evidence: Evidence) -> list[Document]:
    return [ack for ack in _struck(fault, evidence) if ack["volume_source"] == "measured" and ack["duration_s"]]


def _began(ack: Document) -> float:
    return float(ack["received_at"]) - (ack.get("duration_s") or 0.0)


def _nominal_l(ack: Document, evidence: Evidence) -> float:
    """Litres that the zone's pipes pass in the time that a run lasted, when nothing else is open."""
    zone = next((zone for zone in evidence.zones if zone["zone_id"] == ack["zone_id"]), None)
    if zone is None or "application_rate_mm_h" not in zone:
        return 0.0
    return float(zone["application_rate_mm_h"] * zone["area_m2"] / 3600 * ack["duration_s"])


def _flow(ack: Document, evidence: Evidence) -> float | None:
    nominal_l = _nominal_l(ack, evidence)
    return ack["volume_l"] / nominal_l if nominal_l else None


def _usual(fault: Fault, evidence: Evidence) -> float:
    """The share of its nominal flow that the zone had alone before the fault; 1 if it never ran then."""
    healthy = [
        share
        for ack in evidence.runs
        if ack["zone_id"] in fault.targets and ack["volume_source"] == "measured" and ack["duration_s"]
        if ack["received_at"] < fault.begin and not _shared(ack, evidence)
        if (share := _flow(ack, evidence)) is not None
    ]
    return median(healthy) if healthy else 1.0


def _shared(ack: Document, evidence: Evidence) -> bool:
    """True if another valve of the same gateway was open meanwhile, and took its part of the pump."""
    return any(
        other["gateway_id"] == ack["gateway_id"]
        and other["command_id"] != ack["command_id"]
        and other["received_at"] > _began(ack)
        and _began(other) < ack["received_at"]
        for other in evidence.runs
    )
