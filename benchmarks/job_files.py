"""A thousand job files in one call of `generate`, beside the mere reading of their YAML.

The jobs are those that are shipped, each many times, of tenants of their own. Seconds are of CPU; each is the least of
some rounds that take turns. The bound holds for `yaml.safe_load` of the same texts; what the house's own reading takes,
which knows each value's line, and what PyYAML takes with libyaml is told beside it.
"""

import argparse
import io
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import yaml

from checked_yaml import document
from provisioning.job_files.command import main as generate

ROOT = Path(__file__).parents[1]
MOST_TIMES = 2.0
ROUNDS = 3


def lay(folder: Path, count: int) -> list[Path]:
    """So many job files below a folder, with their assets and connectors; gives their paths."""
    texts = []
    for place in (ROOT, ROOT / "terraform" / "examples"):
        for name in ("assets", "connectors"):
            shutil.copytree(place / name, folder / name, dirs_exist_ok=True)
        texts += [path.read_text() for path in sorted(place.glob("jobs/*/*.yaml"))]
    paths = [folder / f"{number}.yaml" for number in range(count)]
    for number, path in enumerate(paths):
        tenant = f"tenant_id: t{number}-"
        path.write_text(texts[number % len(texts)].replace("tenant_id: ", tenant))
    return paths


def read(paths: list[Path]) -> None:
    """As `generate` reads them: nodes with their lines, and their values."""
    for path in paths:
        document.plain(document.read(path, "docs/job-files.md"), path)


def make(paths: list[Path], out: Path) -> None:
    """The whole call, as a person's; raises SystemExit if it does not make a root of each."""
    words = [*map(str, paths), "--root", str(paths[0].parent), "--output-dir", str(out)]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as errors:
        code = generate(words)
    if code or len(list(out.iterdir())) != len(paths):
        raise SystemExit(f"job_files: {errors.getvalue()}")


def measure(folder: Path, count: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of CPU of the call, and of each way to read the same files."""
    paths = lay(folder, count)
    texts = [path.read_bytes() for path in paths]
    numbers = itertools.count()
    ways: Mapping[str, Callable[[], object]] = {
        "generate": lambda: make(paths, folder / f"out{next(numbers)}"),
        "read": lambda: read(paths),
        "yaml.safe_load": lambda: [yaml.safe_load(text) for text in texts],
        "yaml.CSafeLoader": lambda: [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            way()
            times[name].append(time.process_time() - started)
    return {name: min(each) for name, each in times.items()}


def main() -> int:
    """The command line; gives the exit code: 1 if the bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks job_files", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(Path(folder), options.jobs)
    for name, cpu_s in seconds.items():
        print(f"{name:18}{cpu_s:8.3f} s of CPU; generate takes {seconds['generate'] / cpu_s:5.2f} times as much")
    return 0 if seconds["generate"] <= MOST_TIMES * seconds["yaml.safe_load"] else 1


if __name__ == "__main__":
    sys.exit(main())
