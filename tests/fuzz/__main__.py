"""The long run of the fuzz room, one document of it again, or what of the readers a sample has reached."""

import argparse
import sys
import time

from tests.fuzz.branches import described
from tests.fuzz.long_run import long_run, reached
from tests.fuzz.room import FoundError, run
from tests.fuzz.table import TABLE


def main(arguments: list[str] | None = None) -> int:
    """0 if no reader has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"readers, all by default: {', '.join(TABLE)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="documents for each reader (those of `make soak`)")
    parser.add_argument("--index", type=int, help="this document alone")
    parser.add_argument("--branches", action="store_true", help="which branches a sample takes, and which not")
    parser.add_argument("--processes", type=int, default=0, help="at once (one a core)")
    options = parser.parse_args(arguments)
    for name in options.names or TABLE:
        try:
            _one(name, options)
        except FoundError as fault:
            print(fault, file=sys.stderr)
            return 1
    return 0


def _one(name: str, options: argparse.Namespace) -> None:
    row = TABLE[name]
    if options.index is not None:
        accepted = run(name, row.reader, options.seed, range(options.index, options.index + 1))
        print(f"{name} {options.index}: {'accepted' if accepted else 'refused'}")
    elif options.branches:
        trace = reached(name, options.seed, options.count or row.reader.sample)
        print(*map(described, trace.missing()), f"{name}: {trace.share():.1%} of the branches", sep="\n", flush=True)
    else:
        begun = time.monotonic()
        result = long_run(name, options.seed, options.count or row.soak, options.processes)
        print(f"{result}; {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
