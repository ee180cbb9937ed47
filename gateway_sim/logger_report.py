"""What came in from a logger's file, and what was made of it: as a document, and as a table for people."""

from collections import Counter
from itertools import pairwise
from typing import Any

from gateway_sim.logger_file import Recording, show
from gateway_sim.logger_map import TimeRule
from gateway_sim.logger_series import VALUE_ENDS, Course, Sample, Sensor
from gateway_sim.weather import HOUR_S

LINES = 100  # of repeated rows that are listed
TOLERANCE = 1.5  # intervals: a longer step is a gap


def report(recording: Recording) -> dict[str, Any]:
    """Counts by file, sensor and quantity. Times are local, with their offset; steps are in hours."""
    ledger, rule = recording.ledger, recording.logger_map.time
    totals: dict[str, Counter[str]] = {end: Counter() for end in VALUE_ENDS}
    for (_, quantity, end), count in ledger.values.items():
        totals[end][quantity] += count
    return {
        "file": str(recording.path),
        "map": str(recording.logger_map.path),
        "source": recording.logger_map.source,
        "sha256_of_file_and_map": recording.sha256,
        "rows": {"read": ledger.rows_read, **ledger.rows()},
        "adds_up": ledger.adds_up(),
        "samples": sum(len(samples) for samples in recording.samples.values()),
        "values": {end: {"all": count.total(), **dict(sorted(count.items()))} for end, count in totals.items()},
        "aside_by_kind": dict(sorted(Counter(aside.kind for aside in ledger.aside).items())),
        "repeated_lines": sorted(set(ledger.repeated_lines))[:LINES],
        "ignored_columns": list(recording.logger_map.ignored_columns),
        "sensors": {
            sensor.sensor_id: _sensor(recording, sensor, course, rule)
            for sensor, course in sorted(recording.courses.items(), key=lambda pair: pair[0][1])
        },
    }


def _sensor(recording: Recording, sensor: Sensor, course: Course, rule: TimeRule) -> dict[str, Any]:
    samples = recording.samples.get(sensor, [])
    ends = ("told_apart", "not_told_apart")
    return {
        "zone_id": sensor.zone_id,
        "samples": len(samples),
        "first": show(_times(samples)[0], rule) if samples else None,
        "last": show(_times(samples)[-1], rule) if samples else None,
        "values": _values(recording, sensor),
        **_steps(course, rule),
        "repeated_local_hours": {"rows": course.repeated_hours.total(), **{e: course.repeated_hours[e] for e in ends}},
        "out_of_order": {"rows": course.out_of_order, "most_hours": _hours(course.latest_s)},
        "resets": [
            {"line": line, "from": show(before, rule), "to": show(after, rule)} for line, before, after in course.resets
        ],
    }


def _times(samples: list[Sample]) -> list[int]:
    return sorted(sample.measured_at for sample in samples)


def _values(recording: Recording, sensor: Sensor) -> dict[str, dict[str, int]]:
    ledger = recording.ledger
    counts = {quantity: n for (sensor_id, quantity), n in ledger.values_read.items() if sensor_id == sensor.sensor_id}
    return {
        quantity: {"read": n, **{end: ledger.values[sensor.sensor_id, quantity, end] for end in VALUE_ENDS}}
        for quantity, n in sorted(counts.items())
    }


def _steps(course: Course, rule: TimeRule) -> dict[str, Any]:
    """Gaps, by the clock on the wall and by elapsed time: where the two disagree, summer time begins or ends."""
    times = sorted(course.times.items())
    steps = [(before, after, after - before) for (before, _), (after, _) in pairwise(times)]
    interval_s = rule.interval_s or (Counter(s for *_, s in steps).most_common(1)[0][0] if steps else None)
    kinds: dict[str, list[dict[str, Any]]] = {"gaps": [], "clock_forward_steps": [], "second_pass_absent": []}
    for before, after, elapsed_s in steps:
        wall_s = int((course.times[after] - course.times[before]).total_seconds())
        kind = _kind(wall_s, elapsed_s, TOLERANCE * (interval_s or 0))
        if kind:
            hours = {"wall_hours": _hours(wall_s), "elapsed_hours": _hours(elapsed_s)}
            kinds[kind].append({"from": show(before, rule), "to": show(after, rule), **hours})
    longest = max((gap["wall_hours"] for gap in kinds["gaps"]), default=0)
    return {"interval_s": interval_s, "longest_gap_hours": longest, **kinds}


def _kind(wall_s: int, elapsed_s: int, most_s: float) -> str | None:
    long_elapsed, long_wall = elapsed_s > most_s, wall_s > most_s
    if long_elapsed and long_wall:
        return "gaps"
    if long_wall:
        return "clock_forward_steps"  # no row is missing: the hour did not exist
    return "second_pass_absent" if long_elapsed else None


def _hours(seconds: int) -> float:
    return round(seconds / HOUR_S, 2)


def table(document: dict[str, Any]) -> str:
    """The report for people."""
    rows = document["rows"]
    parts = " + ".join(f"{count} {name}" for name, count in rows.items() if name != "read")
    lines = [
        f"{document['file']}: {rows['read']} rows = {parts}" + ("" if document["adds_up"] else "  DOES NOT ADD UP"),
        f"{document['samples']} samples; values: {_sum(document['values'])}",
    ]
    lines += [f"  aside, {kind}: {count}" for kind, count in document["aside_by_kind"].items()]
    for sensor_id, sensor in document["sensors"].items():
        lines += _sensor_lines(sensor_id, sensor)
    return "\n".join(lines) + "\n"


def _sum(values: dict[str, dict[str, int]]) -> str:
    return ", ".join(f"{counts['all']} {end}" for end, counts in values.items())


def _sensor_lines(sensor_id: str, sensor: dict[str, Any]) -> list[str]:
    span = f"{sensor['first']} to {sensor['last']}" if sensor["samples"] else "nothing"
    lines = [f"{sensor_id} ({sensor['zone_id'] or 'no zone'}): {sensor['samples']} samples, {span}"]
    for quantity, counts in sensor["values"].items():
        lines.append(f"  {quantity:<24}" + "".join(f" {counts[name]:>8} {name}" for name in ("read", *VALUE_ENDS)))
    for name, title in _STEP_TITLES:
        lines += [
            f"  {title}: {step['from']} to {step['to']}, {step['wall_hours']:g} h by the clock, "
            f"{step['elapsed_hours']:g} h in truth"
            for step in sensor[name]
        ]
    hours, late = sensor["repeated_local_hours"], sensor["out_of_order"]
    if hours["rows"]:
        lines.append(f"  repeated local hours: {hours['rows']} rows, {hours['not_told_apart']} cannot be told apart")
    if late["rows"]:
        lines.append(f"  out of order: {late['rows']} rows, at most {late['most_hours']:g} h late; sorted")
    return lines + [f"  reset at line {reset['line']}: {reset['from']} to {reset['to']}" for reset in sensor["resets"]]


_STEP_TITLES = (
    ("gaps", "gap"),
    ("clock_forward_steps", "clocks forward"),
    ("second_pass_absent", "second pass absent"),
)
