"""One line of CloudWatch's embedded metric format for each end of a command, and for each alarm. Pure.

The farm is a dimension, and the zone only of what a person acts on: each other dimension would be a metric that is paid
for by itself. Everything else stands in the line, where Logs Insights finds it.
"""

from typing import Any

from compute_service.domain.ports import JournalRow

NAMESPACE = "PythoFlow"
ENDS = {"done", "failed", "rejected", "expired"}
ALARM_STATES = {"opened": 1, "ended": 0}

Metrics = dict[str, tuple[str, float]]  # name -> unit, value


def line(row: JournalRow, farm: str) -> dict[str, Any] | None:
    """The line of what happened, or None if it has none. `row["at"]` is in Unix seconds."""
    body = row["body"]
    if row["kind"] == "ack" and body.get("state") in ENDS:
        return _line(row, farm, {"State": str(body["state"])}, _of_a_run(body))
    if row["kind"] == "alarm" and body.get("state") in ALARM_STATES:
        dimensions = {"Severity": str(body["severity"]), "Alarm": str(body["kind"])}
        if row["zone_id"]:
            dimensions["Zone"] = row["zone_id"]
        return _line(row, farm, dimensions, {"Alarms": ("Count", ALARM_STATES[body["state"]])})
    return None


def _of_a_run(body: dict[str, Any]) -> Metrics:
    metrics: Metrics = {"Commands": ("Count", 1)}
    if body.get("duration_s") is not None:
        metrics["RunTime"] = ("Seconds", body["duration_s"])
    if body.get("volume_l") is not None:
        metrics["Water"] = ("None", body["volume_l"])  # litres: CloudWatch has no unit of volume
    return metrics


def _line(row: JournalRow, farm: str, dimensions: dict[str, str], metrics: Metrics) -> dict[str, Any]:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Farm", *dimensions]],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    facts = {name: value for name, value in row["body"].items() if isinstance(value, str | int | float)}
    properties = {"Farm": farm, **dimensions, **{name: value for name, (_, value) in metrics.items()}}
    return {
        "_aws": {"Timestamp": row["at"] * 1000, "CloudWatchMetrics": [directive]},
        "kind": row["kind"],
        "zone": row["zone_id"],
        "gateway": row["gateway_id"],
        "seq": row["seq"],
        **facts,
        **properties,
    }
