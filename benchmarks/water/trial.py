"""Trials: one season of one site lived under policies and faults. A process does them a season at a time."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.water import field, instruments
from benchmarks.water.controllers import CONTROLLERS
from benchmarks.water.instruments import FAULTS, NONE, Fault, Instruments, Known
from benchmarks.water.policies import SIMPLE, Policy, calendars
from benchmarks.water.sites import Site, with_faults

ORACLE_TAW = (0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)  # of TAW, the oracle's grid
STAGES = 4
LOG_LINES = 20  # in all, where no bar can be drawn
ORACLE, RAINFED, FULL = "oracle_smt", "rainfed", "full"
FAULTY = ("fused", "fao56", "shallow")  # the policies that faults are tried on

POLICIES: dict[str, Callable[[Known], Policy]] = {**calendars(), **SIMPLE, **CONTROLLERS}
ORACLES = {f"{ORACLE}_{taw_share * 100:.0f}": taw_share for taw_share in ORACLE_TAW}


@dataclass(frozen=True, slots=True)
class Task:
    """A season of a site, and what is tried on it: pairs of a policy and a fault."""

    site: Site
    sown: date
    trials: tuple[tuple[str, Fault], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one trial came to, beside the yield of the same season without any shortage of water."""

    site: Site
    sown: date
    policy: str
    fault: str
    outcome: field.Outcome
    full_yield_t_ha: float


def tasks(sites: Iterable[Site], policies: Iterable[str], seasons: int | None = None) -> list[Task]:
    """All trials of the policies that match a pattern of `wanted`, of so many seasons of each site, spread evenly."""
    names = [name for name in (*POLICIES, *ORACLES, RAINFED) if any(fnmatch(name, pattern) for pattern in policies)]
    return [
        Task(site, sown, tuple(_trials(site, names))) for site in sites for sown in _spread(site.seasons(), seasons)
    ]


def _spread(seasons: list[date], count: int | None) -> list[date]:
    if count is None or count >= len(seasons):
        return seasons
    return [seasons[place * len(seasons) // count] for place in range(count)]


def _trials(site: Site, names: list[str]) -> Iterator[tuple[str, Fault]]:
    yield from ((name, NONE) for name in names)
    if with_faults(site):
        yield from ((name, fault) for name in names if name in FAULTY for fault in FAULTS)


def carried_out(work: list[Task], jobs: int | None) -> Iterator[Result]:
    """The results of all tasks on so many processes, in the order in which they end, with a bar on stderr."""
    columns = (BarColumn(), MofNCompleteColumn(), "seasons", TimeElapsedColumn(), "left", TimeRemainingColumn())
    console = Console(stderr=True)
    context = multiprocessing.get_context("spawn")
    with Progress(*columns, console=console) as bar, ProcessPoolExecutor(jobs, context) as pool:
        running = bar.add_task("", total=len(work))
        for number, future in enumerate(as_completed([pool.submit(carry_out, task) for task in work])):
            yield from future.result()
            bar.advance(running)
            if not console.is_terminal and number * LOG_LINES % len(work) < LOG_LINES:
                print(f"{number + 1} of {len(work)} seasons", file=sys.stderr, flush=True)


def carry_out(task: Task) -> list[Result]:
    """Live the season once for each trial."""
    seed = field.sow(task.site.climate.name, task.site.soil, task.site.crop, task.sown)
    full = _live(seed, task, FULL, NONE).yield_t_ha
    return [
        Result(
            site=task.site,
            sown=task.sown,
            policy=policy,
            fault=fault.name,
            outcome=_live(seed, task, policy, fault),
            full_yield_t_ha=full,
        )
        for policy, fault in task.trials
    ]


def _live(seed: bytes, task: Task, policy: str, fault: Fault) -> field.Outcome:
    season = field.Season(seed)
    if policy in ORACLES:
        season.live_by_oracle([ORACLES[policy]] * STAGES)
    elif policy in POLICIES:
        _live_by(season, POLICIES[policy](instruments.known(task.site, fault)), fault, f"{task.site.name}/{task.sown}")
    else:
        while not season.over:
            season.live(season.shortage_mm() if policy == FULL else 0.0)
    return season.outcome()


def _live_by(season: field.Season, policy: Policy, fault: Fault, luck: str) -> None:
    installation = Instruments(season, fault, luck)
    mm = 0.0
    while not season.over:
        mm = policy.water(installation.live(mm))
