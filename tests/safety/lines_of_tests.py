"""A pytest plugin for the random mutants: which test executes which line, and a run of chosen tests in a chosen order.

`--record-lines FILE` reads a JSON list of source files, relative to the root, and writes over it what each test has
executed, as JSON. A process that a test starts cannot be seen into: such a test says so. `--chosen-tests FILE` runs
exactly the tests of a JSON list, in its order. `--most-cpu S` ends a run that turns in a circle. The plugin imports
nothing of the project, so that a mutant cannot change it.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

STARTS = {"subprocess.Popen", "os.fork", "os.posix_spawn"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the module says."""
    parser.addoption("--record-lines", default="")
    parser.addoption("--chosen-tests", default="")
    parser.addoption("--most-cpu", type=int, default=0)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch before the first module of the project is imported."""
    if config.option.most_cpu:
        resource.setrlimit(resource.RLIMIT_CPU, (config.option.most_cpu, config.option.most_cpu))
    if config.option.record_lines:
        config.pluginmanager.register(Recorder(Path(config.option.record_lines)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the chosen tests, in their order; all, if a mutant has changed the names of every one."""
    if config.option.chosen_tests:
        names = json.loads(Path(config.option.chosen_tests).read_text())
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in names if name in found] or items


class Recorder:
    """Watches lines, costs and starts of processes, for each test and for each file's preparations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        root = Path.cwd()
        self._files = {str(root / file): file for file in json.loads(path.read_text())}
        self._lines: set[tuple[str, int]] = set()
        self._imported: set[tuple[str, int]] = set()
        self._imports = 0  # modules whose own code is running
        self._started = False
        self._tests: dict[str, dict[str, Any]] = {}
        self._prepared: dict[str, set[tuple[str, int]]] = {}
        self._processes: set[str] = set()
        sys.addaudithook(self._hear)
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def _hear(self, event: str, _: object) -> None:
        if event in STARTS:
            self._started = True

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        self._imports += _is_module(frame)
        return self._see

    def _see(self, frame: FrameType, event: str, _argument: object) -> Any:
        line = (frame.f_code.co_filename, frame.f_lineno)
        self._lines.add(line)
        if self._imports:  # by the first test that needs the module, and every later one has what it made
            self._imported.add(line)
        self._imports -= event == "return" and _is_module(frame)
        return self._see

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """What prepares one test may prepare its whole file."""
        before, begun = self._lines, _cpu_s()
        self._lines = set()
        yield
        self._test(item)["setup_s"] = _cpu_s() - begun
        self._prepared.setdefault(_file(item), set()).update(self._lines)
        self._lines |= before

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """What the test itself executes."""
        self._lines, begun = set(), _cpu_s()
        yield
        self._test(item).update(call_s=_cpu_s() - begun, lines=self._lines)

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """A process that one test of a file started, others of it may talk to."""
        if self._started:
            self._processes.add(_file(item))
        self._started = False

    def pytest_collection_finish(self) -> None:
        """What ran until here is what an import executes, as is what a test's own imports do later."""
        self._imported |= self._lines
        self._started = False

    def pytest_sessionfinish(self) -> None:
        """Write it all down."""
        sys.settrace(None)
        threading.settrace(None)
        record = {
            "imported": self._plain(self._imported),
            "prepared": {file: self._plain(lines) for file, lines in self._prepared.items()},
            "processes": sorted(self._processes),
            "tests": {name: {**test, "lines": self._plain(test["lines"])} for name, test in self._tests.items()},
        }
        self._path.write_text(json.dumps(record))

    def _test(self, item: pytest.Item) -> dict[str, Any]:
        return self._tests.setdefault(item.nodeid, {"setup_s": 0.0, "call_s": 0.0, "lines": set()})

    def _plain(self, lines: set[tuple[str, int]]) -> list[tuple[str, int]]:
        return sorted((self._files[file], line) for file, line in lines)


def _is_module(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>"


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _cpu_s() -> float:
    return sum(os.times()[:4])
