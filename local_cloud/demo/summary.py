"""From what the participants brought home to summary.json."""

from pathlib import Path
from typing import Any

from local_cloud.demo.audit import valve_bound_violations
from local_cloud.demo.lake_facts import TABLES, LakeFacts
from local_cloud.demo.story import Job

DAY_S = 24 * 3600


def sum_up(job: Job, home: dict[str, Any], events: list[dict[str, Any]], facts: LakeFacts, out: Path) -> dict[str, Any]:
    """The summary of docs/summary.schema.json, but for `seconds`."""
    fleet, compute, lake = home["fleet"], home["compute"], home["schedule"]
    states = compute["commands"]
    taken, dropped, quarantined = fleet["samples_taken"], fleet["samples_dropped"], lake["quarantined"]
    return {
        "gateways": job.gateways,
        "zones": fleet["zones"],
        "field_days": (job.end - job.start) // DAY_S,
        "seed": job.seed,
        "broker": job.broker,
        "seconds": 0.0,
        "messages_published": fleet["messages_published"],
        "messages_acked": fleet["messages_acked"],
        "samples_taken": taken,
        "samples_in_lake": facts.samples,
        "samples_quarantined": quarantined,
        "samples_dropped_by_outbox": dropped,
        "samples_lost": taken - facts.samples - quarantined - dropped,
        "duplicates_dropped": lake["duplicates_dropped"],
        "commands_sent": sum(states.values()),
        "commands_done": states.get("done", 0),
        "commands_rejected": states.get("rejected", 0),
        "commands_expired": states.get("expired", 0),
        "valve_bound_violations": len(valve_bound_violations(events, fleet["hard_caps_s"])),
        "litres_delivered": round(fleet["litres_delivered"], 1),
        "zones_below_wilting_point": fleet["zones_below_wilting_point"],
        "glue_database": lake["glue_database"],
        "glue_tables": list(TABLES),
        "parquet_dir": str(out / "lake"),
        "events_jsonl": str(out / "events.jsonl"),
        "report": str(out / "report.html"),
        "lake_sha256": facts.sha256,
    }
