"""The water scorecard: policies in closed loop with AquaCrop, over climates, soils, crops, seasons and faults.

Every evening a policy sees what a controller would see and says tomorrow's water; the crop model says what came of it.
Rows go to benchmark-output/water.json, what the frontier is made of to water-frontier.json, its picture to water.svg.
"""

import argparse
import json
import os
import sys
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.water import plot, report, score
from benchmarks.water.sites import SITES
from benchmarks.water.trial import carried_out, tasks

OUTPUT = Path("benchmark-output")
QUICK_SITES = ("tunis/SandyLoam/Tomato", "suffolk/Loam/Tomato", "cordoba/ClayLoam/Maize")
QUICK_POLICIES = ("calendar_*_7", "calendar_*_3", "calendar_eto", "shallow", "fao56", "fused", "oracle_smt_[579]0")
QUICK_SEASONS = 2


def main() -> int:
    """Carry out the trials, write the rows, print tables and judgement."""
    options = _options()
    sites = [site for site in SITES if any(fnmatch(site.name, pattern) for pattern in options.sites)]
    if not sites:
        print(f"no site matches {' '.join(options.sites)}; a site is such as {SITES[0].name}", file=sys.stderr)
        return 2
    work = tasks(sites, options.policies, options.seasons)
    results = sorted(carried_out(work, options.jobs), key=lambda result: (sites.index(result.site), result.sown))
    rows = score.rows(results)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "water.json").write_text(json.dumps(score.published(rows), indent=1) + "\n")
    (options.output / "water-frontier.json").write_text(json.dumps(report.frontier(rows), indent=1) + "\n")
    (options.output / "water.svg").write_text(plot.svg(rows))
    print(report.text(rows))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks water", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sites", nargs="+", help="patterns such as tunis/*/Tomato (default: all)")
    parser.add_argument("--policies", nargs="+", help="patterns such as calendar_*_7 (default: all)")
    parser.add_argument("--seasons", type=int, help="only so many of each site")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="three sites, two seasons, fewer calendars, if not given")
    options = parser.parse_args()
    sites, policies, seasons = (QUICK_SITES, QUICK_POLICIES, QUICK_SEASONS) if options.quick else (["*"], ["*"], None)
    options.sites = options.sites or sites
    options.policies = options.policies or policies
    options.seasons = options.seasons or seasons
    return options


if __name__ == "__main__":
    sys.exit(main())
