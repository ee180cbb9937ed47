"""What is made ready before the processes of a demonstration start: zones file, job, participants, folders, keys."""

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from certs.authority import Authority
from compute_service.adapters import zones_file as farm_config
from demo.errors import DemoError
from demo.job import COMPUTE, DAY_S, Job
from demo.output import fresh_folder
from demo.participants import FLEET, SERVICES, Member, Participants
from gateway_sim import farm as farms
from gateway_sim.member import season
from gateway_sim.scenario import Scenario

FORECAST_FILE = "forecast.json"
NEEDED_BYTES = 200 * 1024 * 1024
Document = dict[str, Any]


def write_zones(scenario: Scenario, path: Path) -> Document:
    """Write the zones file; what the compute service will not take is told before anything starts."""
    forecast = None if scenario.forecast == "none" else FORECAST_FILE
    zones = farms.zones_document(scenario.farm, scenario.first_day, forecast)
    path.write_text(yaml.safe_dump(zones, sort_keys=False))
    farm_config.load(path)
    return zones


def job_of(scenario: Scenario, arguments: argparse.Namespace, work: Path, out: Path) -> Job:
    """What every process is told; `arguments` are those of the command line."""
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
        kills=getattr(arguments, "kills", 0),
    )


def participants_of(scenario: Scenario) -> Participants:
    """Who takes part. Raises DemoError if a gateway has the name of another process."""
    processes = [gateway for gateway in scenario.farm.gateways if gateway.process]
    members = {one.gateway_id: Member(one.process, season(scenario, one)) for one in processes}
    clashes = sorted({FLEET, *SERVICES} & set(members))
    if clashes:
        raise DemoError(
            f"{scenario.path}: {clashes[0]} is a process of the demonstration; give the gateway another name"
        )
    return Participants(bool(scenario.farm.simulated.gateways), members)


def roomy_folder(out: Path, left_by_a_run: Iterable[str]) -> Path:
    """The folder for what stays, without what an earlier run left. Raises DemoError if the disk is full."""
    out = fresh_folder(out, left_by_a_run)
    if shutil.disk_usage(out).free < NEEDED_BYTES:
        raise DemoError(f"{out}: less than {NEEDED_BYTES // 2**20} MB of disk are free; make room or choose --out")
    return out


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for keys, spool and events, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="pythoflow-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "events").mkdir()
        yield Path(folder)


def issue_identities(job: Job, gateway_ids: list[str]) -> None:
    """Certificates for the gate, the service and the gateways."""
    authority = Authority(Path(job.work) / "certs")
    authority.issue_server(["localhost", "127.0.0.1"])
    for thing in [COMPUTE, *gateway_ids]:
        authority.issue(thing)
