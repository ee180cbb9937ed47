"""The command line of the demonstration: reads the options, gives it, prints its table."""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.errors import KNOWN_TROUBLE
from demo.job import ZONE_FILE
from demo.lake_facts import lake_facts
from demo.orchestrator import run_demo
from demo.preparation import (
    FORECAST_FILE,
    issue_identities,
    job_of,
    participants_of,
    roomy_folder,
    work_folder,
    write_zones,
)
from demo.report import Season, write_report
from demo.screen import show_progress, summary_table
from demo.summary import Outcome, brought_home, sum_up
from gateway_sim import farm as farms
from gateway_sim import scenario as scenarios
from gateway_sim.member import fault_rows
from gateway_sim.scenario import MOST_DAYS, MOST_GATEWAYS, MOST_SEED, Scenario
from gateway_sim.weather import Weather

LEFT_BY_A_RUN = (
    "summary.json",
    "truth.json",
    "report*.html",
    "events.jsonl",
    ZONE_FILE,
    FORECAST_FILE,
    "compute.sqlite*",
    "lake",
    "logs",
)
Document = dict[str, Any]


def main(words: list[str] | None = None) -> int:
    """Give the demonstration: 0 when all went well, 1 when a promise was broken, 2 for what the user can mend."""
    arguments = _parser().parse_args(words)
    console = Console(stderr=True)
    try:
        summary = give(arguments, console)
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"demo: {' '.join(str(error).split())}\n")
        return 2
    Console().print(summary_table(summary))
    return 0 if _all_well(summary) else 1


def give(arguments: argparse.Namespace, console: Console) -> Document:
    """Run it, and leave summary.json, the report, truth.json, events.jsonl and the lake in the output folder."""
    began = time.monotonic()
    overrides = {"gateways": arguments.gateways, "weather": Path(arguments.weather) if arguments.weather else None}
    scenario = scenarios.load(arguments.scenario, days=arguments.days, seed=arguments.seed, **overrides)
    out = roomy_folder(Path(arguments.out), LEFT_BY_A_RUN)
    zones = write_zones(scenario, out / ZONE_FILE)
    with work_folder() as work:
        job = job_of(scenario, arguments, work, out)
        issue_identities(job, [gateway.gateway_id for gateway in scenario.farm.gateways])
        with show_progress(job, console) as tell:
            participants = participants_of(scenario)
            home = asyncio.run(run_demo(job, participants, tell))
        events = _gather_events(work, out)
    facts = lake_facts(out / "lake", [zone["sensor_id"] for zone in zones["zones"]])
    outcome = Outcome(home, brought_home(participants, home), events, facts)
    summary, truth = sum_up(job, scenario, outcome), _truth(scenario, outcome.gateways)
    summary["seconds"] = round(time.monotonic() - began, 1)
    for name, document in (("summary", summary), ("truth", truth)):
        (out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    weather = _hourly(scenario.weather)
    documents = Season(summary=summary, zones=zones, events=events, traces=facts.traces, weather=weather, truth=truth)
    write_report(out, documents)
    return summary


def _truth(scenario: Scenario, gateways: Document) -> Document:
    """What no probe sees: each zone's water and true moisture, what broke, where everything stands, which scenario."""
    return {
        "scenario": {"name": scenario.name, "description": dict(scenario.description)},
        "faults": fault_rows(scenario.faults),
        "balance": gateways["balance"],
        "moisture": gateways["moisture"],
        "layout": farms.layout(scenario.farm),
    }


def _hourly(weather: Weather) -> list[Document]:
    return [{"at": weather.start + index * 3600, **hour} for index, hour in enumerate(weather.hours)]


def _all_well(summary: Document) -> bool:
    return not (summary["samples_lost"] or summary["valve_bound_violations"])


def _gather_events(work: Path, out: Path) -> list[Document]:
    lines = [line for file in sorted((work / "events").glob("*.jsonl")) for line in file.read_text().splitlines()]
    events = sorted((json.loads(line) for line in lines), key=lambda event: event["at"])
    (out / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return events


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Irrigate a farm on this machine, every part of it the real one."
    )
    names = ", ".join(scenarios.names())
    parser.add_argument("--scenario", default=scenarios.DEFAULT, help=f"{names}, or a file (%(default)s)")
    parser.add_argument("--gateways", type=whole(1, MOST_GATEWAYS), help="how many, where the scenario draws them (8)")
    parser.add_argument("--days", type=whole(1, MOST_DAYS), help="field days (the scenario's; 5)")
    parser.add_argument("--seed", type=whole(0, MOST_SEED), help="another seed is another farm (the scenario's; 1)")
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded", help="the inner broker")
    parser.add_argument("--weather", default="", help="hourly CSV (the scenario's)")
    parser.add_argument("--kills", type=whole(0, 10_000), default=0, help="kill -9 of its processes on the way (0)")
    parser.add_argument("--out", default="demo-output", help="what stays; replaces an earlier run (demo-output)")
    return parser


def whole(least: int, most: int) -> Any:
    """What argparse reads a whole number within bounds with."""

    def number(text: str) -> int:
        if not text.strip().isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"want a whole number from {least} to {most}, got {text!r}")
        return int(text)

    return number
