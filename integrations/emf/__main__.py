"""CloudWatch's embedded metrics of a farm, on standard output: `python -m integrations.emf --store FILE`."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import ComputeError
from compute_service.interruption import interruption
from integrations.emf.lines import line
from integrations.farm_now import FarmReader

POLL_S = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for whatever happens, until SIGINT or SIGTERM; bad input ends with one line and exit code 2."""
    args = _parser().parse_args(arguments)
    stop = interruption()
    try:
        with closing(SqliteStore.reader(args.store)) as store:
            farm, seq = FarmReader(store).config().farm, store.journal.newest() if args.after is None else args.after
            while True:
                for row in store.journal.after(seq):
                    seq = row["seq"]
                    if document := line(row, farm):
                        print(json.dumps(document), flush=True)
                if args.once or stop.wait(POLL_S):
                    return 0
    except ComputeError as error:
        print(f"emf: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.emf", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="the compute service's file")
    parser.add_argument("--after", type=int, metavar="SEQ", help="begin after this place in the journal, not now")
    parser.add_argument("--once", action="store_true", help="stop at the journal's end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
