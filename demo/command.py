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
from certs.errors import CertsError
from compute_service.adapters import zones_file as farm_config
from compute_service.errors import ComputeError
from demo.errors import DemoError
from demo.job import COMPUTE, ZONE_FILE, Job
from demo.lake_facts import lake_facts
from demo.orchestrator import FLEET, SERVICES, Company, Member, play
from demo.report import write_report
from demo.screen import show_progress, summary_table
from demo.summary import brought_home, sum_up
from demo.supervisor import StageError
from field_time.errors import FieldTimeError
from gateway_sim import farm as farms
from gateway_sim import scenario as scenarios
from gateway_sim.errors import SimError
from gateway_sim.member import fault_rows, season
from gateway_sim.scenario import MOST_DAYS, MOST_GATEWAYS, MOST_SEED, Scenario
from gateway_sim.weather import Weather
from local_cloud.errors import LocalCloudError

DAY_S = 24 * 3600
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

KNOWN_TROUBLE = (CertsError, ComputeError, SimError, LocalCloudError, FieldTimeError, StageError, OSError)


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
    """Play the story and leave summary.json, the report, truth.json, events.jsonl and the lake in the output folder."""
    began = time.monotonic()
    overrides = {"gateways": arguments.gateways, "weather": Path(arguments.weather) if arguments.weather else None}
    scenario = scenarios.load(arguments.scenario, days=arguments.days, seed=arguments.seed, **overrides)
    out = _fresh_folder(Path(arguments.out))
    with _work_folder() as work:
        job = _job(scenario, arguments, work, out)
        forecast = None if scenario.forecast == "none" else FORECAST_FILE
        zones = farms.zones_document(scenario.farm, scenario.first_day, forecast)
        (out / ZONE_FILE).write_text(yaml.safe_dump(zones, sort_keys=False))
        farm_config.load(out / ZONE_FILE)  # what compute will not take is told before anything starts
        _issue_identities(job, [gateway.gateway_id for gateway in scenario.farm.gateways])
        with show_progress(job, console) as tell:
            company = _company(scenario)
            home = asyncio.run(play(job, company, tell))
        events = _gather_events(work, out)
    gateways = brought_home(company, home)
    facts = lake_facts(out / "lake", [zone["sensor_id"] for zone in zones["zones"]])
    summary = sum_up(job, scenario, gateways, home, events, facts)
    summary["seconds"] = round(time.monotonic() - began, 1)
    truth = _truth(scenario, gateways)
    for name, document in (("summary", summary), ("truth", truth)):
        (out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    write_report(out, summary, zones, events, facts.traces, _hourly(scenario.weather), truth)
    return summary


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


def _company(scenario: Scenario) -> Company:
    processes = [gateway for gateway in scenario.farm.gateways if gateway.process]
    members = {one.gateway_id: Member(one.process, season(scenario, one)) for one in processes}
    taken = sorted({FLEET, *SERVICES} & set(members))
    if taken:
        raise DemoError(f"{scenario.path}: {taken[0]} is a process of the demonstration; give the gateway another name")
    return Company(bool(scenario.farm.simulated.gateways), members)


def _truth(scenario: Scenario, gateways: Document) -> Document:
    """What no probe sees: each zone's water and true moisture, what broke, where everything stands, which story."""
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


def _fresh_folder(out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    for name in LEFT_BY_A_RUN:  # and nothing else: the folder may be anyone's
        for path in out.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if shutil.disk_usage(out).free < NEEDED_BYTES:
        raise DemoError(f"{out}: less than {NEEDED_BYTES // 2**20} MB of disk are free; make room or choose --out")
    return out.resolve()


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
    known = ", ".join(scenarios.names())
    parser.add_argument("--scenario", default=scenarios.DEFAULT, help=f"{known}, or a file (%(default)s)")
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
