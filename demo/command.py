"""The command line of the demonstration: reads the options, gives it, prints its table."""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from certs.authority import Authority
from compute_service.adapters import zones_file as farm_config
from demo.errors import KNOWN_TROUBLE, DemoError
from demo.job import COMPUTE, DAY_S, ZONE_FILE, Job
from demo.lake_facts import lake_facts
from demo.orchestrator import run_demo
from demo.output import fresh_folder
from demo.participants import FLEET, SERVICES, Member, Participants
from demo.report import Season, write_report
from demo.screen import show_progress, summary_table
from demo.summary import Outcome, brought_home, sum_up
from gateway_sim import farm as farms
from gateway_sim import scenario as scenarios
from gateway_sim.member import fault_rows, season
from gateway_sim.scenario import MOST_DAYS, MOST_GATEWAYS, MOST_SEED, Scenario
from gateway_sim.weather import Weather

FORECAST_FILE = "forecast.json"
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
NEEDED_BYTES = 200 * 1024 * 1024
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
    out = _roomy_folder(Path(arguments.out))
    zones = _zones(scenario, out / ZONE_FILE)
    with _work_folder() as work:
        job = _job(scenario, arguments, work, out)
        _issue_identities(job, [gateway.gateway_id for gateway in scenario.farm.gateways])
        with show_progress(job, console) as tell:
            participants = _participants(scenario)
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


def _zones(scenario: Scenario, path: Path) -> Document:
    """Write the zones file; what the compute service will not take is told before anything starts."""
    forecast = None if scenario.forecast == "none" else FORECAST_FILE
    zones = farms.zones_document(scenario.farm, scenario.first_day, forecast)
    path.write_text(yaml.safe_dump(zones, sort_keys=False))
    farm_config.load(path)
    return zones


def _job(scenario: Scenario, arguments: argparse.Namespace, work: Path, out: Path) -> Job:
    return Job(
        scenario=str(scenario.path.resolve()),
        gateways=arguments.gateways,
        seed=scenario.farm.seed,
        weather=str(Path(arguments.weather).resolve()) if arguments.weather else None,
        broker=arguments.broker,
        start=scenario.weather.start,
        end=scenario.weather.start + scenario.days * DAY_S,
        work=str(work),
        out=str(out),
        kills=arguments.kills,
    )


def _participants(scenario: Scenario) -> Participants:
    processes = [gateway for gateway in scenario.farm.gateways if gateway.process]
    members = {one.gateway_id: Member(one.process, season(scenario, one)) for one in processes}
    clashes = sorted({FLEET, *SERVICES} & set(members))
    if clashes:
        raise DemoError(
            f"{scenario.path}: {clashes[0]} is a process of the demonstration; give the gateway another name"
        )
    return Participants(bool(scenario.farm.simulated.gateways), members)


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


def _roomy_folder(out: Path) -> Path:
    out = fresh_folder(out, LEFT_BY_A_RUN)
    if shutil.disk_usage(out).free < NEEDED_BYTES:
        raise DemoError(f"{out}: less than {NEEDED_BYTES // 2**20} MB of disk are free; make room or choose --out")
    return out


@contextlib.contextmanager
def _work_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pythoflow-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "events").mkdir()
        yield Path(folder)


def _issue_identities(job: Job, gateway_ids: list[str]) -> None:
    authority = Authority(Path(job.work) / "certs")
    authority.issue_server(["localhost", "127.0.0.1"])
    for thing in [COMPUTE, *gateway_ids]:
        authority.issue(thing)


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
    parser.add_argument("--gateways", type=_whole(1, MOST_GATEWAYS), help="how many, where the scenario draws them (8)")
    parser.add_argument("--days", type=_whole(1, MOST_DAYS), help="field days (the scenario's; 5)")
    parser.add_argument("--seed", type=_whole(0, MOST_SEED), help="another seed is another farm (the scenario's; 1)")
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded", help="the inner broker")
    parser.add_argument("--weather", default="", help="hourly CSV (the scenario's)")
    parser.add_argument("--kills", type=_whole(0, 10_000), default=0, help="kill -9 of its processes on the way (0)")
    parser.add_argument("--out", default="demo-output", help="what stays; replaces an earlier run (demo-output)")
    return parser


def _whole(least: int, most: int) -> Any:
    def number(text: str) -> int:
        if not text.strip().isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"want a whole number from {least} to {most}, got {text!r}")
        return int(text)

    return number
