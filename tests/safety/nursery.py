"""A Python that has pytest and the libraries of others ready, and forks for each run: a mutant's test starts at once.

It knows nothing of this project before the fork: each run imports the modules of the copy that it stands in, changed or
not. It is a program by its path, obeys its standard input, and imports what its arguments name. Each line in is a
JSON list: a file for what the run prints, seconds that it may take, and pytest's arguments. Each line out is the run's
exit code; of one that took longer the negative number of the signal that ended it.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import traceback

import pytest


def run(output: str, limit_s: int, arguments: list[str]) -> int:
    """Run pytest in a process of its own; gives its exit code."""
    child = os.fork()
    if not child:
        signal.alarm(limit_s)
        with open(output, "w") as file:  # noqa: PTH123  # nothing is imported that a test might want to see come
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 3  # pytest's own for what went wrong within it
        try:
            code = int(pytest.main(arguments))
        except BaseException:
            traceback.print_exc()  # `finally` leaves nobody else to tell of it
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # pytest collects garbage at its end: of each run, not of what it was born with
    for line in sys.stdin:
        print(run(*json.loads(line)), flush=True)  # noqa: T201  # its answer
