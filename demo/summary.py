"""From what the participants brought home to summary.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agronomy.units import CALENDAR_MM_A_WEEK
from demo.audit import valve_bound_violations
from demo.job import DAY_S, Job
from demo.lake_facts import TABLES, LakeFacts
from demo.participants import Participants
from gateway_sim.farm import HARD_CAP_S
from gateway_sim.scenario import Scenario

COUNTERS = ("samples_taken", "samples_dropped", "messages_published", "messages_acked")

Document = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What is summed up: the last words of all by name, those of the gateways as one, the events, and the lake."""

    home: Mapping[str, Document]
    gateways: Document
    events: list[Document]
    facts: LakeFacts


def brought_home(participants: Participants, home: Mapping[str, Document]) -> Document:
    """The last words of all gateways as one: counters in sum, zones together."""
    words = [home[name] for name in participants.gateways]
    together: Document = {name: sum(one[name] for one in words) for name in COUNTERS}
    for name in ("litres", "balance", "moisture"):
        together[name] = {zone_id: value for one in words for zone_id, value in one.get(name, {}).items()}
    together["zones_below_wilting_point"] = [zone for one in words for zone in one.get("zones_below_wilting_point", ())]
    return together


def balance_error_mm(balance: Mapping[str, float]) -> float:
    """What in minus out leaves unexplained of a zone's change of storage, mm."""
    in_mm = balance["rain_mm"] + balance["irrigation_mm"]
    out_mm = sum(balance[f"{name}_mm"] for name in ("lost", "runoff", "percolation", "evapotranspiration"))
    return abs(in_mm - out_mm - (balance["stored_at_end_mm"] - balance["stored_at_start_mm"]))


def _by_calendar_l(scenario: Scenario, span_s: int) -> float:
    """What a calendar would have given the same zones meanwhile: 1 mm on 1 m2 is 1 litre."""
    return sum(zone.area_m2 for zone in scenario.farm.zones) * (CALENDAR_MM_A_WEEK / 7) * span_s / DAY_S


def sum_up(job: Job, scenario: Scenario, outcome: Outcome) -> Document:
    """The summary of docs/summary.schema.json, but for `seconds`."""
    gateways, facts, lake, out = outcome.gateways, outcome.facts, outcome.home["schedule"], Path(job.out)
    states = outcome.home["compute"]["commands"]
    places = {
        "samples_in_lake": facts.samples,
        "samples_quarantined": lake["quarantined"],
        "samples_dropped_by_outbox": gateways["samples_dropped"],
    }
    hard_caps_s = dict.fromkeys((zone.zone_id for zone in scenario.farm.zones), HARD_CAP_S)
    return {
        "scenario": scenario.name,
        "gateways": len(scenario.farm.gateways),
        "zones": len(scenario.farm.zones),
        "field_days": (job.end - job.start) // DAY_S,
        "seed": job.seed,
        "broker": job.broker,
        "faults": len(scenario.faults.all),
        "seconds": 0.0,
        "messages_published": gateways["messages_published"],
        "messages_acked": gateways["messages_acked"],
        "samples_taken": gateways["samples_taken"],
        **places,
        "samples_lost": gateways["samples_taken"] - sum(places.values()),
        "duplicates_dropped": lake["duplicates_dropped"],
        "commands_sent": sum(states.values()),
        "commands_done": states.get("done", 0),
        "commands_rejected": states.get("rejected", 0),
        "commands_expired": states.get("expired", 0),
        "valve_bound_violations": len(valve_bound_violations(outcome.events, hard_caps_s)),
        "litres_delivered": round(sum(gateways["litres"].values()), 1),
        "water_by_calendar_l": round(_by_calendar_l(scenario, job.end - job.start), 1),
        "zones_below_wilting_point": len(gateways["zones_below_wilting_point"]),
        "water_balance_error_mm": round(max(map(balance_error_mm, gateways["balance"].values()), default=0.0), 6),
        "glue_database": lake["glue_database"],
        "glue_tables": list(TABLES),
        "parquet_dir": str(out / "lake"),
        "events_jsonl": str(out / "events.jsonl"),
        "report": str(out / "report.html"),
        "lake_sha256": facts.sha256,
    }
