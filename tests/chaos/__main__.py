"""`python -m tests.chaos`: a farm under fault, in a mount namespace of its own; `test_chaos.py` says how it begins."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from tests.chaos.report import report_of, text
from tests.chaos.run import run


def main() -> int:
    """Run, judge, print; 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--gateways", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1800, help="of real time under fault (%(default)s)")
    parser.add_argument("--speed", type=float, default=20, help="field time over real time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge", action="store_true", help="judge what a run left there, and run nothing")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    shape = {"gateways": options.gateways, "seconds": options.seconds, "seed": options.seed, "speed": options.speed}
    if not options.judge:
        asyncio.run(run(options.out, **shape))
    report = report_of(options.out)
    print(text(report))
    return 1 if report["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
