"""Run a command again and again beside a load, and end with 1 if any round failed.

    python scripts/beside_load.py --load 4 --rounds 10 [--python-tests FILE] COMMAND...

The load is so many processes that do nothing but count. They end with this script, whatever ends it. With
`--python-tests` the words of that file, one test path a line, follow the command.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# It looks now and then whether its input is still open: that ends with its parent, even a killed one.
BUSY = "import select, sys\nwhile not select.select([sys.stdin], [], [], 0)[0]:\n    sum(range(1_000_000))"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many busy processes for the time of the block."""
    children = [subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.communicate()


def run_rounds(command: Sequence[str], rounds: int) -> Iterator[tuple[int, float]]:
    """The exit code and the seconds of each round."""
    for number in range(1, rounds + 1):
        began = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        took_s = time.monotonic() - began
        print(
            f"round {number} of {rounds}: {'passed' if code == 0 else f'FAILED ({code})'}, {took_s:.0f} s", flush=True
        )
        yield code, took_s


def main(words: Sequence[str]) -> int:
    """Print each round and a table of all; 0 if every round passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--load", type=int, default=4, help="busy processes beside it (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="how often (%(default)s)")
    parser.add_argument("--python-tests", type=Path, metavar="FILE", help="test paths to add to the command")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(words)
    if options.rounds < 1 or options.load < 0 or not options.command:
        parser.error("want a command, at least one round, and no load below zero")
    tests = _lines(options.python_tests) if options.python_tests else []
    with busy(options.load):
        rounds = list(run_rounds([*options.command, *tests], options.rounds))
    failed = [number for number, (code, _) in enumerate(rounds, 1) if code]
    seconds = sorted(took_s for _, took_s in rounds)
    print(f"{'rounds':>8}{'failed':>8}{'load':>6}{'least s':>9}{'median s':>10}{'most s':>8}")
    median_s = seconds[len(seconds) // 2]
    print(f"{len(rounds):8}{len(failed):8}{options.load:6}{seconds[0]:9.0f}{median_s:10.0f}{seconds[-1]:8.0f}")
    if failed:
        print(f"failed: {', '.join(map(str, failed))}")
    return 1 if failed else 0


def _lines(path: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
