"""The reader's own process: takes a question from stdin, limits itself, and answers with refusals in JSON."""

import dataclasses
import json
import resource
import sys
from pathlib import Path

from provisioning.screen.rules import judge
from provisioning.screen.syntax import read


def main() -> int:
    """Limit, judge, answer; 1 if the limits were too narrow."""
    question = json.load(sys.stdin)
    read(b"a = 1\n")  # the grammar is built before the limits hold
    for limit, most in (
        (resource.RLIMIT_AS, question["memory_bytes"]),
        (resource.RLIMIT_CPU, question["cpu_s"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        refusals = judge(Path(question["root"]), question["variables"], question["own"])
    except (MemoryError, RecursionError):
        return 1
    print(json.dumps([dataclasses.asdict(each) for each in refusals]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
