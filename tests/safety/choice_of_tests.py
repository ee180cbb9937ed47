"""Which tests can notice a change of a line: a run of all of them, watched once, answers that for each mutant."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Line = tuple[str, int]  # file and number
FIRST = 20  # tests that most mutants do not outlive


class Watched(NamedTuple):
    """A test: its file, what it costs (CPU s, with what is prepared for its file), and the lines that it executes."""

    name: str
    file: str
    cost_s: float
    lines: frozenset[Line]


class Choice(NamedTuple):
    """Tests to run one after the other, and CPU seconds that they cost."""

    tests: list[Watched]

    @property
    def files(self) -> list[str]:
        """The files in which the tests are."""
        return sorted({test.file for test in self.tests})

    @property
    def cost_s(self) -> float:
        """CPU seconds of all of them, the preparations of a file counted with each test: an upper bound."""
        return sum(test.cost_s for test in self.tests)


class Record:
    """What `lines_of_tests` has written of one or several runs."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.tests: list[Watched] = []
        self._imported: set[Line] = set()
        self._prepared: dict[str, set[Line]] = {}
        self._processes: set[str] = set()
        for path in paths:
            self._add(json.loads(path.read_text()))

    def _add(self, run: dict[str, Any]) -> None:
        self._imported |= _lines(run["imported"])
        self._prepared |= {file: _lines(rows) for file, rows in run["prepared"].items()}
        self._processes |= set(run["processes"])
        setup_s: dict[str, float] = {}
        for name, test in run["tests"].items():
            file = name.partition("::")[0]
            setup_s[file] = max(setup_s.get(file, 0.0), test["setup_s"])
        for name, test in run["tests"].items():
            file = name.partition("::")[0]
            cost_s = setup_s[file] + test["call_s"]
            self.tests.append(Watched(name, file, cost_s, frozenset(_lines(test["lines"]))))

    def choices(self, lines: set[Line], places: Sequence[str]) -> list[Choice]:
        """Of the tests in `places` (files or folders) those that can notice a change of these lines, cheapest first.

        In two parts: the cheapest that execute a line, and all the others that do, that import it, that are prepared by
        it, or that start a process, which nobody watched. If none does, every test may notice.
        """
        tests = [test for test in self.tests if any(_is_in(test.file, place) for place in places)]
        direct = sorted((test for test in tests if test.lines & lines), key=lambda test: test.cost_s)
        first = direct[:FIRST]
        rest = [test for test in tests if test not in first and self._can_notice(test, lines)]
        if not first and not any(test.file not in self._processes for test in rest):
            rest = tests
        return [choice for choice in (Choice(_by_file(first)), Choice(_by_file(rest))) if choice.tests]

    def _can_notice(self, test: Watched, lines: set[Line]) -> bool:
        prepared = self._prepared.get(test.file, set())
        return test.file in self._processes or bool((test.lines | prepared | self._imported) & lines)


def _by_file(tests: list[Watched]) -> list[Watched]:
    """Files stay whole, so that each is prepared once; the cheapest file first, and in it the cheapest test."""
    totals: dict[str, float] = {}
    for test in tests:
        totals[test.file] = totals.get(test.file, 0.0) + test.cost_s
    return sorted(tests, key=lambda test: (totals[test.file], test.file, test.cost_s))


def _is_in(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


def _lines(rows: Iterable[Sequence[Any]]) -> set[Line]:
    return {(file, line) for file, line in rows}
