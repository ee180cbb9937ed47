"""The scenario that a job names, with what counts instead of what that says."""

from pathlib import Path

from demo.job import DAY_S, Job
from gateway_sim import scenario as scenarios
from gateway_sim.scenario import Scenario


def scenario_of(job: Job) -> Scenario:
    """The scenario as every process of the demonstration sees it."""
    return scenarios.load(
        job.scenario,
        gateways=job.gateways,
        days=(job.end - job.start) // DAY_S,
        seed=job.seed,
        weather=Path(job.weather) if job.weather else None,
    )
