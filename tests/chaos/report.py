"""The report of a chaos run: what was tried, seen and broken, made from what the run left in its folder."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.chaos.evidence import book_of, judge, lines, messages
from tests.chaos.fleet_process import faults_in
from tests.chaos.place import Place

Report = dict[str, Any]
FAULTS_NAMED = 4


def report_of(root: Path) -> Report:
    """Judge what a run left; also written to `report.json` there."""
    place, run = Place.load(str(root / "place.json")), json.loads((root / "run.json").read_text())
    verdict = judge(place)
    broken = [*run.pop("errors"), *(one + _after(place, one) for one in verdict.broken)]
    report = {**run, "kinds": table(place), "facts": dict(verdict.facts), "broken": broken}
    (root / "report.json").write_text(json.dumps(report, indent=1))
    return report


def _after(place: Place, sentence: str) -> str:
    """Which faults had begun last before the time that a sentence names, if it names one (Unix s, field time)."""
    at = re.search(r" at (\d{10})\b", sentence)
    begun = [row for row in lines(place.path / "strikes.jsonl") if "field_s" in row]
    before = [f"{row['begins']} ({row['target']})" for row in begun if at and row["field_s"] <= int(at[1])]
    return f"; after {', '.join(before[-FAULTS_NAMED:])}" if before else ""


def table(place: Place) -> dict[str, dict[str, Any]]:
    """By kind: how many were tried, how many were seen to happen, and what was seen last; boards' faults too."""
    by_kind = defaultdict(list)
    for strike in lines(place.path / "strikes.jsonl"):
        if "seen" in strike:
            by_kind[strike["kind"]].append(strike["seen"])
    rows = {kind: _row(len(seen), list(filter(None, seen))) for kind, seen in sorted(by_kind.items())}
    return rows | board_faults(place)


def _row(tried: int, seen: list[str]) -> dict[str, Any]:
    return {"tried": tried, "seen": len(seen), "what": seen[-1] if seen else ""}


def totals(report: Report) -> tuple[int, int]:
    """How many faults were seen to happen, and of how many kinds."""
    counts = [row["seen"] for row in report["kinds"].values()]
    return sum(counts), sum(count > 0 for count in counts)


def text(report: Report) -> str:
    """The report for people."""
    rows = [f"{'fault':45} tried  seen  what was seen last"]
    rows += [f"{kind:45} {row['tried']:5} {row['seen']:5}  {row['what']}" for kind, row in report["kinds"].items()]
    count, kinds = totals(report)
    rows.append(f"{count} faults of {kinds} kinds seen, {report['gateways']} gateways, seed {report['seed']}")
    rows += [f"{name}: {report[name]}" for name in ("facts", "orders", "restarts")]
    return "\n".join(
        [*rows, *(f"BROKEN {one}" for one in report["broken"]), f"{len(report['broken'])} promises broken"]
    )


def board_faults(place: Place) -> dict[str, dict[str, Any]]:
    """The planned faults of boards, and how many were seen: by boots, and by times in the raw objects."""
    boots = json.loads((place.path / "fleet.json").read_text())["boots"]
    planned = faults_in(place.path / "board_faults.json")
    begins = Counter((fault.kind, fault.begin) for fault in planned)
    rows: dict[str, dict[str, Any]] = {}
    for kind, name in (("reboot", "board's power cut"), ("brown_out", "board's brown-out")):
        mine = [fault for fault in planned if fault.kind == kind]
        alone = [fault for fault in mine if begins[kind, fault.begin] == 1]
        rows[name] = _row(len(alone), ["booted again"] * sum(boots[fault.targets[0]] > 1 for fault in alone))
        together = [fault for fault in mine if fault not in alone]
        if together:
            moments = {fault.begin for fault in together}
            seen = [at for at in moments if all(boots[f.targets[0]] > 1 for f in together if f.begin == at)]
            rows["power cut of many boards"] = _row(len(moments), [f"{len(together)} boards booted again"] * len(seen))
    wrong = [fault for fault in planned if fault.kind == "wrong_clock"]
    told = _told_by_wrong_clocks(place)
    rows["board's clock set"] = _row(len(wrong), ["samples of another time"] * sum(f.targets[0] in told for f in wrong))
    return rows


def _told_by_wrong_clocks(place: Place) -> set[str]:
    """The gateways of which a reading passed the gate with a time that is none of its probes' readings."""
    at = defaultdict(set)
    for measured_at, sensor_id, _ in lines(place.path / "reads.jsonl"):
        at[sensor_id].add(measured_at)
    found = set()
    for message, _ in messages(book_of(place), "/data"):
        name = message.get("sensor_id")
        if name in at and any(sample["measured_at"] not in at[name] for sample in message["samples"]):
            found.add(message["gateway_id"])
    return found
