"""Is each safety mechanism needed? Take it out of a copy of the source, and its named test must fail.

`python -m tests.safety.mutations [WORD...]` prints a row a mechanism (only those with a WORD in it), and ends with exit
code 1 if one could be taken out unnoticed. The checkout itself is never touched. A row whose text is no longer in its
file, once, is an error: so the list stays true.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.safety.mutation_list import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
COPIED = (
    "firmware/lib",
    "protocol",
    "checked_yaml",
    "compute_service",
    "field_time",
    "local_cloud",
    "certs",
    "tests",
    "pyproject.toml",
)
WORKERS = 2
LIMIT_S = 300  # for one test: a mutant that hangs is not caught, it wants a better test
ALL_S = 900  # for all of them, unchanged
FAILED = 1  # pytest: tests ran, and some failed


class MutationError(Exception):
    """A row does not fit the source any more, or its test cannot run."""


class Verdict(NamedTuple):
    """What became of a mutant: `caught` if the named test failed."""

    mutation: Mutation
    caught: bool
    result: str
    seconds: float


def changed(mutation: Mutation, root: Path = ROOT) -> str:
    """The source of the mutant's file. Raises MutationError if the row does not fit, or the mutant is no Python."""
    source = (root / mutation.file).read_text()
    found = source.count(mutation.text)
    if found != 1:
        raise MutationError(f"{mutation.mechanism}: {mutation.text!r} stands {found} times in {mutation.file}, want 1")
    mutant = source.replace(mutation.text, mutation.replacement)
    try:
        compile(mutant, mutation.file, "exec")
    except SyntaxError as error:
        raise MutationError(f"{mutation.mechanism}: the mutant is no Python: {error}") from error
    return mutant


def judge(mutations: Sequence[Mutation]) -> Iterator[Verdict]:
    """A verdict for each mutation, in their order. Raises MutationError."""
    for mutation in mutations:
        changed(mutation)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(WORKERS):
            copies.put(_copy(Path(folder) / str(number)))
        whole = pool.submit(_check_copy, copies, mutations)
        verdicts = [pool.submit(_judge_one, copies, mutation) for mutation in mutations]
        for verdict in verdicts:
            yield verdict.result()
        whole.result()


def _copy(target: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "issued", "*.pyc"))
        else:
            shutil.copy(ROOT / name, target / name)
    return target


def _run(copy: Path, *arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(copy), str(copy / "firmware/lib"))),  # before the checkout's own entries
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they double the time of a short test
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def _pytest(copy: Path, tests: Iterable[str], limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    plugins = ("-p", "pytest_timeout", "-p", "no:cacheprovider")
    # Folders of its own: pytest clears the common ones away at its end, and trips over others that do it just then.
    own = (f"--basetemp={_temporary(copy)}", f"--junitxml={_report(copy)}", "--override-ini=junit_family=legacy")
    return _run(copy, "-m", "pytest", *plugins, *own, "-x", "-q", "--timeout=0", *tests, limit_s=limit_s)


def _temporary(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}-temporary")


def _report(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.xml")


def _failures(copy: Path) -> int:
    """How many tests ran and failed, by pytest's own report; 0 without one."""
    report = _report(copy)
    suites = ElementTree.parse(report).iter("testsuite") if report.exists() else []
    return sum(int(suite.get("failures", 0)) for suite in suites)


def _check_copy(copies: "queue.Queue[Path]", mutations: Sequence[Mutation]) -> None:
    """Unchanged, every named test passes, and what it imports is the copy."""
    copy = copies.get()
    try:
        modules = sorted({_module(mutation.file) for mutation in mutations})
        code = f"import {', '.join(modules)}; print(*[m.__file__ for m in ({', '.join(modules)},)], sep='\\n')"
        files = _run(copy, "-c", code).stdout.split()
        strangers = [file for file in files if not Path(file).is_relative_to(copy)]
        if strangers or len(files) != len(modules):
            raise MutationError(f"not the copy's own modules are imported: {strangers or modules}")
        done = _pytest(copy, sorted({mutation.test for mutation in mutations}), ALL_S)
        if done.returncode != 0:
            raise MutationError(f"the named tests do not pass unchanged:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    finally:
        copies.put(copy)


def _module(file: str) -> str:
    return file.removeprefix("firmware/lib/").removesuffix(".py").replace("/", ".")


def _judge_one(copies: "queue.Queue[Path]", mutation: Mutation) -> Verdict:
    copy = copies.get()
    path = copy / mutation.file
    source, started = path.read_text(), time.perf_counter()
    try:
        path.write_text(changed(mutation, copy))
        _report(copy).unlink(missing_ok=True)
        done = _pytest(copy, [mutation.test])
        if done.returncode not in (0, FAILED) or (done.returncode == FAILED and not _failures(copy)):
            raise MutationError(
                f"{mutation.mechanism}: {mutation.test} cannot run:\n{done.stdout[-3000:]}{done.stderr}"
            )
        caught = done.returncode == FAILED
        return Verdict(mutation, caught, "caught" if caught else "SURVIVES", time.perf_counter() - started)
    except subprocess.TimeoutExpired:
        return Verdict(mutation, False, "HANGS", time.perf_counter() - started)
    finally:
        path.write_text(source)
        copies.put(copy)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code is 1 if a mutant survives, 2 if a row does not fit."""
    chosen = [row for row in MUTATIONS if not words or any(word in row.mechanism for word in words)]
    width = max((len(row.mechanism) for row in chosen), default=0)
    survivors = 0
    try:
        for mutation, caught, result, seconds in judge(chosen):
            survivors += not caught
            sys.stdout.write(f"{mutation.mechanism:{width}}  {result:8}  {seconds:4.1f} s  {mutation.test}\n")
            sys.stdout.flush()
    except MutationError as error:
        sys.stderr.write(f"mutations: {error}\n")
        return 2
    sys.stdout.write(f"{len(chosen)} mechanisms, {survivors} could be taken out unnoticed\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
