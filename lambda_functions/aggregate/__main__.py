"""The aggregate once, as a program, with the variables of the function: SOURCE_BUCKET, SOURCE_PREFIX and so on.

Prints the counts as a line of JSON. Bad settings, or a lake that cannot be written, are one line on stderr and code 1.
"""

import argparse
import json
import logging
import sys

from lambda_functions.aggregate.index import handler
from lambda_functions.lake.errors import AggregateError


def main() -> int:
    """Aggregate what is new; the exit code of the process."""
    argparse.ArgumentParser(prog="python -m lambda_functions.aggregate", description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        report = handler({}, None)
    except AggregateError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
