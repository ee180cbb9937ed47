"""The sample of random mutants: what it changes, how it counts, and in `make soak` how many of them are caught."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.safety import random_mutants
from tests.safety.choice_of_tests import Record
from tests.safety.mutations import ROOT
from tests.safety.random_mutants import (
    PLUGIN,
    TESTS,
    Score,
    changes_of,
    equivalents,
    judge,
    mutants_of,
    sample,
    summary,
    write_line,
)

LEAST = 600
LEAST_SHARE = 0.95  # the lower end of the interval


def test_every_safety_file_has_mutants_and_tests() -> None:
    """A file that moved, or whose tests did, is told here, and not by hours of runs that judge nothing."""
    for file, tests in TESTS.items():
        assert len(mutants_of(file)) >= 40, file
        assert all((ROOT / test).exists() for test in tests), file


@pytest.mark.parametrize("file", ["protocol/json_text.py", "local_cloud/gate.py"])
def test_every_mutant_is_python_and_another_program(file: str) -> None:
    """One that cannot be read would count as caught, one that says the same as a survivor."""
    source = (ROOT / file).read_bytes()
    same = ast.dump(ast.parse(source))
    for mutant in mutants_of(file):
        assert ast.dump(ast.parse(mutant.applied(source))) != same, mutant.described(source)


def test_what_is_known_to_mean_the_same_is_there_and_has_its_reason() -> None:
    """A change that is left out of the sample is one of the source as it is now, says why, and is left out."""
    for row in equivalents():
        source = (ROOT / row.file).read_bytes()
        found = {mutant for mutant in changes_of(row.file) if row.means(mutant, source)}
        assert found, row
        assert len(row.why.split()) >= 4, row
        assert not found & set(mutants_of(row.file))


def test_a_seed_is_a_sample() -> None:
    """The same seed gives the same mutants, so that a survivor can be looked at again; another gives others."""
    assert sample(LEAST, 1) == sample(LEAST, 1) != sample(LEAST, 2)
    assert len(set(sample(LEAST, 1))) == LEAST
    assert {mutant.file for mutant in sample(LEAST, 1)} == set(TESTS)
    assert {mutant.file for mutant in sample(10, 1, ["gate.py"])} == {"local_cloud/gate.py"}


@pytest.mark.parametrize(
    ("caught", "total", "low", "high"), [(600, 600, 0.9936, 1.0), (570, 600, 0.9295, 0.9648), (0, 10, 0.0, 0.2775)]
)
def test_the_interval_is_wilsons(caught: int, total: int, low: float, high: float) -> None:
    """What the document says of the score is what its sample can tell."""
    assert Score(caught, total, []).interval() == pytest.approx((low, high), abs=1e-4)


def test_the_kinds_of_changes() -> None:
    """Operators, numbers, conditions, statements and answers each have theirs; annotations and texts have none."""
    code = "def f(a: 'x' = 1) -> int:\n    g(1)\n    if a < 2 and not a:\n        return min(a, 3)\n    return f'{a}'\n"
    texts = [text for node in random_mutants._code(ast.parse(code)) for text in random_mutants._changes(node)]
    conditions = ["(a < 2 or not a)", "(not a)", "(a < 2)", "(a <= 2)", "(a)"]
    assert sorted(texts) == sorted([*conditions, "pass", "2", "3", "4", "(max(a, 3))", "return None", "return None"])


def test_the_tests_that_can_notice(tmp_path: Path) -> None:
    """First the cheapest that execute the line, then what is prepared by it or starts processes; all, if none does."""
    names = ("a.py::dear", "a.py::cheap", "b.py::prepared", "b.py::other", "p.py::starts", "c.py::elsewhere")
    tests: dict[str, dict[str, Any]] = {name: {"setup_s": 0.0, "call_s": 0.1, "lines": [["f", 2]]} for name in names}
    tests["a.py::dear"].update(call_s=2.0, lines=[["f", 1]])
    tests["a.py::cheap"].update(lines=[["f", 1]])
    run = {"imported": [["f", 9]], "prepared": {"b.py": [["f", 1]]}, "processes": ["p.py"], "tests": tests}
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run))

    def chosen(line: int) -> list[list[str]]:
        choices = Record([path]).choices({("f", line)}, ["a.py", "b.py", "p.py"])
        return [[test.name for test in choice.tests] for choice in choices]

    assert chosen(1) == [["a.py::cheap", "a.py::dear"], ["p.py::starts", "b.py::prepared", "b.py::other"]]
    for line in (7, 9):
        assert sorted(name for part in chosen(line) for name in part) == sorted(names[:5])


LATE = """
class Late:
    LIMIT = 3

    def is_within(self, value):
        return value < self.LIMIT
"""
LATE_TESTS = """
def test_first():
    from late import Late
    assert Late.LIMIT

def test_second():
    from late import Late
    assert Late().is_within(2)

def test_third():
    assert True
"""


def test_a_module_that_a_test_imports_is_everybodys(tmp_path: Path) -> None:
    """Of two tests that need a module the first executes its lines, but any test may notice them."""
    for name, text in (("late.py", LATE), ("test_late.py", LATE_TESTS), ("run.json", '["late.py"]')):
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "--record-lines=run.json"]
    subprocess.run([*command, "test_late.py"], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    record = Record([tmp_path / "run.json"])

    def asked(text: str) -> list[set[str]]:
        line = 1 + LATE.splitlines().index(text)
        choices = record.choices({("late.py", line)}, ["test_late.py"])
        return [{test.name.partition("::")[2] for test in choice.tests} for choice in choices]

    for text in ("class Late:", "    LIMIT = 3", "    def is_within(self, value):"):
        assert asked(text) == [{"test_first"}, {"test_second", "test_third"}]
    assert asked("        return value < self.LIMIT") == [{"test_second"}]


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
def test_a_sample_of_mutants_is_caught() -> None:
    """Of 600 small changes of the safety files the tests notice most; who was not noticed is printed."""
    score = judge(sample(LEAST, 1))
    for survivor in score.survivors:
        write_line(f"SURVIVES  {survivor}")
    write_line(summary(score))
    assert score.total == LEAST
    assert score.interval()[0] >= LEAST_SHARE
