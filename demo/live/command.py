"""The command line of the live farm: reads the options, says how the farm is steered, and tells what happens."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from demo.command import whole
from demo.errors import KNOWN_TROUBLE
from demo.job import ZONE_FILE
from demo.live.orchestrator import Audience, run_live
from demo.preparation import (
    FORECAST_FILE,
    issue_identities,
    job_of,
    participants_of,
    roomy_folder,
    work_folder,
    write_zones,
)
from gateway_sim import scenario as scenarios
from gateway_sim.errors import SimError
from gateway_sim.scenario import MOST_DAYS, MOST_GATEWAYS, MOST_SEED, Scenario

LEAST_SPEED, MOST_SPEED = 0.1, 60.0
DAYS = 60
LEFT_BY_A_RUN = (ZONE_FILE, FORECAST_FILE, "compute.sqlite*", "logs", "events")


def main(words: list[str] | None = None, *, wall_clock: Callable[[], float]) -> int:
    """Run the farm until Ctrl-C, or its days are over: 0; 2 for what the user can mend. `wall_clock`: Unix seconds."""
    arguments = _parser().parse_args(words)
    try:
        give(arguments, wall_clock)
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"live: {' '.join(str(error).split())}\n")
        return 2
    return 0


def give(arguments: argparse.Namespace, wall_clock: Callable[[], float]) -> None:
    """Run it; zones file, store, logs and events stay in the output folder. Raises what KNOWN_TROUBLE lists."""
    scenario = _scenario(arguments)
    out = roomy_folder(Path(arguments.out), LEFT_BY_A_RUN)
    zones = write_zones(scenario, out / ZONE_FILE)
    zone_id = zones["zones"][0]["zone_id"]
    with work_folder() as work:
        (work / "events").rmdir()
        (out / "events").mkdir()
        (work / "events").symlink_to(out / "events")  # so that people can read along
        job = replace(job_of(scenario, arguments, work, out), is_live=True)
        issue_identities(job, [gateway.gateway_id for gateway in scenario.farm.gateways])
        audience = Audience(say=_say, ready=lambda: _introduce(out, zone_id, arguments.speed))
        asyncio.run(run_live(job, participants_of(scenario), arguments.speed, wall_clock, audience))


def _scenario(arguments: argparse.Namespace) -> Scenario:
    """The scenario, for as many days as were asked for; else for DAYS or, where its weather ends before, its own."""
    overrides = {"gateways": arguments.gateways, "weather": Path(arguments.weather) if arguments.weather else None}
    load = partial(scenarios.load, arguments.scenario, seed=arguments.seed, **overrides)
    if arguments.days:
        return load(days=arguments.days)
    try:
        return load(days=DAYS)
    except SimError:
        return load()


def _introduce(out: Path, zone_id: str, speed: float) -> None:
    store = out / "compute.sqlite"
    pace = "in real time" if speed == 1 else f"at {speed:g} times real time"
    _say(f"the farm is up, {pace}; Ctrl-C ends it")
    _say(f"store: {store}")
    for words in ("status", f"open {zone_id} --minutes 10", f"close {zone_id}", "stop", "resume"):
        _say(f"  python -m compute_service {words} --store {store}")
    _say("  make console   the page, in another terminal")
    _say(f"events: {out / 'events'}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.live", description="Keep a farm running on this machine, for people to steer."
    )
    names = ", ".join(scenarios.names())
    parser.add_argument("--speed", type=_speed, default=1.0, help="field time over real time (%(default)s)")
    parser.add_argument("--scenario", default=scenarios.DEFAULT, help=f"{names}, or a file (%(default)s)")
    parser.add_argument("--gateways", type=whole(1, MOST_GATEWAYS), help="how many, where the scenario draws them (8)")
    parser.add_argument("--days", type=whole(1, MOST_DAYS), help=f"field days at most ({DAYS})")
    parser.add_argument("--seed", type=whole(0, MOST_SEED), help="another seed is another farm (the scenario's; 1)")
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded", help="the inner broker")
    parser.add_argument("--weather", default="", help="hourly CSV (the scenario's)")
    parser.add_argument("--out", default="live-output", help="what stays; replaces an earlier run (%(default)s)")
    return parser


def _speed(text: str) -> Any:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise argparse.ArgumentTypeError(
            f"want a number from {LEAST_SPEED} to {MOST_SPEED:g}, got {text!r}: faster, a person's open is too old"
            " before the service can obey it"
        )
    return speed
